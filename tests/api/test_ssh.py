"""Git over SSH, with the stock clients of git and OpenSSH."""

import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from dulwich.client import get_transport_and_path
from dulwich.repo import Repo

from imprint.api.ssh.host_key import host_key_path
from imprint.store.actors import Verb
from imprint.store.hosting.access import SessionSeed
from imprint.store.hosting.keys import SshKey
from imprint.store.types import RepositoryName

pytestmark = pytest.mark.skipif(
    not (shutil.which("ssh") and shutil.which("ssh-keygen")), reason="needs OpenSSH's client"
)
READ = frozenset({Verb.READ})
VERSION_2 = ("-o", "SetEnv=GIT_PROTOCOL=version=2")


@pytest.fixture(scope="module")
def ada(server, keys):
    """A key that may read and write everything."""
    key = keys.make()
    keys.register(server, key, "*")
    return key


def wait_until(holds, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def test_a_stock_client_clones_pushes_and_fetches(server, keys, ada) -> None:
    name = server.repository()
    git = keys.client(server, ada)
    first = git.commit({"a.txt": "one\n"}, "Begin")
    git("push", "-q", keys.url(server, name), "HEAD:refs/heads/main")
    other = keys.client(server, ada)
    other("clone", "-q", keys.url(server, name), "clone")
    assert other("-C", "clone", "rev-parse", "HEAD") == first
    second = git.commit({"a.txt": "two\n"}, "Go on")
    git("push", "-q", keys.url(server, name), "HEAD:refs/heads/main")
    other("-C", "clone", "pull", "-q")
    assert other("-C", "clone", "rev-parse", "HEAD") == second
    git("push", "-q", keys.url(server, name), "HEAD:refs/heads/topic")
    git("push", "-q", keys.url(server, name), ":refs/heads/topic")
    assert other("-C", "clone", "ls-remote", "--heads").split() == [second, "refs/heads/main"]


@pytest.mark.parametrize("version", [0, 1, 2])
def test_every_version_of_the_protocol_is_spoken(server, keys, ada, sample, version: int) -> None:
    git = keys.client(server, ada)
    git.environment["GIT_TRACE_PACKET"] = str(git.folder / "trace")
    git("-c", f"protocol.version={version}", "clone", "-q", keys.url(server, sample.name), "clone")
    assert git("-C", "clone", "rev-parse", "HEAD") == sample.unknown
    said = (git.folder / "trace").read_text()
    assert ("version 2" in said) == (version == 2)
    assert ("version 1" in said) == (version == 1)


def test_shallow_and_partial_clones_deepen_and_complete(server, keys, ada, sample) -> None:
    git = keys.client(server, ada)
    git("clone", "-q", "--depth=1", keys.url(server, sample.name), "shallow")
    assert git("-C", "shallow", "rev-list", "--count", "HEAD") == "1"
    git("-C", "shallow", "fetch", "-q", "--unshallow")
    assert int(git("-C", "shallow", "rev-list", "--count", "HEAD")) > 1
    git("clone", "-q", "--no-checkout", "--filter=blob:none", keys.url(server, sample.name), "partial")
    assert git("-C", "partial", "show", "HEAD:README.md").startswith("# App")


def test_a_push_is_atomic_when_asked_and_takes_options(server, keys, ada) -> None:
    name = server.repository()
    git = keys.client(server, ada)
    git.commit({"a": "1"}, "Begin")
    git("push", "-q", "-o", "ci.skip", keys.url(server, name), "HEAD:refs/heads/main")
    git("commit", "-q", "--amend", "--allow-empty", "-m", "Other")
    refs = ["HEAD:refs/heads/main", "HEAD:refs/heads/new"]
    git.refused("push", "-q", "--atomic", keys.url(server, name), *refs)
    assert "refs/heads/new" not in git("ls-remote", keys.url(server, name))
    git("push", "-q", "--atomic", keys.url(server, name), *(f"+{each}" for each in refs))
    assert "refs/heads/new" in git("ls-remote", keys.url(server, name))


def test_what_is_delivered_is_that_of_the_key_and_its_session(server, keys) -> None:
    name = server.repository()
    key = keys.make("ecdsa")
    seed = SessionSeed("s-ssh", agent="codex", prompt="Do it.")
    token = keys.register(server, key, name, actor="agent-ssh", session=seed)
    git = keys.client(server, key, name="agent-ssh", email="agent-ssh@agents.example.com")
    head = git.commit({"a.py": "def f():\n    return 1\n"}, "Do it")
    git("push", "-q", keys.url(server, name), "HEAD:refs/heads/main")
    record = server.hosting.get(RepositoryName.parse(name)).record
    event = server.hosting.catalogue.list_events(record.id)[-1]
    assert (event.actor, event.token_id) == ("agent-ssh", token.id)
    assert (event.claim.session, event.claim.agent) == ("s-ssh", "codex")
    server.settle()
    why = server.client(server.admin).get(f"/api/repos/{name}/why", params={"path": "a.py", "line": 2}).json()
    assert why["commit"] == head
    assert why["delivered"]["actor"] == "agent-ssh"
    assert (why["claims"][0]["evidence"], why["claims"][0]["session"]) == ("bound", "s-ssh")


def test_a_key_that_nobody_registered_stays_outside(server, keys, sample) -> None:
    stranger = keys.make()
    told = keys.client(server, stranger).refused("ls-remote", keys.url(server, sample.name))
    assert "Permission denied (publickey)" in told


def test_no_user_name_and_no_password_gets_in(server, keys, sample) -> None:
    key = keys.make()
    options = ("-o", "PreferredAuthentications=password,keyboard-interactive,none,hostbased", "-l", "admin")
    done = keys.run(server, key, f"git-upload-pack '{sample.name}'", options=options)
    assert done.returncode == 255
    assert b"Permission denied (publickey)" in done.stderr


def test_any_user_name_is_as_good_as_another(server, keys, ada, sample) -> None:
    git = keys.client(server, ada)
    git("ls-remote", keys.url(server, sample.name).replace("git@", "somebody@"))


def test_a_revoked_key_ends_with_the_next_command_even_on_an_open_connection(server, keys, sample) -> None:
    key = keys.make()
    token = keys.register(server, key, sample.name, verbs=READ)
    shared = ("-o", f"ControlPath={keys.folder / 'master'}")
    with keys.ask(server, key, options=(*shared, "-o", "ControlMaster=yes", "-N")) as master:
        wait_until((keys.folder / "master").exists)
        ask = [f"git-upload-pack '{sample.name}'"]
        before = keys.run(server, key, *ask, options=shared, stdin=b"0000")
        assert before.returncode == 0, before.stderr
        server.hosting.catalogue.revoke_token(token.id, server.clock.now_ms())
        after = keys.run(server, key, *ask, options=shared, stdin=b"0000")
        assert after.returncode == 128
        assert f"imprint: token {token.id} was revoked".encode() in after.stderr
        assert after.stdout == b""
        master.terminate()
    assert "Permission denied" in keys.client(server, key).refused("ls-remote", keys.url(server, sample.name))


def test_a_key_for_reading_does_not_push(server, keys, sample) -> None:
    key = keys.make()
    keys.register(server, key, sample.name, verbs=READ)
    git = keys.client(server, key)
    git("fetch", "-q", keys.url(server, sample.name), "main")
    git("checkout", "-q", "-b", "mine", "FETCH_HEAD")
    git.commit({"mine": "1"}, "Mine")
    told = git.refused("push", keys.url(server, sample.name), "HEAD:refs/heads/mine")
    assert f"imprint: this token may not write {sample.name}; use a token with the verb 'write'" in told


def test_a_hidden_repository_is_answered_like_a_missing_one(server, keys, sample) -> None:
    key = keys.make()
    keys.register(server, key, server.repository(), verbs=READ)
    said = []
    for name in (sample.name, "nobody/nothing"):
        done = keys.run(server, key, f"git-upload-pack '/{name}.git'")
        said.append((done.returncode, done.stdout, done.stderr.decode().replace(name, "NAME")))
    assert said[0] == said[1]
    assert said[0][:2] == (128, b"")
    assert "imprint: no repository 'NAME' here" in said[0][2]


@pytest.mark.parametrize("path", ["'/{}.git'", "'/{}'", "'{}.git'", "{}", '"{}"'])
@pytest.mark.parametrize("program", ["git-upload-pack", "git upload-pack"])
def test_a_path_is_written_in_several_ways(server, keys, ada, sample, program: str, path: str) -> None:
    command = f"{program} {path.format(sample.name)}"
    done = keys.run(server, ada, command, options=VERSION_2, stdin=b"0000")
    assert done.returncode == 0, done.stderr
    assert b"version 2" in done.stdout


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("git-upload-pack 'acme/app' ; id", 1, "takes one path"),
        ("git-upload-pack acme/app; id", 1, "takes one path"),
        ("git-upload-pack --strict 'acme/app'", 1, "takes one path"),
        ("git-upload-pack", 1, "takes one path"),
        ("git-upload-pack 'acme/app", 1, "cannot be read"),
        ("git-upload-pack '--upload-pack=id'", 128, "is not a repository name"),
        ("git-upload-pack '../../etc/passwd'", 128, "is not a repository name"),
        ("git-upload-pack 'acme/../acme/app'", 128, "is not a repository name"),
        ("git-upload-pack '//acme/app'", 128, "is not a repository name"),
        ("git-upload-pack '~/acme/app'", 128, "is not a repository name"),
        ("git-upload-pack ''", 128, "is not a repository name"),
        ("git-upload-pack $(id)", 128, "is not a repository name"),
        ("git-upload-pack 'acme/app\n'", 128, "is not a repository name"),
        ("git-receive-pack 'acme/app/more'", 128, "is not a repository name"),
        ("git-upload-archive 'acme/app'", 1, "archives are not served"),
        ("git-lfs-transfer acme/app upload", 1, "is not run here"),
        ("git", 1, "is not run here"),
        ("git --exec-path=. upload-pack acme/app", 1, "is not run here"),
        ("id", 1, "is not run here"),
        ("sh -c 'git-upload-pack acme/app'", 1, "is not run here"),
        ("scp -t /", 1, "is not run here"),
    ],
)
def test_nothing_else_is_run(server, keys, ada, *, command: str, status: int, said: str) -> None:
    done = keys.run(server, ada, command)
    assert (done.returncode, done.stdout) == (status, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("imprint: ")
    assert said in line


def test_there_is_no_shell_and_it_says_whom_it_knows(server, keys, ada) -> None:
    for options in ((), ("-T",)):
        done = keys.run(server, ada, options=options)
        assert done.returncode == 1
        assert b"imprint: hello ada, your key is known; there is no shell here" in done.stderr


def test_nothing_is_forwarded_and_no_subsystem_runs(server, keys, ada) -> None:
    host, port = "127.0.0.1", server.url.rpartition(":")[2]
    through = keys.run(server, ada, options=("-W", f"{host}:{port}"))
    assert through.returncode == 255
    back = keys.run(server, ada, options=("-R", "0:127.0.0.1:1", "-o", "ExitOnForwardFailure=yes", "-N"))
    assert back.returncode == 255
    sftp = keys.run(server, ada, "sftp", options=("-s",))
    assert sftp.returncode == 255
    assert b"subsystem request failed" in sftp.stderr


def test_sixteen_clients_at_once_lose_nothing(server, keys, ada) -> None:
    name = server.repository()
    first = keys.client(server, ada)
    first.commit({"a": "1"}, "Begin")
    first("push", "-q", keys.url(server, name), "HEAD:refs/heads/main")

    def work(number: int) -> str:
        git = keys.client(server, ada)
        git("pull", "-q", keys.url(server, name), "main")
        head = git.commit({f"file-{number}": str(number)}, f"Work {number}")
        git("push", "-q", keys.url(server, name), f"HEAD:refs/heads/work-{number}")
        return f"{head}\trefs/heads/work-{number}"

    with ThreadPoolExecutor(16) as together:
        landed = list(together.map(work, range(16)))
    assert set(landed) <= set(first("ls-remote", keys.url(server, name)).splitlines())
    assert server.app.state.services.git_queue.held == 0


def test_a_fetch_whose_client_vanishes_ends(server, keys, ada) -> None:
    name, git = server.pushed({f"{number}.bin": os.urandom(1024**2) for number in range(8)})
    queue = server.app.state.services.git_queue
    request = b"0011command=fetch0001000fno-progress" + f"0032want {git('rev-parse', 'HEAD')}\n".encode()
    asked = keys.ask(server, ada, f"git-upload-pack '{name}'", options=VERSION_2)
    asked.stdin.write(request + b"0009done\n0000")
    asked.stdin.flush()
    with asked:
        wait_until(lambda: queue.held == 1)
        time.sleep(0.3)
        assert queue.held == 1, "it waits for its client"
        asked.kill()
    wait_until(lambda: queue.held == 0)


def test_a_push_whose_client_vanishes_leaves_nothing(server, keys, ada) -> None:
    name = server.repository()
    repository = server.hosting.get(RepositoryName.parse(name))
    queue = server.app.state.services.git_queue
    command = b"0" * 40 + b" " + b"1" * 40 + b" refs/heads/main\0report-status"
    with keys.ask(server, ada, f"git-receive-pack '{name}'") as asked:
        asked.stdin.write(b"%04x%b0000PACK\0\0\0\2\0\0\2\0" % (len(command) + 4, command))
        asked.stdin.flush()
        wait_until(lambda: queue.held == 1 and quarantines(repository))
        asked.kill()
    wait_until(lambda: queue.held == 0)
    assert quarantines(repository) == []
    assert repository.view.refs.snapshot().refs == {}


def quarantines(repository) -> list[Path]:
    """Folders of pushes that are not decided."""
    folder = repository.git_dir / "imprint" / "quarantine"
    return [path for path in folder.iterdir() if path.is_dir()] if folder.exists() else []


def test_a_client_written_in_python_fetches_and_pushes(server, keys, ada, tmp_path) -> None:
    name, git = server.pushed({"a.txt": "one\n"})
    head = git("rev-parse", "HEAD").encode()
    with Repo.init_bare(str(tmp_path / "copy.git"), mkdir=True) as copy:
        command = " ".join(keys.command(ada))
        python, path = get_transport_and_path(keys.url(server, name), ssh_command=command)
        assert python.fetch(path, copy).refs[b"refs/heads/main"] == head
        python.send_pack(path, lambda _: {b"refs/heads/copy": head}, copy.object_store.generate_pack_data)
    assert f"{head.decode()}\trefs/heads/copy" in git("ls-remote", server.git_url(name, server.admin))


def test_a_key_is_no_bearer(server, ada, sample) -> None:
    line = ada.with_suffix(".pub").read_text().strip()
    fingerprint = SshKey.parse(line).fingerprint
    for text in (line, line.split()[1], fingerprint):
        answer = server.client().get(f"/api/repos/{sample.name}", headers={"Authorization": f"Bearer {text}"})
        assert answer.status_code == 401


def test_the_address_of_ssh_is_told_beside_that_of_http(server, keys) -> None:
    name = server.repository()
    told = server.client(server.admin).get(f"/api/repos/{name}").json()
    assert told["ssh_url"] == keys.url(server, name)


def test_a_key_is_registered_over_rest_once(server, keys, sample) -> None:
    admin = server.client(server.admin)
    line = keys.make().with_suffix(".pub").read_text()
    wish = {"actor": "kim", "kind": "human", "repositories": [sample.name], "can": ["read"], "ssh_key": line}
    made = admin.post("/api/tokens", json=wish)
    assert (made.status_code, made.json()["token"]) == (201, None)
    assert made.json()["ssh_fingerprint"].startswith("SHA256:")
    listed = {token["id"]: token["ssh_fingerprint"] for token in admin.get("/api/tokens").json()["tokens"]}
    assert listed[made.json()["id"]] == made.json()["ssh_fingerprint"]
    again = admin.post("/api/tokens", json=wish)
    assert (again.status_code, again.json()["code"]) == (409, "conflict")
    assert made.json()["id"] in again.json()["detail"]
    assert admin.delete(f"/api/tokens/{made.json()['id']}").status_code == 200
    assert admin.post("/api/tokens", json=wish).status_code == 201
    bad = admin.post("/api/tokens", json={**wish, "ssh_key": "ssh-dss AAAA"})
    assert (bad.status_code, bad.json()["code"]) == (400, "bad_input")


def test_the_host_key_is_for_the_server_alone(server) -> None:
    path = host_key_path(server.hosting.folder)
    assert path.stat().st_mode & 0o777 == 0o600
