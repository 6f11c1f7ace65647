"""Questions of structure and past inside a clone: what a person reads."""

from pathlib import Path

import pytest

APP = """class Policy:
    def delay(self, attempt):
        return 2 ** attempt


def call_bank(policy: Policy):
    return policy.delay(1)
"""


@pytest.fixture
def clone(work_tree) -> Path:
    """Two commits; the second changes a body."""
    work_tree.commit_file("app.py", APP, "Call the bank")
    work_tree.commit_file("app.py", APP.replace("delay(1)", "delay(2)"), "Wait for longer")
    return work_tree.folder


def test_what_was_not_found_is_named_as_it_was_typed(imprint, clone: Path) -> None:
    ended = imprint("definition", "app.py:4:1", cwd=clone)
    assert ended.code == 1
    assert "'app.py:4:1'" in ended.stderr
    assert "columns count bytes from 1" in ended.stderr
    ended = imprint("callers", "Policy.nowhere", cwd=clone)
    assert ended.code == 1
    assert "'imprint search nowhere'" in ended.stderr


def test_a_difference_is_shown_at_its_file_without_lines(imprint, clone: Path) -> None:
    ended = imprint("search", "delay", "--what", "diffs", "--limit", "1", cwd=clone)
    assert ended.code == 0
    assert ended.stdout.startswith("app.py  (")
    ended = imprint("search", "longer", "--what", "messages", cwd=clone)
    assert ended.stdout.startswith("commit ")


def test_three_dots_are_not_taken_for_two(imprint, clone: Path) -> None:
    ended = imprint("diff", "HEAD~1...HEAD", cwd=clone)
    assert ended.code == 2
    assert "git merge-base HEAD~1 HEAD" in ended.stderr
    assert imprint("diff", "HEAD~1..HEAD", cwd=clone).code == 0
