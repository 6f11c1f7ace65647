"""Stock git clients against the server: what works, and exactly how everything else is refused."""

import gzip
import http.client
import os
import random
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imprint.api.settings import ApiSettings
from imprint.store.actors import Verb
from imprint.store.types import RepositoryName

V2 = {"Git-Protocol": "version=2"}
LS_REFS = b"0014command=ls-refs\n0001" + b"0009peel\n" + b"0000"
UPLOAD = {"Content-Type": "application/x-git-upload-pack-request", **V2}
RECEIVE = {"Content-Type": "application/x-git-receive-pack-request"}


# -- what works --------------------------------------------------------------------------------------------


def test_clone_push_fetch(server) -> None:
    name = server.repository()
    token = server.token(name)
    ada = server.work_tree()
    first = ada.commit({"a.txt": "one\n"}, "One")
    ada("push", "-q", server.git_url(name, token), "HEAD:refs/heads/main")
    bob = server.work_tree("Bob", "bob@example.com")
    bob("remote", "add", "origin", server.git_url(name, token))
    bob("fetch", "-q", "origin")
    assert bob("rev-parse", "origin/main") == first
    second = ada.commit({"a.txt": "two\n"}, "Two")
    ada("push", "-q", server.git_url(name, token), "HEAD:refs/heads/main")
    bob("pull", "-q", "origin", "main")
    assert bob("rev-parse", "HEAD") == second
    assert (bob.folder / "a.txt").read_text() == "two\n"
    bob("fsck", "--full", "--strict")


@pytest.mark.parametrize("suffix", ["", ".git"])
def test_the_address_works_with_and_without_its_suffix(server, sample, suffix: str) -> None:
    git = server.work_tree()
    url = server.git_url(sample.name, server.token(sample.name)).removesuffix(".git") + suffix
    assert git("ls-remote", url, "refs/heads/main").split()[0] == sample.unknown


def test_a_bearer_token_works_with_stock_git(server, sample) -> None:
    git = server.work_tree()
    header = f"http.extraHeader=Authorization: Bearer {server.token(sample.name)}"
    assert sample.unknown in git("-c", header, "ls-remote", server.git_url(sample.name))


def test_an_empty_repository_can_be_cloned(server) -> None:
    name = server.repository()
    git = server.work_tree()
    git("clone", "-q", server.git_url(name, server.token(name)), "empty")
    assert (git.folder / "empty" / ".git").is_dir()


def test_a_push_of_several_megabytes_arrives_chunk_by_chunk(server) -> None:
    """Larger than http.postBuffer, so that git sends it chunked, and than what waits in the queue."""
    name = server.repository()
    git = server.work_tree()
    noise = random.Random(2).randbytes(3_000_000)
    sent = git.commit({"noise.bin": noise}, "Noise")
    git("push", "-q", server.git_url(name, server.token(name)), "HEAD:refs/heads/main")
    git("clone", "-q", server.git_url(name, server.token(name)), "again")
    assert (git.folder / "again" / "noise.bin").read_bytes() == noise
    assert git("-C", "again", "rev-parse", "HEAD") == sent


def test_a_tip_that_is_rewritten_between_listing_and_fetching_can_still_be_fetched(server) -> None:
    name, git = server.pushed({"a": "one"})
    token = server.token(name)
    listed = git("rev-parse", "HEAD").encode()
    git("commit", "-q", "--amend", "-m", "Rewritten")
    git("push", "-q", "--force", server.git_url(name, token), "HEAD:refs/heads/main")
    want = b"0011command=fetch0001" + b"0032want " + listed + b"\n" + b"0009done\n" + b"0000"
    answer = server.client(token).post(f"/{name}.git/git-upload-pack", content=want, headers=UPLOAD)
    assert answer.status_code == 200
    assert b"PACK" in answer.content


# -- who is refused ----------------------------------------------------------------------------------------


@pytest.fixture
def tokens(server, sample) -> dict[str, str]:
    """Tokens that do not let anybody push to the sample."""
    expired = server.token(sample.name, expires_in_ms=10)
    server.clock.advance(10)
    revoked = server.token(sample.name)
    server.hosting.catalogue.revoke_token(
        server.hosting.authenticate(revoked).token.id, server.clock.now_ms()
    )
    return {
        "wrong": "imprint_" + "x" * 40,
        "expired": expired,
        "revoked": revoked,
        "other repository": server.token(server.repository()),
        "read only": server.token(sample.name, verbs=frozenset({Verb.READ})),
    }


