"""Changes of a partial clone, where the files of older commits were left out."""

from functools import partial

import pytest

from imprint.store.errors import PlumbingFailed
from imprint.store.history.absent import iter_present
from imprint.store.history.blame import line_origins
from imprint.store.history.patches import iter_patches
from imprint.store.history.reading import (
    isolated,
    iter_added_lines,
    iter_commits,
    iter_tree_pairs,
    list_commits,
)


def test_commits_whose_files_are_absent_are_told_apart(tmp_path, git_client, clone_view):
    git_client(tmp_path)("init", "-q", "-b", "main", "whole")
    whole = git_client(tmp_path / "whole")
    whole("config", "uploadpack.allowFilter", "true")
    for name, text in (("a", "one\n"), ("a", "two\n"), ("b", "three\n")):
        (tmp_path / "whole" / name).write_text(text)
        whole("add", "-A")
        whole("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "commit", "-q", "-m", text)
    source = (tmp_path / "whole").as_uri()
    git_client(tmp_path)("clone", "-q", "--filter=blob:none", source, "part")
    view = clone_view(tmp_path / "part")
    commits = list(iter_commits(view, list_commits(view, [view.refs.snapshot().head_id])))
    added = [lines for _, lines in iter_added_lines(view, commits)]
    assert added == [{b"b": ((1, 1),)}, None, None]
    pairs = [pair for commit in commits for pair in iter_tree_pairs(view, commit)]
    with isolated(view) as plumbing:
        read = partial(iter_patches, lines_max=100)
        patches = list(iter_present(plumbing, view.objects, pairs, read))
    assert [patch is None for patch in patches] == [False, True, True]
    head = view.refs.snapshot().head_id
    assert [origin.commit for origin in line_origins(view, head, b"b")] == [head]
    with pytest.raises(PlumbingFailed, match="the history of a cannot be followed: object") as failed:
        line_origins(view, head, b"a")
    assert "--refetch" in failed.value.hint
    git_client(tmp_path / "part")("fetch", "-q", "--refetch", "--no-filter")
    assert len(line_origins(clone_view(tmp_path / "part"), head, b"a")) == 1
