"""Short renderings of an extraction, so that a test shows a file and what is found in it side by side."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from imprint.semantic.parse import Extraction, ReferenceKind, extract

if TYPE_CHECKING:
    from collections.abc import Callable


def _extract(path: str, text: str) -> Extraction:
    found = extract(path.encode(), textwrap.dedent(text).lstrip("\n").encode())
    assert found.skipped is None
    return found


@pytest.fixture
def outline() -> Callable[[str, str], list[str]]:
    """Every entity but the module, as `kind qualified.name start-end`."""

    def render(path: str, text: str) -> list[str]:
        return [
            f"{entity.kind.value} {entity.qualified_name} {entity.start_line}-{entity.end_line}"
            for entity in _extract(path, text).entities[1:]
        ]

    return render


@pytest.fixture
def mentions() -> Callable[..., list[str]]:
    """Every reference of one kind, as `name line container`, or `name line` in the module's body."""

    def render(path: str, text: str, kind: ReferenceKind) -> list[str]:
        return [
            f"{reference.name} {reference.line} {reference.container}".rstrip()
            for reference in _extract(path, text).references
            if reference.kind is kind
        ]

    return render


@pytest.fixture
def docs() -> Callable[[str, str], dict[str, str]]:
    """The documentation of every entity that has some, by qualified name (the module's is empty)."""

    def render(path: str, text: str) -> dict[str, str]:
        return {entity.qualified_name: entity.doc for entity in _extract(path, text).entities if entity.doc}

    return render


@pytest.fixture
def signatures() -> Callable[[str, str], dict[str, str]]:
    """The signature of every entity but the module, by qualified name."""

    def render(path: str, text: str) -> dict[str, str]:
        return {entity.qualified_name: entity.signature for entity in _extract(path, text).entities[1:]}

    return render