@pytest.mark.parametrize(
    ("which", "said"),
    [
        ("wrong", "no such token"),
        ("expired", "expired"),
        ("revoked", "revoked"),
        ("other repository", "not found"),
        ("read only", "403"),
    ],
)
def test_a_push_without_the_right_token_is_refused_with_words(
    server, sample, tokens, which: str, said: str
) -> None:
    git = server.work_tree()
    git.commit({"x": "x"}, "X")
    told = git.refused("push", server.git_url(sample.name, tokens[which]), "HEAD:refs/heads/intruder")
    assert said in told
    refs = server.hosting.get(RepositoryName.parse(sample.name)).view.refs.snapshot().refs
    assert b"refs/heads/intruder" not in refs


def test_a_push_to_a_missing_repository_is_not_found(server) -> None:
    git = server.work_tree()
    git.commit({"x": "x"}, "X")
    told = git.refused("push", server.git_url("nobody/nothing", server.admin), "HEAD:refs/heads/main")
    assert "not found" in told
    assert "no repository 'nobody/nothing' here" in told


@pytest.mark.parametrize("name", ["..%2f..%2fetc/passwd", "acme/..%2fapp", "acme/.app", "a%00b/c", "-x/y"])
def test_a_name_that_is_none_never_reaches_the_store(server, name: str) -> None:
    answer = server.client(server.admin).get(f"/{name}/info/refs?service=git-upload-pack", headers=V2)
    assert answer.status_code in {400, 404}


# -- the protocol ------------------------------------------------------------------------------------------


@pytest.fixture
def client(server, sample):
    return server.client(server.token(sample.name))


@pytest.mark.parametrize("service", ["git-upload-pack", "git-receive-pack"])
def test_an_advertisement_is_of_its_type_and_never_cached(client, sample, service: str) -> None:
    answer = client.get(f"/{sample.name}.git/info/refs", params={"service": service}, headers=V2)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == f"application/x-{service}-advertisement"
    assert answer.headers["cache-control"].startswith("no-cache")


@pytest.mark.parametrize("service", ["", "git-upload-archive", "x" * 40])
def test_dumb_http_and_other_services_are_refused(client, sample, service: str) -> None:
    answer = client.get(f"/{sample.name}.git/info/refs", params={"service": service})
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["HEAD", "objects/info/packs", "objects/00/" + "0" * 38, "info/refs"])
def test_who_asks_for_the_files_of_a_repository_is_told_what_to_do(client, sample, path: str) -> None:
    answer = client.get(f"/{sample.name}.git/{path}")
    assert answer.status_code in {400, 404}
    if path == "info/refs":
        assert "only smart HTTP is served" in answer.text


@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_every_version_of_the_protocol_is_served(server, sample, protocol: int) -> None:
    git = server.work_tree()
    url = server.git_url(sample.name, server.token(sample.name))
    git("-c", f"protocol.version={protocol}", "clone", "-q", "--depth=1", url, "copy")
    git("-C", "copy", "-c", f"protocol.version={protocol}", "fetch", "-q", "--unshallow")
    assert git("-C", "copy", "rev-parse", "HEAD") == sample.unknown
    branch = f"refs/heads/by-version-{protocol}"
    name, mine = server.pushed({"a": "a"})
    mine(
        "-c",
        f"protocol.version={protocol}",
        "push",
        "-q",
        server.git_url(name, server.token(name)),
        f"HEAD:{branch}",
    )
    assert branch.encode() in server.hosting.get(RepositoryName.parse(name)).view.refs.snapshot().refs


def test_version_1_is_named_first_on_both_services(client, sample) -> None:
    for service in ("git-upload-pack", "git-receive-pack"):
        answer = client.get(
            f"/{sample.name}.git/info/refs",
            params={"service": service},
            headers={"Git-Protocol": "version=1"},
        )
        assert answer.content.startswith(b"%04x# service=%b\n0000000eversion 1\n" % (
            len(service) + 15, service.encode()
        ))  # fmt: skip


def test_a_request_without_git_protocol_is_in_version_0(client, sample) -> None:
    want = f"0032want {sample.unknown}\n".encode() + b"0000" + b"0009done\n"
    headers = {"Content-Type": UPLOAD["Content-Type"]}
    answer = client.post(f"/{sample.name}/git-upload-pack", content=want, headers=headers)
    assert answer.status_code == 200
    assert answer.content.startswith(b"0008NAK\nPACK")


