"""What is not read: how many files of public repositories each reason takes, and which.

    python bench/skipped.py --mirrors DIR [--files-max 1200] [--show REASON] [--seed 1]

`--mirrors` holds bare repositories `*/repo`. Of the commit at each one's HEAD at most `--files-max` files,
drawn by the seed, are read; those of a partial clone that are not there are left out. "vendored" files are
read, and rank lower; all other reasons are of files that are not read. `--show` draws thirty files of one
reason, with the beginning of their content, for somebody to judge. The last line sums up.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

from imprint.semantic.parse.languages import detect
from imprint.semantic.parse.skip import reason_to_skip, vendored

SHOWN = 30


def listed(repository: Path) -> list[tuple[bytes, bytes]]:
    """The ids and paths of the files at HEAD that are there."""
    done = subprocess.run(
        ["git", "-C", str(repository), "ls-tree", "-r", "-l", "-z", "HEAD"], capture_output=True, check=False
    )
    found = []
    for line in done.stdout.split(b"\0"):
        meta, _, path = line.partition(b"\t")
        fields = meta.split()
        if len(fields) == 4 and fields[0] != b"120000" and fields[3].isdigit():
            found.append((fields[2], path))
    return found


def contents(repository: Path, ids: list[bytes]):
    with subprocess.Popen(
        ["git", "-C", str(repository), "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        for each in ids:
            process.stdin.write(each + b"\n")
            process.stdin.flush()
            size = int(process.stdout.readline().split()[2])
            yield process.stdout.read(size + 1)[:-1]
        process.stdin.close()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--files-max", type=int, default=1200)
    parser.add_argument("--show")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    counts: Counter = Counter()
    shown = []
    repositories = 0
    for repository in sorted(options.mirrors.glob("*/repo")):
        files = listed(repository)
        random.Random(options.seed).shuffle(files)
        files = files[: options.files_max]
        repositories += bool(files)
        read = contents(repository, [each for each, _ in files])
        for (_, path), content in zip(files, read, strict=True):
            reason = reason_of(path, content)
            counts[reason] += 1
            if reason == options.show:
                shown.append((repository.parent.name, path, content[:120]))
    random.Random(options.seed).shuffle(shown)
    for name, path, content in shown[:SHOWN]:
        print(f"{name} {path.decode('utf-8', 'replace')}\n    {content!r}")
    told = ", ".join(f"{count} {reason}" for reason, count in counts.most_common() if reason != "read")
    print(f"{repositories} repositories, {counts.total()} files: {told}")
    return 0


def reason_of(path: bytes, content: bytes) -> str:
    language = detect(path, content)
    skipped = (language.skipped if language else None) or reason_to_skip(content)
    return skipped or vendored(path) or "read"


if __name__ == "__main__":
    sys.exit(main())
