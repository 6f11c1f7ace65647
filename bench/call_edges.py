"""Call edges of PyCG's micro-benchmark: which are found, and which are wrong.

    python bench/call_edges.py --mirrors DIR [--part develop|aside|all] [--misses]

Reads `vitsalis+PyCG/repo` among the bare repositories: each folder with a `callgraph.json` is a program of
its own. A caller is a definition or a module's body; calls of what the folder does not define count too, as
missed, unless `--inside` leaves them out. Half of the folders, by a hash of their names, was kept aside while
the analysis was written. Prints one summary line last.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import sys
from pathlib import Path

from snippets import Snippets, list_files, read_files

from imprint.semantic.graph.flows import Flows
from imprint.semantic.graph.ladder import Resolver

PREFIX = "micro-benchmark/snippets"
Edge = tuple[str, str]


def is_aside(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 1


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def expected(text: bytes, *, inside: frozenset[str]) -> set[Edge]:
    graph = json.loads(text)
    return {
        (caller, callee)
        for caller, callees in graph.items()
        for callee in callees
        if not inside or callee.partition(".")[0] in inside
    }


def found(files: dict[bytes, bytes]) -> set[Edge]:
    snapshot = Snippets(files)
    flows = Flows(Resolver(snapshot))
    edges: set[Edge] = set()
    for file, path in enumerate(snapshot.paths):
        here = module_of(path.decode())
        for called in flows.calls(file):
            # The set counts the functions that run: of a class without a constructor, none.
            if not called.is_class:
                there = module_of(snapshot.paths[called.file].decode())
                edges.add(
                    (f"{here}.{called.container}" if called.container else here, f"{there}.{called.path}")
                )
    return edges


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mirrors", type=Path, required=True)
    parser.add_argument("--part", choices=("develop", "aside", "all"), default="all")
    parser.add_argument("--inside", action="store_true", help="leave out calls of what is not in the folder")
    parser.add_argument("--misses", action="store_true", help="print what is missed and what is wrong")
    arguments = parser.parse_args()
    mirror = arguments.mirrors / "vitsalis+PyCG" / "repo"
    paths = list_files(mirror, PREFIX)
    contents = read_files(mirror, paths)
    folders = [path.removesuffix("/callgraph.json") for path in paths if path.endswith("/callgraph.json")]
    right = predicted = wanted = 0
    for folder in folders:
        if arguments.part != "all" and is_aside(folder) != (arguments.part == "aside"):
            continue
        files = {
            path.removeprefix(f"{folder}/"): content
            for path, content in contents.items()
            if path.startswith(f"{folder}/") and path.endswith(".py")
        }
        roots = frozenset(path.partition("/")[0].removesuffix(".py") for path in files)
        want = expected(
            contents[f"{folder}/callgraph.json"], inside=roots if arguments.inside else frozenset()
        )
        have = found({path.encode(): content for path, content in files.items()})
        right, predicted, wanted = right + len(want & have), predicted + len(have), wanted + len(want)
        if arguments.misses and want != have:
            print(folder.removeprefix(PREFIX), "missed", sorted(want - have), "wrong", sorted(have - want))
    precision, recall = right / max(predicted, 1), right / max(wanted, 1)
    spread = 1.96 * math.sqrt(recall * (1 - recall) / max(wanted, 1))
    print(
        f"call edges ({arguments.part}): precision {precision:.3f} recall {recall:.3f} ±{spread:.3f} "
        f"({right} right, {predicted} found, {wanted} expected)"
    )


if __name__ == "__main__":
    sys.exit(main())
