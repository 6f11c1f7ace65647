"""What must be true of a repository after whatever happened to it, asked of the disk and of stock git."""

import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

from imprint.store.events import Event, EventKind
from imprint.store.hosting.followers import FollowerRunner
from imprint.store.hosting.repositories import Hosting, Repository
from imprint.store.maintenance import rounds
from imprint.store.maintenance.work import Work
from imprint.store.provenance.expand import ProvenanceFollower
from imprint.store.provenance.ledger import Ledger
from imprint.store.receive.collect import collect
from imprint.store.refs.export import RefExport
from imprint.store.types import ObjectId

ORPHANS_SECONDS_MAX = 10.0
"""How long the git children of a killed process may go on."""
GIT_LOCKS = (
    "*.lock",
    "objects/pack/*.lock",
    "objects/info/*.lock",
    "objects/info/commit-graphs/*.lock",
    "refs/**/*.lock",
)


def list_all_events(hosting: Hosting, repository_id: str) -> list[Event]:
    found: list[Event] = []
    while page := hosting.catalogue.list_events(repository_id, after=found[-1].sequence if found else 0):
        found += page
    return found


def fold(events: Iterable[Event]) -> dict[str, str]:
    """The refs that the events make; every event begins where the one before it ended."""
    refs: dict[str, str] = {}
    for expected, event in enumerate(events, 1):
        assert event.sequence == expected, f"event {event.sequence} stands at place {expected}"
        for change in event.changes:
            name = change.name.text
            assert refs.get(name) == change.old, f"event {expected} moves {name} from where it was not"
            if change.new:
                refs[name] = change.new
            else:
                refs.pop(name)
    return refs


def verify_settled(hosting: Hosting, ledger: Ledger, repository: Repository) -> list[Event]:
    """Bring everything to rest, then check all that is promised of a repository; its events."""
    settle(hosting, ledger, repository)
    record = hosting.catalogue.get_repository(repository.record.id)
    events = list_all_events(hosting, record.id)
    snapshot = repository.view.refs.snapshot()
    refs = {name.text: str(value.id) for name, value in snapshot.refs.items()}
    assert fold(events) == refs, "the refs are not what the events make of them"
    assert len(events) == snapshot.generation == record.generation
    verify_files(hosting, repository)
    tips = list_kept(events, refs)
    verify_followers(hosting, ledger, repository, events, refs)
    verify_deliveries(ledger, repository, tips)
    verify_objects(repository.git_dir, tips.keys())
    return events


def list_kept(events: list[Event], refs: dict[str, str]) -> dict[str, str]:
    """What must be readable, by the ref that named it: refs, and all that came since the last prune."""
    pruned_at = max((event.sequence for event in events if event.kind is EventKind.PRUNED), default=0)
    kept = {value: name for name, value in refs.items()}
    for event in events[pruned_at:]:
        kept |= {change.new: change.name.text for change in event.changes if change.new}
    return kept


def settle(hosting: Hosting, ledger: Ledger, repository: Repository) -> None:
    """Followers catch up and leftovers are collected; orphaned git processes are waited for."""
    runner = FollowerRunner(hosting, [RefExport(hosting), ProvenanceFollower(ledger, hosting)])
    assert runner.catch_up(60), f"followers do not catch up: {runner.status()}"
    deadline = time.monotonic() + ORPHANS_SECONDS_MAX
    while True:
        report = collect(repository, hosting)
        assert report.suspicious == (), f"packs without a row that refs need: {report.suspicious}"
        if not _quarantines(repository) or time.monotonic() > deadline:
            return
        time.sleep(0.05)


def _quarantines(repository: Repository) -> list[Path]:
    return list((repository.git_dir / "imprint").glob("quarantine/*"))


def verify_files(hosting: Hosting, repository: Repository) -> None:
    """The disk holds the packs that have rows, whole, and nothing that a crash left."""
    record_id, git_dir = repository.record.id, repository.git_dir
    assert _quarantines(repository) == [], "a quarantine is left"
    recorded = hosting.catalogue.list_packs(record_id)
    retired = hosting.catalogue.list_retired_packs(record_id).keys()
    on_disk = {path.stem for path in (git_dir / "objects" / "pack").glob("pack-*")}
    assert recorded <= on_disk, f"recorded packs are gone: {sorted(recorded - on_disk)}"
    assert on_disk <= recorded | retired, f"packs without a row: {sorted(on_disk - recorded - retired)}"
    for name in recorded:
        for suffix in (".pack", ".idx"):
            assert (git_dir / "objects" / "pack" / f"{name}{suffix}").is_file(), f"{name}{suffix} is gone"
    locks = [str(path.relative_to(git_dir)) for pattern in GIT_LOCKS for path in git_dir.glob(pattern)]
    assert locks == [], f"locks of git are left: {locks}"


def verify_followers(
    hosting: Hosting, ledger: Ledger, repository: Repository, events: list[Event], refs: dict[str, str]
) -> None:
    """Stock git on the disk sees the refs of the catalogue; every commit that came has its delivery."""
    listed = run_git(repository.git_dir, "for-each-ref", "--format=%(refname) %(objectname)")
    assert dict(line.split(" ") for line in listed.splitlines()) == refs, "exported refs differ"
    head = repository.view.refs.snapshot().head.text
    assert run_git(repository.git_dir, "symbolic-ref", "HEAD").strip() == head
    record_id = repository.record.id
    assert ledger.position(record_id) == len(events)


def verify_deliveries(ledger: Ledger, repository: Repository, tips: dict[str, str]) -> None:
    """Of every commit it is known who brought it."""
    for tip, name in tips.items():
        if name.startswith("refs/heads/"):
            assert ledger.delivery(repository.record.id, ObjectId(tip)), f"no delivery of {tip}"


def verify_objects(git_dir: Path, tips: Iterable[str]) -> None:
    """Everything below the tips is there, and every object is sound."""
    wanted = "\n".join(sorted(tips))
    run_git(git_dir, "rev-list", "--objects", "--quiet", "--stdin", stdin=wanted)
    run_git(git_dir, "fsck", "--full", "--strict", "--no-dangling")


def run_git(git_dir: Path, *arguments: str, stdin: str = "") -> str:
    done = subprocess.run(
        ["git", "-C", str(git_dir), "-c", "safe.directory=*", *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"git {arguments[0]}: {done.stderr[-2000:]}"
    return done.stdout


def maintain(hosting: Hosting, repository: Repository) -> None:
    """What a server does by itself to a repository, and a full repack."""
    rounds.maintain(Work(repository, hosting))
    rounds.maintain(Work(repository, hosting), everything=True)
    collect(repository, hosting)
