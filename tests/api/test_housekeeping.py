"""What a server does by itself."""

import time

from imprint.api.settings import ApiSettings
from imprint.store.types import RepositoryName


def until(holds) -> bool:
    deadline = time.monotonic() + 20
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()


def test_due_repositories_are_destroyed_and_leftovers_of_crashes_removed(serve_at, tmp_path) -> None:
    """Repeated rounds, of which each finds what came after the one before."""
    server = serve_at(tmp_path, ApiSettings(housekeeping_seconds=0.1))
    name, git = server.pushed({"a": "a"})
    kept = server.hosting.get(RepositoryName.parse(name))
    doomed = server.hosting.get(RepositoryName.parse(server.repository()))
    server.hosting.delete(doomed.record.name, None, grace_ms=1000)
    leftover = kept.git_dir / "imprint" / "quarantine" / "of-a-dead-process"
    leftover.mkdir(parents=True)
    assert until(lambda: not leftover.exists())
    assert doomed.git_dir.exists(), "its grace period still runs"
    server.clock.advance(1001)
    assert until(lambda: not doomed.git_dir.exists())
    assert git("rev-parse", "HEAD") in git("ls-remote", server.git_url(name, server.admin))


def test_a_repository_that_fails_stops_nothing(serve_at, tmp_path) -> None:
    server = serve_at(tmp_path, ApiSettings(housekeeping_seconds=0.1))
    broken = server.hosting.get(RepositoryName.parse(server.repository("a/broken")))
    (broken.git_dir / "imprint").mkdir(exist_ok=True)
    (broken.git_dir / "imprint" / "promote.lock").unlink(missing_ok=True)
    (broken.git_dir / "imprint" / "promote.lock").mkdir()
    other = server.hosting.get(RepositoryName.parse(server.repository("b/whole")))
    leftover = other.git_dir / "imprint" / "quarantine" / "of-a-dead-process"
    leftover.mkdir(parents=True)
    assert until(lambda: not leftover.exists())
    assert server.client().get("/healthz").status_code == 200
