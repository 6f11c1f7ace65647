"""`imprint audit`: its sides, what it leaves out, its page; the same in a clone and on a server."""

from pathlib import Path

import pytest

from imprint.cli.commands.audit import _SIDES


@pytest.fixture
def clone(work_tree) -> Path:
    """A work tree with one commit of an agent and one of somebody."""
    work_tree.commit_file("src/app.py", "def run():\n    return 1\n", author_date="2026-01-10T12:00:00Z")
    message = "add stop\n\nCo-authored-by: Claude Opus 4.6 <noreply@anthropic.com>"
    work_tree.commit_file(
        "src/stop.py", "def stop():\n    pass\n", message, author_date="2026-02-10T12:00:00Z"
    )
    return work_tree.folder


@pytest.mark.parametrize("side", _SIDES)
def test_every_side_is_shown(imprint, clone: Path, side: str) -> None:
    ended = imprint("audit", "--by", side, cwd=clone)
    assert ended.code == 0, ended.stderr
    expected = {"agent": "claude-code", "model": "claude-opus", "path": "src", "symbol": "src/app.py run"}
    expected |= {"month": "2026-02", "cost": "no recorded session says what it took"}
    assert expected.get(side, "") in ended.stdout


def test_a_side_that_is_none_and_a_date_that_is_none_are_refused(imprint, clone: Path) -> None:
    assert imprint("audit", "--by", "colour", cwd=clone).code == 2
    ended = imprint("audit", "--since", "soon", cwd=clone)
    assert ended.code != 0
    assert "2026-01-31" in ended.stderr
    assert imprint("audit", "--html", "x.html", "--json", cwd=clone).code == 2
    assert imprint("audit", "--html", "no/such/folder.html", cwd=clone).code == 1


def test_dates_and_paths_leave_out_the_rest(imprint, clone: Path) -> None:
    answer = imprint(
        "audit", "--since", "2026-02-01", "--path", "stop.py", "--json", cwd=clone / "src"
    ).document
    assert answer["scope"]["path"] == "src/stop.py"
    assert (answer["commits"]["total"], answer["lines"]["total"]) == (1, 2)


def test_the_page_is_written_where_it_is_wanted(imprint, clone: Path) -> None:
    ended = imprint("audit", "--html", "report.html", cwd=clone)
    assert (ended.code, ended.stdout) == (0, "")
    page = (clone / "report.html").read_text()
    assert page.startswith("<!doctype html>")
    assert "claude-code" in page


def test_an_audit_keeps_nothing_in_a_clone(imprint, clone: Path) -> None:
    assert imprint("audit", "--json", cwd=clone).document["costs"] is None
    assert not (clone / ".git" / "imprint" / "ground" / "sessions.db").exists()
