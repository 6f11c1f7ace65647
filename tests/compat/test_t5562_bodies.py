"""Request bodies: the cases of git's t5562, with data of our own. A body may be plain or compressed, whole,
cut off or empty, counted or in chunks; only a whole one has an effect, and no other looks like a success."""

import gzip
import http.client
from urllib.parse import urlsplit

import pytest

CLIENT = "git's t5562, request bodies"
MAIN = "refs/heads/main"
NEW = "refs/heads/new"


def packet(text: str) -> bytes:
    """One pkt-line (gitprotocol-common(5))."""
    return f"{len(text.encode()) + 4:04x}{text}".encode()


@pytest.fixture
def work(stock, remote):
    """A work tree with two commits, pushed, and a third that is not."""
    work = stock.at("work").begin()
    work.commit("a")
    work.commit("b")
    work("push", "-q", remote.url, "main")
    work.commit("c")
    return work


@pytest.fixture
def fetch_body(work) -> bytes:
    """A request of protocol 2 for the second commit by one who has the first."""
    lines = (f"want {work('rev-parse', 'HEAD^')}\n", f"have {work('rev-parse', 'HEAD~2')}\n", "done\n")
    return packet("command=fetch") + b"0001" + b"".join(map(packet, lines)) + b"0000"


@pytest.fixture
def push_body(work) -> bytes:
    """A push of the third commit to a new branch."""
    head = work("rev-parse", "HEAD")
    done = work.run("pack-objects", "--revs", "-q", "pack", stdin=f"{head}\n^{head}^\n".encode())
    pack = (work.folder / f"pack-{done.stdout.strip()}.pack").read_bytes()
    return packet(f"{'0' * 40} {head} {NEW}\0report-status\n") + b"0000" + pack


class Asking:
    """A connection of its own, so that bodies can be sent that no library would."""

    def __init__(self, remote) -> None:
        self.remote = remote
        self.connection = http.client.HTTPConnection(urlsplit(remote.site.url).netloc, timeout=30)

    def post(self, service: str, body: bytes, headers: dict[str, str], promised: int | None = None):
        """Post a body as the service's request; with `promised`, say that it has so many bytes, and end."""
        ask = self.connection
        ask.putrequest("POST", f"/{self.remote.name}.git/git-{service}")
        kept = {
            "Authorization": f"Bearer {self.remote.site.token}",
            "Content-Type": f"application/x-git-{service}-request",
            "Git-Protocol": "version=2",
            "Content-Length": str(len(body) if promised is None else promised),
        }
        for name, value in (kept | headers).items():
            ask.putheader(name, value)
        ask.endheaders(body)
        if promised is not None:
            ask.sock.shutdown(1)
        answer = ask.getresponse()
        return answer.status, answer.read()


@pytest.fixture
def asking(remote):
    """A client that sends what it is told."""
    client = Asking(remote)
    yield client
    client.connection.close()


def squeeze(body: bytes, encoding: str) -> tuple[bytes, dict[str, str]]:
    """The body in this encoding, and the header that says so."""
    if encoding == "gzip":
        return gzip.compress(body), {"Content-Encoding": "gzip"}
    return body, {}


ENCODINGS = pytest.mark.parametrize("encoding", ["plain", "gzip"])


@ENCODINGS
def test_a_whole_fetch(asking, fetch_body: bytes, encoding: str) -> None:
    status, answer = asking.post("upload-pack", *squeeze(fetch_body, encoding))
    assert status == 200
    assert b"PACK" in answer


@ENCODINGS
def test_a_whole_push(asking, push_body: bytes, remote, work, encoding: str) -> None:
    status, answer = asking.post("receive-pack", *squeeze(push_body, encoding))
    assert status == 200
    assert b"unpack ok" in answer
    assert remote.refs[NEW] == work("rev-parse", "HEAD")


def succeeded(status: int, answer: bytes) -> bool:
    """Whether a client takes this for what it asked for."""
    return status == 200 and (b"PACK" in answer or b"unpack ok" in answer)


