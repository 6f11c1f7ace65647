"""What a query's filters let through: files, passages and commits.

Invariants:
    1. A passage passes if its file does; a file has the dates, authors, agents and sessions of the commits
       that touched it, through renames, and one of these commits has to fit all filters.
    2. Claims are read only of commits that fit everything else, and at most of `COMMITS_MAX` for one file.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from imprint.semantic.search.finding.patterns import compile_expression
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.search.finding.place import Place
    from imprint.semantic.search.query import Query
    from imprint.store.evidence.claims import Claim
    from imprint.store.types import ObjectId

COMMITS_MAX: Final = 1_000
"""Of one file's commits, the newest so many are looked at for their claims."""
GLOB_CHARACTERS_MAX: Final = 1_000


class Filters:
    """The filters of one query at one place."""

    def __init__(self, place: Place, query: Query) -> None:
        self._place = place
        self._query = query
        self._files: dict[int, bool] = {}
        self._claims: dict[ObjectId, bool] = {}
        self._glob = compile_glob(query.path_glob) if query.path_glob else None
        if (query.agent or query.session) and place.background.claims is None:
            raise BadInput("agents and sessions are not known here", hint="leave the filter out")

    # -- files and passages -----------------------------------------------------------------------------

    def path_mask(self) -> Array | None:
        """Of each file whether its path passes; None if there is no such filter."""
        query = self._query
        if not query.path_prefix and not query.path_glob:
            return None
        return np.array([self.passes_path(path) for path in self._place.paths], bool)

    def chunk_mask(self) -> Array | None:
        """Of each passage whether path, language and kind pass; None if there is no such filter."""
        query, corpus = self._query, self._place.corpus
        files = self.path_mask()
        mask = files[corpus.files] if files is not None else None
        if query.language:
            own = corpus.in_language(query.language)
            mask = own if mask is None else mask & own
        if query.kind is not None:
            own = corpus.of_kind(query.kind)
            mask = own if mask is None else mask & own
        return mask

    def passes_kind(self, kind: str) -> bool:
        """Whether a kind passes."""
        return self._query.kind is None or kind.casefold() == self._query.kind.casefold()

    def passes_history(self, file: int) -> bool:
        """Whether one of the commits that touched a file fits every filter that speaks of commits."""
        if not self._query.asks_of_commits:
            return True
        known = self._files.get(file)
        if known is None:
            known = self._files[file] = self._any_fits(self._place.paths[file])
        return known

    def _any_fits(self, path: bytes) -> bool:
        past = self._place.past()
        last = past.find(self._place.commit)
        if last is None:
            return False
        numbers = past.following(path, last)
        fitting = numbers[self.commit_mask[numbers]].tolist()
        return any(self.passes_claims(past.commit(number)) for number in fitting[:COMMITS_MAX])

    # -- commits ----------------------------------------------------------------------------------------

    @cached_property
    def commit_mask(self) -> Array:
        """Of each commit whether the searched one reaches it and its date and author pass."""
        place, query = self._place, self._query
        past = place.past()
        mask = np.array(place.reached, bool)
        times = past.times()
        if query.since is not None:
            mask &= times >= query.since
        if query.until is not None:
            mask &= times < query.until
        if query.author:
            wanted = query.author.casefold()
            for number in np.flatnonzero(mask).tolist():
                mask[number] = wanted in past.author(number).casefold()
        return mask

    def passes_claims(self, commit: ObjectId) -> bool:
        """Whether a claim of a commit names the agent and the session that are wanted."""
        query = self._query
        if not query.agent and not query.session:
            return True
        known = self._claims.get(commit)
        if known is None:
            reader = self._place.background.claims
            claims: Iterable[Claim] = reader({commit}).get(commit, ()) if reader else ()
            known = self._claims[commit] = any(
                (not query.agent or claim.agent == query.agent)
                and (not query.session or claim.session == query.session)
                for claim in claims
            )
        return known

    def passes_commit(self, number: int) -> bool:
        """Whether a commit's claims pass, and it touched a file whose path does."""
        query = self._query
        past = self._place.past()
        if (query.path_prefix or query.path_glob) and not any(
            self.passes_path(touch.path) for touch in past.touched(number)
        ):
            return False
        return self.passes_claims(past.commit(number))

    def passes_path(self, path: bytes) -> bool:
        """Whether a path passes."""
        if not path.startswith(self._query.path_prefix):
            return False
        return self._glob is None or self._glob.fullmatch(path) is not None


def compile_glob(pattern: str) -> Any:
    """A pattern of paths as RE2's expression; without a slash it is compared with the file's name.

    `*` and `?` stay within a folder, `**` does not, `[...]` is one of these characters: as in gitignore(5).

    RE2's, because the time of others grows without bound with the asterisks of a pattern.

    Raises:
        BadInput: it is too long, or no pattern.
    """
    if len(pattern) > GLOB_CHARACTERS_MAX:
        raise BadInput(
            "the pattern of paths is too long", hint=f"give {GLOB_CHARACTERS_MAX} characters at most"
        )
    text = re.sub(r"\*{2,}", "**", pattern.removeprefix("/"))
    parts = ["" if "/" in pattern else "(?:.*/)?"]
    for piece in re.findall(r"\*\*/|\*\*|\*|\?|\[!?[^\]/]+\]|.", text, re.DOTALL):
        if piece == "**/":
            parts.append("(?:.*/)?")
        elif piece == "**":
            parts.append(".*")
        elif piece == "*":
            parts.append("[^/]*")
        elif piece == "?":
            parts.append("[^/]")
        elif len(piece) > 1:
            inside = piece[1:-1]
            negated = inside.startswith("!")
            parts.append(
                ("[^" if negated else "[") + re.escape(inside.removeprefix("!")).replace(r"\-", "-") + "]"
            )
        else:
            parts.append(re.escape(piece))
    try:
        return compile_expression(b"(?s)" + "".join(parts).encode("utf-8", "replace"), of_bytes=True)
    except BadInput as failure:
        raise BadInput(f"{pattern[:80]!r} is no pattern of paths", hint="use *, ?, ** and [abc]") from failure
