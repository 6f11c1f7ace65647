"""Does a second round of training on hard negatives help, on repositories kept out of training?

    python bench/embedding/hard_negatives.py --pairs DIR --held-out DIR [--seeds N] [--anew] [--rates R,R]

The rivals of a question are passages of its own repository that are near to it and wrong. They are ranked by
the shipped table (`near`), by BM25 (`words`), or half by each (`both`); the first `SKIPPED` are left out, and
so is what might be right after all: the same symbol, the same question, another change to the same file, and
what is nearer than `MARGIN` of the right passage. Each arm trains the shipped table for another epoch with
such rivals; the arm `none` does so without, so that what the round itself does is not put down to them.
With `--anew`, each arm starts with random vectors and takes two epochs, as the shipped table did (`--rates
0.02`); there, `none` with several seeds says how far tables differ by chance.

Judged as `judge.py` does, by documentation, 400 questions each: NDCG@10 of vectors alone and of the hybrid of
`adaptation.py`. A gain's 95 % interval is a paired bootstrap over questions within repositories, over the
mean of the repositories.
"""

from __future__ import annotations

import argparse
import resource
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent))
from adaptation import share, word_scores
from train import read_pairs

from imprint.semantic.embedding.static import SHIPPED, StaticEncoder
from imprint.semantic.embedding.table import read_table
from imprint.semantic.embedding.training import Settings, first_table, make_examples, train

QUESTIONS_MAX = 400
SKIPPED = 2
KEPT = 8
MARGIN = 0.95
RANKED = 40
DRAWS = 2_000


def gains_of(right_rank):
    return np.where(right_rank <= 10, 1 / np.log2(1 + right_rank), 0.0)


def asked_of(pairs):
    return np.random.default_rng(7).permutation(len(pairs))[:QUESTIONS_MAX]


def judge(table, held_out, words):
    """NDCG@10 of each question, alone and in the hybrid, for each repository."""
    encoder, found = StaticEncoder(table), {}
    for name, pairs in held_out.items():
        answers = encoder.encode_passages([pair.passage for pair in pairs])
        answers += np.float32(encoder.path_share) * encoder.encode_paths([pair.path for pair in pairs])
        asked = asked_of(pairs)
        near = np.stack([encoder.encode_question(pairs[number].question) for number in asked]) @ answers.T
        values = []
        for scores in (near, share(near) + words[name]):
            right = scores[np.arange(len(asked)), asked][:, None]
            values.append(gains_of(1 + (scores > right).sum(axis=1)))
        found[name] = values
    return found


def interval(before, after):
    """The gain in the mean of repositories, and its 95 % interval."""
    random = np.random.default_rng(1)
    each = [later - first for first, later in zip(before, after, strict=True)]
    drawn = [gain[random.integers(0, len(gain), (DRAWS, len(gain)))].mean(axis=1) for gain in each]
    low, high = np.quantile(np.mean(drawn, axis=0), (0.025, 0.975))
    return float(np.mean([gain.mean() for gain in each])), float(low), float(high)


def cell(before, after, side):
    first, later = ([values[side] for values in each.values()] for each in (before, after))
    return "{:+.4f} ({:+.4f} to {:+.4f})".format(*interval(first, later))


def near_scores(table, examples):
    """How near each passage is to each question, by the table."""
    vectors = table.vectors

    def unit(bags):
        sums = np.stack([bag.weights @ vectors[bag.rows] for bag in bags])
        return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)

    questions, passages, paths = (unit([example[side] for example in examples]) for side in range(3))
    return questions @ (passages + np.float32(table.path_share) * paths).T


def bag_scores(examples, words):
    """BM25 over the words that the table has, each once in a passage."""
    postings = [[] for _ in range(words)]
    for number, (_, passage, path) in enumerate(examples):
        for row in {*passage.rows.tolist(), *path.rows.tolist()}:
            postings[row].append(number)
    lengths = np.array([len(passage.rows) + len(path.rows) for _, passage, path in examples], np.float32)
    weight = 2.2 / (1 + 1.2 * (0.25 + 0.75 * lengths / lengths.mean()))
    known = {row: np.array(numbers) for row, numbers in enumerate(postings) if numbers}
    scores = np.zeros((len(examples), len(examples)), np.float32)
    for number, (question, _, _) in enumerate(examples):
        for row in question.rows.tolist():
            if row in known:
                found = known[row]
                rarity = np.log(1 + (len(examples) - len(found) + 0.5) / (len(found) + 0.5))
                scores[number, found] += rarity * weight[found]
    return scores


