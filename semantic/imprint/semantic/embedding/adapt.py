"""Learn from a repository's own past, and keep it only if that helps.

1. The repository's pairs (what people wrote, and the code that it became), oldest first, are cut at a point
   in time: the table is trained further on the older ones.
2. The newer ones judge: each question looks for its own passage among all passages; the reciprocal rank with
   the new table and with the old one are compared question by question.
3. What was learned is kept if the mean gain's 95 % interval (paired bootstrap) lies above `GAIN_MIN`.

Invariants:
    1. Nothing that judges was trained on, and everything that judges is newer than what was trained on.
    2. The table that is given is not changed; the new one has a name of its own.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from imprint.semantic.embedding.static import StaticEncoder
from imprint.semantic.embedding.training import Settings, make_examples, train
from imprint.semantic.parse.terms import terms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from imprint.semantic.embedding.pairs import Pair
    from imprint.semantic.embedding.table import Table

Ranks = np.ndarray[Any, np.dtype[np.float64]]

LATER_SHARE = 0.25
PAIRS_MIN = 200
GAIN_MIN = 0.0
_RANK_MAX = 10
_DRAWS = 2_000
_NEW_WORDS_MAX = 2_000
_NEW_WORD_PAIRS_MIN = 3
SETTINGS = Settings(epochs=3, batch=256, rate=0.005)


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What came of learning from a repository's past.

    Attributes:
        table: the table to use: the new one if it is kept, the given one otherwise.
        kept: whether what was learned is kept.
        before: mean reciprocal rank of the judging questions with the given table.
        after: the same with the new one.
        low: lower end of the gain's 95 % interval.
        high: upper end.
        trained: pairs that were learned from.
        judged: questions that judged.
    """

    table: Table
    kept: bool
    before: float
    after: float
    low: float
    high: float
    trained: int
    judged: int


def adapt(
    table: Table,
    pairs: Sequence[Pair],
    settings: Settings = SETTINGS,
    progress: Callable[[int, int, float], None] = lambda *_: None,
) -> Adaptation:
    """Learn from pairs, oldest first, and judge by the newest quarter of them.

    With fewer than `PAIRS_MIN` pairs nothing is learned and the table is given back.
    """
    cut = len(pairs) - int(len(pairs) * LATER_SHARE)
    if len(pairs) < PAIRS_MIN:
        return Adaptation(table, kept=False, before=0.0, after=0.0, low=0.0, high=0.0, trained=0, judged=0)
    learned = learn(table, pairs[:cut], settings, progress)
    before, after = (rank_later(StaticEncoder(each), pairs, cut) for each in (table, learned))
    low, high = gain_interval(before, after, settings.seed)
    kept = low > GAIN_MIN
    return Adaptation(
        table=learned if kept else table,
        kept=kept,
        before=float(before.mean()),
        after=float(after.mean()),
        low=low,
        high=high,
        trained=cut,
        judged=len(pairs) - cut,
    )


def learn(
    table: Table,
    pairs: Sequence[Pair],
    settings: Settings = SETTINGS,
    progress: Callable[[int, int, float], None] = lambda *_: None,
) -> Table:
    """Train a table further, with the words that it lacked; neither kept nor judged."""
    wider = _with_words_of(table, pairs, settings.seed)
    like = replace(
        settings,
        dimensions=table.vectors.shape[1],
        path_share=table.path_share,
        symbol_weight=table.symbol_weight,
    )
    learned = train(wider, [make_examples(pairs, wider)], like, progress)
    digest = hashlib.sha256(learned.vectors.tobytes()).hexdigest()[:12]
    return replace(learned, name=f"{table.name}+{digest}")


def rank_later(encoder: StaticEncoder, pairs: Sequence[Pair], cut: int) -> Ranks:
    """The reciprocal rank of each pair's passage from `cut` on, among all passages; 0 beyond the tenth."""
    passages = encoder.encode_passages([pair.passage for pair in pairs])
    answers = passages + np.float32(encoder.path_share) * encoder.encode_paths([pair.path for pair in pairs])
    ranks = np.zeros(len(pairs) - cut)
    for number in range(cut, len(pairs)):
        scores = answers @ encoder.encode_question(pairs[number].question)
        rank = 1 + int((scores > scores[number]).sum())
        ranks[number - cut] = 1 / rank if rank <= _RANK_MAX else 0.0
    return ranks


def gain_interval(before: Ranks, after: Ranks, seed: int = 1) -> tuple[float, float]:
    """The 95 % interval of the mean gain, by drawing questions anew."""
    random = np.random.default_rng(seed)
    gains = after - before
    means = gains[random.integers(0, len(gains), (_DRAWS, len(gains)))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _with_words_of(table: Table, pairs: Sequence[Pair], seed: int) -> Table:
    """The table with the most frequent words that it lacks, short vectors in no direction."""
    counts: Counter[str] = Counter()
    for pair in pairs:
        counts.update(set(terms(f"{pair.question} {pair.passage.text} {pair.passage.symbol}")))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    lacking = [word for word, times in ranked if times >= _NEW_WORD_PAIRS_MIN and word not in table.rows]
    lacking = [word for word in lacking if not word.isdigit()][:_NEW_WORDS_MAX]
    random = np.random.default_rng(seed)
    width = table.vectors.shape[1]
    length = float(np.linalg.norm(table.vectors, axis=1).mean())
    new = random.standard_normal((len(lacking), width), np.float32) * (0.5 * length / width**0.5)
    rows = {**table.rows, **{word: len(table.rows) + number for number, word in enumerate(lacking)}}
    return replace(table, rows=rows, vectors=np.concatenate((table.vectors, new.astype(np.float32))))
