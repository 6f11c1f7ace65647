"""A server for a team: certificates, proxies, several processes on one folder, and what its end leaves."""

import datetime as dt
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from imprint.api.errors import BadRequest, TlsFailed
from imprint.api.running.proxy import parse_proxies
from imprint.api.running.tls import Certificate, TlsFiles
from imprint.api.server import serve
from imprint.api.settings import ApiSettings
from imprint.store.clock import ManualClock, SystemClock

PROGRAM = """
import json, logging, sys
from pathlib import Path
from imprint.api.running.tls import TlsFiles
from imprint.api.server import serve
from imprint.api.settings import ApiSettings
logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
order = json.loads(sys.argv[2])
tls = TlsFiles(*map(Path, order["tls"])) if order.get("tls") else None
def tell(url):
    print(url, flush=True)
sys.exit(serve(Path(sys.argv[1]), port=0, tls=tls, workers=order.get("workers", 1),
    settings=ApiSettings(**order.get("settings", {})), on_ready=tell))
"""
NGINX_FOLDERS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
DAY = dt.timedelta(days=1)


# -- processes -----------------------------------------------------------------------------------------------


class Running:
    """A server in a process of its own, with whoever comes to it as its administrator."""

    def __init__(self, data: Path, **order: object) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(data), json.dumps(order)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.url = self.process.stdout.readline().strip()
        assert self.url, self.process.stderr.read()
        self.token = (data / "admin-token").read_text().strip()
        self.http = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=30, verify=False
        )

    def git_url(self, name: str) -> str:
        scheme, _, authority = self.url.partition("://")
        return f"{scheme}://git:{self.token}@{authority}/{name}.git"

    def create(self, name: str) -> None:
        assert self.http.post("/api/repos", json={"name": name}).status_code == 201

    def workers(self) -> list[int]:
        """Process ids of the workers; any thread of the server may have started them."""
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        children = [pid for thread in threads for pid in (thread / "children").read_text().split()]
        return [
            int(pid) for pid in children if b"imprint.api.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Signal it; exit code and what it logged."""
        self.http.close()
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


@pytest.fixture
def run():
    """Starts servers; those that the test leaves running are killed."""
    started = []

    def start(data: Path, **order: object) -> Running:
        started.append(Running(data, **order))
        return started[-1]

    yield start
    for each in started:
        each.http.close()
        if each.process.poll() is None:
            each.process.kill()
        each.process.communicate(timeout=30)


def until(holds, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return bool(holds())


def holds_lead(pid: int, data: Path) -> bool:
    """Whether a process has the followers' lock."""
    inode = (data / "derived" / "followers.lock").stat().st_ino
    lines = Path("/proc/locks").read_text().splitlines()
    return any(f":{inode} " in line and "FLOCK" in line and f" {pid} " in line for line in lines)


# -- certificates --------------------------------------------------------------------------------------------


class Authority:
    """A certificate authority of our own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"authority {folder.name}")])
        self.certificate = self._build(self.name, self.key.public_key(), is_authority=True)
        self.path = folder / "ca.pem"
        self.path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))

    def _build(self, name, public_key, *, is_authority=False, begin=-1, end=30):
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begin * DAY)
            .not_valid_after(now + end * DAY)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        if not is_authority:
            address = x509.IPAddress(ip_address("127.0.0.1"))
            builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, stem: str = "server", *, rsa_key: bool = False, **times: int) -> TlsFiles:
        """A certificate for 127.0.0.1 and its key, in files."""
        key = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, stem)])
        built = self._build(name, key.public_key(), **times)
        files = TlsFiles(self.folder / f"{stem}.pem", self.folder / f"{stem}.key")
        files.certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
        write_key(files.key, key)
        return files


def write_key(path: Path, key, password: bytes | None = None) -> None:
    hidden = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden))
    path.chmod(0o600)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "ca")


def serial_of(url: str) -> int:
    host, port = url.removeprefix("https://").split(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, int(port))) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True)).serial_number


def test_stock_git_clones_and_pushes_over_https_and_knows_a_stranger(
    run, authority, work_tree, git_client, tmp_path
) -> None:
    files = authority.issue()
    server = run(tmp_path / "data", tls=[str(files.certificate), str(files.key)])
    assert server.url.startswith("https://127.0.0.1:")
    server.create("a/b")
    work_tree.commit_file("a", "a")
    trusting = git_client(work_tree.folder, {"GIT_SSL_CAINFO": str(authority.path)})
    trusting("push", "-q", server.git_url("a/b"), "main")
    trusting("clone", "-q", server.git_url("a/b"), str(tmp_path / "again"))
    assert (tmp_path / "again" / "a").read_text() == "a"
    assert server.http.get("/api/repos/a/b").json()["git_url"].startswith(server.url)
    stranger = git_client(work_tree.folder, {"GIT_SSL_CAINFO": str(Authority(tmp_path / "other").path)})
    refused = stranger.run("ls-remote", server.git_url("a/b"), check=False)
    assert refused.returncode
    assert b"certificate" in refused.stderr
    assert Certificate(files, SystemClock()).context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_a_certificate_is_renewed_while_connections_go_on(run, authority, tmp_path) -> None:
    """Also by one with another kind of key; and files that cannot be used change nothing."""
    files = authority.issue()
    server = run(tmp_path / "data", tls=[str(files.certificate), str(files.key)])
    assert server.http.get("/healthz").status_code == 200  # this connection stays open
    first = serial_of(server.url)
    authority.issue(rsa_key=True)
    assert serial_of(server.url) == first
    server.process.send_signal(signal.SIGHUP)
    assert until(lambda: serial_of(server.url) != first)
    second = serial_of(server.url)
    files.certificate.write_text("nonsense")
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)
    assert serial_of(server.url) == second
    assert server.http.get("/healthz").status_code == 200
    code, logged = server.stop()
    assert code == 0
    assert "the certificate stays as it was" in logged


def spoil(authority: Authority, how: str) -> TlsFiles:
    files = authority.issue(begin=-9, end=-1) if how == "ended" else authority.issue()
    match how:
        case "early":
            files = authority.issue(begin=2)
        case "key of another":
            shutil.copy(authority.issue("other").key, files.key)
        case "open key":
            files.key.chmod(0o644)
        case "no key":
            files.key.unlink()
        case "no certificate":
            files.certificate.unlink()
        case "nonsense":
            files.certificate.write_text("nonsense")
        case "nonsense key":
            files.key.write_text("nonsense")
        case "password":
            write_key(files.key, ec.generate_private_key(ec.SECP256R1()), b"secret")
    return files


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("ended", "the certificate ended on "),
        ("early", "the certificate begins on "),
        ("key of another", "the key is not that of the certificate"),
        ("open key", "everybody on this machine may read"),
        ("no key", "No such file"),
        ("no certificate", "No such file"),
        ("nonsense", "no certificate in PEM format"),
        ("nonsense key", "cannot be read"),
        ("password", "the key has a password"),
    ],
)
def test_files_that_cannot_be_used_are_named_before_anything_is_made(
    authority, tmp_path, how: str, said: str
) -> None:
    with pytest.raises(TlsFailed, match=said):
        serve(tmp_path / "data", port=0, tls=spoil(authority, how))
    assert not (tmp_path / "data").exists()


def test_a_certificate_that_ends_while_it_is_used_is_refused_at_the_next_reading(authority) -> None:
    clock = ManualClock(SystemClock().now_ms())
    certificate = Certificate(authority.issue(end=3), clock)
    clock.advance(4 * 24 * 3600 * 1000)
    with pytest.raises(TlsFailed, match="ended"):
        certificate.reload()


def test_a_client_of_tls_that_sends_no_request_is_hung_up_on(run, authority, tmp_path) -> None:
    files = authority.issue()
    server = run(
        tmp_path / "data",
        tls=[str(files.certificate), str(files.key)],
        settings={"header_seconds_max": 1.0},
    )
    context = ssl.create_default_context(cafile=str(authority.path))
    port = int(server.url.rpartition(":")[2])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        client.sendall(b"GET /healthz HTTP/1.1\r\n")
        with suppress(ConnectionResetError, ssl.SSLEOFError):
            assert client.recv(1000) == b""
    assert server.http.get("/healthz").status_code == 200


# -- proxies -------------------------------------------------------------------------------------------------


def test_what_a_proxy_says_is_believed_only_of_proxies_that_were_named(serve_at, tmp_path) -> None:
    forwarded = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "git.example.com",
        "X-Forwarded-For": "192.0.2.1",
    }
    for number, (trusted, shown) in enumerate(
        [
            ("127.0.0.0/8", "https://git.example.com/"),
            ("192.0.2.7,10.0.0.0/8", "http://127.0.0.1:"),
            ("", "http://127"),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        server = serve_at(folder, ApiSettings(trusted_proxies=trusted))
        name = server.repository()
        answer = server.client(server.admin).get(f"/api/repos/{name}", headers=forwarded).json()
        assert answer["git_url"].startswith(shown)


@pytest.mark.parametrize(
    ("public_url", "origin", "status"),
    [
        ("https://git.example.com", "https://git.example.com", 201),
        ("https://git.example.com", "https://example.com", 403),
        ("https://git.example.com", "null", 403),
        ("", "null", 403),
    ],
)
def test_a_page_at_the_public_address_is_one_of_ours(
    serve_at, tmp_path, public_url: str, origin: str, status: int
) -> None:
    """Browsers name the proxy's address, which the request need not have as its host."""
    server = serve_at(tmp_path, ApiSettings(public_url=public_url))
    headers = {"Origin": origin}
    answer = server.client(server.admin).post("/api/repos", json={"name": "a/b"}, headers=headers)
    assert answer.status_code == status


@pytest.mark.parametrize("text", ["example.com", "1.2.3.4/40", "10.0.0.0/8,x"])
def test_a_proxy_is_an_address_or_a_network(text: str, tmp_path) -> None:
    with pytest.raises(BadRequest, match="address or a network"):
        parse_proxies(text)
    with pytest.raises(BadRequest):
        serve(tmp_path / "data", port=0, settings=ApiSettings(trusted_proxies=text))


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def read_nginx_example() -> str:
    page = (Path(__file__).parent.parent.parent / "docs" / "serving.md").read_text()
    return page.partition("```nginx\n")[2].partition("```")[0]


@pytest.mark.skipif(not shutil.which("nginx", path="/usr/sbin:/usr/bin"), reason="needs nginx")
def test_stock_git_pushes_and_clones_through_the_nginx_of_the_manual(
    run, authority, work_tree, git_client, tmp_path
) -> None:
    """TLS ends at the proxy, the body is chunked, and addresses are those of the proxy."""
    server = run(tmp_path / "data", settings={"trusted_proxies": "127.0.0.1"})
    files = authority.issue()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    site = (
        read_nginx_example()
        .replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
        .replace("/etc/ssl/git.example.com.pem", str(files.certificate))
        .replace("/etc/ssl/git.example.com.key", str(files.key))
        .replace("server_name git.example.com", "server_name 127.0.0.1")
        .replace("http://127.0.0.1:8470", server.url)
    )
    (tmp_path / "nginx.conf").write_text(
        f"pid {tmp_path}/nginx.pid;\nerror_log {tmp_path}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n"
        + "".join(f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in NGINX_FOLDERS)
        + site + "}\n"
    )  # fmt: skip
    environment = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/bin"}
    proxy = subprocess.Popen(
        ["nginx", "-p", tmp_path, "-c", "nginx.conf", "-g", "daemon off;"],
        env=environment, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        address = f"https://git:{server.token}@127.0.0.1:{port}/a/b.git"
        server.create("a/b")
        assert until(lambda: is_open(port)), proxy.stderr.read()
        content = os.urandom(3_000_000)  # more than http.postBuffer: sent in chunks
        work_tree.commit_file("noise", content)
        git = git_client(work_tree.folder, {"GIT_SSL_CAINFO": str(authority.path)})
        git("push", "-q", address, "main")
        git("clone", "-q", address, str(tmp_path / "again"))
        assert (tmp_path / "again" / "noise").read_bytes() == content
        with httpx.Client(verify=False, headers={"Authorization": f"Bearer {server.token}"}) as client:
            page = f"https://127.0.0.1:{port}/api/repos/a/b"
            shown = client.get(page).json()["git_url"]
            forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "http"}
            misled = client.get(page, headers=forged).json()["git_url"]
        assert shown == misled == f"https://127.0.0.1:{port}/a/b.git"
    finally:
        proxy.terminate()
        proxy.communicate(timeout=20)


# -- several processes on one folder -------------------------------------------------------------------------


def read_heads(server: Running, name: str) -> dict[str, str]:
    answer = server.http.get(f"/api/repos/{name}/refs").json()
    return {each["name"]: each["sha"] for each in answer["refs"]}


def test_two_servers_on_one_folder_are_one_store(run, work_tree, tmp_path) -> None:
    """Pushes go through both in turn; the one that follows is killed; what one revokes the other refuses."""
    first = run(tmp_path / "data")
    second = run(tmp_path / "data")
    first.create("a/b")
    made = second.http.post(
        "/api/tokens", json={"actor": "eve", "kind": "human", "repositories": ["a/b"], "can": ["read"]}
    ).json()
    servers = [first, second]
    for number in range(6):
        writer, reader = servers[number % 2], servers[1 - number % 2]
        tip = work_tree.commit_file(f"f{number}.py", f"def f{number}(): ...\n")
        work_tree("push", "-q", writer.git_url("a/b"), f"HEAD:refs/heads/b{number}")
        assert read_heads(reader, "a/b")[f"refs/heads/b{number}"] == tip
        assert tip in work_tree("ls-remote", reader.git_url("a/b"), f"refs/heads/b{number}")
    lead, other = sorted(servers, key=lambda each: not holds_lead(each.process.pid, tmp_path / "data"))
    assert holds_lead(lead.process.pid, tmp_path / "data")
    eve = {"Authorization": f"Bearer {made['token']}"}
    assert lead.http.get("/api/repos/a/b", headers=eve).status_code == 200
    assert other.http.delete(f"/api/tokens/{made['id']}").status_code in {200, 204}
    assert lead.http.get("/api/repos/a/b", headers=eve).status_code == 401
    lead.process.kill()
    tip = work_tree.commit_file("last.py", "def last(): ...\n")
    work_tree("push", "-q", other.git_url("a/b"), "HEAD:refs/heads/main")
    assert until(
        lambda: all(each["behind"] == 0 for each in other.http.get("/readyz").json()["followers"].values()),
        60,
    )
    [repository] = (tmp_path / "data" / "ground" / "repositories").glob("*.git")
    assert tip in (repository / "packed-refs").read_text()
    found = other.http.get("/api/repos/a/b/symbols", params={"name": "last", "ref": "main"}).json()
    assert tip == found["commit"]


def test_workers_share_a_socket_are_replaced_and_end_together(run, work_tree, tmp_path) -> None:
    server = run(tmp_path / "data", workers=2)
    server.create("a/b")
    before = server.workers()
    assert len(before) == 2
    lead = next(pid for pid in before if holds_lead(pid, tmp_path / "data"))
    os.kill(lead, signal.SIGKILL)
    tip = work_tree.commit_file("a.py", "def a(): ...\n")
    work_tree("push", "-q", server.git_url("a/b"), "main")
    with httpx.Client(base_url=server.url, timeout=30) as client:
        assert until(
            lambda: all(each["behind"] == 0 for each in client.get("/readyz").json()["followers"].values()),
            60,
        )
    assert until(lambda: len(server.workers()) == 2)
    assert set(server.workers()) != set(before)
    [repository] = (tmp_path / "data" / "ground" / "repositories").glob("*.git")
    assert tip in (repository / "packed-refs").read_text()
    workers = server.workers()
    code, logged = server.stop(signal.SIGINT)
    assert code == 0
    assert "another starts" in logged
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


@pytest.mark.slow
def test_workers_end_with_their_parent(run, tmp_path) -> None:
    server = run(tmp_path / "data", workers=2)
    workers = server.workers()
    server.process.kill()
    assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


# -- the end -------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_whatever_was_acknowledged_is_there_after_restarts_under_load(run, git_client, tmp_path) -> None:
    """Pushes go on while the server is told to stop and starts again: told = landed, and fsck is content."""
    server = run(tmp_path / "data", settings={"drain_seconds": 1, "stop_seconds": 4.0})
    server.create("a/b")
    current = [server]
    told: dict[str, str] = {}
    over = threading.Event()

    def push_on(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        git = git_client(folder)
        git("init", "-q", "-b", "main")
        number = 0
        while not over.is_set():
            number += 1
            tip = git.commit_file("f", f"{name} {number}\n")
            ref = f"refs/heads/{name}-{number}"
            if git.run("push", "-q", current[0].git_url("a/b"), f"HEAD:{ref}", check=False).returncode == 0:
                told[ref] = tip

    pushers = [threading.Thread(target=push_on, args=(f"p{number}",)) for number in range(2)]
    for each in pushers:
        each.start()
    try:
        for _ in range(2):
            time.sleep(1.5)
            assert current[0].stop()[0] == 0
            current[0] = run(tmp_path / "data", settings={"drain_seconds": 1, "stop_seconds": 4.0})
        time.sleep(1)
    finally:
        over.set()
        for each in pushers:
            each.join()
    heads = read_heads(current[0], "a/b")
    assert len(told) > 5
    assert {ref: heads.get(ref) for ref in told} == told
    [repository] = (tmp_path / "data" / "ground" / "repositories").glob("*.git")
    git_client(repository)("fsck", "--strict", "--connectivity-only")
    quarantine = repository / "imprint" / "quarantine"
    assert until(lambda: not quarantine.exists() or not list(quarantine.iterdir()))