def mine(ranking, near, pairs):
    """The rivals of each pair: numbers of others, the first in the ranking first."""
    right = np.diagonal(near)
    count = min(RANKED, len(pairs) - 1)
    best = np.argpartition(-ranking, count, axis=1)[:, : count + 1]
    found = []
    for number, pair in enumerate(pairs):
        ranked = best[number][np.argsort(-ranking[number, best[number]], kind="stable")]
        others = [int(other) for other in ranked if other != number][SKIPPED:]
        limit = MARGIN * right[number]
        kept = [other for other in others if near[number, other] < limit and not alike(pair, pairs[other])]
        found.append(kept[:KEPT])
    return found


def alike(pair, other):
    """Whether the passage of the other might answer this one's question too."""
    return (
        pair.question == other.question
        or pair.passage.text == other.passage.text
        or (bool(pair.passage.symbol) and pair.passage.symbol == other.passage.symbol)
        or (not pair.passage.symbol and not other.passage.symbol and pair.path == other.path)
    )


def groups_of(folder, table):
    """The pairs of each repository and their examples; pairs of which a side is empty are left out."""
    encoder = StaticEncoder(table)
    for file in sorted(folder.glob("*.jsonl")):
        pairs = read_pairs(file)
        whole = encoder.encode_passages([pair.passage for pair in pairs]).any(axis=1)
        whole &= encoder.encode_paths([pair.path for pair in pairs]).any(axis=1)
        whole &= encoder.encode_paths([pair.question for pair in pairs]).any(axis=1)
        pairs = [pair for pair, is_whole in zip(pairs, whole, strict=True) if is_whole]
        yield pairs, make_examples(pairs, table)


def mine_all(folder, table):
    """The examples of each repository, and each arm's rivals for them."""
    groups, rivals = [], {"none": [], "near": [], "words": [], "both": []}
    for pairs, examples in groups_of(folder, table):
        near = near_scores(table, examples)
        by_near = mine(near, near, pairs)
        by_words = mine(bag_scores(examples, len(table.rows)), near, pairs)
        half = KEPT // 2
        groups.append(examples)
        rivals["near"].append(by_near)
        rivals["words"].append(by_words)
        rivals["both"].append([a[:half] + b[:half] for a, b in zip(by_near, by_words, strict=True)])
    for arm, found in rivals.items():
        each = [len(kept) for group in found for kept in group]
        if each:
            print(f"{arm}: {np.mean(each):.2f} rivals each, none for {each.count(0)} of {len(each)}")
    return groups, rivals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", default="0.005")
    parser.add_argument("--arms", default="none,near,words,both")
    parser.add_argument("--anew", action="store_true")
    options = parser.parse_args()
    table = read_table(SHIPPED)
    held_out = {}
    for file in sorted(options.held_out.glob("*.jsonl")):
        pairs = read_pairs(file, "change")
        if len(pairs) >= 50:
            held_out[file.stem] = pairs
    words = {name: held_words(pairs) for name, pairs in held_out.items()}
    before = judge(table, held_out, words)
    means = [np.mean([values[side].mean() for values in before.values()]) for side in (0, 1)]
    print(f"{len(held_out)} repositories, shipped: alone {means[0]:.4f}, hybrid {means[1]:.4f}", flush=True)
    for name, (alone, both) in before.items():
        print(f"  {name} {len(held_out[name])} alone {alone.mean():.3f} hybrid {both.mean():.3f}", flush=True)
    groups, rivals = mine_all(options.pairs, table)
    print(f"mined, {spent():.0f} s of processor time", flush=True)
    control = before
    print("| rivals | rate | seed | alone, over shipped | hybrid | alone, over none | hybrid | processor |")
    for seed in range(1, options.seeds + 1):
        for rate in map(float, options.rates.split(",")):
            for arm in options.arms.split(","):
                started = spent()
                settings = Settings(epochs=2 if options.anew else 1, rate=rate, seed=seed)
                start = random_table(table, groups, settings) if options.anew else table
                learned = train(start, groups, settings, rivals=rivals[arm])
                used = spent() - started
                after = judge(learned, held_out, words)
                control = after if arm == "none" else control
                cells = [cell(first, after, side) for first in (before, control) for side in (0, 1)]
                print(f"| {arm} | {rate} | {seed} | {' | '.join(cells)} | {used:.0f} s |", flush=True)


def random_table(table, groups, settings):
    """Vectors as `train.py` starts with, for the words of a table."""
    counts = np.zeros(len(table.rows), np.int64)
    for question, passage, _ in (example for group in groups for example in group):
        counts[np.union1d(question.rows, passage.rows)] += 1
    return first_table(table.name, list(table.rows), counts.tolist(), sum(map(len, groups)), settings)


def held_words(pairs):
    """BM25 of the questions that judge, each divided by its highest."""
    asked = asked_of(pairs)
    order = np.concatenate((np.setdiff1d(np.arange(len(pairs)), asked), asked))
    scores = word_scores([pairs[number] for number in order], len(pairs) - len(asked))
    return share(scores[:, np.argsort(order)])


def spent():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
