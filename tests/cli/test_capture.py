"""Capture with real git, real hooks run by real shells, and transcripts made up here."""

import json
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from imprint.cli.call import Surroundings
from imprint.cli.capture.places import Places
from imprint.cli.main import run
from imprint.store.clone import Clone
from imprint.store.sessions.cloned import open_clone_keeper

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"


class Desk:
    """A developer's machine: a home, a clone, agents that write transcripts, and `imprint hooks`."""

    def __init__(self, folder: Path, git_client: Any) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.home.mkdir()
        self.clone = folder / "the clone"
        self.clone.mkdir()
        self._client = git_client
        self.git = self.at(self.clone)
        self.git("init", "-q", "-b", "main")
        self.now = int(time.time()) - 36_000
        self.environment = {**self.git.environment, "HOME": str(self.home), "IMPRINT_NO_SWEEP": "1"}

    def at(self, folder: Path) -> Any:
        return self._client(folder, {"HOME": str(self.home), "IMPRINT_NO_SWEEP": "1"})

    def write(self, path: str, text: str, folder: Path | None = None) -> None:
        target = (folder or self.clone) / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def commit(self, *arguments: str, git: Any = None) -> str:
        """Commit what is staged, a minute after whatever was before."""
        git = git or self.git
        self.now += 60
        git.environment["GIT_COMMITTER_DATE"] = f"{self.now} +0000"
        git("commit", "-q", *(arguments or ("-m", "work")))
        return git("rev-parse", "HEAD")

    def wait_for(self, event: str) -> None:
        """Git does not wait for what its hooks note."""
        spool = Places(self.clone / ".git").spool
        ends_at = time.monotonic() + 20
        while not list(spool.glob(f"{event}.*")):
            assert time.monotonic() < ends_at, f"no note of {event}"
            time.sleep(0.02)

    def hooks(self, *arguments: str, cwd: Path | None = None) -> int:
        return run(["hooks", *arguments], Surroundings(cwd or self.clone, self.environment))

    def sweep(self, capsys: pytest.CaptureFixture[str], cwd: Path | None = None) -> Any:
        capsys.readouterr()
        assert self.hooks("sweep", "--all", "--json", cwd=cwd) == 0
        return json.loads(capsys.readouterr().out)

    def kept(self) -> "Kept":
        with Clone.discover(self.clone) as clone:
            keeper = open_clone_keeper(clone)
            try:
                sessions = keeper.archive.list_sessions("clone")
                return Kept(
                    {one.id: one for one in sessions},
                    {one.id: keeper.read_transcript("clone", one).decode() for one in sessions},
                    keeper.archive.list_records("clone"),
                )
            finally:
                keeper.close()

    def claude(self, session: str, cwd: Path | None = None) -> "Claude":
        return Claude(self, session, cwd or self.clone)

    def fire(self, agent_file: str, event: str, payload: dict[str, Any], cwd: Path | None = None) -> None:
        """Call a hook as the agent would."""
        settings = json.loads((self.clone / agent_file).read_text())
        (entry,) = settings["hooks"][event]
        entry = entry["hooks"][0] if "hooks" in entry else entry
        self.call(entry.get("command") or entry["bash"], payload, cwd)

    def call(self, command: str, payload: dict[str, Any], cwd: Path | None = None, **more: str) -> None:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            input=json.dumps(payload).encode(),
            cwd=cwd or self.clone,
            env=self.environment | more,
            capture_output=True,
            check=False,
            timeout=30,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


class Kept:
    def __init__(self, sessions: Any, texts: dict[str, str], records: Any) -> None:
        self.sessions, self.texts, self.records = sessions, texts, records

    def of(self, commit: str) -> dict[str, Any]:
        """Records that name a commit, by session."""
        found = {}
        for record in self.records:
            if any((anchor.kind.value, anchor.value) == ("commit", commit) for anchor in record.anchors):
                assert record.session_id not in found
                found[record.session_id] = record
        return found


