"""Which files an issue is about: the whole text is the question, files are the answer.

The first line of an issue says what it is about, in few words; the rest shows symptoms, and names files and
modules. A file is worth, each in units of the best file's:
    - how well all of its text fits the words of the first line (BM25 over files);
    - how well its best passage fits all words;
    - what the messages of earlier commits that touched it say, through renames;
    - whether the text names its path or module;
    - whether it defines what single backticks name;
    - how far the words of its name are in the first line;
    - how near it is to where a stack trace in the text ends.

Invariants:
    1. A file is judged by what the searched commit reaches: content of its tree, commits before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from imprint.semantic.parse.terms import terms
from imprint.semantic.search.answer import Answer, Hit
from imprint.semantic.search.bm25 import score_chunks, score_wholes
from imprint.semantic.search.query import QUERY_CHARACTERS_MAX, Query, read_query
from imprint.semantic.search.signals.history import LIKELY_MAX, score_files
from imprint.semantic.search.signals.mentions import read_quoted, score_frames
from imprint.semantic.search.signals.roles import demotion
from imprint.semantic.search.stems import Family
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from imprint.semantic.index.arrays import Array
    from imprint.semantic.search.finding.filters import Filters
    from imprint.semantic.search.finding.place import Place
    from imprint.semantic.search.query import Asked


@dataclass(frozen=True, slots=True)
class Shares:
    """What each part is worth, in units of the best file's; docs/quality.md has each left out.

    Attributes:
        whole: the file's text fits the first line.
        passage: its best passage fits the whole question.
        history: commits whose messages fit the whole question touched it.
        history_of_title: the same for the first line.
        named: the question names its path.
        defines: it defines what single backticks name.
        stem: the words of its name are in the first line.
        frames: a stack trace in the question ends in it, or passes through it.
        not_source: factor for documents and data.
    """

    whole: float = 0.9
    passage: float = 0.6
    history: float = 0.2
    history_of_title: float = 0.15
    named: float = 0.5
    defines: float = 0.3
    stem: float = 0.2
    frames: float = 0.3
    not_source: float = 0.5


DEFAULT: Final = Shares()
_WHOLE_FOLDER: Final = frozenset({"__init__", "index", "mod"})
"""Files that stand for their folder."""
_PATHS_KNOWN: Final = 65_536
"""Paths whose names are remembered in words: the same ones are asked about again and again."""


def find_files(place: Place, query: Query, filters: Filters, shares: Shares = DEFAULT) -> Answer:
    """The files that a text is most likely about, each as its best passage."""
    corpus = place.corpus
    if not len(corpus):
        return Answer(place.commit, place.behind, ())
    asked = read_query(query)
    title = _read_title(query, asked)
    fits = score_chunks(corpus, asked).scores
    best = np.zeros(len(place.paths), np.float32)
    np.maximum.at(best, corpus.files, fits)
    texts = {
        "whole": shares.whole * _share(score_wholes(corpus, title)),
        "passage": shares.passage * _share(best),
    }
    likely = _find_likely(place, texts["whole"] + texts["passage"])
    parts = {
        **texts,
        "history": shares.history * _history(place, asked, likely),
        "history_of_title": shares.history_of_title * _history(place, title, likely),
        "named": shares.named * _named(place.paths, query.text),
        "defines": shares.defines * _defining(place, read_quoted(query.text)),
        "stem": shares.stem * _stems(place.paths, title),
        "frames": shares.frames * _framed(place.paths, query.text),
    }
    factors = _factors(place, title, shares.not_source)
    scores = sum(parts.values()) * factors
    mask = filters.chunk_mask()
    if mask is not None:
        passing = np.zeros(len(scores), bool)
        passing[corpus.files[mask]] = True
        scores = np.where(passing, scores, 0.0)
    hits: list[Hit] = []
    for file in np.argsort(-scores, kind="stable").tolist():
        if scores[file] <= 0 or len(hits) >= query.limit:
            break
        if filters.passes_history(file):
            told = {name: float(values[file]) for name, values in parts.items()}
            told["times_role"] = float(factors[file])
            hit = _hit(place, file, fits, float(scores[file]), told if query.explain else {})
            hits += [hit] if hit else []
    return Answer(place.commit, place.behind, tuple(hits))


def _read_title(query: Query, asked: Asked) -> Asked:
    """The first line, read; the whole question where that holds no word."""
    line = query.text.strip().split("\n", 1)[0]
    try:
        return read_query(Query(line))
    except BadInput:
        return asked


def _share(scores: Array) -> Array:
    most = float(scores.max(initial=0.0))
    return scores / most if most > 0 else scores


def _find_likely(place: Place, scores: Array) -> list[bytes]:
    """The files whose texts fit best, where what was asked for of their commits can be read."""
    if place.background.prompts is None:
        return []
    best = np.argsort(-scores, kind="stable")[:LIKELY_MAX]
    return [place.paths[file] for file in best.tolist() if scores[file] > 0]


def _history(place: Place, asked: Asked, likely: Sequence[bytes]) -> Array:
    scores = np.zeros(len(place.paths), np.float32)
    listing = place.corpus.listing
    found = score_files(place.background, place.commit, asked.words, listing.numbers, likely)
    for file, score in found.items():
        scores[file] = score
    return _share(scores)


def _named(paths: Sequence[bytes], text: str) -> Array:
    """Of each file whether the text names its path, or as a module: half for once, whole for more often."""
    told = text[:QUERY_CHARACTERS_MAX]
    words = set(re.findall(r"\w+(?:[./\\]\w+)+", told.replace("\\", "/")))
    tails: dict[str, int] = {}
    for word in words:
        parts = re.split(r"[./]", word)
        for first, second in pairwise(parts):
            key = f"{first}/{second}"
            tails[key] = tails.get(key, 0) + told.count(word)
    counts = np.zeros(len(paths), np.float32)
    for file, path in enumerate(paths):
        *folders, name = path.decode("utf-8", "replace").split("/")
        names = [*folders, name.rpartition(".")[0] or name]
        if names[-1] in _WHOLE_FOLDER:
            names.pop()
        counts[file] = tails.get("/".join(names[-2:]), 0)
    halves: Array = np.minimum(counts, 2) / 2
    return halves


def _defining(place: Place, names: Sequence[str]) -> Array:
    """Of each file how much of what is named it defines: a name counts the less the more files define it."""
    corpus = place.corpus
    found = np.zeros(len(place.paths), np.float32)
    for name in names:
        files = np.unique(corpus.files[corpus.find_definition(name)])
        found[files] += 1 / max(len(files), 1)
    return _share(found)


def _stems(paths: Sequence[bytes], title: Asked) -> Array:
    """Of each file which part of the words of its name the first line holds, or their relatives."""
    family = Family(title.words)
    found = np.zeros(len(paths), np.float32)
    known: dict[str, bool] = {}
    for file, path in enumerate(paths):
        words = _stem_words(path)
        for word in words:
            if word not in known:
                known[word] = family.has_relative(word)
        found[file] = sum(known[word] for word in words) / max(len(words), 1)
    return found


@lru_cache(_PATHS_KNOWN)
def _stem_words(path: bytes) -> tuple[str, ...]:
    *folders, name = path.decode("utf-8", "replace").split("/")
    stem = name.rpartition(".")[0] or name
    if stem in _WHOLE_FOLDER and folders:
        stem = folders[-1]
    return tuple(dict.fromkeys(terms(stem)))


def _framed(paths: Sequence[bytes], text: str) -> Array:
    scores = np.zeros(len(paths), np.float32)
    for file, score in score_frames(text, paths).items():
        scores[file] = score
    return _share(scores)


def _factors(place: Place, asked: Asked, not_source: float) -> Array:
    """Tests, examples and copies count less, and documents and data, unless the first line asks for them."""
    corpus = place.corpus
    words = frozenset(asked.words)
    factors = np.array([demotion(path.decode("utf-8", "replace"), words) for path in place.paths])
    prose = np.zeros(len(place.paths), bool)
    prose[corpus.files[corpus.of_kind("text")]] = True
    told: Array = np.where(prose, not_source, 1.0) * factors
    return told


def _hit(place: Place, file: int, fits: Array, score: float, parts: dict[str, float]) -> Hit | None:
    corpus = place.corpus
    first, end = int(corpus.starts[file]), int(corpus.starts[file + 1])
    if first == end:
        return None
    passage = corpus.passage(first + int(np.argmax(fits[first:end])))
    blob = corpus.listing.blob(file)
    return Hit(
        repo=place.view.name,
        path=place.paths[file],
        start_line=passage.start_line,
        end_line=passage.end_line,
        symbol=passage.symbol,
        kind=passage.kind,
        language=passage.language,
        score=score,
        text=place.read_lines(blob, passage.start_line, passage.end_line),
        parts=parts,
    )
