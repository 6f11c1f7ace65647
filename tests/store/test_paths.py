"""Paths as text, with git's own quoting and checking as the oracle."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.store.errors import BadPath
from imprint.store.paths import quote_path, unquote_path, verify_path

AWKWARD = [
    b"tab\there",
    b"new\nline",
    b'double"quote',
    b"back\\slash",
    b"latin-1 caf\xe9",
    "utf-8 café".encode(),
    b"\x01control",
    b"\x7fdelete",
    b"bell\aform\fvertical\vback\breturn\r",
    b" leading and trailing ",
    b"mixed \xc3\xa9 and \xe9",
]


@given(st.binary())
def test_every_byte_string_survives_quoting(raw):
    assert unquote_path(quote_path(raw)) == raw


@given(st.binary())
def test_a_quoted_path_is_one_line_of_printable_utf_8(raw):
    text = quote_path(raw)
    text.encode("utf-8")
    assert not {"Cc", "Cs", "Zl", "Zp"} & {unicodedata.category(character) for character in text}


@given(st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters='"\\')))
def test_an_ordinary_path_is_itself(text):
    assert quote_path(text.encode()) == text


@pytest.mark.parametrize("quoting", ["true", "false"])
def test_what_git_prints_is_read_back(work_tree, quoting):
    """Git quotes more (with core.quotePath) or leaves raw bytes (without); both are understood."""
    for name in AWKWARD:
        (work_tree.folder / name.decode("utf-8", "surrogateescape")).touch()
    work_tree("add", "-A")
    printed = work_tree.run("-c", f"core.quotePath={quoting}", "ls-files").stdout
    lines = printed.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")
    assert sorted(map(unquote_path, lines)) == sorted(AWKWARD)


def test_bytes_that_are_not_utf_8_are_quoted_as_git_does():
    assert quote_path(b'caf\xe9 "x"\t\\') == r'"caf\351 \"x\"\t\\"'


@pytest.mark.parametrize("text", ['"', '"open', '"a"b"', r'"\9"', r'"\400"', r'"\x"', '"trailing\\"'])
def test_a_text_that_is_no_quoted_path_is_refused(text):
    with pytest.raises(BadPath, match="is not a quoted path"):
        unquote_path(text)


REFUSED = [
    b".",
    b"..",
    b".git",
    b".GIT",
    b".gIt",
    b"git~1",
    b"GIT~1",
    ".g\u200cit".encode(),
    ".git\ufeff".encode(),
]
REFUSED += [b".git.", b".git ", b".git. .", b".git::$INDEX_ALLOCATION", b"\\.git", b".git\\x"]
HARMLESS = [
    b"a",
    b".gitignore",
    b".gitx",
    b"git",
    b"..a",
    b"a..",
    b"git~2",
    b"-",
    b"caf\xe9",
    b"a:b",
    b".git-x",
]


@pytest.mark.parametrize("name", REFUSED, ids=repr)
def test_a_name_that_git_fsck_refuses_is_refused_anywhere_in_a_path(work_tree, name):
    assert _fsck(work_tree, name) != []
    for path in (name, b"folder/" + name, name + b"/file"):
        with pytest.raises(BadPath):
            verify_path(path)


@pytest.mark.parametrize("name", HARMLESS, ids=repr)
def test_a_name_that_git_fsck_lets_pass_passes(work_tree, name):
    assert _fsck(work_tree, name) == []
    verify_path(name)
    verify_path(b"folder/" + name)


@pytest.mark.parametrize(
    "path", [b"", b"/a", b"a/", b"a//b", b"a\0b", b"a/../b", b"x" * 256, b"x/" * 2048 + b"x"]
)
def test_a_path_that_no_work_tree_could_hold_is_refused(path):
    with pytest.raises(BadPath, match="is not a path for a tree"):
        verify_path(path)


def _fsck(work_tree, name):
    """What git has against a tree with an entry of this name."""
    blob = work_tree("hash-object", "-w", "--stdin")
    tree = b"100644 " + name + b"\0" + bytes.fromhex(blob)
    work_tree("hash-object", "-w", "--literally", "-t", "tree", "--stdin", stdin=tree)
    said = work_tree.run("fsck", "--strict", check=False).stderr.decode()
    return [line for line in said.splitlines() if " in tree " in line]
