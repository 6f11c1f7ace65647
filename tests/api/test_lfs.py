"""Git LFS, by stock clients and by hand."""

import hashlib
import http.client
import json
import os
import resource
import shutil
import socket
import threading
import time
import urllib.parse
from datetime import datetime
from pathlib import Path
from typing import Self

import pytest

from imprint.api.settings import ApiSettings
from imprint.store.actors import Verb
from imprint.store.lfs.pointer import LargeObjectId
from imprint.store.types import RepositoryName

MEDIA_TYPE = "application/vnd.git-lfs+json"
MEBIBYTE = 1024**2
CONTENT = bytes(range(256)) * 4096
needs_client = pytest.mark.skipif(not shutil.which("git-lfs"), reason="git-lfs is not installed")


def oid_of(content: bytes) -> LargeObjectId:
    return LargeObjectId(hashlib.sha256(content).hexdigest())


def wish(*contents: bytes, operation: str = "upload", **more) -> dict:
    objects = [{"oid": oid_of(content), "size": len(content)} for content in contents]
    return {"operation": operation, "objects": objects, **more}


class Caller:
    """Somebody who speaks to the LFS addresses of a repository by hand."""

    def __init__(self, server, name: str, token: str | None) -> None:
        self.client = server.client(token)
        self.base = f"/{name}.git/info/lfs"

    def post(self, address: str, body: dict, **headers: str):
        headers = {"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE, **headers}
        return self.client.post(self.base + address, json=body, headers=headers)

    def put(self, content: bytes, oid: str = ""):
        return self.client.put(f"{self.base}/objects/{oid or oid_of(content)}", content=content)

    def get(self, address: str, **headers: str):
        return self.client.get(self.base + address, headers=headers)

    def batch(self, *contents: bytes, **more) -> list[dict]:
        answer = self.post("/objects/batch", wish(*contents, **more))
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == MEDIA_TYPE
        return answer.json()["objects"]


@pytest.fixture
def name(server) -> str:
    return server.repository()


@pytest.fixture
def caller(server, name) -> Caller:
    return Caller(server, name, server.token(name))


@pytest.fixture
def reader(server, name) -> Caller:
    return Caller(server, name, server.token(name, verbs=frozenset({Verb.READ}), actor="rea"))


@pytest.fixture
def other(server, name) -> Caller:
    return Caller(server, name, server.token(name, actor="bob"))


def files_of(server, name: str) -> list[str]:
    record = server.hosting.get(RepositoryName.parse(name)).record
    folder = server.hosting.folder.lfs_path / record.id
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


# -- objects --------------------------------------------------------------------------------------------


def test_an_object_goes_up_and_comes_down(server, name, caller, reader):
    (asked,) = caller.batch(CONTENT)
    address = f"{server.url}/{name}.git/info/lfs/objects/{oid_of(CONTENT)}"
    assert asked["actions"]["upload"] == {"href": address, "expires_in": 86400}
    assert caller.client.put(asked["actions"]["upload"]["href"], content=CONTENT).status_code == 200
    verify = asked["actions"]["verify"]["href"]
    body = {"oid": oid_of(CONTENT), "size": len(CONTENT)}
    assert caller.client.post(verify, json=body, headers={"Content-Type": MEDIA_TYPE}).status_code == 200
    assert files_of(server, name) == [oid_of(CONTENT)]
    (again,) = caller.batch(CONTENT)
    assert "actions" not in again, "what is here is not asked for again"
    (found,) = reader.batch(CONTENT, operation="download")
    answer = reader.client.get(found["actions"]["download"]["href"])
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["content-type"] == "application/octet-stream"


def test_what_is_wrong_with_one_object_stops_no_other(caller):
    caller.put(b"here")
    body = wish(b"here", b"absent", operation="download")
    body["objects"] += [{"oid": "short", "size": 1}, {"oid": oid_of(b"here"), "size": 5}]
    body["objects"] += [{"oid": oid_of(b"x"), "size": -1}]
    answers = caller.post("/objects/batch", body).json()["objects"]
    assert "download" in answers[0]["actions"]
    assert [each.get("error", {}).get("code") for each in answers] == [None, 404, 422, 422, 422]
    assert [each["oid"] for each in answers] == [each["oid"] for each in body["objects"]]


def test_an_object_that_would_be_too_long_is_not_asked_for(server, caller):
    too_long = server.hosting.limits.lfs_object_bytes_max + 1
    body = {"operation": "upload", "objects": [{"oid": oid_of(b"x"), "size": too_long}]}
    (answer,) = caller.post("/objects/batch", body).json()["objects"]
    assert answer["error"]["code"] == 422
    assert "actions" not in answer


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"operation": "remove"}, 422),
        ({"objects": "all"}, 422),
        ({"hash_algo": "sha512"}, 409),
        ({"transfers": ["tus"]}, 400),
        ({"objects": [{"oid": "0" * 64, "size": 1}] * 1001}, 413),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_whole(caller, change, status):
    answer = caller.post("/objects/batch", wish(b"x") | change)
    assert answer.status_code == status
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert set(answer.json()) == {"message", "request_id", "documentation_url"}


