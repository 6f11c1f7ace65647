"""Options of `imprint serve` that do not go together are refused before anything is made."""

import socket
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tls-cert", "c"], "go together"),
        (["--tls-cert", "c", "--tls-key", "k", "--sample"], "--sample needs plain HTTP"),
        (["--public-url", "https://example.com/git"], "without a path"),
        (["--trusted-proxy", "example.com"], "address or a network"),
    ],
)
def test_options_that_cannot_be_used_are_said_at_once(tmp_path, options: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "imprint.cli.main", "serve", "--port", "0", *options],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode in {1, 2}
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "is_warned"),
    [
        ([], False),
        (["--host", "192.0.2.1"], True),
        (["--host", "192.0.2.1", "--public-url", "http://git.example.com"], True),
        (["--host", "192.0.2.1", "--public-url", "https://git.example.com"], False),
        (["--host", "192.0.2.1", "--tls-cert", "c", "--tls-key", "k"], False),
    ],
)
def test_tokens_in_the_clear_are_warned_of(imprint, options: list[str], is_warned: bool) -> None:
    """The address is nobody's (RFC 5737), or the port is taken: the server ends at once."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = imprint("serve", "--data", "data", "--port", str(taken.getsockname()[1]), *options)
    assert ended.code == 1
    warnings = [line for line in ended.stderr.splitlines() if "in the clear" in line]
    assert len(warnings) == is_warned
    assert all("--tls-cert" in line for line in warnings)
