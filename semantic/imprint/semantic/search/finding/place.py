"""Where a search takes place: one commit of one repository, and what is known beside it.

Invariants:
    1. Everything here is what the caller may see: whoever makes a `Place` limits it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, Protocol

from imprint.semantic.parse.source import decode_content
from imprint.store.errors import BadInput, ObjectMissing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.lineage.past import Past
    from imprint.semantic.search.background import Background
    from imprint.semantic.search.corpus import Corpus
    from imprint.semantic.search.nearness import Nearness
    from imprint.store.types import ObjectId
    from imprint.store.view import RepositoryView

TEXT_CHARACTERS_MAX: Final = 8_000
"""Of a hit's text: a passage is far shorter, except where one line holds a whole file."""
SECONDS_MAX: Final = 2.0
"""For looking through texts: exact and regular searches, differences, messages by pattern, prompts."""


class Nearby(Protocol):
    """Vectors of passages, compared with a question's."""

    def near(self, corpus: Corpus, text: str) -> Nearness | None:
        """How near the chunks are; None where vectors are missing."""
        ...


@dataclass(frozen=True)
class Place:
    """A commit to search.

    Attributes:
        view: the repository, as the caller sees it.
        commit: the commit that is searched.
        behind: commits reachable from the one asked for and not from this one.
        corpus: its passages.
        background: the past, claims and prompts.
        vectors: those of the passages; None where no vectors are used.
        history: gives the passages of everything that the repository ever held; None where that is not
            indexed.
        is_history_whole: whether that is all of it.
        clock: seconds of a clock that never goes back.
    """

    view: RepositoryView
    commit: ObjectId
    behind: int
    corpus: Corpus
    background: Background
    vectors: Nearby | None = None
    history: Callable[[], Corpus | None] | None = None
    is_history_whole: Callable[[], bool] = lambda: True
    clock: Callable[[], float] = time.monotonic

    @property
    def paths(self) -> Sequence[bytes]:
        """The paths of the corpus's files, by number; not to be changed."""
        return self.corpus.listing.decoded_paths

    def near(self, text: str) -> Nearness | None:
        """How near the chunks' vectors are to a question's; None where there are no vectors."""
        return self.vectors.near(self.corpus, text) if self.vectors else None

    def past(self) -> Past:
        """The change log.

        Raises:
            BadInput: there is none.
        """
        if self.background.past is None:
            raise BadInput(
                "dates, authors, agents, messages, differences, prompts and removed code need the history's "
                "log, which is not here yet",
                hint="index the repository, or ask again in a moment",
            )
        return self.background.past

    @cached_property
    def reached(self) -> Array:
        """Which commits of the past the searched one reaches, by number."""
        past = self.past()
        number = past.find(self.commit)
        return past.ancestors(number) if number is not None else past.ancestors()

    def deadline(self, seconds: float = SECONDS_MAX) -> Deadline:
        """One that ends in so many seconds."""
        return Deadline(self.clock, self.clock() + seconds)

    def read_lines(self, blob: ObjectId, start: int, end: int) -> str:
        """Lines of a content as text, cut after `TEXT_CHARACTERS_MAX`; empty where they are not here."""
        content = read_content(self.view, blob)
        return cut_lines(content, start, end) if content is not None else ""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on a clock."""

    clock: Callable[[], float]
    end: float

    def is_over(self) -> bool:
        """Whether it has passed."""
        return self.clock() >= self.end


def read_content(view: RepositoryView, blob: ObjectId) -> bytes | None:
    """A content in UTF-8 without a byte order mark; None where the repository lacks it."""
    try:
        return decode_content(view.objects.read_blob(blob))
    except ObjectMissing:
        return None


def find_text(view: RepositoryView, blob: ObjectId, text: str) -> int | None:
    """The line where a text of whole lines, as `cut_lines` gives it, begins in a content; None if none."""
    content = read_content(view, blob)
    if content is None:
        return None
    whole = "\n" + content.decode("utf-8", "replace").replace("\r\n", "\n") + "\n"
    wanted = text.rstrip("\n")
    place = whole.find(f"\n{wanted}\n" if len(text) < TEXT_CHARACTERS_MAX else f"\n{wanted}")
    return whole.count("\n", 0, place) + 1 if place >= 0 else None


def cut_lines(content: bytes, start: int, end: int) -> str:
    """Lines of a content as text, cut after `TEXT_CHARACTERS_MAX`."""
    lines = content.split(b"\n", end)[start - 1 : end]
    return "\n".join(line.decode("utf-8", "replace").rstrip("\r") for line in lines)[:TEXT_CHARACTERS_MAX]