@pytest.mark.parametrize(
    "change", [{"transfers": []}, {"transfers": ["tus", "basic"]}, {"ref": None}, {"new": 1}]
)
def test_clients_say_more_or_less(caller, change):
    assert caller.post("/objects/batch", wish(b"x") | change).json()["transfer"] == "basic"


def test_the_content_type_may_name_a_charset_and_nothing_else(caller):
    sent = {"Content-Type": f"{MEDIA_TYPE}; charset=utf-8"}
    assert caller.post("/objects/batch", wish(b"x"), **sent).status_code == 200
    assert (
        caller.post("/objects/batch", wish(b"x"), **{"Content-Type": "application/json"}).status_code == 415
    )


@pytest.mark.parametrize("oid", [oid_of(b"something else"), "0" * 64])
def test_content_that_is_not_what_its_id_says_is_refused_and_not_kept(server, name, caller, oid):
    answer = caller.put(CONTENT, oid)
    assert answer.status_code == 422
    assert oid_of(CONTENT) in answer.json()["message"]
    assert files_of(server, name) == []
    assert caller.get(f"/objects/{oid}").status_code == 404


@pytest.mark.parametrize("oid", ["short", "A" * 64, "0" * 65])
def test_an_address_that_is_no_id_is_refused(caller, oid):
    assert caller.put(b"x", oid).status_code == 422
    assert caller.get(f"/objects/{oid}").status_code == 422


@pytest.mark.parametrize(("size", "status"), [(len(CONTENT), 404), (len(CONTENT) + 1, 404)])
def test_what_has_not_arrived_is_not_verified(caller, size, status):
    assert caller.post("/objects/verify", {"oid": oid_of(CONTENT), "size": size}).status_code == status


def test_what_arrived_in_another_length_is_not_verified(caller):
    caller.put(CONTENT)
    body = {"oid": oid_of(CONTENT), "size": len(CONTENT) + 1}
    assert caller.post("/objects/verify", body).status_code == 422


def test_a_chunked_upload_is_taken(caller):
    pieces = (CONTENT[at : at + 1000] for at in range(0, len(CONTENT), 1000))
    answer = caller.client.put(f"{caller.base}/objects/{oid_of(CONTENT)}", content=pieces)
    assert answer.status_code == 200
    assert caller.get(f"/objects/{oid_of(CONTENT)}").content == CONTENT


def test_an_upload_that_is_cut_off_leaves_nothing_and_can_be_sent_again(server, name, caller):
    address = urllib.parse.urlsplit(server.url).netloc
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.putrequest("PUT", f"{caller.base}/objects/{oid_of(CONTENT)}")
    connection.putheader("Authorization", caller.client.headers["Authorization"])
    connection.putheader("Content-Length", str(len(CONTENT)))
    connection.endheaders(CONTENT[:1000])
    connection.close()
    assert caller.put(CONTENT).status_code == 200
    assert caller.get(f"/objects/{oid_of(CONTENT)}").content == CONTENT
    server.hosting.lfs.objects.sweep()
    assert oid_of(CONTENT) in files_of(server, name)


