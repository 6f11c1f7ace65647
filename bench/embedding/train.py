"""Train the table that is shipped, on what `collect.py` wrote.

    python bench/embedding/train.py --pairs DIR --out FILE [--words 15500] [--without doc|change]

Reads every *.jsonl of the folder in order of name; seeded. Prints the loss as it goes and one summary line
last.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from imprint.semantic.embedding.pairs import Pair
from imprint.semantic.embedding.ports import Passage
from imprint.semantic.embedding.static import Vocabulary
from imprint.semantic.embedding.table import write_table
from imprint.semantic.embedding.training import Settings, count_words, first_table, make_examples, train


def read_pairs(file: Path, without: str = "") -> list[Pair]:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return [
        Pair(question, Passage(text, symbol, language), path)
        for kind, question, text, symbol, language, path, _ in rows
        if kind != without
    ]


def rarities(groups: list[list[Pair]], words: list[str]) -> list[int]:
    """In how many pairs each word is."""
    vocabulary = Vocabulary({word: row for row, word in enumerate(words)})
    counts = np.zeros(len(words), np.int64)
    for group in groups:
        for pair in group:
            found = {
                **vocabulary.weigh_passage(pair.passage, 1.0),
                **vocabulary.weigh_question(pair.question),
            }
            counts[list(found)] += 1
    return counts.tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", default="imprint-static-1")
    parser.add_argument("--words", type=int, default=15_500)
    parser.add_argument("--without", default="")
    parser.add_argument("--epochs", type=int, default=Settings().epochs)
    parser.add_argument("--path-share", type=float, default=Settings().path_share)
    parser.add_argument("--symbol-weight", type=float, default=Settings().symbol_weight)
    options = parser.parse_args()
    started = time.perf_counter()
    settings = Settings(
        epochs=options.epochs, path_share=options.path_share, symbol_weight=options.symbol_weight
    )
    groups = [read_pairs(file, options.without) for file in sorted(options.pairs.glob("*.jsonl"))]
    total = sum(map(len, groups))
    words = count_words((pair for group in groups for pair in group), options.words)
    table = first_table(options.name, words, rarities(groups, words), total, settings)
    examples = [make_examples(group, table) for group in groups]
    read = time.perf_counter() - started

    def say(step: int, steps: int, loss: float) -> None:
        if step % 50 == 0 or step == steps:
            print(f"{step}/{steps} loss {loss:.3f} {time.perf_counter() - started:.0f} s", flush=True)

    trained = train(table, examples, settings, say)
    write_table(options.out, trained)
    print(
        f"{total} pairs of {len(groups)} repositories, {len(words)} words, "
        f"{options.out.stat().st_size} bytes, "
        f"read in {read:.0f} s, trained in {time.perf_counter() - started - read:.0f} s"
    )


if __name__ == "__main__":
    main()