class Claude:
    """Writes a transcript as Claude Code does, as far as it matters."""

    def __init__(self, desk: Desk, session: str, cwd: Path, child: str = "") -> None:
        self.desk, self.session, self.cwd, self.child = desk, session, cwd, child
        name = "".join(c if c.isascii() and c.isalnum() else "-" for c in str(cwd))
        folder = desk.home / ".claude" / "projects" / name
        self.path = folder / f"{session}.jsonl"
        if child:
            self.path = folder / session / "subagents" / f"agent-{child}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.lines = 0
        self.calls = 0

    def sub(self, child: str) -> "Claude":
        return Claude(self.desk, self.session, self.cwd, child)

    def _add(self, kind: str, content: Any, **more: Any) -> None:
        self.desk.now += 1
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(self.desk.now))
        line = {
            "type": kind,
            "uuid": f"{self.session}{self.child}-{self.lines}",
            "sessionId": self.session,
            "cwd": str(self.cwd),
            "version": "2.1.0",
            "timestamp": stamp,
            "isSidechain": bool(self.child),
            "message": {"role": kind, "content": content, **more},
        }
        if self.child:
            line["agentId"] = self.child
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self.lines += 1

    def ask(self, prompt: str) -> None:
        self._add("user", prompt)

    def edit(self, path: str, old: str, new: str, *, apply: bool = True) -> None:
        full = self.cwd / path
        self._tool("Edit", {"file_path": str(full), "old_string": old, "new_string": new})
        if apply:
            full.write_text(full.read_text().replace(old, new))

    def write(self, path: str, text: str) -> None:
        full = self.cwd / path
        self._tool("Write", {"file_path": str(full), "content": text})
        full.parent.mkdir(parents=True, exist_ok=True)
        full.write_text(text)

    def bash(self, command: str) -> str:
        return self._tool("Bash", {"command": command})

    def _tool(self, name: str, given: dict[str, Any]) -> str:
        self.calls += 1
        call = f"toolu_{self.session}_{self.child}_{self.calls}"
        use = {"type": "tool_use", "id": call, "name": name, "input": given}
        self._add("assistant", [use], id=f"msg_{call}", model="claude-x")
        self._add("user", [{"type": "tool_result", "tool_use_id": call, "content": "ok"}])
        return call


@pytest.fixture
def desk(tmp_path: Path, git_client) -> Desk:
    return Desk(tmp_path, git_client)


def code(name: str, count: int = 3) -> str:
    return "".join(f"def {name}_{at}(): return compute_{name}({at})\n" for at in range(count))


def test_a_session_that_no_hook_reported_is_kept_and_linked(desk: Desk, capsys) -> None:
    """Ctrl-C: no Stop, no SessionEnd, not even installed."""
    claude = desk.claude("s-one")
    claude.ask(f"write it, the key is {SECRET}")
    claude.write("src/app.py", code("app"))
    desk.git("add", "-A")
    commit = desk.commit()
    report = desk.sweep(capsys)
    assert (report["sessions"], report["records"], report["destination"]) == (["s-one"], 1, "")
    kept = desk.kept()
    record = kept.of(commit)["s-one"]
    anchors = {anchor.kind.value: anchor.value for anchor in record.anchors}
    assert anchors["tree"] == desk.git("rev-parse", f"{commit}^{{tree}}")
    assert anchors["patch-id"]
    assert "base" not in anchors  # it has no parent
    assert (record.part, record.source.system, record.agent) == ((0, 3), "capture", "claude-code")
    assert record.extra["paths"] == ["src/app.py"]
    assert SECRET not in kept.texts["s-one"]
    assert "write it" in kept.texts["s-one"]
    for file in (desk.clone / ".git" / "imprint").rglob("*"):
        assert not file.is_file() or SECRET.encode() not in file.read_bytes()
    again = desk.sweep(capsys)
    assert (again["sessions"], again["records"]) == ([], 0)