SIZE = len(CONTENT)


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-9", 0, 9),
        (f"bytes=1000-{SIZE - 1}", 1000, SIZE - 1),
        ("bytes=1000-", 1000, SIZE - 1),
        (f"bytes=1000-{SIZE + 10}", 1000, SIZE - 1),
        ("bytes=-10", SIZE - 10, SIZE - 1),
        (f"bytes=-{SIZE + 10}", 0, SIZE - 1),
    ],
)
def test_a_download_goes_on_where_it_was_cut_off(caller, asked, first, last):
    caller.put(CONTENT)
    answer = caller.get(f"/objects/{oid_of(CONTENT)}", Range=asked)
    assert answer.status_code == 206
    assert answer.headers["content-range"] == f"bytes {first}-{last}/{SIZE}"
    assert answer.content == CONTENT[first : last + 1]


@pytest.mark.parametrize("asked", ["bytes=5-4", "bytes=-", "bytes=0-1,3-4", "lines=1-2", "bytes=a-b", ""])
def test_a_range_that_means_nothing_here_gets_the_whole(caller, asked):
    caller.put(CONTENT)
    answer = caller.get(f"/objects/{oid_of(CONTENT)}", Range=asked)
    assert (answer.status_code, answer.content) == (200, CONTENT)


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(caller, asked):
    caller.put(CONTENT)
    answer = caller.get(f"/objects/{oid_of(CONTENT)}", Range=asked)
    assert answer.status_code == 416
    assert answer.headers["content-range"] == f"bytes */{SIZE}"


def test_a_range_of_another_version_gets_the_whole(caller):
    caller.put(CONTENT)
    address = f"/objects/{oid_of(CONTENT)}"
    assert caller.get(address, Range="bytes=0-9", **{"If-Range": '"other"'}).content == CONTENT
    etag = caller.get(address).headers["etag"]
    assert caller.get(address, Range="bytes=0-9", **{"If-Range": etag}).content == CONTENT[:10]


def test_an_empty_object_is_one(caller):
    assert caller.put(b"").status_code == 200
    answer = caller.get(f"/objects/{oid_of(b'')}")
    assert (answer.status_code, answer.content) == (200, b"")


def test_an_object_whose_file_was_lost_is_asked_for_again(server, name, caller):
    caller.put(CONTENT)
    record = server.hosting.get(RepositoryName.parse(name)).record
    (path,) = (server.hosting.folder.lfs_path / record.id).rglob(str(oid_of(CONTENT)))
    path.write_bytes(b"short")
    assert caller.get(f"/objects/{oid_of(CONTENT)}").status_code == 404
    assert [fault.what for fault in server.hosting.lfs.find_faults(record.id)] == [
        f"its file has 5 bytes instead of {SIZE}"
    ]
    (asked,) = caller.batch(CONTENT)
    assert "upload" in asked["actions"]
    caller.put(CONTENT)
    assert caller.get(f"/objects/{oid_of(CONTENT)}").content == CONTENT
    assert list(server.hosting.lfs.find_faults(record.id)) == []


