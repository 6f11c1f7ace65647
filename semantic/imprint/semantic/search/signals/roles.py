"""What a path says of a file's role: tests, examples, copies, documents and generated files come later.

Invariants:
    1. A role counts unless one of the query's words asks for it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

_PATHS_KNOWN: Final = 65_536
"""Paths whose roles are remembered: the same ones are candidates again and again."""


@dataclass(frozen=True, slots=True)
class _Role:
    pattern: re.Pattern[str]
    factor: float
    asked_by: frozenset[str] = field(default_factory=frozenset)


_ROLES: Final = (
    _Role(
        re.compile(
            r"(?:^|/)(?:tests?|__tests__|specs?|testing|testdata|test[_-]\w+|\w+[_-]tests?|fixtures?|mocks?)/"
            r"|(?:^|/)(?:test_[^/]*|[^/]*[_.-](?:test|tests|spec)\.[^/]*|conftest\.py)\Z"
            r"|(?:^|/)[^/]*[a-z](?:Tests?|Spec|TestCase)\.[a-z]+\Z"
        ),
        0.3,
        frozenset({"test", "tests", "testing", "spec", "specs", "fixture", "fixtures", "mock", "mocks"}),
    ),
    _Role(
        re.compile(
            r"(?:^|/)(?:_?compat|_?legacy|deprecated|backports?)(?:/|\.[a-z]+\Z)", re.IGNORECASE
        ),
        0.3,
        frozenset({"compat", "compatibility", "legacy", "deprecated", "backport"}),
    ),
    _Role(
        re.compile(r"(?:^|/)(?:examples?|samples?|demos?|tutorials?|benchmarks?|bench)/", re.IGNORECASE),
        0.3,
        frozenset({"example", "examples", "sample", "demo", "tutorial", "benchmark", "benchmarks", "bench"}),
    ),
    _Role(
        re.compile(r"(?:^|/)(?:vendor|vendored|third[_-]?party|node_modules|external|deps|dist|_vendor)/"),
        0.4,
        frozenset({"vendor", "vendored", "thirdparty", "dist"}),
    ),
    _Role(
        re.compile(
            r"(?:^|/)(?:docs?|documentation|changes|changelog)/|\.(?:md|rst|txt|adoc|html?|svg)\Z",
            re.IGNORECASE,
        ),
        0.5,
        frozenset({"doc", "docs", "documentation", "readme", "changelog", "guide"}),
    ),
    _Role(
        re.compile(r"(?:^|/)(?:__init__\.pyi?|package-info\.java|mod\.rs|index\.[jt]sx?)\Z"),
        0.5,
    ),
    _Role(re.compile(r"\.d\.ts\Z|\.pyi\Z"), 0.7, frozenset({"types", "typings", "stub"})),
    _Role(
        re.compile(r"\.(?:json|ya?ml|toml|lock|ini|cfg|xml|csv)\Z|(?:^|/)\.[^/]+/"),
        0.6,
        frozenset({"json", "yaml", "toml", "config", "configuration", "workflow", "ci", "settings"}),
    ),
)  # fmt: skip


def demotion(path: str, words: AbstractSet[str]) -> float:
    """The smallest factor of the roles that a path has and the words do not ask for; 1 for none."""
    roles = _find_roles(path)
    return min([role.factor for role in roles if not role.asked_by & words], default=1.0) if roles else 1.0


@lru_cache(_PATHS_KNOWN)
def _find_roles(path: str) -> tuple[_Role, ...]:
    return tuple(role for role in _ROLES if role.pattern.search(path))


def is_test(path: str) -> bool:
    """Whether a path says that a file holds tests, or what only tests use."""
    return _ROLES[0].pattern.search(path) is not None
