"""The short way of a fetch: what the long one tells, and nothing of yesterday on an open connection."""

import gzip
import http.client
from collections.abc import Iterator
from contextlib import closing

import pytest

from imprint.api.at_once.front import NAMES_MAX
from imprint.store.actors import Verb, hash_secret
from imprint.store.catalog.kept.at_hand import NotAtHand, only_at_hand
from imprint.store.catalog.sql import SqlCatalogue
from imprint.store.transport.v2.at_hand import COMMAND_BYTES_MAX, find_refs_answer
from imprint.store.types import RepositoryName

READ = frozenset({Verb.READ})


def frame(text: str) -> bytes:
    return b"%04x%s" % (len(text) + 4, text.encode())


def ls_refs(*arguments: str) -> bytes:
    lines = b"".join(frame(f"{each}\n") for each in arguments)
    return frame("command=ls-refs\n") + frame("object-format=sha1") + b"0001" + lines + b"0000"


LISTING = ls_refs("peel", "symrefs", "unborn")


class Open:
    """One connection that stays open, of somebody with a token."""

    def __init__(self, server, name: str, token: str) -> None:
        self._connection = http.client.HTTPConnection(server.url.partition("://")[2], timeout=20)
        self._name = name
        self._headers = {"Authorization": f"Bearer {token}", "Git-Protocol": "version=2"}
        self.sockets = set()

    def ask(self, method: str, path: str, body: object = None, **more: str) -> tuple[int, bytes, dict]:
        kind = {"Content-Type": "application/x-git-upload-pack-request"} if body is not None else {}
        chunked = isinstance(body, Iterator)
        self._connection.request(
            method,
            f"/{self._name}.git/{path}",
            body,
            {**self._headers, **kind, **more},
            encode_chunked=chunked,
        )
        self.sockets.add(self._connection.sock)
        answer = self._connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, answer.read(), headers

    def capabilities(self, **more: str) -> tuple[int, bytes, dict]:
        return self.ask("GET", "info/refs?service=git-upload-pack", **more)

    def refs(self, body: bytes = LISTING) -> tuple[int, bytes]:
        return self.ask("POST", "git-upload-pack", body)[:2]

    def refs_the_long_way(self, body: bytes = LISTING) -> tuple[int, bytes]:
        """A body whose length is not told is read on a thread."""
        return self.ask("POST", "git-upload-pack", iter([body]))[:2]

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def opened(server) -> Iterator[Open]:
    name, git = server.pushed({"a": "one"})
    git("tag", "-a", "v1", "-m", "one")
    git("push", "-q", server.git_url(name, server.token(name)), "v1", "HEAD:refs/heads/team/x")
    with closing(Open(server, name, server.token(name, verbs=READ))) as connection:
        yield connection


QUESTIONS = [
    LISTING,
    ls_refs(),
    ls_refs("ref-prefix refs/heads/main"),
    ls_refs("peel", "ref-prefix refs/tags/", "ref-prefix refs/heads/t", "ref-prefix HEAD"),
    ls_refs("ref-prefix refs/none/"),
    ls_refs(*(f"ref-prefix refs/heads/{'x' * 60}{number}" for number in range(40))),
    frame("command=ls-refs\n") + b"0000",
    frame("command=ls-refs\n") + frame("object-format=sha256") + b"0001" + b"0000",
    frame("command=ls-refs\n") + frame("command=ls-refs\n") + b"0000",
    frame("command=dance\n") + b"0000",
    b"0000",
    b"zzzz",
    b"",
]


def test_both_ways_give_the_same(opened) -> None:
    assert len(QUESTIONS[5]) > COMMAND_BYTES_MAX
    for body in QUESTIONS:
        long_way = opened.refs_the_long_way(body)
        assert [opened.refs(body), opened.refs(body)] == [long_way, long_way], body
    status, refs = opened.refs()
    assert (status, refs.count(b"refs/"), refs.count(b"peeled:")) == (200, 4, 1)


def test_capabilities_are_the_same_both_ways(opened) -> None:
    status, body, headers = opened.capabilities()
    assert (status, body[:14]) == (200, b"000eversion 2\n")
    assert headers["content-type"] == "application/x-git-upload-pack-advertisement"
    assert headers["cache-control"].startswith("no-cache")
    assert opened.ask("GET", "info/refs?service=git-upload-pack&x=1")[1] == body
    older = opened.capabilities(**{"Git-Protocol": "version=1"})[1]
    assert older != body
    assert opened.ask("HEAD", "info/refs?service=git-upload-pack")[0] == 405