class Memory(threading.Thread):
    """Watches how much memory this process has, which holds client and server."""

    def __enter__(self) -> Self:
        self._ended = threading.Event()
        self.before_bytes = self.peak_bytes = self._read()
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        while not self._ended.wait(0.005):
            self.peak_bytes = max(self.peak_bytes, self._read())

    def _read(self) -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def test_a_large_object_passes_through_in_bounded_memory(server, caller):
    server.settle()  # what followers do in this process is not what is measured
    piece, count = os.urandom(MEBIBYTE), 100
    digest = hashlib.sha256()
    for _ in range(count):
        digest.update(piece)
    address = f"{caller.base}/objects/{digest.hexdigest()}"
    arrived = hashlib.sha256()
    with Memory() as memory:
        assert caller.client.put(address, content=(piece for _ in range(count))).status_code == 200
        with caller.client.stream("GET", address) as answer:
            assert answer.headers["content-length"] == str(count * MEBIBYTE)
            for part in answer.iter_bytes():
                arrived.update(part)
    assert arrived.digest() == digest.digest()
    assert memory.peak_bytes - memory.before_bytes < 60 * MEBIBYTE


# -- who may --------------------------------------------------------------------------------------------


def test_without_a_token_a_client_is_told_how_to_come(server, name):
    answer = Caller(server, name, None).post("/objects/batch", wish(b"x"))
    assert answer.status_code == 401
    assert answer.headers["lfs-authenticate"] == answer.headers["www-authenticate"] == 'Basic realm="Imprint"'
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert "token" in answer.json()["message"]


def test_who_may_only_read_gets_objects_and_sends_none(caller, reader):
    caller.put(CONTENT)
    assert reader.get(f"/objects/{oid_of(CONTENT)}").content == CONTENT
    assert reader.post("/objects/batch", wish(b"x")).status_code == 403
    assert reader.put(b"x").status_code == 403
    assert reader.post("/locks", {"path": "a"}).status_code == 403
    assert reader.post("/locks/verify", {}).status_code == 403
    assert reader.post("/locks/lock_1/unlock", {}).status_code == 403
    assert reader.get("/locks").json() == {"locks": []}


def test_another_repository_is_as_if_it_were_not_there(server, caller):
    stranger = Caller(
        server, server.repository(), caller.client.headers["Authorization"].removeprefix("Bearer ")
    )
    assert stranger.post("/objects/batch", wish(b"x")).status_code == 404
    assert stranger.get("/locks").status_code == 404


def test_an_object_is_in_the_repository_it_was_sent_to_only(server, caller):
    caller.put(CONTENT)
    elsewhere = server.repository()
    other = Caller(server, elsewhere, server.token(elsewhere))
    assert other.get(f"/objects/{oid_of(CONTENT)}").status_code == 404
    (asked,) = other.batch(CONTENT)
    assert "upload" in asked["actions"]


def test_a_client_is_told_how_long_its_token_is_good(server, name):
    caller = Caller(server, name, server.token(name, expires_in_ms=600_000))
    (asked,) = caller.batch(b"x")
    assert asked["actions"]["upload"]["expires_in"] == 600


def test_a_token_that_ends_during_an_upload_delivers_nothing(server, name):
    secret = server.token(name)
    caller = Caller(server, name, secret)
    token = server.hosting.authenticate(secret).token

    def pieces():
        yield CONTENT[:1000]
        deadline = time.monotonic() + 30
        while not files_of(server, name) and time.monotonic() < deadline:
            time.sleep(0.01)
        server.hosting.catalogue.revoke_token(token.id, server.clock.now_ms())
        yield CONTENT[1000:]

    answer = caller.client.put(f"{caller.base}/objects/{oid_of(CONTENT)}", content=pieces())
    assert answer.status_code == 403
    fresh = Caller(server, name, server.token(name))
    assert fresh.get(f"/objects/{oid_of(CONTENT)}").status_code == 404


def test_a_repository_that_is_destroyed_takes_its_objects_along(server, caller, name):
    caller.put(CONTENT)
    caller.post("/locks", {"path": "a"})
    record = server.hosting.get(RepositoryName.parse(name)).record
    server.hosting.delete(record.name, None, grace_ms=0)
    server.hosting.purge_due()
    assert not (server.hosting.folder.lfs_path / record.id).exists()
    assert server.hosting.lfs.register.list_objects(record.id) == []


# -- locks ----------------------------------------------------------------------------------------------


