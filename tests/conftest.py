"""What every test shares: real git, shut off from the machine's configuration, and a Hypothesis profile."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "fast", max_examples=50, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "deep", max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile(os.environ.get("IMPRINT_TEST_PROFILE", "fast"))

GIT_ENVIRONMENT = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.com",
    "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.com",
    "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
    "HOME": "/nonexistent",
    "LC_ALL": "C.UTF-8",
}


class Git:
    """A stock git client in one folder, with fixed names and dates so that ids repeat."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.environment = {**os.environ, **GIT_ENVIRONMENT, **(environment or {})}

    def run(
        self, *arguments: str, stdin: bytes = b"", check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        """Run git; with `check`, a failure shows what git said."""
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            check=False,
        )
        if check:
            assert done.returncode == 0, (
                f"git {' '.join(arguments)}: {done.stderr.decode('utf-8', 'replace')}"
            )
        return done

    def __call__(self, *arguments: str, stdin: bytes = b"") -> str:
        """Run git, which must succeed; its output as text without the last newline."""
        return self.run(*arguments, stdin=stdin).stdout.decode("utf-8", "replace").removesuffix("\n")

    def commit_file(self, path: str, content: str | bytes, message: str = "change", **identity: str) -> str:
        """Write a file, commit it and return the id; `identity` sets GIT_* variables in lower case."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
        self("add", "-A")
        git = Git(self.folder, {f"GIT_{key.upper()}": value for key, value in identity.items()})
        git("commit", "-q", "--allow-empty", "-m", message)
        return self("rev-parse", "HEAD")


@pytest.fixture
def git_client() -> type[Git]:
    """The class of stock clients: `git_client(folder)("status")`."""
    return Git


@pytest.fixture
def work_tree(tmp_path: Path) -> Git:
    """An empty repository with a work tree, on branch `main`."""
    folder = tmp_path / "work"
    folder.mkdir()
    git = Git(folder)
    git("init", "-q", "-b", "main")
    return git
