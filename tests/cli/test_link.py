"""`imprint link` in a clone and in a data folder: links are listed, refused with a reason, and restored."""

import pytest

AGENT = "one\n\nCo-authored-by: Claude <noreply@anthropic.com>"
LATER = {"GIT_COMMITTER_DATE": "2030-01-01T00:00:00Z"}


def body(name: str) -> str:
    return "".join(f"{name}_{number} = compute_{name}({number})\n" for number in range(4))


@pytest.fixture
def squashed(work_tree):
    """A clone whose last commit is a squash of two, of which an agent made the first."""
    work_tree.commit_file("base.py", body("base"), "begin")
    work_tree("checkout", "-q", "-b", "topic")
    work_tree.commit_file("one.py", body("one"), AGENT)
    work_tree.commit_file("two.py", body("two"), "two")
    work_tree("checkout", "-q", "main")
    work_tree("merge", "-q", "--squash", "topic")
    type(work_tree)(work_tree.folder, LATER)("commit", "-qm", "squashed")
    return work_tree


def test_a_clone_shows_and_judges_its_links(imprint, squashed):
    def ask(*arguments: str):
        ended = imprint(*arguments, cwd=squashed.folder)
        assert ended.code == 0, ended.stderr
        return ended

    def evidence() -> set[str]:
        return {line["evidence"] for line in ask("blame", "one.py", "--json").document["lines"]}

    (link,) = ask("link", "show", "HEAD", "--json").document["links"]
    assert (link["origin"], link["method"], link["score"]) == (squashed("rev-parse", "topic"), "squash", 1.0)
    assert "by        squash, score 1.00: 100 % of the commit" in ask("link", "show", "HEAD").stdout
    assert evidence() == {"inferred"}
    refused = ask("link", "refuse", "HEAD", "topic", "--reason", "other work").stdout
    assert refused.startswith(
        f"refused: {squashed('rev-parse', 'HEAD')[:10]} <- {link['origin'][:10]}, by operator"
    )
    assert evidence() == {"unknown"}
    assert "refused by operator" in ask("link", "list", "--refused").stdout
    assert "other work" in ask("link", "show", "HEAD").stdout
    (squashed.folder / ".git/imprint/cache/links.db").unlink()
    assert evidence() == {"unknown"}
    ask("link", "restore", "HEAD", "topic")
    assert evidence() == {"inferred"}
    assert "no other version" in ask("link", "show", squashed("rev-parse", "HEAD~1")).stderr


def test_what_cannot_be_judged_is_said(imprint, squashed):
    ended = imprint("link", "restore", "HEAD", "topic", cwd=squashed.folder)
    assert (ended.code, "is refused" in ended.stderr) == (1, True)
    ended = imprint("link", "refuse", "HEAD", "topic", "--reason", " ", cwd=squashed.folder)
    assert "needs a reason" in ended.stderr
    ended = imprint("link", "refuse", "HEAD", "nowhere", "--reason", "x", cwd=squashed.folder)
    assert (ended.code, "nowhere" in ended.stderr) == (1, True)


def test_a_data_folder_answers_alike(imprint, squashed, tmp_path):
    place = ("--data", str(tmp_path / "data"), "--repo", "acme/app")
    assert imprint("import", str(squashed.folder), "acme/app", "--data", str(tmp_path / "data")).code == 0
    (link,) = imprint("link", "list", *place, "--json").document["links"]
    assert link["method"] == "squash"
    refused = imprint("link", "refuse", "main", "topic", "--reason", "other work", *place, "--json").document
    assert (refused["actor"], refused["origin"]) == ("operator", link["origin"])
    (link,) = imprint("link", "list", "--refused", *place, "--json").document["links"]
    assert link["refused"]["reason"] == "other work"
    assert not link["carries"]
