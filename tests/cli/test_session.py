"""`imprint session` in a data folder, on a server while it runs, and in a clone."""

import json
from pathlib import Path

import pytest

from imprint.store.clock import ManualClock
from imprint.store.clone import Clone
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.sessions.cloned import open_clone_keeper
from imprint.store.sessions.keeping import GivenSession, Keeper
from imprint.store.sessions.model import Source
from imprint.store.types import RepositoryName

WORDS = "Paint the shed in a colour nobody expects."


def transcript(prompt: str, session: str) -> bytes:
    """A made transcript of one turn."""
    said = {"sessionId": session, "cwd": "/w", "timestamp": "2026-01-02T03:04:05.000Z"}
    call = {
        "type": "tool_use",
        "id": "c1",
        "name": "Write",
        "input": {"file_path": "/w/a.py", "content": "x\n"},
    }
    answer = {
        "id": "m1",
        "role": "assistant",
        "model": "model-a",
        "content": [call],
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
    lines = (
        {**said, "type": "user", "uuid": "u1", "message": {"role": "user", "content": prompt}},
        {**said, "type": "assistant", "uuid": "a1", "requestId": "r1", "message": answer},
    )
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def fill(keeper: Keeper, repository_id: str, actor: str) -> None:
    """A session with a sub-agent's below it."""
    for name, parent in (("top", None), ("sub", "top")):
        given = GivenSession("claude-code", transcript(WORDS, name), Source("capture"), name, parent)
        keeper.keep(repository_id, given, actor)


@pytest.fixture
def data(imprint, tmp_path: Path) -> Path:
    """A data folder with one repository and two sessions."""
    folder = tmp_path / "served"
    assert imprint("repo", "create", "acme/app", "--data", str(folder)).code == 0
    hosting = Hosting.open(DataFolder.create_or_open(folder), clock=ManualClock())
    fill(hosting.keeper, hosting.get(RepositoryName.parse("acme/app")).record.id, "ada")
    hosting.close()
    return folder


@pytest.fixture
def clone(work_tree) -> Path:
    """A clone that kept two sessions."""
    work_tree.commit_file("a.py", "x\n")
    with Clone.discover(work_tree.folder) as found, open_clone_keeper(found) as keeper:
        fill(keeper, found.view.id, "operator")
    return work_tree.folder


def verify_told(ask) -> None:
    """What every place tells alike."""
    listed = ask("list", "--json").document["sessions"]
    assert [(one["id"], one["parent"], one["kinds"]) for one in listed] == [
        ("sub", "top", ["archived"]),
        ("top", None, ["archived"]),
    ]
    text = ask("list").stdout
    assert "\n  sub " in text
    assert WORDS not in text
    shown = ask("show", "top", "--json").document
    assert [child["id"] for child in shown["children"]] == ["sub"]
    assert (shown["usage"]["input_tokens"], shown["paths"]) == (10, ["a.py"])
    assert "1 request, 10 tokens in, 5 out" in ask("show", "top").stdout
    turns = ask("turns", "sub")
    assert WORDS in turns.stdout
    assert "- Write a.py" in turns.stdout
    assert ask("turns", "sub", "--json").document["turns"][0]["prompt"] == WORDS
    assert ask("transcript", "sub").stdout == transcript(WORDS, "sub").decode()
    assert ask("transcript", "sub", "--json").document["transcript"] == transcript(WORDS, "sub").decode()
    missing = ask("show", "none")
    assert missing.code != 0
    assert "none" in missing.stderr


def verify_erased(ask) -> None:
    """Erasing asks first, may be repeated, and says so afterwards."""
    asked = ask("erase", "sub")
    assert asked.code == 2
    assert "--yes" in asked.stderr
    assert WORDS in ask("turns", "sub").stdout
    for _ in range(2):
        assert sorted(ask("erase", "sub", "--yes", "--json").document["erased"]) == ["sub", "top"]
    turns = ask("turns", "top").stdout
    assert WORDS not in turns
    assert "(erased)" in turns
    gone = ask("transcript", "top")
    assert (gone.stdout, "erased" in gone.stderr) == ("", True)
    assert gone.code != 0
    assert ask("show", "top", "--json").document["erased_at_ms"]


def all_bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_sessions_of_a_data_folder(imprint, data: Path) -> None:
    def ask(verb: str, *arguments: str):
        return imprint("session", verb, *arguments, "--data", str(data), "--repo", "acme/app")

    verify_told(ask)
    assert "nothing (by imprint/" in ask("redact", "top").stdout
    verify_erased(ask)
    assert WORDS.encode() not in all_bytes(data)


def test_sessions_of_a_clone(imprint, clone: Path) -> None:
    def ask(verb: str, *arguments: str):
        return imprint("session", verb, *arguments, cwd=clone)

    ground = clone / ".git" / "imprint" / "ground"
    assert {path.stat().st_mode & 0o077 for path in ground.rglob("*") if path.name == "key"} == {0}
    verify_told(ask)
    verify_erased(ask)
    assert WORDS.encode() not in all_bytes(clone)


def test_a_clone_that_kept_none_says_so_and_stays_as_it_was(imprint, work_tree) -> None:
    work_tree.commit_file("a.py", "x\n")
    ended = imprint("session", "list", cwd=work_tree.folder)
    assert ended.code != 0
    assert "no session was kept" in ended.stderr
    assert not (work_tree.folder / ".git" / "imprint" / "ground" / "sessions.db").exists()


def test_sessions_of_a_server_and_what_a_token_may_see(imprint, start_server, data: Path) -> None:
    server = start_server()
    reader = (
        "token",
        "create",
        "--actor",
        "bob",
        "--kind",
        "human",
        "--repo",
        "acme/app",
        "--can",
        "read",
        "--json",
    )
    made = imprint(*reader, server=server.url, token=server.token)
    bob = made.document["token"]

    def ask(verb: str, *arguments: str, token: str = server.token):
        return imprint("session", verb, *arguments, "--repo", "acme/app", server=server.url, token=token)

    verify_told(ask)
    hidden = ask("turns", "top", token=bob)
    assert (hidden.code, WORDS in hidden.stdout, "(not shown)" in hidden.stdout) == (0, False, True)
    assert "not shown to this token" in hidden.stderr
    assert ask("transcript", "top", token=bob).code != 0
    assert ask("erase", "top", "--yes", token=bob).code != 0
    assert "data folder" in ask("redact", "top").stderr
    verify_erased(ask)