@ENCODINGS
@pytest.mark.parametrize("size", [0, 10, 40])
@pytest.mark.parametrize("service", ["upload-pack", "receive-pack"])
def test_a_body_that_ends_early_as_its_length_says(
    asking, request: pytest.FixtureRequest, remote, encoding: str, size: int, service: str
) -> None:
    whole = request.getfixturevalue("fetch_body" if service == "upload-pack" else "push_body")
    before = remote.refs
    body, headers = squeeze(whole, encoding)
    assert not succeeded(*asking.post(service, body[:size], headers))
    assert remote.refs == before


def test_a_pack_that_ends_early(asking, push_body: bytes, remote) -> None:
    before = remote.refs
    assert not succeeded(*asking.post("receive-pack", push_body[:-30], {}))
    assert remote.refs == before


def test_a_body_that_is_shorter_than_its_length_says(asking, push_body: bytes, remote) -> None:
    """The client goes away in the middle: nothing of it may stay."""
    before = remote.refs
    try:
        result = asking.post("receive-pack", push_body[:-30], {}, promised=len(push_body))
    except (http.client.HTTPException, ConnectionError):
        result = (400, b"")
    assert not succeeded(*result)
    assert remote.refs == before


@pytest.mark.parametrize("length", ["9223372036854775808", "-1", "many", "1, 2"])
def test_a_length_that_is_none_is_refused(asking, push_body: bytes, remote, length: str) -> None:
    before = remote.refs
    try:
        result = asking.post("receive-pack", b"", {"Content-Length": length}, promised=0)
    except (http.client.HTTPException, ConnectionError):
        result = (400, b"")
    assert not succeeded(*result)
    assert remote.refs == before


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_body_in_chunks_of_any_size(asking, push_body: bytes, remote, work, size: int) -> None:
    ask = asking.connection
    ask.putrequest("POST", f"/{remote.name}.git/git-receive-pack")
    ask.putheader("Authorization", f"Bearer {remote.site.token}")
    ask.putheader("Content-Type", "application/x-git-receive-pack-request")
    ask.putheader("Transfer-Encoding", "chunked")
    pieces = (push_body[at : at + size] for at in range(0, len(push_body), size))
    ask.endheaders(pieces, encode_chunked=True)
    answer = ask.getresponse()
    assert succeeded(answer.status, answer.read())
    assert remote.refs[NEW] == work("rev-parse", "HEAD")


def test_a_client_that_waits_to_be_told_to_go_on(asking, push_body: bytes, remote, work) -> None:
    """`Expect: 100-continue`, as clients send it that authenticate in several steps."""
    ask = asking.connection
    ask.putrequest("POST", f"/{remote.name}.git/git-receive-pack")
    ask.putheader("Authorization", f"Bearer {remote.site.token}")
    ask.putheader("Content-Type", "application/x-git-receive-pack-request")
    ask.putheader("Content-Length", str(len(push_body)))
    ask.putheader("Expect", "100-continue")
    ask.endheaders()
    told = ask.sock.recv(12)
    assert told == b"HTTP/1.1 100"
    while not told.endswith(b"\r\n\r\n"):
        told += ask.sock.recv(1)
    ask.send(push_body)
    answer = ask.sock.recv(65536)
    while b"ok refs/heads/new" not in answer:
        answer += ask.sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert remote.refs[NEW] == work("rev-parse", "HEAD")


def test_an_empty_length_on_a_question_does_no_harm(asking, work, remote) -> None:
    ask = asking.connection
    ask.putrequest("GET", f"/{remote.name}.git/info/refs?service=git-receive-pack")
    ask.putheader("Authorization", f"Bearer {remote.site.token}")
    ask.putheader("Content-Length", "0")
    ask.endheaders()
    answer = ask.getresponse()
    assert answer.status == 200
    assert MAIN.encode() in answer.read()
