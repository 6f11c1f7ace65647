"""Extraction in other processes gives the same, and survives files that would take the process with them."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from imprint.semantic.parse import extract
from imprint.semantic.parse.extract import extract_definitions
from imprint.semantic.parse.isolation import Extractors

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD = b'"""Doc."""\n\n\nclass A(B):\n    """\xc3\x9f."""\n\n    def c(self):\n        return d(1)\n'
# Read as Python, each byte more than this takes megabytes of memory in the parser.
RUINOUS = (b"/*" * 40 + b"\n") * 100


@pytest.fixture(scope="module")
def extractors() -> Iterator[Extractors]:
    with Extractors(2, seconds_max=20, memory_bytes_max=400 * 1024**2) as started:
        yield started


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (b"a.py", GOOD),
        (b"a.py", b""),
        (b"a.rb", b"\xff\xfe\x00"),
        (b"a.png", b"\0\1"),
        (b"notes.md", b"# Title\n\nText.\n"),
        (b"a.cs", b"\xef\xbb\xbfclass A { }\r\n"),
        (b"unknown", b"words\n"),
    ],
)
def test_another_process_gives_the_same(extractors: Extractors, path: bytes, content: bytes) -> None:
    assert extractors.extract(path, content) == extract(path, content)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (b"a.py", GOOD),
        (b"A.java", b"/** Doc. */\nclass A {\n    @Old int b(int c) { return d(c); } // e\n}\n"),
        (b"a.go", b'package a\n\nimport b "c"\n\n// D is e.\nfunc D() { b.F() }\n'),
        (b"a.rb", b'class A\n  # b\n  def c = d("x y")\nend\n'),
        (b"notes.md", b"# Title\n\nText.\n"),
        (b"a.png", b"\0\1"),
    ],
)
def test_definitions_alone_are_the_same_ones(extractors: Extractors, path: bytes, content: bytes) -> None:
    found = extractors.extract_definitions(path, content)
    assert found == extract_definitions(path, content)
    assert found.entities == extract(path, content).entities
    assert (found.references, found.chunks, found.imports, found.bindings) == ((), (), (), ())


def test_a_file_that_takes_too_much_memory_is_cut_into_windows_and_the_next_is_extracted(
    extractors: Extractors,
) -> None:
    found = extractors.extract(b"a.py", RUINOUS)
    assert (found.language, found.skipped, found.entities) == ("python", None, ())
    assert "".join(chunk.text for chunk in found.chunks) == RUINOUS.decode()
    assert extractors.extract(b"a.py", GOOD) == extract(b"a.py", GOOD)


def test_a_file_that_takes_too_long_is_cut_into_windows_and_the_next_is_extracted() -> None:
    with Extractors(seconds_max=0.0) as hurried:
        assert hurried.extract(b"a.py", GOOD).entities == ()
    with Extractors() as patient:
        assert patient.extract(b"a.py", GOOD) == extract(b"a.py", GOOD)


def test_threads_share_the_workers(extractors: Extractors) -> None:
    files = [f"def f{number}(): return g{number}()\n".encode() for number in range(12)]
    found: dict[bytes, object] = {}
    threads = [
        threading.Thread(target=lambda each=each: found.update({each: extractors.extract(b"a.py", each)}))
        for each in files
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {each: extract(b"a.py", each) for each in files}
