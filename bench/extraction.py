"""Labelled entities: precision and recall of the extraction, per language.

    python bench/extraction.py --mirrors DIR --labels DIR [--only A,B] [--misses] [--json FILE]

`--mirrors` holds for `owner/name` a bare repository `owner+name/repo` that has the commit. `--labels` holds
`<language>.json`:

    {"regions": [{"repository": "owner/name", "commit": ID, "path": PATH, "first_line": 1, "last_line": 80,
                  "entities": [[LINE, KIND, NAME, CONTAINER], ...]}]}

A region is a run of lines in which everything that docs/languages.md calls an entity is labelled, by
somebody who read the source: LINE is the line of its name, KIND a value of `EntityKind`, CONTAINER the
qualified name of what it is defined in, empty at the top. What is found is what extraction gives in those
lines, without the module. "exact" compares all four, "place" only line and name; precision is the share of
what is found that is labelled, recall the share of what is labelled that is found, each with the bounds of
Wilson's interval at 95%. `--misses` shows every difference. The last line sums up.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

from imprint.semantic.parse import extract


def read(mirrors: Path, region: dict) -> bytes:
    mirror = mirrors / region["repository"].replace("/", "+") / "repo"
    done = subprocess.run(
        ["git", "-C", str(mirror), "cat-file", "blob", f"{region['commit']}:{region['path']}"],
        capture_output=True,
        check=True,
    )
    return done.stdout


def wilson(part: int, total: int) -> tuple[float, float]:
    """The bounds of the 95% interval of a share (E. B. Wilson, 1927)."""
    if not total:
        return 0.0, 1.0
    z, share = 1.96, part / total
    middle = share + z * z / (2 * total)
    spread = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    return (middle - spread) / (1 + z * z / total), (middle + spread) / (1 + z * z / total)


def compare(region: dict, content: bytes) -> tuple[Counter, Counter]:
    """What is labelled and what is found in a region, as rows of (line, kind, name, container)."""
    first, last = region["first_line"], region["last_line"]
    found = Counter(
        (entity.line, entity.kind.value, entity.name, entity.container)
        for entity in extract(region["path"].encode(), content).entities[1:]
        if first <= entity.line <= last
    )
    return Counter(tuple(row) for row in region["entities"]), found


def places(rows: Counter) -> Counter:
    shorter: Counter = Counter()
    for (line, _, name, _), count in rows.items():
        shorter[line, name] += count
    return shorter


def measure(labels: Path, mirrors: Path, *, misses: bool) -> dict:
    sums: Counter = Counter()
    for region in json.loads(labels.read_text())["regions"]:
        labelled, found = compare(region, read(mirrors, region))
        for name, wanted, given in (
            ("exact", labelled, found),
            ("place", places(labelled), places(found)),
        ):
            sums[f"{name} right"] += (wanted & given).total()
            sums[f"{name} labelled"] += wanted.total()
            sums[f"{name} found"] += given.total()
        if misses:
            where = f"{region['repository']} {region['path']}"
            for sign, rows in (("-", labelled - found), ("+", found - labelled)):
                for row in sorted(rows):
                    print(f"  {sign} {where}:{row[0]} {row[1]} {row[2]!r} in {row[3]!r}")
    result = {"language": labels.stem, "entities": sums["exact labelled"]}
    for name in ("exact", "place"):
        right = sums[f"{name} right"]
        for measured, of in (("precision", "found"), ("recall", "labelled")):
            total = sums[f"{name} {of}"]
            result[f"{name} {measured}"] = right / total if total else 0.0
            result[f"{name} {measured} interval"] = wilson(right, total)
    return result


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--only", help="languages, with commas between them")
    parser.add_argument("--misses", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = []
    print(f"{'language':12}{'entities':>9}{'precision':>22}{'recall':>22}{'place P':>9}{'place R':>9}")
    for path in sorted(options.labels.glob("*.json")):
        if options.only and path.stem not in options.only.split(","):
            continue
        result = measure(path, options.mirrors, misses=options.misses)
        results.append(result)
        shown = [
            "{:.3f} ({:.2f} to {:.2f})".format(result[key], *result[f"{key} interval"])
            for key in ("exact precision", "exact recall")
        ]
        print(
            f"{result['language']:12}{result['entities']:9}{shown[0]:>22}{shown[1]:>22}"
            f"{result['place precision']:9.3f}{result['place recall']:9.3f}"
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")
    enough = sum(min(each["exact precision"], each["exact recall"]) >= 0.95 for each in results)
    count = sum(each["entities"] for each in results)
    lowest = min((min(each["exact precision"], each["exact recall"]) for each in results), default=0.0)
    print(
        f"{len(results)} languages, {count} entities: {enough} with precision and recall of 0.95 or more, "
        f"lowest {lowest:.3f}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
