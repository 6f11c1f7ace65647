"""What hooks run: shell scripts that put a note into the spool and return, with no interpreter to start.

Invariants:
    1. They end with status 0 and say nothing, whatever happens.
    2. Git waits for a fork, an agent for the disk; of a shell tool also for a snapshot, at most
       `SNAPSHOT_SECONDS_MAX` long.
    3. A note is complete or not there: it is written aside and renamed. Nobody else may read it.
    4. What a hook of git reads, those after it in the same file can still read.
    5. A snapshot runs git and nothing else: no filter, monitor, hook or transport that the work tree, a
       repository within it, or any settings name.
    6. A command in a settings file is the same on every machine, and does nothing in a clone without Imprint.

A note is a file `<event>.<random>` of the spool:

    imprint-note 1 AGENT EVENT LF
    the payload, at most `PAYLOAD_BYTES_MAX` bytes of it
    LF imprint-tree ID LF           where a snapshot was taken; instead of the id: `too-large` or `late`

The sweep is started in a session of its own, one second after the first note, so that a burst of notes
starts one. `waking` holds the process id of the one that is about to begin.
"""

from __future__ import annotations

import json
import shlex
from typing import Final

RECORDER_VERSION: Final = 1
"""1: the first."""
PAYLOAD_BYTES_MAX: Final = 1024**2
SPOOL_NOTES_MAX: Final = 4000
"""More notes than that are not taken until a sweep has read them: transcripts are found without notes."""
SNAPSHOT_SECONDS_MAX: Final = 2
SNAPSHOT_INDEX_BYTES_MAX: Final = 8 * 1024**2
"""An index of about 80,000 files; a larger work tree gets no snapshots."""

BEFORE_SHELL: Final = "before-shell"
AFTER_SHELL: Final = "after-shell"
POST_COMMIT: Final = "post-commit"
POST_REWRITE: Final = "post-rewrite"
BEFORE_TOOL: Final = "before-tool"
AFTER_TOOL: Final = "after-tool"
"""From agents that cannot tell shell tools from others: the script looks into the payload."""
PROMPT: Final = "prompt"
"""As before and after a shell tool, this starts no sweep; every other event does."""
SHELL_TOOLS: Final = ("Bash", "bash", "Shell", "shell", "run_shell_command", "powershell")

BEGIN: Final = "# imprint: begin ('imprint hooks uninstall' takes these lines away)"
END: Final = "# imprint: end"
MARK: Final = "imprint/ground/hooks/record"
"""What every command of ours holds."""

_RECORDER: Final = r"""#!/bin/sh
# Written by 'imprint hooks install', version %(version)d. Notes an event for 'imprint hooks sweep'.
exec 2>/dev/null
trap "" HUP
umask 077
PATH="${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin"
who=$1 what=$2
ground=$(cd "${0%%/*}/.." && pwd -P) || exit 0
spool=$ground/spool
done_here() { [ "$who" = git ] || cat >/dev/null; exit 0; }
[ ! -e "$ground/off" ] || done_here
[ -d "$spool" ] || mkdir -p "$spool" || done_here
set -- "$spool"/*
[ $# -le %(notes)d ] || done_here
note=$(mktemp "$spool/.new.XXXXXXXXXX") || done_here

bounded() {
    if command -v timeout >/dev/null; then timeout -s KILL %(seconds)d "$@"; return; fi
    "$@" & run=$!
    ( sleep %(seconds)d; kill -9 $run ) >/dev/null & guard=$!
    wait $run; ended=$?
    kill $guard
    return $ended
}

# Filters of all settings are made empty: the attributes in a work tree say which files they are for.
# Line ends are converted as git does it; that runs nothing.
no_filters() {
    at=${GIT_CONFIG_COUNT:-0}
    case $at in *[!0-9]*) return 1 ;; esac
    filters=$(git -C "$top" config --name-only --get-regexp '^filter\..*\.(clean|smudge|process|required)$')
    while IFS= read -r name; do
        value=
        case $name in '') continue ;; *.required) value=false ;; esac
        export "GIT_CONFIG_KEY_$at=$name" "GIT_CONFIG_VALUE_$at=$value"
        at=$((at + 1))
    done <<FILTERS
$filters
FILTERS
    export GIT_CONFIG_COUNT=$at
}

# Repositories within are not looked into: git would run a status there, which has their settings and filters.
no_repositories() {
    git "$@" ls-files --stage -z | LC_ALL=C tr '\n\0' '\1\n' |
        LC_ALL=C sed -n 's/^160000 [0-9a-f]* [0-3].//p' | LC_ALL=C tr '\n\1' '\0\n' |
        git "$@" update-index --skip-worktree -z --stdin
}

snapshot() {
    index=$(git rev-parse --git-path index) && top=$(git rev-parse --show-toplevel) || return
    [ "$(wc -c <"$index" || echo 0)" -le %(index)d ] || { tree=too-large; return; }
    common=$(cd "$ground/../.." && pwd -P)
    work=$common/imprint/cache/shell
    mkdir -p "$work/objects" && cp -p "$index" "$work/index.${note##*.}"
    export GIT_INDEX_FILE="$work/index.${note##*.}" GIT_OBJECT_DIRECTORY="$work/objects"
    export GIT_ALTERNATE_OBJECT_DIRECTORIES="$common/objects"
    export GIT_NO_LAZY_FETCH=1
    set -- -C "$top" -c core.fsmonitor=false -c core.hooksPath=/dev/null -c core.safecrlf=false \
        -c submodule.recurse=false -c protocol.allow=never -c sparse.expectFilesOutsideOfPatterns=true
    tree=late
    if no_filters && no_repositories "$@"; then
        bounded git "$@" add -A --ignore-errors . >/dev/null
        [ $? -le 128 ] && tree=$(git "$@" write-tree --missing-ok) || tree=late
    fi
    rm -f "$GIT_INDEX_FILE" "$GIT_INDEX_FILE.lock"
}

wake() {
    if ! ( set -C; : >"$ground/waking" ); then
        read -r other <"$ground/waking"
        { [ -n "$other" ] && ! kill -0 "$other"; } || return
        rm -f "$ground/waking"
    fi
    for name in $(git rev-parse --local-env-vars) GIT_QUARANTINE_PATH; do unset "$name"; done
    cd "$ground/../.." || return
    set -- /bin/sh -c 'echo $$ >"$1/waking"; shift; sleep 1; exec nice -n 10 "$@"' imprint \
        "$ground" %(program)s hooks sweep --quiet
    if command -v setsid >/dev/null; then set -- setsid "$@"; else set -- nohup "$@"; fi
    exec "$@"
}

{
    echo "imprint-note %(version)d $who $what"
    case $what in
    post-commit) git rev-parse HEAD --absolute-git-dir ;;
    *) head -c %(payload)d; cat >/dev/null ;;
    esac
} >"$note"
case $what in
*-tool)
    what=${what%%-tool}-shell
    grep -Eq '"tool_?[nN]ame" *: *"(%(shells)s)"' "$note" || { rm -f "$note"; exit 0; }
    ;;
esac
case $what in
*-shell) tree= && snapshot; [ -z "$tree" ] || printf '\nimprint-tree %%s\n' "$tree" >>"$note" ;;
esac
mv "$note" "$spool/$what.${note##*.}"
case $what in
*-shell | prompt) ;;
*) [ -n "$IMPRINT_NO_SWEEP" ] || ( wake ) </dev/null >/dev/null & ;;
esac
exit 0
"""


