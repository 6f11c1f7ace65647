"""The server's beginning and end, and the sample."""

import os
import socket
import stat
from pathlib import Path

import httpx
import pytest

from imprint.cli.client import Client
from imprint.cli.sample.player import play
from imprint.cli.sample.story import REPOSITORY, STORY


def test_a_port_in_use_is_said_so(imprint, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = imprint("serve", "--data", "data", "--port", str(port))
    assert not (tmp_path / "data").exists()
    assert ended.code == 1
    assert ended.stdout == ""
    assert f"127.0.0.1:{port}" in ended.stderr
    assert "--port" in ended.stderr


def test_a_data_folder_that_cannot_be_made_is_said_so(imprint, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ended = imprint("serve", "--data", "file/data", "--port", "0")
    assert ended.code == 1
    assert ended.stderr.startswith("imprint: error: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_data_folder_is_said_so(imprint, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    ended = imprint("serve", "--data", "locked", "--port", "0")
    assert ended.code == 1
    assert "locked" in ended.stderr


def test_the_sample_is_there_once_whatever_happens(start_server, imprint, git_client, tmp_path: Path) -> None:
    """First start, a story cut short, second start."""
    server = start_server("--sample")
    server.wait_for("Ctrl-C")
    check_first_words(server)
    made = imprint("repo", "create", "acme/app", "--data", str(server.data), "--json")
    assert made.document["git_url"] == f"{server.url}/acme/app.git"
    cut_short(server, git_client(tmp_path))
    assert server.interrupt() == (0, "")

    again = start_server("--sample")
    again.wait_for("Ctrl-C")
    assert not any("token is in" in line for line in again.said)
    assert again.token == server.token
    events = events_of(again)
    with Client(again.url, again.token) as client:
        assert not play(client, dict(os.environ))
        tokens = client.get("/api/tokens")["tokens"]
    assert events_of(again) == events
    assert {token["actor"] for token in tokens if token["revoked_at_ms"] is None} == {"admin"}
    git = git_client(tmp_path / "clone")
    git("fetch", "-q", url_of(again))
    subjects = git("log", "--format=%s", "--reverse", "FETCH_HEAD").splitlines()
    assert subjects == [step.subject for step in STORY if step.branch == "main"]
    assert again.interrupt() == (0, "")


def check_first_words(server) -> None:
    (line,) = [line for line in server.said if "token is in" in line]
    assert str(server.data / "admin-token") in line
    assert stat.S_IMODE((server.data / "admin-token").stat().st_mode) == 0o600
    assert not any(server.token in line for line in server.said)
    shown = "\n".join(server.said)
    assert "was pushed through the Git endpoint" in shown
    assert f"git clone http://me:$IMPRINT_TOKEN@{server.url.partition('://')[2]}/{REPOSITORY}.git" in shown
    for word in ("imprint search", "imprint why", "imprint audit"):
        assert word in shown


def cut_short(server, git) -> None:
    """Take away what the story ended with."""
    git("clone", "-q", url_of(server), "clone")
    git("-C", "clone", "push", "-q", "-f", "origin", "HEAD~3:main", ":v1.0", ":agent/reconcile")


def url_of(server) -> str:
    return f"http://any:{server.token}@{server.url.partition('://')[2]}/{REPOSITORY}.git"


def events_of(server) -> list[str]:
    headers = {"Authorization": f"Bearer {server.token}"}
    answer = httpx.get(f"{server.url}/api/repos/{REPOSITORY}/events", headers=headers)
    return [event["id"] for event in answer.raise_for_status().json()["events"]]