def test_a_path_is_locked_by_one(server, caller, other):
    made = caller.post("/locks", {"path": "art/a.psd", "ref": {"name": "refs/heads/main"}})
    assert made.status_code == 201
    lock = made.json()["lock"]
    assert lock["path"] == "art/a.psd"
    assert lock["owner"] == {"name": "ada"}
    assert datetime.fromisoformat(lock["locked_at"]).timestamp() == server.clock.now_ms() // 1000
    assert lock["locked_at"].endswith("Z")
    refused = other.post("/locks", {"path": "art/a.psd", "ref": {"name": "refs/heads/other"}})
    assert refused.status_code == 409
    assert refused.json()["lock"] == lock
    assert "ada" in refused.json()["message"]
    assert other.get("/locks").json() == {"locks": [lock]}
    assert caller.post("/locks/verify", {}).json() == {"ours": [lock], "theirs": []}
    assert other.post("/locks/verify", {"ref": {"name": "refs/heads/x"}}).json() == {
        "ours": [],
        "theirs": [lock],
    }


def test_a_lock_is_given_back_by_its_holder_or_by_force_of_an_administrator(server, name, caller, other):
    def lock() -> str:
        return caller.post("/locks", {"path": "a"}).json()["lock"]["id"]

    first = lock()
    assert other.post(f"/locks/{first}/unlock", {}).status_code == 403
    assert other.post(f"/locks/{first}/unlock", {"force": True}).status_code == 403
    assert caller.post(f"/locks/{first}/unlock", {"force": False}).json()["lock"]["id"] == first
    assert caller.post(f"/locks/{first}/unlock", {}).status_code == 404
    second = lock()
    admin = Caller(server, name, server.admin)
    assert admin.post(f"/locks/{second}/unlock", {}).status_code == 403
    assert admin.post(f"/locks/{second}/unlock", {"force": True}).json()["lock"]["id"] == second


def test_locks_are_listed_in_pages(caller):
    made = [caller.post("/locks", {"path": f"file {number}"}).json()["lock"] for number in range(5)]
    made.sort(key=lambda lock: lock["id"])  # the clock stands still
    page = caller.get("/locks?limit=3&refspec=refs/heads/main").json()
    assert page["locks"] == made[:3]
    rest = caller.get(f"/locks?limit=3&cursor={page['next_cursor']}").json()
    assert rest == {"locks": made[3:]}
    assert caller.get(f"/locks?path={made[2]['path']}").json() == {"locks": [made[2]]}
    assert caller.get(f"/locks?id={made[4]['id']}").json() == {"locks": [made[4]]}
    assert caller.get("/locks?path=&id=&cursor=&limit=&refspec=").json() == {"locks": made}
    assert caller.get("/locks?limit=0").json() == {"locks": made}
    page = caller.post("/locks/verify", {"limit": 4}).json()
    assert page["ours"] == made[:4]
    rest = caller.post("/locks/verify", {"limit": 4, "cursor": page["next_cursor"]}).json()
    assert rest == {"ours": made[4:], "theirs": []}


@pytest.mark.parametrize("text", ["\\ud800", "\\udc80", "a\\ud800b"])
def test_half_a_character_is_refused(caller, text):
    for address, body in (
        ("/locks", f'{{"path": "{text}"}}'),
        ("/locks", f'{{"path": "a", "ref": {{"name": "{text}"}}}}'),
        ("/locks/verify", f'{{"cursor": "{text}"}}'),
        ("/objects/verify", f'{{"oid": "{text}", "size": 1}}'),
    ):
        answer = caller.client.post(
            caller.base + address, content=body.encode(), headers={"Content-Type": MEDIA_TYPE}
        )
        assert answer.status_code in (400, 422), answer.text
    assert caller.get("/locks").json() == {"locks": []}


@pytest.mark.parametrize("path", ["", "/a", "a//b", "../a", "a/.git/b", "a\0b", "x" * 5000])
def test_a_path_that_no_tree_could_hold_is_not_locked(caller, path):
    assert caller.post("/locks", {"path": path}).status_code == 400
    assert caller.get("/locks").json() == {"locks": []}


