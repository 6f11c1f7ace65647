"""What is asked for, and how it is read: words, names, and whether it looks like a symbol.

Invariant: reading a query depends on its text alone.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from imprint.semantic.index.definitions import fold_name
from imprint.semantic.parse.terms import terms
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT_MAX: Final = 200
"""Hits of one answer."""
QUERY_CHARACTERS_MAX: Final = 4_000
"""So much of a query is read in words: an issue's text is useful, a whole file is not."""
ISSUE_CHARACTERS_MAX: Final = 40_000
"""Of a query at all. Where files are searched the rest is read for stack traces and quoted names: they stand
at the end of an issue more often than not."""

# They are about the question, not about what is asked for; rare in code, they would weigh more than they
# tell.
_FUNCTION_WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        """
        a about after an and are as at be been before being between by can could did do does during for from
        had has have how if in into is it its no not of on or over should so such than that the then these
        this those to via was were what when where which who whom why will with would
        """,
    )
)
_TOKEN: Final = re.compile(r"[\w$][\w$.:#/>!?-]*(?<![.:#/>!?-])|\w+")
_PARTS: Final = re.compile(r"::|->|[.#/:]")
_NAME_PART: Final = re.compile(r"[^\W\d][\w$]*\Z")
_MARKS: Final = 2
_SPECIAL: Final = re.compile(r"[\\|*+?^$()\[\]{}]")
_INNER_CAPITAL: Final = re.compile(r"[a-z0-9][A-Z]|[A-Z]{2}[a-z]")


class Mode(enum.Enum):
    """How the text of a query is understood."""

    AUTO = "auto"
    """In double quotes it is exact; between slashes, with a character that is special in patterns, a regular
    expression; else words."""
    WORDS = "words"
    EXACT = "exact"
    REGEX = "regex"


class What(enum.Enum):
    """What is searched."""

    CODE = "code"
    MESSAGES = "messages"
    DIFFS = "diffs"
    PROMPTS = "prompts"
    FILES = "files"
    """The text is an issue, or another long description: which files is it about?"""


@dataclass(frozen=True, slots=True)
class Query:
    """A search as somebody asks it.

    A passage of code has the dates, authors, agents and sessions of the commits that touched its file,
    through renames: it passes if one of them fits all of these filters.

    Attributes:
        text: words, a symbol, or both; the characters or the expression of an exact or regular search; the
            whole text of an issue.
        limit: hits wanted at most.
        path_prefix: only files whose path begins so; empty for all.
        language: only files of this language, in any letter case; None for all.
        mode: how the text is understood.
        what: code, whole files, or the messages, differences or prompts of commits.
        path_glob: only files whose path this pattern fits: `*` and `?` stay in a folder, `**` does not; one
            without a slash is compared with file names. Empty for all.
        kind: only passages that mainly are of this kind, such as `function`; None for all.
        removed: search code that is gone instead of code that is there.
        since, until: only what is from then on, and from before then, in seconds since 1970; None for any.
        author: only commits whose author's name holds this, in any letter case; empty for all.
        agent: only commits that claims give to this agent; empty for all.
        session: only commits that claims give to this session; empty for all.
        tokens: what the texts of the answer may have together, at four characters a token; None for no bound.
        explain: say of each hit what its score is made of.
    """

    text: str
    limit: int = 10
    path_prefix: bytes = b""
    language: str | None = None
    mode: Mode = Mode.AUTO
    what: What = What.CODE
    path_glob: str = ""
    kind: str | None = None
    removed: bool = False
    since: int | None = None
    until: int | None = None
    author: str = ""
    agent: str = ""
    session: str = ""
    tokens: int | None = None
    explain: bool = False

    @property
    def asks_of_commits(self) -> bool:
        """Whether a filter speaks of commits: then the change log is needed."""
        return bool(
            self.author or self.agent or self.session or self.since is not None or self.until is not None
        )


@dataclass(frozen=True, slots=True)
class Name:
    """An identifier in a query: `Session.get` has the name `get` and the qualifier `session`.

    `is_sure` is False for what only a capital in the middle of a sentence speaks for: `the Chain type`.
    """

    name: str
    qualifier: str = ""
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, read.

    Attributes:
        words: its terms in order, without repetitions and, where there are others, without function words.
        phrases: neighbouring words joined, as they stand in compound identifiers.
        names: what looks like an identifier.
        is_symbol: whether it is nothing but an identifier.
    """

    words: tuple[str, ...]
    phrases: tuple[str, ...]
    names: tuple[Name, ...]
    is_symbol: bool


def read_mode(query: Query) -> tuple[Mode, str]:
    """How the text of a query is to be understood, and the text without the marks that say so.

    Raises:
        BadInput: the query asks for no hits or too many.
    """
    if query.limit < 1 or query.limit > LIMIT_MAX:
        raise BadInput(f"{query.limit} hits cannot be asked for", hint=f"ask for 1 to {LIMIT_MAX}")
    if query.mode is not Mode.AUTO:
        return query.mode, query.text
    text = query.text.strip()
    inside = text[1:-1]
    if len(text) > _MARKS and text[0] == text[-1] == '"' and '"' not in inside:
        return Mode.EXACT, inside
    if len(text) > _MARKS and text[0] == text[-1] == "/" and _SPECIAL.search(inside):
        return Mode.REGEX, inside
    return Mode.WORDS, query.text


def read_query(query: Query) -> Asked:
    """Read a query.

    Raises:
        BadInput: it holds no word, or its limit is no positive number.
    """
    if query.limit < 1 or query.limit > LIMIT_MAX:
        raise BadInput(f"{query.limit} hits cannot be asked for", hint=f"ask for 1 to {LIMIT_MAX}")
    text = query.text[:QUERY_CHARACTERS_MAX]
    words = tuple(dict.fromkeys(terms(text)))
    words = tuple(word for word in words if word not in _FUNCTION_WORDS) or words
    if not words:
        raise BadInput("the query holds no word", hint="give some words or the name of a symbol")
    tokens = _TOKEN.findall(text)
    is_symbol = len(tokens) == 1 and len(text.split()) == 1
    names = [_read_name(token) for token in tokens if is_symbol or _looks_like_name(token)]
    names += [
        Name(fold_name(token), is_sure=False)
        for token in tokens[1:]
        if token.isalpha() and token[0].isupper() and not _looks_like_name(token)
    ]
    return Asked(
        words,
        _read_phrases(tokens, words),
        tuple(dict.fromkeys(name for name in names if name)),
        is_symbol,
    )


def _read_phrases(tokens: Sequence[str], words: Sequence[str]) -> tuple[str, ...]:
    plain = [token.casefold() for token in tokens if token.casefold() in words]
    joined = (first + second for first, second in pairwise(plain) if (first + second).isalpha())
    return tuple(phrase for phrase in dict.fromkeys(joined) if phrase not in words)


def _looks_like_name(token: str) -> bool:
    return bool("_" in token.strip("_") or _PARTS.search(token) or _INNER_CAPITAL.search(token))


def _read_name(token: str) -> Name | None:
    parts = [part for part in _PARTS.split(token) if part]
    if not parts or not all(_NAME_PART.match(part) for part in parts):
        return None
    return Name(fold_name(parts[-1]), fold_name(parts[-2]) if len(parts) > 1 else "")
