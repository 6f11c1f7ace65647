"""Collect training pairs from bare repositories: documentation with its code, subjects with changed lines.

    python bench/embedding/collect.py --sources FILE --mirrors DIR --out DIR [--only A,B]

`--sources` lists {repository, licence, commit}; where `commit` is missing, HEAD is taken and the line printed
says which. Writes one JSON-lines file for each repository into `--out`, in which rows are
[kind, question, text, symbol, language, path, time], oldest change first. Seeded: the same sources give the
same rows.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
from pathlib import Path

from imprint.semantic.embedding.pairs import pair_change, pair_documentation
from imprint.semantic.parse.extract import extract_as
from imprint.semantic.parse.languages import detect

FILES_MAX = 1_500
DOCUMENTED_MAX = 4_000
CHANGES_MAX = 1_500
COMMITS_MAX = 2_500
CHANGED_LINES_MAX = 60
BYTES_MAX = 200_000
NOT_SOURCE = re.compile(
    r"(^|/)(vendor|node_modules|third_party|dist|fixtures?|testdata)/|\.min\.js$|\.pb\.go$"
)


def git(mirror: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(mirror), *arguments], capture_output=True, check=True).stdout


def source_files(mirror: Path, commit: str) -> list[tuple[str, str]]:
    """(blob, path) of the files in languages with a grammar; a seeded sample where there are many."""
    found = []
    for row in git(mirror, "ls-tree", "-r", "-z", commit).split(b"\0"):
        if not row or not row.startswith(b"100"):
            continue
        head, path = row.split(b"\t", 1)
        language = detect(path, b"")
        if language and language.grammar and not NOT_SOURCE.search(path.decode("utf-8", "replace")):
            found.append((head.split()[2].decode(), path.decode("utf-8", "replace")))
    random.Random(1).shuffle(found)
    return found[:FILES_MAX]


def documented(mirror: Path, commit: str):
    seen: set[str] = set()
    files = source_files(mirror, commit)
    asked = "".join(f"{blob}\n" for blob, _ in files).encode()
    answer = subprocess.run(
        ["git", "-C", str(mirror), "cat-file", "--batch"], input=asked, capture_output=True, check=True
    ).stdout
    at = 0
    for _, path in files:
        end = answer.index(b"\n", at)
        size = int(answer[at:end].split()[2])
        content, at = answer[end + 1 : end + 1 + size], end + 2 + size
        language = detect(path.encode(), content)
        if size > BYTES_MAX or not language or not language.grammar:
            continue
        lines = content.decode("utf-8", "replace").split("\n")
        for pair in pair_documentation(path, lines, extract_as(language, content)):
            if pair.question not in seen:
                seen.add(pair.question)
                yield ["doc", pair.question, *_passage(pair.passage), path, 0]
                if len(seen) >= DOCUMENTED_MAX:
                    return


def _passage(passage):
    return passage.text, passage.symbol, passage.language


def changes(mirror: Path, commit: str):
    """The subjects of the newest commits that change at most three source files, oldest first."""
    arguments = [
        "log",
        "--no-merges",
        f"-n{COMMITS_MAX}",
        "-U3",
        "--format=%x01%ct%x02%s",
        "-p",
        "--no-color",
    ]
    arguments += ["--no-ext-diff", "--no-renames", commit]
    done = subprocess.run(["git", "-C", str(mirror), *arguments], capture_output=True, check=False)
    text = done.stdout.decode("utf-8", "replace")  # of a partial mirror, as far as it goes
    rows = []
    for entry in text.split("\x01")[1:]:
        head, _, body = entry.partition("\n")
        when, _, subject = head.partition("\x02")
        files = re.split(r"^diff --git ", body, flags=re.MULTILINE)[1:]
        if not 1 <= len(files) <= 8:
            continue
        taken = 0
        for file in files:
            named = re.search(r"^\+\+\+ b/(.+)$", file, re.MULTILINE)
            language = detect(named[1].encode(), b"") if named else None
            if not language or not language.grammar or "test" in named[1] or NOT_SOURCE.search(named[1]):
                continue
            body = file[named.end() :].split("\n")[1:]
            lines = [line[1:] for line in body if line[:1] in "+- "][:CHANGED_LINES_MAX]
            pair = pair_change(subject, named[1], "\n".join(lines), language.name)
            if pair and taken < 2:
                taken += 1
                rows.append(["change", pair.question, *_passage(pair.passage), pair.path, int(when)])
    return rows[:CHANGES_MAX][::-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    total = 0
    for source in json.loads(options.sources.read_text()):
        name = source["repository"].replace("/", "+")
        if options.only and source["repository"] not in options.only.split(","):
            continue
        mirror = options.mirrors / name / "repo"
        commit = source.get("commit") or git(mirror, "rev-parse", "HEAD").decode().strip()
        rows = [*documented(mirror, commit), *changes(mirror, commit)]
        (options.out / f"{name}.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        total += len(rows)
        documented_rows = sum(row[0] == "doc" for row in rows)
        counts = f"{documented_rows} documented, {len(rows) - documented_rows} changes"
        print(source["repository"], commit, counts, flush=True)
    print(f"{total} pairs")


if __name__ == "__main__":
    main()
