"""The server's beginning and end, and the sample."""

import io
import os
import socket
import stat
from pathlib import Path

import httpx
import pytest

from imprint.cli.client import Client
from imprint.cli.commands.serve import _Starting
from imprint.cli.output import Output
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
    assert ended.stderr.removeprefix("starting ...\n").startswith("imprint: error: ")


def test_a_start_that_takes_long_is_said_and_a_quick_one_is_not() -> None:
    stderr = io.StringIO()
    slow = _Starting(Output(io.StringIO(), stderr), quiet_seconds=0.0)
    slow.wait()
    assert stderr.getvalue() == "starting ...\n"
    quick = _Starting(Output(io.StringIO(), stderr), quiet_seconds=600.0)
    quick.end()
    quick.wait()
    assert stderr.getvalue() == "starting ...\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_data_folder_is_said_so(imprint, tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    ended = imprint("serve", "--data", "locked", "--port", "0")
    assert ended.code == 1
    assert "locked" in ended.stderr


def test_the_sample_is_whole_and_there_once_whatever_happens(
    start_server, imprint, git_client, tmp_path
) -> None:
    """A first start that is ended at once, a second start, and a story whose end was taken away."""
    server = start_server("--sample")
    check_token(server, server.wait_for("token is in"))
    assert server.interrupt() == (0, "")

    again = start_server("--sample")
    again.wait_for("Ctrl-C")
    check_words(again)
    made = imprint("repo", "create", "acme/app", "--data", str(again.data), "--json")
    assert made.document["git_url"] == f"{again.url}/acme/app.git"
    git = git_client(tmp_path)
    git("clone", "-q", url_of(again), "clone")
    git("-C", "clone", "push", "-q", "-f", "origin", "HEAD~3:main", ":v1.0", ":agent/reconcile")
    with Client(again.url, again.token) as client:
        assert play(client, dict(os.environ))
        events = events_of(again)
        assert not play(client, dict(os.environ))
        tokens = client.get("/api/tokens")["tokens"]
    assert events_of(again) == events
    left = [token for token in tokens if token["revoked_at_ms"] is None and token["expires_at_ms"] is None]
    assert [token["actor"] for token in left] == ["admin"]
    git("-C", "clone", "fetch", "-q", "origin")
    subjects = git("-C", "clone", "log", "--format=%s", "--reverse", "origin/main").splitlines()
    assert subjects == [step.subject for step in STORY if step.branch == "main"]
    assert again.interrupt() == (0, "")


def check_token(server, line: str) -> None:
    assert str(server.data / "admin-token") in line
    assert stat.S_IMODE((server.data / "admin-token").stat().st_mode) == 0o600
    assert not any(server.token in line for line in server.said)


def check_words(server) -> None:
    shown = "\n".join(server.said)
    assert "token is in" not in shown
    assert "was pushed through the Git endpoint" in shown
    assert f"git clone http://me:$IMPRINT_TOKEN@{server.url.partition('://')[2]}/{REPOSITORY}.git" in shown


def url_of(server) -> str:
    return f"http://any:{server.token}@{server.url.partition('://')[2]}/{REPOSITORY}.git"


def events_of(server) -> list[str]:
    headers = {"Authorization": f"Bearer {server.token}"}
    answer = httpx.get(f"{server.url}/api/repos/{REPOSITORY}/events", headers=headers)
    return [event["id"] for event in answer.raise_for_status().json()["events"]]
