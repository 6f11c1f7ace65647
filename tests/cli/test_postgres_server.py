"""A server whose catalogue is in PostgreSQL loses its database and gets it back, under stock git."""

import signal
from urllib.parse import urlsplit

import pytest

pytest.importorskip("pg8000")


@pytest.mark.parametrize("how", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGQUIT])
def test_pushes_are_refused_while_the_database_is_away_and_land_when_it_is_back(
    imprint, start_server, postgres, work_tree, tmp_path, how
):
    url = postgres.url(postgres.make())
    assert imprint("init", "--data", "served", "--catalogue", url).code == 0
    server = start_server()
    created = imprint("repo", "create", "acme/app", server=server.url, token=server.token)
    assert created.code == 0, created.stderr
    remote = f"http://admin:{server.token}@{urlsplit(server.url).netloc}/acme/app.git"
    work_tree.commit_file("a.txt", "one\n")
    work_tree("push", "-q", remote, "main")
    landed = work_tree.commit_file("a.txt", "two\n")
    postgres.stop(how)
    try:
        refused = work_tree.run("push", remote, "main", check=False)
        assert refused.returncode != 0
    finally:
        postgres.start()
    assert b"507" in refused.stderr or b"database" in refused.stderr, refused.stderr
    work_tree("push", "-q", remote, "main")
    assert work_tree("ls-remote", remote, "refs/heads/main").split()[0] == landed
    quarantines = list((tmp_path / "served" / "ground" / "repositories").glob("*/imprint/quarantine/*"))
    assert quarantines == []
    code, said = server.interrupt()
    assert code == 0, said
