"""Go to definition, on the assertions in the test files of github/stack-graphs.

    python bench/definitions.py --mirrors DIR [--language NAME] [--part develop|aside|all] [--misses]

Reads `github+stack-graphs/repo` among the bare repositories. A comment `^ defined: LINES` asserts that the
name above the caret is defined on exactly these lines; a header `--- path: NAME ---` begins a file of its
own. An assertion is met if the set of lines is the asserted one. A third of the test files, by a hash of
their names, was kept aside while the analysis was written. Prints one summary line last.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import re
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from snippets import Snippets, list_files, read_files

from imprint.semantic.graph.flows import Flows
from imprint.semantic.graph.ladder import Resolver

LANGUAGES = {"python": (".py",), "javascript": (".js",), "typescript": (".ts", ".tsx")}
ASSERTION = re.compile(r"^(.*?)\^\s*defined:\s*([\d,\s]*)")
HEADER = re.compile(r"-{2,}\s*path:\s*(\S+)\s*-*")


@dataclass(frozen=True)
class Assertion:
    path: bytes
    line: int
    column: int
    lines: frozenset[int]


def is_aside(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] % 3 == 0


def split(name: str, text: str) -> tuple[dict[bytes, bytes], list[Assertion]]:
    """The files of a test, each with the lines of the others left empty, and its assertions.

    Every file keeps the line numbers of the test, so that asserted lines are lines of any of them.
    """
    lines = text.split("\n")
    files: dict[str, list[str]] = defaultdict(lambda: [""] * len(lines))
    current = name
    assertions = []
    last_code = 0
    for number, line in enumerate(lines):
        header = HEADER.search(line)
        if header:
            current = header[1]
            files[current]
            continue
        asserted = ASSERTION.match(line)
        if asserted:
            column = len(asserted[1].encode())
            defined = frozenset(int(each) for each in asserted[2].replace(" ", "").split(",") if each)
            assertions.append(Assertion(current.encode(), last_code, column, defined))
        elif line.strip() and not re.fullmatch(r"\s*(?:#|//)\s*", line):
            last_code = number + 1
        if not asserted:
            files[current][number] = line
    return {path.encode(): "\n".join(content).encode() for path, content in files.items()}, assertions


def met(files: dict[bytes, bytes], assertions: list[Assertion]) -> list[tuple[Assertion, frozenset[int]]]:
    snapshot = Snippets(files)
    flows = Flows(Resolver(snapshot))
    answers = []
    for each in assertions:
        file = snapshot.find_file(each.path)
        found = flows.definitions_at(file, each.line, each.column) if file is not None else None
        answers.append((each, frozenset(line for _, line, _ in found or ())))
    return answers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--language", choices=tuple(LANGUAGES))
    parser.add_argument("--part", choices=("develop", "aside", "all"), default="all")
    parser.add_argument("--misses", action="store_true", help="print the assertions that are not met")
    arguments = parser.parse_args()
    mirror = arguments.mirrors / "github+stack-graphs" / "repo"
    summary = []
    for language, suffixes in LANGUAGES.items():
        if arguments.language not in {None, language}:
            continue
        prefix = f"languages/tree-sitter-stack-graphs-{language}/test"
        names = [name for name in list_files(mirror, prefix) if name.endswith(suffixes)]
        right = total = 0
        for name, content in read_files(mirror, names).items():
            if arguments.part != "all" and is_aside(name) != (arguments.part == "aside"):
                continue
            short = name.removeprefix(f"{prefix}/")
            for assertion, answer in met(*split(short, content.decode())):
                total += 1
                right += answer == assertion.lines
                if arguments.misses and answer != assertion.lines:
                    want, have = sorted(assertion.lines), sorted(answer)
                    print(f"{short}:{assertion.line}:{assertion.column} want {want} have {have}")
        share = right / max(total, 1)
        spread = 1.96 * math.sqrt(share * (1 - share) / max(total, 1))
        summary.append(f"{language} {share:.3f} ±{spread:.3f} ({right} of {total})")
    print(f"go to definition ({arguments.part}): " + ", ".join(summary))


if __name__ == "__main__":
    sys.exit(main())