def test_a_client_may_wait_for_100_continue(server, sample) -> None:
    """As curl does with large requests: nothing of the body comes before the server says so."""
    host, port = server.url.removeprefix("http://").split(":")
    head = (
        f"POST /{sample.name}/git-upload-pack HTTP/1.1\r\nHost: {host}\r\nExpect: 100-continue\r\n"
        f"Authorization: Bearer {server.token(sample.name)}\r\nContent-Type: {UPLOAD['Content-Type']}\r\n"
        f"Git-Protocol: version=2\r\nContent-Length: {len(LS_REFS)}\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(LS_REFS)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert sample.unknown.encode() in answer


def test_one_connection_carries_many_requests(server, sample) -> None:
    """Also behind one that was refused, and whatever the body came in."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=10)
    token = {"Authorization": f"Bearer {server.token(sample.name)}"}
    address = f"/{sample.name}.git"
    packed = gzip.compress(LS_REFS, mtime=0)
    sockets = set()

    def ask(method: str, path: str, status: int, body: object = None, **headers: str) -> bytes:
        chunked = body is not None and not isinstance(body, bytes)
        connection.request(
            method, address + path, body, {**token, **UPLOAD, **headers}, encode_chunked=chunked
        )
        sockets.add(connection.sock.getsockname())
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == status, content
        return content

    for _ in range(2):
        ask("GET", "/info/refs?service=git-upload-pack", 200)
        assert sample.unknown.encode() in ask("POST", "/git-upload-pack", 200, LS_REFS)
        ask("POST", "/git-upload-pack", 400, b"00zz")
        ask("POST", "/git-upload-pack", 415, LS_REFS, **{"Content-Type": "text/plain"})
        answer = ask("POST", "/git-upload-pack", 200, packed, **{"Content-Encoding": "gzip"})
        assert sample.unknown.encode() in answer
        pieces = iter([packed[:10], packed[10:]])
        headers = {"Content-Encoding": "gzip", "Transfer-Encoding": "chunked"}
        assert ask("POST", "/git-upload-pack", 200, pieces, **headers) == answer
        ask("GET", "/info/refs", 400)
    assert len(sockets) == 1
    connection.close()


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "application/x-git-upload-pack-result"],
)
@pytest.mark.parametrize("service", ["git-upload-pack", "git-receive-pack"])
def test_only_gits_own_content_type_gets_through(
    client, sample, service: str, content_type: str | None
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    answer = client.post(f"/{sample.name}/{service}", content=LS_REFS, headers=headers)
    assert answer.status_code == 415


def test_a_request_in_gzip_is_inflated(client, sample) -> None:
    answer = client.post(
        f"/{sample.name}/git-upload-pack",
        content=gzip.compress(LS_REFS, mtime=0),
        headers={**UPLOAD, "Content-Encoding": "gzip"},
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-git-upload-pack-result"
    assert sample.unknown.encode() in answer.content


def test_a_request_in_chunks_of_one_byte_is_the_same_request(client, sample) -> None:
    answer = client.post(
        f"/{sample.name}/git-upload-pack", content=(bytes([byte]) for byte in LS_REFS), headers=UPLOAD
    )
    assert answer.status_code == 200
    assert sample.unknown.encode() in answer.content


@pytest.mark.parametrize(
    ("content", "encoding", "status"),
    [
        (b"this is no gzip", "gzip", 400),
        (gzip.compress(LS_REFS, mtime=0)[:-14], "gzip", 400),
        (gzip.compress(LS_REFS, mtime=0) + b"more", "gzip", 400),
        (LS_REFS, "br", 415),
        (b"00zz", "", 400),
        (b"-001", "", 400),
        (b"0014command=ls", "", 400),
    ],
)
def test_a_damaged_request_is_the_clients_fault(
    client, sample, content: bytes, encoding: str, status: int
) -> None:
    headers = {**UPLOAD, **({"Content-Encoding": encoding} if encoding else {})}
    answer = client.post(f"/{sample.name}/git-upload-pack", content=content, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/plain")


def test_a_gzip_bomb_is_refused_long_before_it_is_inflated(server, sample, client) -> None:
    bytes_max = server.app.state.services.settings.negotiation_bytes_max
    bomb = gzip.compress(b"0032want " + b"0" * (bytes_max + 1), 9)
    begun = time.monotonic()
    answer = client.post(
        f"/{sample.name}/git-upload-pack", content=bomb, headers={**UPLOAD, "Content-Encoding": "gzip"}
    )
    assert answer.status_code in {400, 413}
    assert time.monotonic() - begun < 5


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(server) -> None:
    name = server.repository()
    token = server.token(name)
    repository = server.hosting.get(RepositoryName.parse(name))
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"))
    connection.putrequest("POST", f"/{name}.git/git-receive-pack")
    connection.putheader("Authorization", f"Bearer {token}")
    connection.putheader("Content-Type", RECEIVE["Content-Type"])
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    command = b"0" * 40 + b" " + b"1" * 40 + b" refs/heads/main\0report-status"
    for chunk in (b"%04x" % (len(command) + 4) + command + b"0000", b"PACK\0\0\0\2\0\0\0\5"):
        connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
    time.sleep(0.2)
    connection.close()
    quarantine = repository.git_dir / "imprint" / "quarantine"
    deadline = time.monotonic() + 10
    while quarantine.exists() and any(quarantine.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not quarantine.exists() or list(quarantine.iterdir()) == []
    assert repository.view.refs.snapshot().refs == {}
    assert threading_is_back(server)


def threading_is_back(server) -> bool:
    """No git request holds a slot or a thread any more."""
    services = server.app.state.services
    deadline = time.monotonic() + 10
    while (services.git_limiter.borrowed_tokens or services.git_queue.held) and time.monotonic() < deadline:
        time.sleep(0.05)
    return services.git_limiter.borrowed_tokens == services.git_queue.held == 0


def test_slow_clones_do_not_keep_others_waiting(serve_at, tmp_path) -> None:
    """One actor fills all the slots it may have with clients that read nothing; others are served."""
    server = serve_at(tmp_path, ApiSettings(git_requests_max=8, git_share_max=0.75))
    noise = random.Random(1).randbytes(8_000_000)
    name, git = server.pushed({"noise.bin": noise})
    living = git_processes()  # those that hash for small pushes
    token = server.token(name)
    tip = git("rev-parse", "HEAD").encode()
    want = b"0011command=fetch0001" + b"0032want " + tip + b"\n" + b"0009done\n" + b"0000"
    host, port = server.url.removeprefix("http://").split(":")
    request = (
        f"POST /{name}.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: {UPLOAD['Content-Type']}\r\nGit-Protocol: version=2\r\n"
        f"Content-Length: {len(want)}\r\n\r\n"
    ).encode() + want
    stuck = []
    try:
        for _ in range(6):
            connection = socket.create_connection((host, int(port)))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(request)
            stuck.append(connection)
        for connection in stuck:
            assert connection.recv(12) == b"HTTP/1.1 200"
        begun = time.monotonic()
        assert server.client(token).get("/healthz").status_code == 200
        other = server.work_tree()
        other("clone", "-q", "--depth=1", server.git_url(name, server.token(name, actor="bob")), "whole")
        assert time.monotonic() - begun < 20
    finally:
        working = git_processes() - living
        for connection in stuck:
            connection.close()
    assert working, "git was packing for the clients that read nothing"
    assert threading_is_back(server)
    deadline = time.monotonic() + 10
    while git_processes() - living and time.monotonic() < deadline:
        time.sleep(0.05)
    assert git_processes() <= living


def git_processes() -> set[str]:
    """What git runs for this process, by id; those of other tests' servers would be among them."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            before, _, after = stat.read_text().rpartition(")")
        except OSError:
            continue  # it ended meanwhile
        if before.endswith("(git") and int(after.split()[1]) == os.getpid():
            found.add(stat.parent.name)
    return found


def test_many_clients_at_once_are_all_served(server) -> None:
    name = server.repository()
    token = server.token(name)

    def push(number: int) -> str:
        git = server.work_tree()
        commit = git.commit({f"{number}.txt": f"{number}\n"}, f"Commit {number}")
        git("push", "-q", server.git_url(name, token), f"HEAD:refs/heads/branch-{number}")
        return commit

    with ThreadPoolExecutor(8) as pool:
        commits = list(pool.map(push, range(8)))
    listed = server.work_tree()("ls-remote", server.git_url(name, token))
    assert {line.split()[0] for line in listed.splitlines() if "refs/heads/" in line} == set(commits)


def test_racing_pushes_to_one_branch_land_once(server) -> None:
    name, _ = server.pushed({"a": "a"})
    token = server.token(name)
    trees = []
    for number in range(6):
        git = server.work_tree()
        git("pull", "-q", server.git_url(name, token), "main")
        git.commit({f"{number}": "x"}, f"{number}")
        trees.append(git)
    start = threading.Barrier(len(trees))

    def push(git) -> int:
        start.wait()
        return git.run("push", server.git_url(name, token), "HEAD:refs/heads/main").returncode

    with ThreadPoolExecutor(len(trees)) as pool:
        codes = list(pool.map(push, trees))
    assert codes.count(0) == 1
    head = trees[codes.index(0)]("rev-parse", "HEAD")
    assert head in server.work_tree()("ls-remote", server.git_url(name, token), "refs/heads/main")