def render_recorder(program: list[str]) -> str:
    """The script that all hooks call.

    Args:
        program: how to call Imprint from anywhere, with absolute paths.
    """
    return _RECORDER % {
        "version": RECORDER_VERSION,
        "notes": SPOOL_NOTES_MAX,
        "seconds": SNAPSHOT_SECONDS_MAX,
        "index": SNAPSHOT_INDEX_BYTES_MAX,
        "payload": PAYLOAD_BYTES_MAX,
        "shells": "|".join(SHELL_TOOLS),
        "program": shlex.join(program),
    }


def render_command(agent: str, event: str) -> str:
    """The command in an agent's settings: works in every shell, and where there is no Imprint.

    A repository can hold a bare repository among its files, and in that a script where ours would be: git is
    told to see none that is not named (git-config(1), `safe.bareRepository`).
    """
    inner = (
        'PATH="${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin"; '
        'f="$(git -c safe.bareRepository=explicit rev-parse --git-common-dir 2>/dev/null)'
        f'/{MARK}"; '
        f'if [ -f "$f" ]; then /bin/sh "$f" {agent} {event}; else cat >/dev/null; fi; exit 0'
    )
    return f"/bin/sh -c '{inner}'"


def render_git_hook(name: str) -> str:
    """The lines that go into a hook of git, whatever shell it is written in."""
    record = f'/bin/sh "$(git rev-parse --git-common-dir)/{MARK}" git {name}'
    if name != POST_REWRITE:
        return f"{BEGIN}\n( {record} ) </dev/null >/dev/null 2>&1 &\n{END}\n"
    return (
        f"{BEGIN}\nimprint_read=$(cat)\n"
        f'( printf "%s\\n" "$imprint_read" | {record} ) </dev/null >/dev/null 2>&1 &\n'
        f"exec <<IMPRINT_READ\n$imprint_read\nIMPRINT_READ\n{END}\n"
    )


def render_wrapper(name: str, kept: str) -> str:
    """A hook of git around one that is no shell script."""
    beside = f'"${{0%/*}}/{kept}"'
    return f'#!/bin/sh\n{render_git_hook(name)}[ ! -x {beside} ] || exec {beside} "$@"\n'


_PLUGIN: Final = """// imprint: written by 'imprint hooks install'; 'imprint hooks uninstall' takes it away.
// Notes when sessions begin and rest, and what shell tools change. Does nothing in a clone without Imprint.
import { spawnSync } from "node:child_process"

const COMMAND = %(command)s

export const Imprint = async ({ directory, worktree }) => {
  const note = (event, payload) => {
    try {
      spawnSync("/bin/sh", ["-c", COMMAND.replace("EVENT", event)], {
        cwd: directory || worktree,
        input: JSON.stringify({ cwd: directory || worktree, hook_event_name: event, ...payload }),
        stdio: ["pipe", "ignore", "ignore"],
        timeout: 5000,
      })
    } catch {}
  }
  const sessionOf = (event) => event?.properties?.sessionID ?? event?.properties?.info?.id
  return {
    event: async ({ event }) => {
      if (event?.type === "session.created") note("start", { session_id: sessionOf(event) })
      if (event?.type === "session.idle") note("stop", { session_id: sessionOf(event) })
    },
    "tool.execute.before": async (input, output) => {
      if (input?.tool !== "bash") return
      note("before-shell", { session_id: input.sessionID, tool_use_id: input.callID, tool_name: "bash" })
    },
    "tool.execute.after": async (input) => {
      if (input?.tool !== "bash") return
      note("after-shell", { session_id: input.sessionID, tool_use_id: input.callID, tool_name: "bash" })
    },
  }
}
"""


def render_plugin() -> str:
    """The plugin for OpenCode, in what JavaScript and TypeScript have in common."""
    inner = render_command("opencode", "EVENT").removeprefix("/bin/sh -c '").removesuffix("'")
    return _PLUGIN % {"command": json.dumps(inner)}
