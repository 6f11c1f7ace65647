"""The provenance of what is taken over: refs with holes left behind, records read, all of it counted.

Invariants:
    1. A ref whose history lacks objects is never taken over: what is accepted is connected. What can be read
       of the provenance in it is read from the source.
    2. What is absent is named: its content, its path and its checkpoint.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imprint.cli.errors import ImportRefused
from imprint.cli.output import counted
from imprint.store.errors import PlumbingFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from imprint.cli.importing.importer import Source
    from imprint.cli.output import Output
    from imprint.cli.ports import Document
    from imprint.store.agents.model import Problem
    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.intake.checkpoints import AbsentFile, Intake
    from imprint.store.intake.shelf import Shelf
    from imprint.store.plumbing import Plumbing
    from imprint.store.types import ObjectId, RefName

_MB: Final = 1_000_000
_SHOWN: Final = 10
_AT_ONCE: Final = 500
_COUNTED: Final = 10
"""Refs with holes for which the absent objects are counted one by one."""


@dataclass(slots=True)
class Holes:
    """Refs whose history is not whole, each with the number of objects that it lacks; 0 if not counted."""

    refs: dict[RefName, int] = field(default_factory=dict)
    tips: dict[RefName, ObjectId] = field(default_factory=dict)

    def describe(self) -> list[str]:
        """A line for each, for people."""
        return [
            f"{name.text}: its history lacks {counted(count, 'object') if count else 'objects'}"
            for name, count in sorted(self.refs.items())
        ]


def find_holes(source: Source) -> Holes:
    """The refs of a source whose history lacks objects."""
    plumbing, holes = source.plumbing, Holes()
    lacking = _list_lacking(plumbing, source.refs.values())
    if lacking is None:
        _search(plumbing, sorted(source.refs.items()), holes)
    elif lacking:
        bringing = _find_bringing(plumbing, source.refs.values(), lacking)
        names = _list_containing(plumbing, bringing)
        for name, tip in source.refs.items():
            if name in names or tip in lacking:
                holes.refs[name], holes.tips[name] = 0, tip
    if len(holes.refs) <= _COUNTED:
        for name, tip in holes.tips.items():
            holes.refs[name] = len(_list_lacking(plumbing, [tip]) or ())
    return holes


def _find_bringing(plumbing: Plumbing, tips: Iterable[ObjectId], lacking: set[str]) -> list[str]:
    """Commits in whose trees an absent object is new."""
    listed = plumbing.run("rev-list", "--ignore-missing", "--stdin", stdin=_lines(tips))
    found: dict[str, None] = {}
    options = ("--stdin", "-r", "-t", "-m", "--root", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff")
    with plumbing.stream("diff-tree", *options) as git, git.fed(listed):
        commit = ""
        for line in git.stdout:
            if not line.startswith(b":"):
                commit = line.split()[0].decode("ascii") if line.strip() else commit
            elif line.split(b" ", 4)[3].decode("ascii") in lacking:
                found[commit] = None
        git.finish(check=False)
    return list(found)


def _list_containing(plumbing: Plumbing, commits: Sequence[str]) -> set[bytes]:
    """Names of refs that reach one of the commits."""
    names: set[bytes] = set()
    for start in range(0, len(commits), _AT_ONCE):
        some = [f"--contains={commit}" for commit in commits[start : start + _AT_ONCE]]
        names.update(plumbing.run("for-each-ref", "--format=%(refname)", *some).splitlines())
    return names


def _lines(tips: Iterable[ObjectId]) -> bytes:
    return "".join(f"{tip}\n" for tip in dict.fromkeys(tips)).encode()


def _search(plumbing: Plumbing, refs: Sequence[tuple[RefName, ObjectId]], holes: Holes) -> None:
    """Halve the refs until those with holes are alone: where commits or trees are absent, git only fails."""
    lacking = _list_lacking(plumbing, [tip for _, tip in refs]) if refs else set()
    if lacking is not None and not lacking:
        return
    if len(refs) == 1:
        name, tip = refs[0]
        holes.refs[name], holes.tips[name] = 0, tip
        return
    _search(plumbing, refs[: len(refs) // 2], holes)
    _search(plumbing, refs[len(refs) // 2 :], holes)


def _list_lacking(plumbing: Plumbing, tips: Iterable[ObjectId]) -> set[str] | None:
    """Objects that are absent below the tips; None where git cannot list them."""
    lacking = set()
    try:
        with (
            plumbing.stream("rev-list", "--objects", "--missing=print", "--stdin") as git,
            git.fed(_lines(tips)),
        ):
            for line in git.stdout:
                if line.startswith(b"?"):
                    lacking.add(line[1:].strip().decode("ascii"))
            git.finish()
    except PlumbingFailed:
        return None
    return lacking


def keep_records(
    source: Source,
    holes: Holes,
    traces: Sequence[str],
    repository: Repository,
    hosting: Hosting,
    output: Output,
) -> Document:
    """Read and keep everything that says where code came from; what was read.

    Args:
        source: what was taken over.
        holes: refs that stayed behind.
        traces: files of Agent Trace records beside it.
        repository: where to.
        hosting: of which data folder.
        output: shows progress.
    """
    from imprint.store.hosting.followers import FollowerRunner, never
    from imprint.store.intake.follower import RecordsFollower
    from imprint.store.intake.state import Step
    from imprint.store.origins.sources import Origins
    from imprint.store.provenance.expand import ProvenanceFollower

    repository_id = repository.record.id
    with Origins.of_hosting(hosting) as origins:
        assert origins.intake is not None  # noqa: S101
        before = origins.intake.tally(repository_id)
        extra, absent, found = _keep_beside(source, holes, traces, repository, hosting, output)
        records = RecordsFollower(origins.intake, hosting, never)
        runner = FollowerRunner(hosting, [ProvenanceFollower(origins.ledger, hosting, never), records])
        with output.progress("reading checkpoints") as report:
            records.progress = report
            runner.catch_up()
        origins.intake.finish(repository_id, Step(problems=found))
        counts = origins.intake.tally(repository_id) - before + extra
        problems = Counter(_kind(each.text) for _, each in origins.intake.problems(repository_id))
        notes = origins.ledger.notes(repository_id)
        faults = len(origins.ledger.problems(repository_id))
    if faults:
        problems["note"] = faults
    return {
        **_count_kept(hosting, repository_id),
        "transcripts": counts["transcripts"],
        "transcript_mb": round(counts["bytes"] / _MB, 1),
        "prompts": counts["prompts"],
        "kept_transcripts": counts["kept"],
        "kept_mb": round(counts["kept bytes"] / _MB, 1),
        "traces": counts["traces"],
        "new_records": counts["new records"],
        "notes": len(notes),
        "problems": dict(sorted(problems.items())),
        "absent": [{"checkpoint": each.checkpoint, "path": each.path, "id": each.blob} for each in absent],
    }


def _count_kept(hosting: Hosting, repository_id: str) -> Document:
    """What the archive has of the repository altogether."""
    archive = hosting.archive
    checkpoints: set[str] = set()
    sessions = records = serial = 0
    while some := archive.list_records(repository_id, after_serial=serial, limit=_AT_ONCE):
        serial, records = some[-1].serial, records + len(some)
        ties = (anchor for record in some for anchor in record.anchors)
        checkpoints.update(anchor.value for anchor in ties if anchor.kind.value == "checkpoint")
    serial = 0
    while found := archive.list_sessions(repository_id, after_serial=serial, limit=_AT_ONCE):
        serial, sessions = found[-1].serial, sessions + len(found)
    return {"checkpoints": len(checkpoints), "sessions": sessions, "records": records}


def _kind(text: str) -> str:
    """The sort of a problem: the word before its first colon."""
    word, colon, _ = text.partition(":")
    return word if colon and word.replace("_", "").isalpha() else "unreadable"


def _keep_beside(
    source: Source,
    holes: Holes,
    traces: Sequence[str],
    repository: Repository,
    hosting: Hosting,
    output: Output,
) -> tuple[Counter[str], list[AbsentFile], list[tuple[str, Problem]]]:
    """Keep what does not come with the refs: from refs that stayed behind, and from files."""
    from imprint.store.events import EventKind
    from imprint.store.hosting.repositories import OPERATOR
    from imprint.store.intake.checkpoints import Intake
    from imprint.store.intake.follower import ABSENT, take_in, write_absent
    from imprint.store.intake.shelf import Shelf

    keeper, now_ms = hosting.keeper, hosting.clock.now_ms()
    shelf = Shelf(keeper.archive, keeper, repository.record.id, OPERATOR, now_ms, hosting.ids)
    counts: Counter[str] = Counter()
    absent: list[AbsentFile] = []
    problems: list[tuple[str, Problem]] = []
    for name, tip in holes.tips.items():
        with output.progress(f"reading what is there of {name.text}") as report:
            intake = take_in(source.plumbing, shelf, {}, {name: tip}, progress=report)
        counts.update(intake.counts)
        absent += intake.absent
        problems += intake.problems
        if intake.counts["new records"] or intake.counts["kept"]:
            details = {
                "source": source.name,
                "ref": name.text,
                "lacking": str(holes.refs[name]),
                ABSENT: write_absent(intake.absent),
            }
            hosting.announce(repository.record.id, EventKind.RECORDED, None, details)
    given = Intake()
    for path in traces:
        _keep_file(path, shelf, given)
    counts.update(given.counts)
    problems += given.problems
    if given.counts["new records"]:
        details = {"source": "agent-trace", "records": str(given.counts["new records"])}
        hosting.announce(repository.record.id, EventKind.RECORDED, None, details)
    return counts, absent, problems


def _keep_file(path: str, shelf: Shelf, intake: Intake) -> None:
    from imprint.store.intake.traces import TRACES_BYTES_MAX, keep_trace_file

    try:
        size = Path(path).stat().st_size
        content = Path(path).read_bytes() if size <= TRACES_BYTES_MAX else b""
    except OSError as failure:
        raise ImportRefused(
            f"{path}: {failure.strerror}", hint="the repository itself was taken over"
        ) from failure
    if size > TRACES_BYTES_MAX:
        raise ImportRefused(
            f"{path} has {size} bytes", hint=f"split it: {TRACES_BYTES_MAX} bytes are read at once"
        )
    keep_trace_file(content, Path(path).name, None, shelf, intake)


def show_records(document: Document, output: Output) -> None:
    """What was read, as a table; what is absent below it."""
    rows = [
        ("checkpoints", document["checkpoints"]),
        ("sessions", document["sessions"]),
        ("transcripts read", f"{document['transcripts']} ({document['transcript_mb']} MB)"),
        ("prompts without one", document["prompts"]),
        ("transcripts kept", f"{document['kept_transcripts']} ({document['kept_mb']} MB)"),
        ("Agent Trace records", document["traces"]),
        ("records", f"{document['records']} ({document['new_records']} new)"),
        ("Git AI notes", document["notes"]),
        *((f"problems: {kind}", count) for kind, count in document["problems"].items()),
    ]
    if any(row[1] for row in rows[:1]) or document["notes"] or document["traces"]:
        output.table(["provenance", "found"], rows)
    absent = document["absent"]
    for each in absent[:_SHOWN]:
        output.line(f"absent: {each['id']} {each['path']} of checkpoint {each['checkpoint']}")
    if len(absent) > _SHOWN:
        output.line(f"absent: {len(absent) - _SHOWN} more, which --json lists")
