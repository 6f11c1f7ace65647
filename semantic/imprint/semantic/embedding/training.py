"""Train a table on pairs: a question is to be nearer to its passage than to the others of its batch.

1. Questions and passages become sums of word vectors, as `imprint.semantic.embedding.static` makes them.
2. In a batch, all of one repository, every other passage is a wrong answer; cross-entropy both ways. Rivals,
   if they are given, are more of those: they have no question in the batch.
3. The same loss on the first half and the first quarter of the numbers, so that vectors may be cut short.
4. Adam, on the rows that the batch has; the rate warms up, then falls to nothing in a straight line.

A row's length is learned with its direction: it is the weight of its word.

Invariants:
    1. The same pairs, settings and seed give the same table on the same machine.
    2. Needs numpy only, and memory for three tables and one batch.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from imprint.semantic.embedding.static import Vocabulary
from imprint.semantic.embedding.table import Table
from imprint.semantic.parse.terms import terms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from imprint.semantic.embedding.pairs import Pair
    from imprint.semantic.embedding.ports import Vectors

Ints = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True)
class Settings:
    """How to train.

    Attributes:
        dimensions: numbers in a vector.
        cuts: at how many numbers the loss is taken as well.
        epochs: how often each pair is seen.
        batch: pairs that compete with one another.
        rate: the highest step of Adam.
        scale: what nearness is multiplied with before cross-entropy.
        path_share: see `Table`.
        symbol_weight: see `Table`.
        seed: decides the first vectors and every order.
    """

    dimensions: int = 256
    cuts: tuple[int, ...] = (64, 128)
    epochs: int = 3
    batch: int = 512
    rate: float = 0.02
    scale: float = 20.0
    path_share: float = 0.3
    symbol_weight: float = 3.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Bag:
    """The rows of one text and their weights."""

    rows: Ints
    weights: Vectors


# A question, its passage, and the passage's path.
Example = tuple[Bag, Bag, Bag]
# For each example of a group, the numbers of others whose passages are near to its question, and wrong.
Rivals: TypeAlias = "Sequence[Sequence[int]]"
_PASSAGE_WORDS_MAX = 160


def count_words(pairs: Iterable[Pair], words_max: int, times_min: int = 3) -> list[str]:
    """The words that most pairs have, the most frequent first, ties in order of the alphabet."""
    counts: Counter[str] = Counter()
    for pair in pairs:
        counts.update(set(terms(f"{pair.question} {pair.passage.text} {pair.passage.symbol} {pair.path}")))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [word for word, times in ranked[:words_max] if times >= times_min]


def first_table(
    name: str, words: Sequence[str], counts: Sequence[int], total: int, settings: Settings
) -> Table:
    """A table of random vectors, as long as their words are rare: log(total / count)."""
    random = np.random.default_rng(settings.seed)
    vectors = random.standard_normal((len(words), settings.dimensions), np.float32) / math.sqrt(
        settings.dimensions
    )
    rarity = np.log((total + 1) / (np.asarray(counts, np.float32) + 0.5))
    vectors *= (rarity / rarity.mean())[:, None]
    rows = {word: row for row, word in enumerate(words)}
    return Table(name, rows, vectors, settings.path_share, settings.symbol_weight)


def make_examples(pairs: Iterable[Pair], table: Table) -> list[Example]:
    """Pairs as rows of a table; those of which a side is empty are left out."""
    vocabulary, found = Vocabulary(table.rows), []
    for pair in pairs:
        question = _bag(vocabulary.weigh_question(pair.question))
        passage = _bag(vocabulary.weigh_passage(pair.passage, table.symbol_weight))
        path = _bag(vocabulary.weigh_question(pair.path))
        if len(question.rows) and len(passage.rows) and len(path.rows):
            found.append((question, passage, path))
    return found


def train(
    table: Table,
    groups: Sequence[Sequence[Example]],
    settings: Settings,
    progress: Callable[[int, int, float], None] = lambda *_: None,
    rivals: Sequence[Rivals] = (),
) -> Table:
    """Train a table; `groups` are the examples of each repository. The one given is not changed.

    `progress` is told the step, of how many, and the loss. `rivals` are those of each group, if there are
    any: one for each example, drawn anew each time, joins its batch as one more wrong answer.
    """
    random = np.random.default_rng(settings.seed)
    plan = [batch for _ in range(settings.epochs) for batch in _plan(groups, settings.batch, random, rivals)]
    vectors = table.vectors.copy()
    first, second = np.zeros_like(vectors), np.zeros_like(vectors)
    for step, batch in enumerate(plan):
        rate = settings.rate * _share_of_rate(step, len(plan))
        loss, rows, gradient = _loss(vectors, batch, settings)
        first[rows] = 0.9 * first[rows] + 0.1 * gradient
        second[rows] = 0.999 * second[rows] + 0.001 * gradient * gradient
        corrected = first[rows] / (1 - 0.9 ** (step + 1))
        spread = np.sqrt(second[rows] / (1 - 0.999 ** (step + 1))) + 1e-8
        vectors[rows] -= rate * corrected / spread
        progress(step + 1, len(plan), loss)
    return Table(table.name, table.rows, vectors, table.path_share, table.symbol_weight)


def _bag(weights: dict[int, float]) -> Bag:
    rows = np.fromiter(weights, np.int64, len(weights))[:_PASSAGE_WORDS_MAX]
    return Bag(rows, np.fromiter(weights.values(), np.float32, len(weights))[:_PASSAGE_WORDS_MAX])


@dataclass(frozen=True, slots=True)
class _Batch:
    """Examples, and others whose passages are wrong for all of them."""

    examples: list[Example]
    wrong: list[Example]


def _plan(
    groups: Sequence[Sequence[Example]],
    size: int,
    random: np.random.Generator,
    rivals: Sequence[Rivals] = (),
) -> list[_Batch]:
    batches = []
    for at, group in enumerate(groups):
        order = random.permutation(len(group))
        count = max(1, round(len(group) / size))
        for part in np.array_split(order, count):
            if len(part) > 1:
                drawn = _draw(part, rivals[at], random) if rivals else []
                batches.append(
                    _Batch([group[number] for number in part], [group[number] for number in drawn])
                )
    return [batches[number] for number in random.permutation(len(batches))]


def _draw(part: Ints, rivals: Rivals, random: np.random.Generator) -> list[int]:
    """A rival for each example that has one, but those in the batch: right for their own question there."""
    drawn = {int(random.choice(rivals[number])) for number in part if len(rivals[number])}
    return sorted(drawn.difference(part.tolist()))


def _share_of_rate(step: int, steps: int) -> float:
    warm = max(1, steps // 10)
    return (step + 1) / warm if step < warm else (steps - step) / max(1, steps - warm)


def _loss(vectors: Vectors, batch: _Batch, settings: Settings) -> tuple[float, Ints, Vectors]:
    """The loss of a batch, the rows that it has, ascending, and its gradient in those."""
    count, answers = len(batch.examples), batch.examples + batch.wrong
    sides = [_Side(vectors, [example[0] for example in batch.examples])]
    sides += [_Side(vectors, [example[number] for example in answers]) for number in (1, 2)]
    widths = (*settings.cuts, vectors.shape[1])
    loss = 0.0
    for width in widths:
        (question, lengths_q), (passage, lengths_p), (path, lengths_h) = (side.unit(width) for side in sides)
        answer = passage + np.float32(settings.path_share) * path
        logits = np.float32(settings.scale) * question @ answer.T
        rows_loss, rows_slope = _cross_entropy(logits)
        columns_loss, columns_slope = _cross_entropy(logits[:, :count].T)
        loss += (rows_loss + columns_loss) / (2 * len(widths))
        rows_slope[:, :count] += columns_slope.T
        slope: Vectors = rows_slope * np.float32(settings.scale / (2 * len(widths)))
        wanted: Vectors = slope @ answer
        sides[0].add(width, wanted, question, lengths_q)
        back: Vectors = slope.T @ question
        sides[1].add(width, back, passage, lengths_p)
        sides[2].add(width, np.float32(settings.path_share) * back, path, lengths_h)
    rows = np.concatenate([side.rows for side in sides])
    order = np.argsort(rows, kind="stable")
    distinct, starts = np.unique(rows[order], return_index=True)
    gradients = np.concatenate([side.gradients() for side in sides])[order]
    return loss, distinct, np.add.reduceat(gradients, starts, axis=0)


class _Side:
    """The questions, the passages or the paths of a batch: their sums, and what the loss wants of them."""

    def __init__(self, vectors: Vectors, bags: list[Bag]) -> None:
        self.rows = np.concatenate([bag.rows for bag in bags])
        sizes = np.array([len(bag.rows) for bag in bags])
        self._text = np.repeat(np.arange(len(bags)), sizes)
        self._weights = np.concatenate([bag.weights for bag in bags])[:, None]
        starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        self._sums: Vectors = np.add.reduceat(vectors[self.rows] * self._weights, starts, axis=0)
        self._wanted = np.zeros_like(self._sums)

    def unit(self, width: int) -> tuple[Vectors, Vectors]:
        lengths = np.linalg.norm(self._sums[:, :width], axis=1, keepdims=True) + 1e-6
        return self._sums[:, :width] / lengths, lengths

    def add(self, width: int, slope: Vectors, unit: Vectors, lengths: Vectors) -> None:
        across = slope - (slope * unit).sum(axis=1, keepdims=True) * unit
        self._wanted[:, :width] += across / lengths

    def gradients(self) -> Vectors:
        gradients: Vectors = self._wanted[self._text] * self._weights
        return gradients


def _cross_entropy(logits: Vectors) -> tuple[float, Vectors]:
    """Mean over the rows, the right answer of each in the diagonal, and its slope."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    shares = np.exp(shifted)
    shares /= shares.sum(axis=1, keepdims=True)
    count = len(logits)
    loss = float(-np.log(np.maximum(np.diagonal(shares), 1e-12)).mean())
    slope: Vectors = shares / count
    slope[np.arange(count), np.arange(count)] -= 1 / count
    return loss, slope
