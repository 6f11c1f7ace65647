"""Options of `imprint serve` that do not go together are refused before anything is made."""

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