def test_a_session_that_goes_on_costs_only_its_new_lines(desk: Desk, capsys) -> None:
    """Resume: the same file grows, its last line half written."""
    claude = desk.claude("s-one")
    claude.ask("one")
    claude.write("a.py", code("first"))
    desk.git("add", "-A")
    first = desk.commit()
    desk.sweep(capsys)
    with claude.path.open("a") as file:
        file.write('{"type":"user","half":')
    assert desk.sweep(capsys)["sessions"] == []
    with claude.path.open("a") as file:
        file.write("1}\n")
    claude.ask("two")
    claude.write("b.py", code("second"))
    desk.git("add", "-A")
    second = desk.commit()
    state = json.loads((Places(desk.clone / ".git").state).read_text())
    assert state["files"][str(claude.path)]["lines"] == 3
    assert desk.sweep(capsys)["sessions"] == ["s-one"]
    kept = desk.kept()
    assert kept.texts["s-one"] == claude.path.read_text()
    assert (kept.of(first)["s-one"].part, kept.of(second)["s-one"].part) == ((0, 3), (4, 7))


def test_a_transcript_that_was_written_anew_is_kept_whole(desk: Desk, capsys) -> None:
    claude = desk.claude("s-one")
    claude.ask("one")
    claude.write("a.py", code("first"))
    desk.sweep(capsys)
    text = claude.path.read_text()
    claude.path.write_text(text.replace("first", "other") + text.splitlines(keepends=True)[0])
    desk.sweep(capsys)
    assert "other" in desk.kept().texts["s-one"]


def test_two_agents_in_one_folder_are_kept_apart(desk: Desk, capsys) -> None:
    """The commit of one names one; a third that only read names none."""
    one, two, reader = desk.claude("s-one"), desk.claude("s-two"), desk.claude("s-three")
    one.ask("one")
    two.ask("two")
    reader.ask("look at it")
    one.write("one.py", code("one"))
    two.write("two.py", code("two"))
    desk.git("add", "one.py")
    first = desk.commit()
    desk.git("add", "two.py")
    second = desk.commit()
    both = desk.claude("s-one")
    desk.sweep(capsys)
    kept = desk.kept()
    assert (set(kept.of(first)), set(kept.of(second))) == ({"s-one"}, {"s-two"})
    assert set(kept.sessions) == {"s-one", "s-two", "s-three"}
    assert both.session == "s-one"


def test_what_a_partial_commit_leaves_goes_into_a_later_one(desk: Desk, capsys) -> None:
    """`git add -p`: only the lines that are committed count."""
    desk.write("app.py", code("old", 12))
    desk.git("add", "-A")
    desk.commit()
    claude = desk.claude("s-one")
    claude.ask("top")
    claude.edit("app.py", "def old_0", "def fresh_top_line(): return top_value()\ndef old_0")
    claude.ask("bottom")
    claude.edit("app.py", "def old_11", "def fresh_bottom_line(): return bottom_value()\ndef old_11")
    patch = desk.git.run("diff", "-U1").stdout
    head, hunk, *_ = patch.split(b"\n@@ ")
    desk.git("apply", "--cached", "--unidiff-zero", stdin=head + b"\n@@ " + hunk + b"\n")
    first = desk.commit()
    desk.sweep(capsys)
    desk.git("add", "-A")
    second = desk.commit()
    person = desk.write("notes.txt", "a person wrote this line here\n")
    desk.git("add", "-A")
    third = desk.commit()
    assert person is None
    desk.sweep(capsys)
    kept = desk.kept()
    assert (kept.of(first)["s-one"].part, kept.of(second)["s-one"].part) == ((0, 3), (3, 6))
    assert (kept.of(first)["s-one"].extra["lines"], kept.of(second)["s-one"].extra["lines"]) == (1, 1)
    assert kept.of(third) == {}


def test_a_person_beside_an_agent_in_one_file_is_not_the_agent(desk: Desk, capsys) -> None:
    desk.write("app.py", code("old", 12))
    desk.git("add", "-A")
    desk.commit()
    claude = desk.claude("s-one")
    claude.ask("top")
    claude.edit("app.py", "def old_0", "def fresh_top_line(): return top_value()\ndef old_0", apply=False)
    desk.write("app.py", code("old", 12) + "def written_by_hand(): return hand()\n")
    desk.git("add", "-A")
    commit = desk.commit()
    desk.sweep(capsys)
    assert desk.kept().of(commit) == {}


