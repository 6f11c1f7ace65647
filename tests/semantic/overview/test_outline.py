"""What a file defines, as it is nested."""

import pytest

from imprint.semantic.overview.outline import read_outline
from imprint.store.errors import PathMissing

NESTED = """
    LIMIT = 3


    class Outer:
        class Inner:
            def deep(self):
                def deeper():
                    pass
                return deeper

        def after(self):
            pass


    def last():
        pass
    """


def test_depth_follows_the_nesting(snapshot_of) -> None:
    outline = read_outline(snapshot_of({"nested.py": NESTED}), b"nested.py")
    assert [(depth, entity.name) for depth, entity in outline.entities] == [
        (0, "LIMIT"),
        (0, "Outer"),
        (1, "Inner"),
        (2, "deep"),
        (3, "deeper"),
        (1, "after"),
        (0, "last"),
    ]
    assert (outline.language, outline.skipped) == ("python", None)


def test_two_definitions_on_one_line_do_not_nest(snapshot_of) -> None:
    outline = read_outline(snapshot_of({"one.js": "function a() {} function b() {}\n"}), b"one.js")
    assert [(depth, entity.name) for depth, entity in outline.entities] == [(0, "a"), (0, "b")]


def test_a_file_without_definitions_says_why(snapshot_of) -> None:
    outline = read_outline(snapshot_of({"data.bin": "\0\1\2"}), b"data.bin")
    assert outline.entities == ()
    assert outline.skipped == "binary"


def test_absent_file_is_refused(snapshot_of) -> None:
    with pytest.raises(PathMissing, match="no file gone"):
        read_outline(snapshot_of({"here.py": "A = 1\n"}), b"gone.py")
