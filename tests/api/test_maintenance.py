"""A server that joins packs by itself while clients go on."""

import time

from imprint.api.settings import ApiSettings
from imprint.store.maintenance.retired import grace_ms
from imprint.store.maintenance.survey import survey
from imprint.store.maintenance.work import Work
from imprint.store.types import RepositoryName


def until(holds) -> bool:
    deadline = time.monotonic() + 30
    while not holds() and time.monotonic() < deadline:
        time.sleep(0.05)
    return holds()


def test_a_server_joins_packs_after_pushes_and_removes_the_old_ones_later(serve_at, tmp_path) -> None:
    server = serve_at(tmp_path, ApiSettings(housekeeping_seconds=0.1))
    name, git = server.pushed({"a": "0"})
    client = server.client(server.token(name, actor="ada"))
    for number in range(server.hosting.limits.maintain_packs_min):
        answer = client.post(
            f"/api/repos/{name}/commits",
            json={
                "target_branch": "main",
                "commit_message": f"number {number}",
                "files": [{"path": "a", "content": f"{number + 1}\n"}],
            },
        )
        assert answer.status_code == 201, answer.text
    work = Work(server.hosting.get(RepositoryName.parse(name)), server.hosting)
    assert until(lambda: survey(work).packs < 3)
    git("pull", "-q", server.git_url(name, server.admin), "main")
    assert survey(work).retired
    server.clock.advance(grace_ms(server.hosting.limits) + 1)
    assert until(lambda: not any((work.pack_dir / f"{each}.idx").exists() for each in work.list_retired()))
    server.clock.advance(grace_ms(server.hosting.limits) + 1)
    assert until(lambda: survey(work).retired == 0)
    git("clone", "-q", server.git_url(name, server.admin), "again")
    count = server.hosting.limits.maintain_packs_min + 1
    assert git("-C", "again", "rev-list", "--count", "HEAD") == str(count)