def test_a_compressed_fetch_is_read(opened) -> None:
    packed = {"Content-Encoding": "gzip"}
    assert opened.ask("POST", "git-upload-pack", gzip.compress(LISTING), **packed)[1] == opened.refs()[1]
    assert opened.ask("POST", "git-upload-pack", b"x", **packed)[0] == 400
    assert opened.ask("POST", "git-upload-pack", b"x", **{"Content-Encoding": "br"})[0] == 415


def everything(connection: Open) -> set[int]:
    return {connection.capabilities()[0], connection.refs()[0], connection.refs_the_long_way()[0]}


@pytest.fixture
def elsewhere(server) -> Iterator[SqlCatalogue]:
    """The catalogue as another process has it."""
    with closing(SqlCatalogue.open(server.hosting.folder.open_database())) as catalogue:
        yield catalogue


def test_a_token_that_is_revoked_ends_at_once(server, elsewhere) -> None:
    name, _ = server.pushed({"a": "one"})
    for catalogue in (server.hosting.catalogue, elsewhere):
        secret = server.token(name, verbs=READ)
        with closing(Open(server, name, secret)) as opened:
            assert [everything(opened) for _ in range(3)] == [{200}] * 3
            token_id = catalogue.find_token(hash_secret(secret)).id
            catalogue.revoke_token(token_id, server.clock.now_ms())
            assert everything(opened) == {401}
            assert len(opened.sockets) == 1


def test_a_token_that_expires_ends_at_once(server) -> None:
    name, _ = server.pushed({"a": "one"})
    with closing(Open(server, name, server.token(name, verbs=READ, expires_in_ms=10_000))) as opened:
        assert everything(opened) == {200}
        server.clock.advance(10_000)
        assert everything(opened) == {401}


def test_refs_that_are_hidden_now_are_not_told_again(server, opened) -> None:
    name = RepositoryName.parse(opened._name)
    one = ls_refs("ref-prefix refs/heads/team/x")
    assert (b"team/x" in opened.refs()[1], b"team/x" in opened.refs(one)[1]) == (True, True)
    server.hosting.change_settings(name, {"transfer.hideRefs": "refs/heads/team"}, None)
    assert (b"team/x" in opened.refs()[1], opened.refs(one)) == (False, (200, b"0000"))
    server.hosting.change_settings(name, {"transfer.hideRefs": None}, None)
    assert b"team/x" in opened.refs()[1]


def test_what_was_pushed_is_told_next(server) -> None:
    name, git = server.pushed({"a": "one"})
    token = server.token(name)
    with closing(Open(server, name, token)) as opened:
        opened.refs()
        for number in range(2):
            new = git.commit({"a": str(number)}, "More")
            git("push", "-q", server.git_url(name, token), "HEAD:refs/heads/main")
            assert opened.refs()[1].count(new.encode()) == 2


def test_a_repository_that_is_renamed_or_deleted_is_gone(server, opened, elsewhere) -> None:
    name = opened._name
    assert everything(opened) == {200}
    server.hosting.rename(RepositoryName.parse(name), RepositoryName.parse(f"{name}-new"), None)
    assert everything(opened) == {404}
    opened._name = f"{name}-new"
    assert everything(opened) == {200}
    server.hosting.delete(RepositoryName.parse(f"{name}-new"), None)
    assert everything(opened) == {404}


def test_the_repository_of_somebody_else_is_not_there(server, opened) -> None:
    other, _ = server.pushed({"a": "one"})
    opened.refs()
    mine, opened._name = opened._name, other
    assert everything(opened) == {404}
    opened._name = mine
    assert everything(opened) == {200}


def test_what_is_not_at_hand_is_not_made_on_the_loop(server, opened) -> None:
    repository = server.hosting.get(RepositoryName.parse(opened._name))
    with only_at_hand(), pytest.raises(NotAtHand):
        find_refs_answer(repository, LISTING, NAMES_MAX)
    told = opened.refs()[1]
    with only_at_hand():
        assert find_refs_answer(repository, LISTING, 0) == told
        assert find_refs_answer(repository, ls_refs("ref-prefix refs/heads/"), 2) is not None
    with only_at_hand(), pytest.raises(NotAtHand):
        find_refs_answer(repository, ls_refs("peel"), 2)
