"""Symbol history against labelled functions: precision and recall over commits, beside `git log -L`.

    .venv/bin/python bench/symbol_history.py ROWS.jsonl MIRRORS [--details FILE] [--no-git] [--logs FOLDER]

MIRRORS holds bare repositories as `owner+name/repo`. A row is `{id, language, repository, file, function,
start_line, start_commit, expected{commit: kinds}}`. Rows whose repository or commit is not there are listed
and left out. Each function is asked for twice with the change log at hand: cold, with nothing kept of any
question before, and warm, with the steps of the first time kept. `git log -L` runs in the same process run,
from the function's first line to its last, as git finds them. Where a language's labels never speak of layout
alone, figures without our commits of layout alone are shown too ("as labelled").

A third time, "indexed", it is asked with nothing kept but what an index of the whole history has of the
contents that come up: these are indexed before, the cold answer telling which they are. The answer must be
the same. The index is that of a server, on disk; it holds fewer contents than a whole history's.

`symbol_history_rows.jsonl` beside this file are 33 functions of other repositories, labelled by hand from
git's patches, renames and first occurrences before they were asked for.
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from imprint.semantic.index.flavours import canonical_path, flavour
from imprint.semantic.index.lance import LanceIndex
from imprint.semantic.index.layout import Layout
from imprint.semantic.index.ports import BlobKey, ExtractedBlob
from imprint.semantic.indexed import IndexedContents
from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.lineage.model import ChangeKind
from imprint.semantic.lineage.tracing.contents import Contents
from imprint.semantic.lineage.tracing.steps import KeptSteps
from imprint.semantic.lineage.tracing.walk import trace_definition
from imprint.semantic.parse.extract import extract, extract_definitions
from imprint.store.clone import Clone
from imprint.store.history.reading import iter_objects
from imprint.store.objects.trees import find_entry
from imprint.store.types import ObjectId

RESAMPLES = 2_000
BATCH_BLOBS = 200
GIT_SECONDS_MAX = 60


def git(folder, *arguments: str, **options) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        text=True,
        errors="replace",
        **options,
    ).stdout


def has_commit(mirror: Path, commit: str) -> bool:
    found = subprocess.run(
        ["git", "-C", str(mirror), "cat-file", "-e", f"{commit}^{{commit}}"], check=False, capture_output=True
    )
    return found.returncode == 0


def borrow(mirror: Path, rows, folder: Path) -> None:
    """A bare repository that borrows a mirror's objects, with a branch at each row's commit."""
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "--bare")
    objects = git(mirror, "rev-parse", "--git-path", "objects").strip()
    (folder / "objects/info/alternates").write_text(f"{(mirror / objects).resolve()}\n")
    if (mirror / "shallow").exists():
        (folder / "shallow").write_bytes((mirror / "shallow").read_bytes())
    for commit in {row["start_commit"] for row in rows}:
        git(folder, "update-ref", f"refs/heads/{commit}", commit)


def find_function(contents: Contents, path: bytes, blob: ObjectId, row):
    named = [each for each in contents.entities(path, blob) if each.name == row["function"]]
    return min(named, default=None, key=lambda each: abs(each.line - row["start_line"]))


class Asked:
    """Says of no content that it is indexed, and remembers which were asked for."""

    def __init__(self) -> None:
        self.keys: set[BlobKey] = set()

    def has(self, path, blob) -> bool:
        return BlobKey(blob, flavour(path)) in self.keys

    def prepare(self, files) -> None:
        self.keys.update(BlobKey(blob, flavour(path)) for path, blob in files)

    def pieces(self, path, blob) -> None:
        self.prepare([(path, blob)])

    entities = pieces

    def named(self, path, blob, _name) -> None:
        self.pieces(path, blob)

    def is_small(self, _blob) -> bool:
        return False


def index_asked(view, rows, past, folder: Path) -> LanceIndex:
    """Index the contents that the questions ask for."""
    asked, index = Asked(), LanceIndex(folder)
    for row in rows:
        ask_one(view, past, row, None, asked)
    keys = sorted(index.find_missing(asked.keys))
    for begin in range(0, len(keys), BATCH_BLOBS):
        some = keys[begin : begin + BATCH_BLOBS]
        contents = {
            blob: content for blob, _, content in iter_objects(view.plumbing, [key.blob for key in some])
        }
        index.add(
            [
                ExtractedBlob(key, extract(canonical_path(key.flavour), contents[key.blob]))
                for key in some
                if key.blob in contents
            ]
        )
    return index


def ask_one(view, past, row, steps, known=None):
    commit, path = ObjectId(row["start_commit"]), row["file"].encode()
    contents = Contents(view, extract_definitions)
    blob = find_entry(view.objects, view.objects.read_commit(commit).tree, path).id
    entity = find_function(contents, path, blob, row)
    if entity is None:
        return None, (0.0, 0.0), None
    started, used = time.perf_counter(), use_cpu()
    contents = Contents(view, extract_definitions, known)
    history = trace_definition(past, contents, past.find(commit), (path, blob), entity, steps)
    return history, (time.perf_counter() - started, use_cpu() - used), entity


def use_cpu() -> float:
    """Seconds of processor time, ended processes included: what a busy machine leaves alone."""
    ours, theirs = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return ours.ru_utime + ours.ru_stime + theirs.ru_utime + theirs.ru_stime


def ask_git(folder: Path, row, entity) -> tuple[set[str], str | None, tuple[float, float]]:
    started, used = time.perf_counter(), use_cpu()
    span = f"-L{entity.start_line},{entity.end_line}:{row['file']}"
    try:
        out = git(folder, "log", "--format=%H", "-s", span, row["start_commit"], timeout=GIT_SECONDS_MAX)
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        out = ""
    found = out.split()
    return set(found), found[-1] if found else None, (time.perf_counter() - started, use_cpu() - used)


def score(found: set[str], introduced: set[str], row) -> dict:
    expected = set(row["expected"])
    first = {commit for commit, kinds in row["expected"].items() if "Yintroduced" in kinds}
    both = len(found & expected)
    return {
        "precision": both / len(found) if found else 0.0,
        "recall": both / len(expected),
        "introduced": float(bool(first & introduced)),
        "exact": float(found == expected),
    }


def interval(values) -> tuple[float, float]:
    """Bounds of the mean, 95 of 100 resamples of the rows."""
    chance = random.Random(1)
    means = sorted(statistics.mean(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return means[RESAMPLES // 40], means[-RESAMPLES // 40]


def measure(
    mirror: Path, rows, scratch: Path, details, with_layout, *, with_git: bool
) -> tuple[list[dict], dict]:
    folder = scratch / "bare"
    if not folder.exists():
        borrow(mirror, rows, folder)
    clone = Clone.discover(folder)
    log = ChangeLog.open(scratch / "log")
    started = time.perf_counter()
    log.ensure(clone.view)
    log_s = time.perf_counter() - started
    past, results, different = log.of(clone.view.id), [], []
    index = index_asked(clone.view, rows, past, scratch / "index")
    segments = Layout(index.segments())
    with tempfile.TemporaryDirectory() as kept:
        steps = KeptSteps.open(Path(kept))
        for row in rows:
            history, cold, entity = ask_one(clone.view, past, row, steps)
            again, warm, _ = ask_one(clone.view, past, row, steps)
            by_index, indexed, _ = ask_one(clone.view, past, row, None, IndexedContents(index, segments))
            if by_index != history:
                different.append(row["id"])
            changes = history.changes if history else ()
            found = {str(change.commit) for change in changes}
            assert again is None or {str(change.commit) for change in again.changes} == found
            introduced = {str(c.commit) for c in changes if ChangeKind.INTRODUCED in c.kinds}
            layout = {str(c.commit) for c in changes if c.kinds == (ChangeKind.LAYOUT,)}
            told = found if row["language"] in with_layout else found - layout
            one = {
                **score(found, introduced, row),
                "cold_s": cold[0],
                "warm_s": warm[0],
                "indexed_s": indexed[0],
            }
            one |= {f"labelled_{key}": value for key, value in score(told, introduced, row).items()}
            one |= {"cold_cpu_s": cold[1], "warm_cpu_s": warm[1], "indexed_cpu_s": indexed[1]}
            if with_git and entity is not None:
                by_git, last, (one["git_s"], one["git_cpu_s"]) = ask_git(folder, row, entity)
                one |= {f"git_{key}": value for key, value in score(by_git, {last}, row).items()}
            one |= {"id": row["id"], "language": row["language"]}
            results.append(one)
            tell(details, row, changes, one, clone)
        steps.close()
    index.close()
    facts = {"repository": mirror.parent.name, "commits": len(past), "log_s": log_s, "different": different}
    clone.view.objects.close()
    return results, facts


def tell(details, row, changes, one, clone) -> None:
    """What was missed and what was too much."""
    if details is None:
        return
    found = {str(change.commit): change for change in changes}
    print(f"\n== {row['id']} {row['repository']} {row['file']} {row['function']}", file=details)
    print({key: round(value, 3) for key, value in one.items() if isinstance(value, float)}, file=details)
    for commit, kinds in row["expected"].items():
        if commit not in found:
            subject = clone.view.objects.read_commit(ObjectId(commit)).subject
            print(f"  missed {commit[:10]} {kinds} {subject[:60]}", file=details)
    for commit, change in found.items():
        if commit not in row["expected"]:
            kinds = ",".join(kind.value for kind in change.kinds)
            print(
                f"  extra  {commit[:10]} {kinds} {change.path.decode()} {change.subject[:60]}", file=details
            )


def show(title: str, results) -> None:
    if not results:
        return
    print(f"{title} ({len(results)})")
    for key in ("precision", "recall", "introduced", "exact"):
        values = [one[key] for one in results]
        low, high = interval(values)
        git_values = [one[f"git_{key}"] for one in results if f"git_{key}" in one]
        beside = f"   git log -L {statistics.mean(git_values):.3f}" if git_values else ""
        labelled = statistics.mean(one[f"labelled_{key}"] for one in results)
        beside += f"   as labelled {labelled:.3f}" if labelled != statistics.mean(values) else ""
        print(f"  {key:12}{statistics.mean(values):.3f}  [{low:.3f}, {high:.3f}]{beside}")


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", type=Path)
    parser.add_argument("mirrors", type=Path)
    parser.add_argument("--details", type=Path)
    parser.add_argument("--logs", type=Path, help="keep change logs here, for the next run")
    parser.add_argument("--no-git", action="store_true")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    by_repository = defaultdict(list)
    for line in arguments.rows.read_text().splitlines():
        row = json.loads(line)
        by_repository[row["repository"]].append(row)
    with_layout = {
        row["language"]
        for rows in by_repository.values()
        for row in rows
        if any("Yformatchange" in kind or kind == "Ychange" for kind in row["expected"].values())
    }
    details = arguments.details.open("w") if arguments.details else None
    results, left_out, different = [], [], []
    with tempfile.TemporaryDirectory() as scratch:
        for name, rows in sorted(by_repository.items()):
            mirror = arguments.mirrors / name.replace("/", "+") / "repo"
            there = [row for row in rows if mirror.exists() and has_commit(mirror, row["start_commit"])]
            left_out += [row["id"] for row in rows if row not in there]
            if there:
                place = (arguments.logs or Path(scratch)) / name.replace("/", "+")
                found, facts = measure(
                    mirror, there, place, details, with_layout, with_git=not arguments.no_git
                )
                results += found
                different += facts["different"]
                print(
                    f"{name:34}{facts['commits']:8,} commits, logged in {facts['log_s']:6.1f} s", flush=True
                )
    print(f"left out: {', '.join(left_out) or 'none'}; by the index otherwise: {different or 'none'}")
    for language in sorted({one["language"] for one in results}):
        show(language, [one for one in results if one["language"] == language])
    show("all", results)
    summarise(results)


def summarise(results) -> None:
    mean = {
        key: statistics.mean(one[key] for one in results)
        for key in (
            "precision",
            "recall",
            "introduced",
            "exact",
            "cold_s",
            "warm_s",
            "warm_cpu_s",
            "indexed_cpu_s",
        )
    }
    for key in [f"{one}{unit}" for unit in ("_s", "_cpu_s") for one in ("cold", "indexed", "warm", "git")]:
        times = sorted(one[key] * 1000 for one in results if key in one)
        if times:
            half, most = times[len(times) // 2], times[int(len(times) * 0.95)]
            print(f"{key}: mean {statistics.mean(times):.1f} ms, p50 {half:.1f}, p95 {most:.1f}")
    git_times = [one["git_cpu_s"] for one in results if "git_cpu_s" in one]
    faster = [
        f"{statistics.mean(git_times) / mean[f'{one}_cpu_s']:.1f} times {one}"
        for one in ("warm", "indexed")
        if git_times
    ]
    beside = f"; {', '.join(faster)} less processor time than git log -L" if faster else ""
    print(
        f"symbol history: {len(results)} functions, P {mean['precision']:.3f} R {mean['recall']:.3f} "
        f"introducing {mean['introduced']:.3f} exact {mean['exact']:.3f}, "
        f"warm {mean['warm_s'] * 1000:.1f} ms, cold {mean['cold_s'] * 1000:.0f} ms{beside}"
    )


if __name__ == "__main__":
    main()
