"""A whole answer that is kept: the one that would be made, and only while it would be."""

import gzip
import subprocess

import pytest

from imprint.store.transport.v2.kept import find_fetch_answer, name_request
from imprint.store.types import RepositoryName


def frame(text: str) -> bytes:
    return b"%04x%s" % (len(text) + 4, text.encode())


def fetch(*arguments: str) -> bytes:
    lines = b"".join(frame(f"{each}\n") for each in (*arguments, "ofs-delta", "no-progress", "done"))
    return frame("command=fetch\n") + frame("object-format=sha1") + b"0001" + lines + b"0000"


class Asking:
    """One repository, asked over HTTP."""

    def __init__(self, server) -> None:
        self.name, self.git = server.pushed({"a": "one"})
        self.server = server
        self.token = server.token(self.name)
        self.push("HEAD:refs/heads/more")
        self.tip = self.git("rev-parse", "HEAD")

    def push(self, *what: str) -> None:
        self.git("push", "-q", "-f", self.server.git_url(self.name, self.token), *what)
        self.server.settle()  # so that nothing moves behind a test

    def ask(self, body: bytes, encoding: str = "") -> bytes:
        headers = {"Git-Protocol": "version=2", "Content-Type": "application/x-git-upload-pack-request"}
        if encoding:
            headers["Content-Encoding"] = encoding
        client = self.server.client(self.token)
        return client.post(f"/{self.name}.git/git-upload-pack", content=body, headers=headers).content

    def find_kept(self, body: bytes, encoding: str = "") -> bytes | None:
        repository = self.server.hosting.get(RepositoryName.parse(self.name))
        return find_fetch_answer(repository, name_request(body, encoding))


@pytest.fixture
def asking(server) -> Asking:
    return Asking(server)


def test_the_same_bytes_have_the_same_answer(asking) -> None:
    plain = fetch(f"want {asking.tip}")
    for body, encoding in ((plain, ""), (gzip.compress(plain, mtime=0), "gzip")):
        assert asking.find_kept(body, encoding) is None
        told = asking.ask(body, encoding)
        assert b"PACK" in told
        assert asking.find_kept(body, encoding) == told == asking.ask(body, encoding)
    assert asking.find_kept(plain, "gzip") is None


def test_a_round_of_negotiation_is_kept_too(asking) -> None:
    body = fetch(f"want {asking.tip}", f"have {asking.tip}").replace(frame("done\n"), b"")
    told = asking.ask(body)
    assert f"ACK {asking.tip}".encode() in told
    assert asking.find_kept(body) == told == asking.ask(body)


def test_what_a_ref_had_a_moment_ago_is_not_kept(asking) -> None:
    asking.git("commit", "-q", "--allow-empty", "--amend", "-m", "Other")
    old = fetch(f"want {asking.tip}")
    assert b"PACK" in asking.ask(old)
    assert asking.find_kept(old) is not None
    asking.push("HEAD:refs/heads/main", "HEAD:refs/heads/more")
    assert asking.find_kept(old) is None
    assert b"PACK" in asking.ask(old)
    assert asking.find_kept(old) is None
    asking.server.clock.advance(11 * 60 * 1000)
    assert b"ERR upload-pack: not our ref" in asking.ask(old)


def test_a_refusal_is_not_kept(asking) -> None:
    body = fetch(f"want {'1' * 40}")
    assert b"ERR upload-pack: not our ref" in asking.ask(body)
    assert asking.find_kept(body) is None


def test_a_ref_that_is_hidden_takes_its_answers_along(asking) -> None:
    body = fetch("want-ref refs/heads/more")
    told = asking.ask(body)
    assert asking.find_kept(body) == told
    name = RepositoryName.parse(asking.name)
    asking.server.hosting.change_settings(name, {"transfer.hideRefs": "refs/heads/more"}, None)
    assert b"ERR upload-pack: unknown ref" in asking.ask(body)
    assert asking.find_kept(body) is None


def test_other_packs_leave_answers_behind(asking) -> None:
    body = fetch(f"want {asking.tip}")
    told = asking.ask(body)
    repository = asking.server.hosting.get(RepositoryName.parse(asking.name))
    packs = repository.git_dir / "objects/pack"
    (packs / f"pack-{'1' * 40}.keep").touch()  # any change of the folder is looked into
    assert asking.find_kept(body) is None
    assert asking.ask(body) == told
    assert asking.find_kept(body) == told
    command = ["git", "-C", str(repository.git_dir), "pack-objects", "-q", str(packs / "pack")]
    subprocess.run(command, input=f"{asking.tip}\n".encode(), capture_output=True, check=True)
    assert asking.find_kept(body) is None
    assert b"PACK" in asking.ask(body)


def test_what_git_made_is_not_kept(asking) -> None:
    body = fetch(f"want {asking.tip}", "filter tree:0")
    assert b"PACK" in asking.ask(body)
    assert asking.find_kept(body) is None
