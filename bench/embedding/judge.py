"""Docstring retrieval on repositories kept out of training: MRR@10, dense alone.

    python bench/embedding/judge.py --pairs DIR [--table FILE]... [--questions 1500] [--cut N]

A question is the first paragraph of an entity's documentation; its answer is the entity, among all documented
entities of its repository. Prints a line for each repository, with the half width of the 95 % interval, and
one summary line last.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from train import read_pairs

from imprint.semantic.embedding.static import SHIPPED, StaticEncoder
from imprint.semantic.embedding.table import read_table


def reciprocal_ranks(encoder, pairs, questions_max, cut=None, path_share=None):
    """The reciprocal rank of each question's answer; 0 beyond the tenth."""
    share = encoder.path_share if path_share is None else path_share
    answers = encoder.encode_passages([pair.passage for pair in pairs])
    paths = encoder.encode_paths([pair.path for pair in pairs])
    asked = np.random.default_rng(7).permutation(len(pairs))[:questions_max]
    questions = np.stack([encoder.encode_question(pairs[number].question) for number in asked])
    if cut:
        answers, paths, questions = (unit(each[:, :cut]) for each in (answers, paths, questions))
    scores = questions @ (answers + share * paths).T
    right = scores[np.arange(len(asked)), asked][:, None]
    ranks = 1 + (scores > right).sum(axis=1)
    return np.where(ranks <= 10, 1 / ranks, 0.0)


def unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--table", type=Path, action="append")
    parser.add_argument("--questions", type=int, default=1_500)
    parser.add_argument("--cut", type=int, default=0)
    parser.add_argument("--path-share", type=float)
    options = parser.parse_args()
    encoders = [(path.stem, StaticEncoder(read_table(path))) for path in options.table or [SHIPPED]]
    means: dict[str, list[float]] = {name: [] for name, _ in encoders}
    print("| repository | pairs | " + " | ".join(means) + " |")
    print("|---|---:|" + "---:|" * len(means))
    for file in sorted(options.pairs.glob("*.jsonl")):
        pairs = read_pairs(file, "change")
        if len(pairs) < 50:
            continue
        cells = []
        for name, encoder in encoders:
            ranks = reciprocal_ranks(encoder, pairs, options.questions, options.cut, options.path_share)
            means[name].append(float(ranks.mean()))
            cells.append(f"{ranks.mean():.3f} ± {1.96 * ranks.std() / len(ranks) ** 0.5:.3f}")
        print(f"| {file.stem.replace('+', '/')} | {len(pairs)} | {' | '.join(cells)} |", flush=True)
    _, encoder = encoders[0]
    started = time.perf_counter()
    encoder.encode_passages([pair.passage for pair in pairs])
    speed = len(pairs) / (time.perf_counter() - started)
    started = time.perf_counter()
    for pair in pairs[:200]:
        encoder.encode_question(pair.question)
    asked = (time.perf_counter() - started) / min(200, len(pairs)) * 1e6
    summary = ", ".join(f"{name} {np.mean(values):.4f}" for name, values in means.items())
    count = len(next(iter(means.values())))
    print(f"MRR@10, mean of {count} repositories: {summary}; {speed:.0f} passages/s, {asked:.0f} us/question")


if __name__ == "__main__":
    main()
