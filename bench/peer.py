"""The peer: `git http-backend` behind nginx and fcgiwrap, its repositories at their best."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_processes 2;
{user}
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_max_body_size 0;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      fastcgi_pass unix:{folder}/fcgi.sock;
      fastcgi_buffering off;
      fastcgi_request_buffering off;
      fastcgi_read_timeout 600;
      fastcgi_param SCRIPT_FILENAME {backend};
      fastcgi_param GIT_PROJECT_ROOT {folder}/repositories;
      fastcgi_param GIT_HTTP_EXPORT_ALL "";
      fastcgi_param REMOTE_USER bench;
      fastcgi_param PATH_INFO $uri;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param GIT_PROTOCOL $http_git_protocol;
      fastcgi_param HTTP_CONTENT_ENCODING $http_content_encoding;
    }}
  }}
}}
"""


def free_port() -> int:
    """A port of the loopback address that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, seconds: float = 20) -> None:
    """Return once somebody listens."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit(f"nobody listens on port {port} after {seconds} s")


def cpu_seconds(process_ids: list[int]) -> float:
    """User and system seconds of the processes and of the children that they have waited for."""
    total = 0.0
    for process_id in process_ids:
        try:
            fields = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        total += sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return total


class HttpBackend:
    """A running peer. Use it as a context; `add` puts a repository in."""

    def __enter__(self) -> Self:
        for tool in ("nginx", "fcgiwrap"):
            if not (shutil.which(tool) or Path("/usr/sbin", tool).exists()):
                raise SystemExit(f"the peer needs {tool}: apt-get install nginx-light fcgiwrap")
        # Told to end, by `timeout` or an operator, a bench leaves its contexts, and so ends its servers.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        self.folder = Path(tempfile.mkdtemp(prefix="imprint-bench-peer-"))
        (self.folder / "repositories").mkdir()
        backend = subprocess.run(
            ["git", "--exec-path"], capture_output=True, text=True, check=True
        ).stdout.strip()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        user = "user root;" if os.geteuid() == 0 else ""
        configuration = CONFIGURATION.format(
            folder=self.folder, port=self.port, backend=f"{backend}/git-http-backend", user=user
        )
        (self.folder / "nginx.conf").write_text(configuration)
        environment = {
            **os.environ,
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
        }
        self._wrap = subprocess.Popen(
            ["fcgiwrap", "-c", "4", "-s", f"unix:{self.folder}/fcgi.sock"],
            env=environment,
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        self._nginx = subprocess.Popen(
            [nginx, "-c", str(self.folder / "nginx.conf"), "-p", str(self.folder)],
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        wait_for_port(self.port)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (self._nginx, self._wrap):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=20)
        shutil.rmtree(self.folder, ignore_errors=True)

    def create(self, name: str) -> str:
        """An empty repository that takes pushes with git's full checks; returns its URL."""
        path = self.folder / "repositories" / f"{name}.git"
        subprocess.run(["git", "init", "-q", "--bare", str(path)], check=True)
        for key, value in (("http.receivepack", "true"), ("receive.fsckObjects", "true"), ("gc.auto", "0")):
            subprocess.run(["git", "-C", str(path), "config", key, value], check=True)
        for key in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
            subprocess.run(["git", "-C", str(path), "config", key, "true"], check=True)
        return f"{self.url}/{name}.git"

    def repack(self, name: str) -> None:
        """Bring a repository to its best: one pack with bitmaps, and a commit-graph."""
        path = str(self.folder / "repositories" / f"{name}.git")
        subprocess.run(["git", "-C", path, "repack", "-adbq"], check=True)
        subprocess.run(["git", "-C", path, "commit-graph", "write", "--reachable"], check=True)

    def process_ids(self) -> list[int]:
        """Every process of the peer, for its CPU time."""
        found = []
        for process in (self._nginx, self._wrap):
            done = subprocess.run(
                ["pgrep", "-g", str(process.pid)], capture_output=True, text=True, check=False
            )
            found += [int(text) for text in done.stdout.split()]
        return found
