"""Does learning from a repository's own past help it, on later commits, alone and in a hybrid?

    python bench/embedding/adaptation.py --pairs DIR [--table FILE] [--rate R] [--epochs N]

The pairs are those of `collect.py`; only changes count, oldest first: three quarters are learned from, the
last quarter judges (MRR@10, the changed lines of a commit among those of all). The control learns as many
pairs of the next repository in order of name. The hybrid adds BM25 over the same passages, each score divided
by the question's highest, half and half. One line for each repository, one summary line last.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from train import read_pairs

from imprint.semantic.embedding.adapt import LATER_SHARE, SETTINGS, gain_interval, learn
from imprint.semantic.embedding.static import SHIPPED, StaticEncoder
from imprint.semantic.embedding.table import read_table
from imprint.semantic.parse.terms import terms


def word_scores(pairs, cut):
    """BM25 of each later question for every passage and its path."""
    texts = [Counter(terms(f"{pair.passage.text} {pair.passage.symbol} {pair.path}")) for pair in pairs]
    lengths = np.array([sum(text.values()) for text in texts])
    postings: dict[str, list[tuple[int, int]]] = {}
    for number, text in enumerate(texts):
        for word, times in text.items():
            postings.setdefault(word, []).append((number, times))
    scores = np.zeros((len(pairs) - cut, len(pairs)))
    for row, pair in enumerate(pairs[cut:]):
        for word in terms(pair.question):
            found = postings.get(word, [])
            rarity = math.log(1 + (len(pairs) - len(found) + 0.5) / (len(found) + 0.5))
            for number, times in found:
                weight = times + 1.2 * (0.25 + 0.75 * lengths[number] / lengths.mean())
                scores[row, number] += rarity * 2.2 * times / weight
    return scores


def near_scores(table, pairs, cut):
    encoder = StaticEncoder(table)
    answers = encoder.encode_passages([pair.passage for pair in pairs])
    answers += encoder.path_share * encoder.encode_paths([pair.path for pair in pairs])
    return np.stack([encoder.encode_question(pair.question) for pair in pairs[cut:]]) @ answers.T


def ranks(scores, cut):
    right = scores[np.arange(len(scores)), cut + np.arange(len(scores))][:, None]
    rank = 1 + (scores > right).sum(axis=1)
    return np.where(rank <= 10, 1 / rank, 0.0)


def share(scores):
    return scores / np.maximum(scores.max(axis=1, keepdims=True), 1e-9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--table", type=Path, default=SHIPPED)
    parser.add_argument("--rate", type=float, default=SETTINGS.rate)
    parser.add_argument("--epochs", type=int, default=SETTINGS.epochs)
    options = parser.parse_args()
    table = read_table(options.table)
    settings = replace(SETTINGS, rate=options.rate, epochs=options.epochs)
    all_pairs = {}
    for file in sorted(options.pairs.glob("*.jsonl")):
        pairs = read_pairs(file, "doc")
        if len(pairs) >= 200:
            all_pairs[file.stem.replace("+", "/")] = pairs
    names = list(all_pairs)
    print("| repository | later | shipped | own past: gain | control: gain | hybrid | own past: gain |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    gains, kept = [], 0
    for at, name in enumerate(names):
        pairs = all_pairs[name]
        cut = len(pairs) - int(len(pairs) * LATER_SHARE)
        own = learn(table, pairs[:cut], settings)
        other = learn(table, all_pairs[names[(at + 1) % len(names)]][:cut], settings)
        words = share(word_scores(pairs, cut))
        near = [near_scores(each, pairs, cut) for each in (table, own, other)]
        dense = [ranks(each, cut) for each in near]
        both = [ranks(words + share(each), cut) for each in near]
        cells = []
        for before, after in ((dense[0], dense[1]), (dense[0], dense[2]), (both[0], both[1])):
            low, high = gain_interval(before, after)
            cells.append(f"{after.mean() - before.mean():+.3f} ({low:+.3f} to {high:+.3f})")
        gains.append(
            [after.mean() - dense[0].mean() for after in dense[1:]] + [both[1].mean() - both[0].mean()]
        )
        kept += gain_interval(dense[0], dense[1])[0] > 0
        print(
            f"| {name} | {len(pairs) - cut} | {dense[0].mean():.3f} | {cells[0]} | {cells[1]} | "
            f"{both[0].mean():.3f} | {cells[2]} |",
            flush=True,
        )
    own_gain, control, hybrid = np.mean(gains, axis=0)
    print(
        f"{len(names)} repositories: own past {own_gain:+.4f}, control {control:+.4f}, hybrid {hybrid:+.4f}; "
        f"kept in {kept}"
    )


if __name__ == "__main__":
    main()