def test_an_amended_commit_has_the_sessions_of_both(desk: Desk, capsys) -> None:
    desk.write("README", "read me\n")
    desk.git("add", "-A")
    desk.commit()
    one, two = desk.claude("s-one"), desk.claude("s-two")
    one.ask("one")
    one.write("one.py", code("one"))
    desk.git("add", "-A")
    desk.commit()
    two.ask("two")
    two.write("two.py", code("two"))
    desk.git("add", "-A")
    amended = desk.commit("--amend", "-m", "both")
    desk.sweep(capsys)
    assert set(desk.kept().of(amended)) == {"s-one", "s-two"}


def test_lines_of_a_commit_that_was_reset_are_free_again(desk: Desk, capsys) -> None:
    desk.write("README", "read me\n")
    desk.git("add", "-A")
    desk.commit()
    claude = desk.claude("s-one")
    claude.ask("one")
    claude.write("one.py", code("one"))
    desk.git("add", "-A")
    desk.commit()
    desk.git("reset", "-q", "--mixed", "HEAD~1")
    desk.git("add", "-A")
    again = desk.commit("-m", "once more")
    desk.sweep(capsys)
    assert set(desk.kept().of(again)) == {"s-one"}


def test_a_rebased_commit_keeps_its_session(desk: Desk, capsys) -> None:
    """post-rewrite says which commit became which, conflicts or not."""
    desk.write("README", "read me\n")
    desk.git("add", "-A")
    base = desk.commit()
    assert desk.hooks("install", "claude-code") == 0
    claude = desk.claude("s-one")
    claude.ask("one")
    claude.write("one.py", code("one"))
    desk.git("add", "-A")
    before = desk.commit()
    desk.sweep(capsys)
    desk.git("switch", "-q", "-c", "other", base)
    desk.write("other.txt", "something else entirely\n")
    desk.git("add", "-A")
    desk.commit()
    desk.git("rebase", "-q", "other", "main")
    after = desk.git("rev-parse", "main")
    desk.wait_for("post-rewrite")
    report = desk.sweep(capsys)
    assert (after != before, report["records"]) == (True, 1)
    record = desk.kept().of(after)["s-one"]
    assert ("base", desk.git("rev-parse", "other")) in [(a.kind.value, a.value) for a in record.anchors]


def test_what_was_amended_and_rebased_since_the_last_sweep_keeps_its_session(desk: Desk, capsys) -> None:
    """And a conflict in the rebase changes nothing about whose the lines are."""
    desk.write("shared.txt", "begin\n")
    desk.git("add", "-A")
    base = desk.commit()
    assert desk.hooks("install", "claude-code") == 0
    claude = desk.claude("s-one")
    claude.ask("one")
    claude.write("one.py", code("one"))
    claude.edit("shared.txt", "begin", "what the agent says")
    desk.git("add", "-A")
    desk.commit()
    desk.commit("--amend", "-m", "amended")
    desk.git("switch", "-q", "-c", "other", base)
    desk.write("shared.txt", "what a person says\n")
    desk.git("add", "-A")
    desk.commit()
    desk.git("switch", "-q", "main")
    assert desk.git.run("rebase", "other", check=False).returncode == 1
    desk.write("shared.txt", "what both say\n")
    desk.git("add", "-A")
    desk.git("-c", "core.editor=true", "rebase", "--continue")
    desk.wait_for("post-rewrite")
    time.sleep(0.3)  # the second of its kind
    desk.sweep(capsys)
    assert set(desk.kept().of(desk.git("rev-parse", "main"))) == {"s-one"}