# -- stock clients --------------------------------------------------------------------------------------

FILTERS = """[filter "lfs"]
\tclean = git-lfs clean -- %f
\tsmudge = git-lfs smudge -- %f
\tprocess = git-lfs filter-process
\trequired = true
[lfs]
\tconcurrenttransfers = 2
"""
"""What `git lfs install` writes into the user's own configuration: here into a file of the test."""


class Clients:
    """Makes stock clients with Git LFS, which share nothing with the user of this machine."""

    def __init__(self, server, folder) -> None:
        self.server = server
        (folder / "gitconfig").write_text(FILTERS)
        self.environment = {"GIT_CONFIG_GLOBAL": str(folder / "gitconfig"), "HOME": str(folder)}

    def new(self):
        git = self.server.work_tree()
        git.environment |= self.environment
        return git

    def begin(self, url: str):
        """A work tree that tracks `*.bin` and will push to `url`."""
        git = self.new()
        git("lfs", "install", "--local")
        git("remote", "add", "origin", url)
        git("lfs", "track", "*.bin")
        return git

    def clone(self, url: str):
        git = self.new()
        git("clone", "-q", url, "clone")
        git.folder /= "clone"
        git("lfs", "install", "--local")
        git("config", f"lfs.{url}/info/lfs.locksverify", "true")
        return git


@pytest.fixture
def clients(server, tmp_path) -> Clients:
    return Clients(server, tmp_path)


def content_of(git, path: str) -> bytes:
    return (git.folder / path).read_bytes()


@needs_client
def test_a_stock_client_pushes_clones_fetches_and_pulls(server, name, clients):
    url = server.git_url(name, server.token(name))
    ada = clients.begin(url)
    ada.commit({"a.bin": CONTENT, "empty.bin": b"", "text": "text"}, "Begin")
    ada("push", "-q", "origin", "main")
    assert ada("cat-file", "-p", "HEAD:a.bin").endswith(f"sha256:{oid_of(CONTENT)}\nsize {len(CONTENT)}")
    assert files_of(server, name) == [oid_of(CONTENT)]
    clone = clients.clone(url)
    assert content_of(clone, "a.bin") == CONTENT
    assert content_of(clone, "empty.bin") == b""
    ada.commit({"a.bin": CONTENT * 2, "b.bin": b"b"}, "Change")
    ada("push", "-q", "origin", "main")
    clone("pull", "-q")
    assert content_of(clone, "a.bin") == CONTENT * 2
    clone("lfs", "fsck")
    assert set(files_of(server, name)) == {oid_of(each) for each in (CONTENT, CONTENT * 2, b"b")}


@needs_client
def test_a_stock_client_comes_with_a_header_or_a_credential_helper(server, name, clients):
    secret = server.token(name)
    by_header = clients.begin(server.git_url(name))
    by_header("config", f"http.{server.url}/.extraHeader", f"Authorization: Bearer {secret}")
    by_header.commit({"a.bin": CONTENT}, "Begin")
    by_header("push", "-q", "origin", "main")
    by_helper = clients.begin(server.git_url(name))
    by_helper("config", "credential.helper", f"!f() {{ echo username=git; echo password={secret}; }}; f")
    by_helper.commit({"b.bin": b"b"}, "Begin")
    by_helper("push", "-q", "origin", "main:other")
    by_helper("fetch", "-q", "origin", "main")
    by_helper("checkout", "-q", "FETCH_HEAD")
    assert content_of(by_helper, "a.bin") == CONTENT


