"""How fast files are read: megabytes of source per second of one core, per language.

    python bench/extraction_speed.py --mirrors DIR --labels DIR [--only A,B] [--files-max 200] [--seed 2]

Of the repositories that the labels of a language name (see `bench/extraction.py`), at the commits that they
name, at most `--files-max` files of 500 bytes to 200 KB are drawn by the seed and extracted three times in
one process; the best time counts, in seconds of the processor. "ready" is the time until the first file of a
language can be read, which compiles its queries. The last line sums up.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from pathlib import Path

from imprint.semantic.parse import extract
from imprint.semantic.parse.languages import detect


def git(repository: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    done = subprocess.run(
        ["git", "-C", str(repository), *arguments], capture_output=True, input=stdin, check=True
    )
    return done.stdout


def drawn(mirrors: Path, labels: Path, files_max: int, seed: int) -> list[tuple[bytes, bytes]]:
    """Paths and contents of files of one language."""
    regions = json.loads(labels.read_text())["regions"]
    found = []
    for name, commit in sorted({(each["repository"], each["commit"]) for each in regions}):
        repository = mirrors / name.replace("/", "+") / "repo"
        for line in git(repository, "ls-tree", "-r", "-l", "-z", commit).split(b"\0"):
            meta, _, path = line.partition(b"\t")
            size = meta.split()[-1] if meta else b""
            if not size.isdigit() or not 500 < int(size) < 200_000:
                continue
            language = detect(path, b"")
            # The page of labels is named after the grammar, where the language has another name.
            if language is not None and labels.stem in {language.name, grammar_name(language)}:
                found.append((repository, meta.split()[2], path))
    random.Random(seed).shuffle(found)
    return [
        (path, git(repository, "cat-file", "blob", each.decode()))
        for repository, each, path in found[:files_max]
    ]


def grammar_name(language) -> str:
    return language.grammar.package.removeprefix("tree_sitter_") if language.grammar else ""


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--only")
    parser.add_argument("--files-max", type=int, default=200)
    parser.add_argument("--seed", type=int, default=2)
    options = parser.parse_args()
    speeds = []
    print(f"{'language':12}{'files':>7}{'MB':>8}{'ready ms':>10}{'MB/s':>7}")
    for labels in sorted(options.labels.glob("*.json")):
        if options.only and labels.stem not in options.only.split(","):
            continue
        files = drawn(options.mirrors, labels, options.files_max, options.seed)
        if not files:
            continue
        started = time.process_time()
        extract(files[0][0], b"\n")
        ready = time.process_time() - started
        best = min(timed(files) for _ in range(3))
        size = sum(len(content) for _, content in files) / 1e6
        speeds.append(size / best)
        print(f"{labels.stem:12}{len(files):7}{size:8.2f}{ready * 1000:10.0f}{size / best:7.2f}")
    middle = sorted(speeds)[len(speeds) // 2] if speeds else 0.0
    print(
        f"{len(speeds)} languages: {min(speeds, default=0):.2f} to {max(speeds, default=0):.2f} MB/s, "
        f"median {middle:.2f}"
    )
    return 0


def timed(files) -> float:
    started = time.process_time()
    for path, content in files:
        extract(path, content)
    return time.process_time() - started


if __name__ == "__main__":
    sys.exit(main())