def test_worktrees_subfolders_and_links_lead_to_the_clone(desk: Desk, capsys, tmp_path: Path) -> None:
    """And a repository within the clone, an excluded folder and another place do not."""
    desk.write("src/README", "read me\n")
    desk.git("add", "-A")
    desk.commit()
    tree = tmp_path / "new\nline and é"
    desk.git("worktree", "add", "-q", "-b", "side", str(tree))
    (tmp_path / "short").symlink_to(desk.clone / "src")
    inner = desk.clone / "inner"
    inner.mkdir()
    desk.at(inner)("init", "-q")
    (desk.clone / "private").mkdir()
    desk.git("config", "--add", "imprint.captureExclude", str(desk.clone / "private"))
    places = {
        "s-tree": tree,
        "s-sub": desk.clone / "src",
        "s-link": tmp_path / "short",
        "s-inner": inner,
        "s-private": desk.clone / "private",
        "s-else": tmp_path,
    }
    for session, cwd in places.items():
        claude = desk.claude(session, cwd)
        claude.ask("hello")
        claude.write(f"{session}.py", code(session.replace("-", "_")))
    side = desk.at(tree)
    side("add", "-A")
    commit = desk.commit(git=side)
    assert set(desk.sweep(capsys)["sessions"]) == {"s-tree", "s-sub", "s-link"}
    kept = desk.kept()
    assert set(kept.of(commit)) == {"s-tree"}
    desk.git("add", "src")
    main = desk.commit()
    desk.git("worktree", "remove", "--force", str(tree))
    desk.claude("s-tree", tree).ask("still there")
    report = desk.sweep(capsys, cwd=desk.clone / "src")
    assert report["sessions"] == ["s-tree"]
    assert set(desk.kept().of(main)) == {"s-sub", "s-link"}


@pytest.mark.parametrize("how", ["submodule", "separate-git-dir"])
def test_a_clone_whose_git_folder_lies_elsewhere_has_its_sessions(
    desk: Desk, capsys, tmp_path: Path, how: str
) -> None:
    """And the repository around it does not have them."""
    desk.write("README", "read me\n")
    desk.git("add", "-A")
    desk.commit()
    inner = desk.clone / "lib dir"
    if how == "submodule":
        allowed = ("-c", "protocol.file.allow=always")
        desk.git(*allowed, "submodule", "add", "-q", str(desk.clone), "lib dir")
        desk.commit()
    else:
        desk.git("init", "-q", "-b", "main", "--separate-git-dir", str(tmp_path / "kept"), str(inner))
    claude = desk.claude("s-inner", inner)
    claude.ask("hello")
    claude.write("inner.py", code("inner"))
    there = desk.at(inner)
    there("add", "-A")
    desk.commit(git=there)
    assert desk.sweep(capsys)["sessions"] == []
    assert desk.sweep(capsys, cwd=inner)["sessions"] == ["s-inner"]
    tree = tmp_path / "beside"
    there("worktree", "add", "-q", str(tree))
    claude.ask("more")
    assert desk.sweep(capsys, cwd=tree)["sessions"] == ["s-inner"]
    git_folder = Path(there("rev-parse", "--absolute-git-dir"))
    assert desk.hooks("install", "claude-code", cwd=git_folder) == 0
    assert not (git_folder / ".claude").exists()


def test_sub_agents_are_children_with_a_part_of_their_own(desk: Desk, capsys) -> None:
    claude = desk.claude("s-one")
    claude.ask("delegate it")
    child = claude.sub("a1b2")
    child.ask("write the file")
    child.write("deep.py", code("deep"))
    desk.git("add", "-A")
    commit = desk.commit()
    report = desk.sweep(capsys)
    (name,) = set(report["sessions"]) - {"s-one"}
    kept = desk.kept()
    assert (kept.sessions[name].parent_id, kept.sessions[name].root_id) == ("s-one", "s-one")
    assert set(kept.of(commit)) == {name}


