"""`imprint mirror` at a data folder: made, listed, shown, synced, paused, ended; and what it refuses."""

import pytest
from tests.folders import make_data_folder


@pytest.fixture
def source(work_tree, tmp_path):
    """A repository to mirror; a data folder."""
    make_data_folder(tmp_path / "data").close()
    work_tree.commit_file("a.txt", "1\n")
    work_tree("update-ref", "refs/pull/7/head", "HEAD")
    return work_tree


def test_a_mirror_from_its_first_to_its_last_day(imprint, source, tmp_path):
    made = imprint("mirror", "add", str(source.folder), "acme/copy", "--data", "data", "--every", "1h")
    assert made.code == 0, made.stderr
    assert "2 refs changed, 0 removed" in made.stdout
    assert imprint("mirror", "add", str(source.folder), "acme/copy", "--data", "data").code == 1
    listed = imprint("mirror", "list", "--data", "data", "--json").document["mirrors"]
    assert [(each["name"], each["every_ms"], each["failures"]) for each in listed] == [
        ("acme/copy", 3_600_000, 0)
    ]
    source.commit_file("a.txt", "2\n")
    assert "1 ref changed" in imprint("mirror", "sync", "acme/copy", "--data", "data").stdout
    assert "synced" in imprint("mirror", "list", "--data", "data").stdout
    assert "paused: True" not in imprint("mirror", "show", "acme/copy", "--data", "data").stdout
    assert imprint("mirror", "pause", "acme/copy", "--data", "data").code == 0
    assert imprint("mirror", "show", "acme/copy", "--data", "data", "--json").document["paused"]
    assert (
        imprint("mirror", "pause", "acme/copy", "--data", "data", "--resume").stdout == "acme/copy goes on\n"
    )
    assert imprint("mirror", "remove", "acme/copy", "--data", "data").code == 0
    gone = imprint("mirror", "show", "acme/copy", "--data", "data")
    assert (gone.code, "is no mirror" in gone.stderr) == (1, True)


def test_chosen_refs_only(imprint, source):
    made = imprint(
        "mirror",
        "add",
        str(source.folder),
        "acme/copy",
        "--data",
        "data",
        "--ref",
        "refs/pull/*/head",
        "--json",
    )
    assert made.document["patterns"] == ["refs/pull/*/head"]
    assert made.document["changed"] == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("https://u:secret@example.com/a",), "holds a user or a password"),
        (("ext::sh -c x",), "over https or ssh"),
        (("https://example.com/a", "--credential-env", "NOT_SET"), "is not set"),
        (("https://example.com/a", "--credential-file", "none"), "No such file"),
        (("http://example.com/a", "--credential-helper", "store"), "not sent over http"),
        (("https://example.com/a", "--ref", "heads/*"), "no pattern of refs"),
        (("https://example.com/a", "--every", "1s"), "at most every 10 seconds"),
        (("/nowhere/at/all",), "could not be asked"),
    ],
)
def test_what_cannot_be_mirrored_is_refused_and_leaves_nothing(imprint, arguments, told):
    imprint("repo", "create", "acme/other", "--data", "data")
    refused = imprint("mirror", "add", arguments[0], "acme/copy", "--data", "data", *arguments[1:])
    assert refused.code in {1, 2}
    assert told in refused.stderr
    assert "secret" not in refused.stderr.replace("the secret by", "").replace("a secret is", "")
    names = [each["name"] for each in imprint("repo", "list", "--data", "data", "--json").document["repos"]]
    assert names == ["acme/other"]