@needs_client
def test_a_stock_client_that_may_only_read_clones_and_cannot_push(server, name, clients):
    ada = clients.begin(server.git_url(name, server.token(name)))
    ada.commit({"a.bin": CONTENT}, "Begin")
    ada("push", "-q", "origin", "main")
    reader = clients.clone(server.git_url(name, server.token(name, verbs=frozenset({Verb.READ}))))
    assert content_of(reader, "a.bin") == CONTENT
    reader.commit({"b.bin": b"b"}, "Try")
    said = reader.refused("push", "origin", "main")
    assert "may not write" in said
    assert files_of(server, name) == [oid_of(CONTENT)]


@needs_client
def test_stock_clients_respect_each_others_locks(server, name, clients):
    ada = clients.begin(server.git_url(name, server.token(name, actor="ada")))
    ada.commit({"a.bin": CONTENT, "b.bin": b"b"}, "Begin")
    ada("push", "-q", "origin", "main")
    bob = clients.clone(server.git_url(name, server.token(name, actor="bob")))
    assert "Locked a.bin" in ada("lfs", "lock", "a.bin")
    assert "ada" in bob("lfs", "locks")
    assert "ada" in bob.refused("lfs", "lock", "a.bin")
    bob.commit({"a.bin": b"mine"}, "Change what is locked")
    said = bob.refused("push", "origin", "main")
    assert "locked" in said.lower()
    assert "ada" in bob.refused("lfs", "unlock", "a.bin")
    ada("lfs", "unlock", "a.bin")
    bob("push", "-q", "origin", "main")
    bob("lfs", "lock", "b.bin")
    assert "b.bin" in ada("lfs", "locks")
    admin = clients.clone(server.git_url(name, server.admin))
    admin("lfs", "unlock", "--force", "b.bin")
    assert ada("lfs", "locks") == ""


@needs_client
def test_a_stock_client_is_told_of_an_object_that_nobody_delivered(server, name, clients):
    url = server.git_url(name, server.token(name))
    ada = clients.begin(url)
    ada.commit({"a.bin": CONTENT}, "Begin")
    told = ada.run("push", "--no-verify", "origin", "main")
    assert told.returncode == 0
    assert b"1 large object (Git LFS) that this push names did not come" in told.stderr
    lazy = clients.new()
    lazy.environment["GIT_LFS_SKIP_SMUDGE"] = "1"
    lazy("clone", "-q", url, "clone")
    lazy.folder /= "clone"
    assert content_of(lazy, "a.bin").startswith(b"version https://git-lfs")
    assert oid_of(CONTENT) in lazy.refused("lfs", "pull")
    ada("lfs", "push", "--all", "origin")
    lazy("lfs", "pull")
    assert content_of(lazy, "a.bin") == CONTENT


class CuttingProxy:
    """Passes connections on to `server_url`, and cuts off the first that sends more than `cut_at` bytes."""

    def __init__(self, server_url: str = "", cut_at: int | None = None) -> None:
        self.server_url = server_url
        self._left = [cut_at] if cut_at is not None else []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            target = urllib.parse.urlsplit(self.server_url)
            server = socket.create_connection((target.hostname, target.port))
            threading.Thread(target=self._pass_on, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(server, client, False), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_upload: bool) -> None:
        passed = 0
        try:
            while chunk := source.recv(16384):
                passed += len(chunk)
                if is_upload and self._left and passed > self._left[0]:
                    self._left.clear()
                    self.cuts += 1
                    break
                target.sendall(chunk)
        except OSError:
            pass
        for each in (source, target):
            each.close()


