"""Importing a repository with all its provenance: time, memory, disk, and counts against what git says.

    python bench/import.py REPOSITORY [--seconds N]

`imprint import --allow-missing` runs in a process of its own, twice, into a fresh data folder: the second
time shows that nothing is added. Peak memory is the largest of that process and of each git that it started.
`git says` is counted by stock git alone: checkpoints and sessions from `git ls-tree` of the refs of all
layouts, transcripts that are there with their bytes, commits from `git rev-list` of the refs that are whole,
notes from `git notes list`. The repository is only read.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MB = 1_000_000
ENVIRONMENT = {**os.environ, "GIT_NO_LAZY_FETCH": "1"}
LAYOUTS = re.compile(r"refs/(heads/entire/checkpoints/v1|entire/checkpoints/.+)\Z")
TRANSCRIPT = re.compile(r"(?:^|/)(?:full\.jsonl|raw_transcript)(?:\.\d{3})?\Z")
LEFT_BEHIND = ("refs/remotes/", "refs/bisect/", "refs/worktree/", "refs/rewritten/", "refs/stash")


@dataclass
class Run:
    """One import: seconds by the clock, the largest memory of a process in MB, and what it answered."""

    seconds: float
    peak_mb: float
    document: dict[str, Any]


def run_import(repository: Path, data: Path, seconds_max: int) -> Run:
    """Import once."""
    program = [str(Path(sys.executable).with_name("imprint")), "import", str(repository), "bench/repository"]
    begun = time.monotonic()
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    done = subprocess.run(
        [*program, "--data", str(data), "--allow-missing", "--skip-list-from-report", "--json"],
        capture_output=True,
        check=False,
        timeout=seconds_max,
    )
    if done.returncode not in {0, 1} or not done.stdout:
        sys.exit(done.stderr.decode("utf-8", "replace"))
    peak = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    return Run(time.monotonic() - begun, peak / 1024, json.loads(done.stdout))


def git(repository: Path, *arguments: str, stdin: str = "") -> str:
    """What stock git prints."""
    done = subprocess.run(
        ["git", "-C", str(repository), *arguments],
        input=stdin.encode(),
        env=ENVIRONMENT,
        capture_output=True,
        check=False,
    )
    return done.stdout.decode("utf-8", "surrogateescape")


def count_by_git(repository: Path, left: list[str]) -> dict[str, float]:
    """What is there, as git alone says; refs that stayed behind do not count for commits."""
    refs = dict(
        reversed(line.split(" ", 1))
        for line in git(repository, "for-each-ref", "--format=%(objectname) %(refname)").splitlines()
    )
    checkpoints, sessions = set(), set()
    transcripts: dict[tuple[str, str], str] = {}
    for ref in filter(LAYOUTS.match, refs):
        own = ref.rpartition("/")[2]
        for line in git(repository, "ls-tree", "-r", refs[ref]).splitlines():
            facts, _, path = line.partition("\t")
            parts = path.split("/")
            is_sharded = "/v1" in ref or "/v2/" in ref
            checkpoint = "".join(parts[:2]) if is_sharded else own
            inner = parts[2:] if is_sharded else parts
            checkpoints.add(checkpoint)
            if len(inner) == 2 and inner[1] == "metadata.json":
                sessions.add((ref, checkpoint, inner[0]))
            if TRANSCRIPT.search(path):
                transcripts[ref, path] = facts.split()[2]
    asked = "".join(f"{blob}\n" for blob in transcripts.values())
    answers = [
        line.split() for line in git(repository, "cat-file", "--batch-check", stdin=asked).splitlines()
    ]
    present = [int(fields[2]) for fields in answers if fields[1:2] == ["blob"]]
    kept = [tip for ref, tip in refs.items() if ref not in left and not ref.startswith(LEFT_BEHIND)]
    commits = git(repository, "rev-list", "--count", "--stdin", stdin="".join(f"{tip}\n" for tip in kept))
    notes = git(repository, "notes", "--ref=ai", "list") if "refs/notes/ai" in refs else ""
    annotated = {line.split()[1] for line in notes.splitlines()}
    annotated |= {ref.rpartition("/")[2] for ref in refs if ref.startswith("refs/ai/authorship/")}
    return {
        "checkpoints": len(checkpoints),
        "sessions in checkpoints (records)": len(sessions),
        "transcripts there": len(present),
        "transcripts there, MB": round(sum(present) / MB, 1),
        "transcripts absent": len(answers) - len(present),
        "notes": len(annotated),
        "commits of whole refs": int(commits.strip() or 0),
    }


def measure_disk(data: Path) -> dict[str, float]:
    """MB of the data folder, by its first folders."""
    sizes: dict[str, float] = {}
    for path in data.rglob("*"):
        if path.is_file():
            part = path.relative_to(data).parts[0]
            sizes[part] = sizes.get(part, 0) + path.stat().st_size / MB
    return {part: round(size, 1) for part, size in sorted(sizes.items()) if size >= 0.05}


def main() -> None:
    """Import, import again, and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--seconds", type=int, default=3600)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="imprint-bench-") as temporary:
        data = Path(temporary) / "data"
        first = run_import(options.repository, data, options.seconds)
        disk = measure_disk(data)
        again = run_import(options.repository, data, options.seconds)
    found = first.document["provenance"]
    left = [each.partition(":")[0] for each in first.document["left"]]
    by_git = count_by_git(options.repository, left)
    print(f"first import   {first.seconds:8.1f} s, peak {first.peak_mb:.0f} MB")
    print(f"again          {again.seconds:8.1f} s")
    print(f"disk, MB       {disk}")
    print(f"refs           {first.document['refs']} taken, left behind: {len(left)} {left[:3]}")
    print(f"git says       {by_git}")
    shown = {key: value for key, value in found.items() if key != "absent"}
    print(f"imprint says   {shown}, absent {len(found['absent'])}")
    second = again.document["provenance"]
    print(
        f"second time    {second['new_records']} new records, {second['kept_transcripts']} transcripts kept"
    )


if __name__ == "__main__":
    main()
