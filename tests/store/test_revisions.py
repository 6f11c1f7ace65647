"""Revisions with suffixes, with real git's `rev-parse` as the oracle."""

import pytest

from imprint.store.clone import Clone
from imprint.store.errors import BadRevision, RefMissing
from imprint.store.view import STEPS_MAX, resolve_commit


@pytest.fixture
def merged(work_tree):
    work_tree.commit_file("a.txt", "one\n", "one")
    work_tree.commit_file("a.txt", "two\n", "two")
    work_tree("checkout", "-q", "-b", "side", "HEAD~1")
    work_tree.commit_file("b.txt", "side\n", "side")
    work_tree("checkout", "-q", "-")
    work_tree("merge", "-q", "--no-ff", "-m", "merge", "side")
    work_tree("tag", "-a", "v1", "-m", "annotated")
    return work_tree


GOOD = (
    *("HEAD~", "HEAD^", "HEAD~1", "HEAD~2", "HEAD~0", "HEAD^0", "HEAD^1", "HEAD^2", "HEAD^2~1", "HEAD~1^"),
    *(
        "v1^{commit}",
        "v1~1",
        "v1^{commit}^2",
        "v1^0",
        "@^2",
        "@~~",
        "HEAD^^",
        "side~1",
        "HEAD~01",
        "HEAD^{commit}~2",
    ),
)


def test_suffixes_lead_where_git_says(merged):
    with Clone.discover(merged.folder) as clone:
        commit = merged("rev-parse", "HEAD")
        for revision in (*GOOD, f"{commit}^2", f"{commit[:10]}~1"):
            assert resolve_commit(clone.view, revision) == merged("rev-parse", f"{revision}^{{commit}}"), (
                revision
            )


@pytest.mark.parametrize("revision", ["HEAD~3", "HEAD^3", "side~2^", "HEAD~9999", "absent~1"])
def test_what_is_not_there_is_missing(merged, revision):
    with Clone.discover(merged.folder) as clone, pytest.raises(RefMissing):
        resolve_commit(clone.view, revision)


@pytest.mark.parametrize(
    "revision",
    [
        "HEAD^{tree}",
        "HEAD^{/fix}",
        "~1",
        "HEAD~x",
        "HEAD^-1",
        "^HEAD",
        f"HEAD~{STEPS_MAX + 1}",
        "HEAD~" + "9" * 5000,
    ],
)
def test_other_suffixes_are_refused_with_what_may_be_written(merged, revision):
    with Clone.discover(merged.folder) as clone, pytest.raises(BadRevision) as refused:
        resolve_commit(clone.view, revision)
    assert refused.value.hint


def test_a_whole_id_is_one_even_where_a_branch_is_called_like_another(merged):
    one, other = merged("rev-parse", "HEAD"), merged("rev-parse", "HEAD~1")
    (merged.folder / ".git/refs/heads" / one).write_text(f"{other}\n")
    with Clone.discover(merged.folder) as clone:
        assert resolve_commit(clone.view, one) == one == merged("rev-parse", one)
        (merged.folder / ".git/refs/heads" / ("1" * 40)).write_text(f"{other}\n")
        assert resolve_commit(clone.view, "1" * 40) == other  # git would not even look whether it is there