@needs_client
def test_a_stock_client_sends_again_what_was_cut_off(server, name, clients):
    proxy = CuttingProxy(server.url, len(CONTENT) // 2)
    secret = server.token(name)
    ada = clients.begin(f"http://git:{secret}@127.0.0.1:{proxy.port}/{name}.git")
    ada.commit({"a.bin": CONTENT}, "Begin")
    ada("push", "-q", "origin", "main")
    proxy.close()
    assert proxy.cuts == 1
    clone = clients.clone(server.git_url(name, secret))
    assert content_of(clone, "a.bin") == CONTENT
    server.hosting.lfs.objects.sweep()
    assert files_of(server, name) == [oid_of(CONTENT)]


@needs_client
def test_a_stock_client_goes_on_with_a_download_that_was_cut_off(server, name, clients):
    url = server.git_url(name, server.token(name))
    ada = clients.begin(url)
    ada.commit({"a.bin": CONTENT}, "Begin")
    ada("push", "-q", "origin", "main")
    late = clients.new()
    late.environment |= {"GIT_LFS_SKIP_SMUDGE": "1", "GIT_TRACE": "1"}
    late("clone", "-q", url, "clone")
    late.folder /= "clone"
    incomplete = late.folder / ".git" / "lfs" / "incomplete"
    incomplete.mkdir(parents=True)
    (incomplete / f"{oid_of(CONTENT)}.part").write_bytes(CONTENT[: len(CONTENT) // 2])
    done = late.run("lfs", "pull")
    assert done.returncode == 0
    assert b"server accepted resume" in done.stderr
    assert content_of(late, "a.bin") == CONTENT


# -- over SSH -------------------------------------------------------------------------------------------

needs_ssh = pytest.mark.skipif(
    not (shutil.which("ssh") and shutil.which("ssh-keygen")), reason="needs OpenSSH's client"
)


@needs_ssh
def test_a_key_gets_a_pass_for_what_its_token_may(server, name, keys) -> None:
    key = keys.make()
    token = keys.register(server, key, name, verbs=frozenset({Verb.READ}), actor="rea")
    done = keys.run(server, key, f"git-lfs-authenticate '{name}.git' download")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["expires_in"] == 3600
    assert told["href"] == f"{server.url}/{name}.git/info/lfs"
    secret = told["header"]["Authorization"].removeprefix("Bearer ")
    reader = Caller(server, name, secret)
    assert reader.batch(b"x", operation="download")[0]["error"]["code"] == 404
    assert reader.post("/objects/batch", wish(b"x")).status_code == 403
    assert reader.client.get(f"/api/repos/{name}").status_code == 401, "only the addresses of Git LFS"
    assert Caller(server, server.repository(), secret).get("/locks").status_code == 404
    server.hosting.catalogue.revoke_token(token.id, server.clock.now_ms())
    assert reader.get("/locks").status_code == 401


@needs_ssh
@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("git-lfs-authenticate {name} upload", 128, b"may not write"),
        ("git-lfs-authenticate nobody/nothing download", 128, b"no repository"),
        ("git-lfs-authenticate {name} wat", 1, b"download"),
        ("git-lfs-authenticate {name}", 1, b"download"),
        ("git-lfs-authenticate", 1, b"download"),
    ],
)
def test_no_pass_is_given_for_anything_else(server, name, keys, command, status, words) -> None:
    key = keys.make()
    keys.register(server, key, name, verbs=frozenset({Verb.READ}), actor="rea")
    done = keys.run(server, key, command.format(name=name))
    assert (done.returncode, done.stdout) == (status, b"")
    assert words in done.stderr


@needs_client
@needs_ssh
def test_a_stock_client_over_ssh_needs_its_key_and_nothing_else(serve_at, tmp_path, keys) -> None:
    proxy = CuttingProxy()
    served = serve_at(tmp_path / "server", ApiSettings(public_url=f"http://127.0.0.1:{proxy.port}"))
    proxy.server_url = served.url
    name, clients = served.repository(), Clients(served, tmp_path)
    key = keys.make()
    keys.register(served, key, name)
    clients.environment["GIT_SSH_COMMAND"] = " ".join(keys.command(key))
    git = clients.begin(keys.url(served, name))
    git.commit({"a.bin": CONTENT}, "Begin")
    git("push", "-q", "origin", "main")
    assert files_of(served, name) == [oid_of(CONTENT)]
    git("lfs", "lock", "a.bin")
    clone = clients.clone(keys.url(served, name))
    assert content_of(clone, "a.bin") == CONTENT
    assert "ada" in clone("lfs", "locks")
    proxy.close()
