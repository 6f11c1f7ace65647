// One thing that people do with isomorphic-git, and what came of it as JSON.
//
//   node isomorphic.js MODULES CASE URL TOKEN FOLDER
//
// MODULES is the folder into which isomorphic-git was installed; FOLDER the clone to work in.
const [modules, name, url, token, dir] = process.argv.slice(2)
const require_ = require('module').createRequire(`${modules}/`)
const git = require_('isomorphic-git')
const http = require_('isomorphic-git/http/node')
const fs = require('fs')

const author = { name: 'Ada', email: 'ada@example.com' }
const onAuth = () => ({ username: 'git', password: token })
const onAuthFailure = () => ({ cancel: true })
const way = { fs, http, dir, url, onAuth, onAuthFailure }

async function commit(path, content) {
  fs.writeFileSync(`${dir}/${path}`, content)
  await git.add({ fs, dir, filepath: path })
  return git.commit({ fs, dir, message: path, author })
}

async function subjects(depth) {
  const entries = await git.log({ fs, dir, depth })
  return entries.map(entry => entry.commit.message.trim())
}

const cases = {
  clone: async () => {
    await git.clone({ ...way })
    return { head: await git.resolveRef({ fs, dir, ref: 'HEAD' }), tags: await git.listTags({ fs, dir }) }
  },
  branch: async () => {
    await git.clone({ ...way, ref: 'open', singleBranch: true, noTags: true })
    return { branches: await git.listBranches({ fs, dir, remote: 'origin' }), subjects: await subjects(1) }
  },
  shallow: async () => {
    await git.clone({ ...way, depth: 2, singleBranch: true })
    return { subjects: await subjects() }
  },
  deepen: async () => {
    await git.clone({ ...way, depth: 1, singleBranch: true })
    await git.fetch({ ...way, ref: 'main', depth: 1, relative: true, singleBranch: true })
    return { subjects: await subjects() }
  },
  since: async () => {
    await git.clone({ ...way, since: new Date(1700000000000 + 86400000 * 39.5), singleBranch: true })
    return { subjects: await subjects() }
  },
  exclude: async () => {
    await git.clone({ ...way, exclude: ['refs/tags/light'], singleBranch: true })
    return { subjects: await subjects() }
  },
  refs1: async () => git.listServerRefs({ http, url, onAuth, symrefs: true, protocolVersion: 1 }),
  refs2: async () =>
    git.listServerRefs({ http, url, onAuth, symrefs: true, peelTags: true, protocolVersion: 2 }),
  prefix: async () =>
    git.listServerRefs({ http, url, onAuth, prefix: 'refs/tags/', protocolVersion: 2 }),
  info: async () => {
    const told = await git.getRemoteInfo2({ http, url, onAuth, protocolVersion: 2 })
    return { version: told.protocolVersion, capabilities: Object.keys(told.capabilities) }
  },
  fetch: async () => git.fetch({ ...way, ref: 'main' }),
  prune: async () => git.fetch({ ...way, prune: true, tags: true }),
  push: async () => {
    const head = await commit('mine', 'mine')
    return { head, answer: await git.push({ ...way, ref: 'main' }) }
  },
  first: async () => {
    await git.init({ fs, dir, defaultBranch: 'main' })
    const head = await commit('a', '1')
    return { head, answer: await git.push({ ...way, ref: 'main' }) }
  },
  elsewhere: async () => git.push({ ...way, ref: 'main', remoteRef: 'refs/heads/new' }),
  remove: async () => git.push({ ...way, ref: 'main', remoteRef: 'refs/heads/open', delete: true }),
  tag: async () => {
    await git.annotatedTag({ fs, dir, ref: 'v9', message: 'nine', tagger: author })
    return git.push({ ...way, ref: 'v9' })
  },
  behind: async () => {
    await commit('mine', 'mine')
    return git.push({ ...way, ref: 'main' })
  },
  force: async () => {
    const head = await commit('mine', 'mine')
    return { head, answer: await git.push({ ...way, ref: 'main', force: true }) }
  },
  hidden: async () => git.push({ ...way, ref: 'main', remoteRef: 'refs/imprint/mine' }),
}

cases[name]().then(
  value => console.log(JSON.stringify({ value })),
  error => console.log(JSON.stringify({ error: error.code || error.name, text: error.message })),
)