def test_what_shell_commands_wrote_is_the_calls(desk: Desk, capsys) -> None:
    desk.write("app.py", code("old"))
    desk.git("add", "-A")
    desk.commit()
    assert desk.hooks("install", "claude-code") == 0
    claude = desk.claude("s-one")
    claude.ask("generate it")
    call = claude.bash("make gen")
    file, payload = ".claude/settings.local.json", {"session_id": "s-one", "cwd": str(desk.clone)}
    shell = {"tool_name": "Bash", "tool_use_id": call, "tool_input": {"command": f"make gen KEY={SECRET}"}}
    desk.fire(file, "PreToolUse", payload | shell)
    desk.write("app.py", code("old") + f"KEY = '{SECRET}'\n")
    desk.write("dir/näme\n.py", code("generated"))
    desk.fire(file, "PostToolUse", payload | shell, cwd=desk.clone / "dir")
    assert desk.git.run("status", "--porcelain", "-uno").stdout == b" M app.py\n"  # the index is as it was
    desk.git("add", "-A")
    desk.now = int(time.time())  # notes have the time of their files
    commit = desk.commit()
    desk.sweep(capsys)
    kept = desk.kept()
    record = kept.of(commit)["s-one"]
    assert record.extra["shell_edits"] == {"session": "s-one.shell", "calls": [call]}
    assert (record.extra["lines"], record.part) == (4, (0, 3))
    assert "generated_2" in kept.texts["s-one.shell"]
    assert SECRET not in kept.texts["s-one.shell"]
    assert (kept.sessions["s-one.shell"].parent_id, kept.sessions["s-one.shell"].agent) == (
        "s-one",
        "claude-code",
    )
    assert not (desk.clone / ".git" / "imprint" / "cache" / "shell").exists()


def test_a_shell_command_of_a_sub_agent_is_the_sub_agents(desk: Desk, capsys) -> None:
    """Its hook names the parent's session."""
    desk.hooks("install", "claude-code")
    claude = desk.claude("s-one")
    claude.ask("delegate it")
    child = claude.sub("a1b2")
    child.ask("generate it")
    payload = {"session_id": "s-one", "cwd": str(desk.clone), "tool_use_id": child.bash("make gen")}
    desk.fire(".claude/settings.local.json", "PreToolUse", payload)
    desk.write("gen.py", code("generated"))
    desk.fire(".claude/settings.local.json", "PostToolUse", payload)
    desk.git("add", "-A")
    desk.now = int(time.time())
    commit = desk.commit()
    desk.sweep(capsys)
    ((name, record),) = desk.kept().of(commit).items()
    assert "a1b2" in name
    assert record.extra["shell_edits"]["session"] == "s-one.shell"


def test_why_leads_to_the_prompt_without_a_server(desk: Desk, capsys) -> None:
    desk.write("app.py", code("old"))
    desk.git("add", "-A")
    desk.commit()
    claude = desk.claude("s-one")
    claude.ask("please write the retry policy")
    claude.write("retry.py", code("retry"))
    desk.git("add", "-A")
    desk.commit()
    desk.sweep(capsys)
    assert run(["why", "retry.py:2", "--json"], Surroundings(desk.clone, desk.environment)) == 0
    claim = json.loads(capsys.readouterr().out)["claims"][0]
    assert (claim["evidence"], claim["session"], claim["prompt"]) == (
        "observed",
        "s-one",
        "please write the retry policy",
    )


