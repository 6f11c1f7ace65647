"""How long a question takes at one commit of a large repository, warm.

    python bench/query_speed.py MIRROR [--rev REV] [--questions 100] [--seed 7] [--vectors] [--folder DIR]

Questions are subjects of commits before REV and names of definitions in it, half and half, drawn with a seed.
The commit is indexed and the history logged in a scratch folder; every question is asked twice, and the
second time counts. Refs are read once, as a server has them in its catalogue. Wall time and the asking
thread's own processor time are told: on a busy machine the first is also the others' load. One thread. With
`--vectors` those of the shipped table rank too. With `--folder` index and log stay there for the next run.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from imprint.semantic.embedding.choice import open_encoder
from imprint.semantic.library import Library
from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.search.background import Background
from imprint.semantic.search.query import Mode, Query
from imprint.store.clone import Clone
from imprint.store.types import ObjectId


class FrozenRefs:
    """Refs as they were once."""

    def __init__(self, refs) -> None:
        self._snapshot = refs.snapshot()

    def snapshot(self):
        return self._snapshot


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def draw_questions(past, snapshot, count: int, draw: random.Random) -> list[str]:
    subjects = [past.subject(number) for number in draw.sample(range(len(past)), min(len(past), 4 * count))]
    subjects = [subject for subject in subjects if len(subject.split()) > 2 and "Merge" not in subject]
    names: list[str] = []
    while len(names) < count // 2:
        facts = snapshot.facts(draw.randrange(len(snapshot.paths)))
        own = [entity.name for entity in facts.entities if len(entity.name) > 3]
        names += [draw.choice(own)] if own else []
    return [*subjects[: count - len(names)], *names]


def show(name: str, values) -> str:
    ordered = sorted(values)
    return f"{name} p50 {statistics.median(ordered):.1f} ms, p95 {ordered[int(len(ordered) * 0.95)]:.1f} ms"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("mirror", type=Path)
    parser.add_argument("--rev", default="HEAD")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--vectors", action="store_true")
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        bare = Path(scratch, "bare")
        bare.mkdir()
        kept = options.folder or Path(scratch)
        encoder = open_encoder(None) if options.vectors else None
        git(bare, "init", "-q", "--bare", ".")
        objects = (options.mirror / "objects").resolve()
        (bare / "objects/info/alternates").write_text(f"{objects}\n")
        git(bare, "update-ref", "HEAD", git(options.mirror, "rev-parse", options.rev))
        clone = Clone.discover(bare)
        view = dataclasses.replace(clone.view, refs=FrozenRefs(clone.view.refs))
        library, log = Library.open(kept / "library", encoder=encoder), ChangeLog.open(kept / "log")
        started = time.perf_counter()
        library.ensure(view, ObjectId(git(bare, "rev-parse", "HEAD")))
        index_s = time.perf_counter() - started
        log.ensure(view)
        past = log.seen(view)
        questions = draw_questions(
            past, library.snapshot(view), options.questions, random.Random(options.seed)
        )
        for background, told in ((Background(past), "with history"), (Background(), "without")):
            for _ in range(2):
                wall, own = [], []
                for question in questions:
                    before, cpu = time.perf_counter(), time.thread_time()
                    library.search(view, Query(question, mode=Mode.WORDS), background=background)
                    own.append((time.thread_time() - cpu) * 1000)
                    wall.append((time.perf_counter() - before) * 1000)
            print(f"{told}: {show('wall', wall)}; {show('processor', own)}", flush=True)
        status = library.status(view)
        print(
            f"query_speed: {options.mirror.parent.name}, {status.blobs} files, {status.chunks} chunks, "
            f"{len(past)} commits, {index_s:.0f} s to index; last line but one without history"
        )
        library.close()
        clone.view.objects.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