def test_fifty_hooks_at_once_lose_nothing(desk: Desk) -> None:
    assert desk.hooks("install", "claude-code") == 0
    threads = [
        threading.Thread(
            target=desk.fire,
            args=(".claude/settings.local.json", "Stop", {"session_id": f"s-{at}", "cwd": str(desk.clone)}),
        )
        for at in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    notes = list(Places(desk.clone / ".git").spool.iterdir())
    assert len({json.loads(note.read_text().split("\n", 1)[1])["session_id"] for note in notes}) == 50
    assert {note.stat().st_mode & 0o777 for note in notes} == {0o600}


def test_hooks_work_with_a_bare_path_and_a_home_that_cannot_be_written(desk: Desk) -> None:
    assert desk.hooks("install", "claude-code") == 0
    settings = json.loads((desk.clone / ".claude/settings.local.json").read_text())
    command = settings["hooks"]["Stop"][0]["hooks"][0]["command"]
    desk.call(command, {"session_id": "s"}, PATH="", HOME="/nonexistent")
    assert len(list(Places(desk.clone / ".git").spool.iterdir())) == 1
    desk.call(command, {"session_id": "s"}, cwd=desk.folder)  # no clone here
    desk.write("a", "a\n")
    desk.git("add", "a")
    assert desk.git.run("-c", "core.fsync=none", "commit", "-qm", "x").stderr == b""
    desk.wait_for("post-commit")
    assert len(list(Places(desk.clone / ".git").spool.iterdir())) == 2


def test_a_script_that_a_repository_brings_along_is_not_run(desk: Desk) -> None:
    """A bare repository among the files, with a script where ours would be."""
    desk.hooks("install", "claude-code")
    trap = desk.clone / "docs"
    trap.mkdir()
    desk.at(trap)("init", "-q", "--bare", ".")
    desk.write("docs/imprint/ground/hooks/record", "touch trapped\n")
    command = json.loads((desk.clone / ".claude/settings.local.json").read_text())
    command = command["hooks"]["Stop"][0]["hooks"][0]["command"]
    desk.call(command, {}, cwd=trap)
    assert not (trap / "trapped").exists()
    desk.call(command.replace("-c safe.bareRepository=explicit", ""), {}, cwd=trap)
    assert (trap / "trapped").exists()  # the trap would have worked


def test_a_hook_that_cannot_write_lets_the_commit_be(desk: Desk) -> None:
    assert desk.hooks("install", "claude-code") == 0
    spool = Places(desk.clone / ".git").spool
    spool.write_text("a file is in the way\n")
    desk.write("a", "a\n")
    desk.git("add", "a")
    done = desk.git.run("commit", "-qm", "x")
    assert (done.stdout, done.stderr) == (b"", b"")


def test_a_commit_starts_a_sweep_that_outlives_it(desk: Desk) -> None:
    assert desk.hooks("install", "claude-code") == 0
    claude = desk.claude("s-one")
    claude.ask("one")
    claude.write("one.py", code("one"))
    desk.git("add", "one.py")
    del desk.git.environment["IMPRINT_NO_SWEEP"]
    commit = desk.commit()
    state = Places(desk.clone / ".git").state
    ends_at = time.monotonic() + 60
    while not state.exists():
        assert time.monotonic() < ends_at, "no sweep came"
        time.sleep(0.1)
    assert set(desk.kept().of(commit)) == {"s-one"}


def test_switched_off_means_nothing_is_noted_kept_or_read(desk: Desk, capsys) -> None:
    assert desk.hooks("install", "claude-code") == 0
    claude = desk.claude("s-one")
    claude.ask("one")
    desk.git("config", "imprint.capture", "false")
    desk.fire(".claude/settings.local.json", "Stop", {"session_id": "s-one", "prompt": "secret plan"})
    assert desk.sweep(capsys)["is_on"] is False
    places = Places(desk.clone / ".git")
    assert (list(places.spool.iterdir()), places.state.exists()) == ([], False)
    desk.fire(".claude/settings.local.json", "Stop", {"session_id": "s-one"})
    assert list(places.spool.iterdir()) == []
    desk.git("config", "imprint.capture", "true")
    assert desk.sweep(capsys)["sessions"] == ["s-one"]
    desk.fire(".claude/settings.local.json", "Stop", {"session_id": "s-one"})
    assert len(list(places.spool.iterdir())) == 1


def test_sessions_from_before_the_installation_are_left_alone_unless_asked_for(desk: Desk, capsys) -> None:
    claude = desk.claude("s-old")
    claude.ask("one")
    os.utime(claude.path, (1_700_000_000, 1_700_000_000))
    assert desk.hooks("install", "claude-code") == 0
    capsys.readouterr()
    assert desk.hooks("sweep") == 0
    assert "0 sessions" in capsys.readouterr().out
    assert desk.sweep(capsys)["sessions"] == ["s-old"]
