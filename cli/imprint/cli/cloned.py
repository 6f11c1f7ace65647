"""A clone as a place: found from the current directory, read without a server, derived data kept beside it.

Derived data lives in the clone's Git folder below `imprint/cache` and may be deleted at any time.
"""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, urlsplit

from imprint.cli.errors import NothingFound, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.cli.output import Output
    from imprint.cli.ports import Reading, RecordedSessions
    from imprint.semantic.library import Library
    from imprint.semantic.lineage.past import Past
    from imprint.semantic.lineage.tracing.steps import KeptSteps
    from imprint.store.clone import Clone
    from imprint.store.links.judging import Judge
    from imprint.store.links.refusals import Refusals
    from imprint.store.origins.sources import Origins
    from imprint.store.sessions.keeping import Keeper
    from imprint.store.sessions.ports import Archive
    from imprint.store.types import ObjectId


REFUSALS_NAME: Final = "link_refusals.jsonl"
"""In a clone's ground: the links that were refused there."""
_PORTS: Final = {"http": 80, "https": 443}
"""What an address without a port means."""


def discover_clone(directory: Path) -> Clone:
    """The clone that a directory is in.

    Raises:
        NothingFound: it is in none.
    """
    from imprint.store.clone import Clone
    from imprint.store.errors import Missing

    try:
        return Clone.discover(directory)
    except Missing as absent:
        raise NothingFound(
            "this is not inside a Git repository",
            hint="change into a clone, or say where: --server URL or --data DIR, and --repo OWNER/NAME",
        ) from absent


def is_in_clone(directory: Path) -> bool:
    """Whether a directory is in a clone."""
    from imprint.store.clone import Clone
    from imprint.store.errors import Missing

    try:
        Clone.discover(directory).close()
    except Missing:
        return False
    return True


@contextmanager
def open_clone(directory: Path, output: Output) -> Iterator[Reading]:
    """The clone that a directory is in, for reading."""
    from imprint.cli.reading import LocalReading

    with ExitStack() as stack:
        clone = stack.enter_context(discover_clone(directory))
        places = _ClonePlaces(clone, output, stack)
        yield LocalReading(clone.view, places, output)


class _ClonePlaces:
    """The `Places` of a clone: index and ledger, brought up to date by the question that needs them."""

    def __init__(self, clone: Clone, output: Output, stack: ExitStack) -> None:
        self._clone = clone
        self._output = output
        self._stack = stack
        self._keeper: Keeper | None = None

    def origins(self, commit: ObjectId) -> Origins:
        """The clone's claims, with those of new commits, and of one that no ref leads to."""
        from imprint.store.clock import SystemClock
        from imprint.store.links.follower import link_clone
        from imprint.store.links.refusals import FileRefusals
        from imprint.store.origins.sources import Origins
        from imprint.store.provenance.expand import expand_clone

        refusals = FileRefusals(self._clone.ground / REFUSALS_NAME)
        origins = self._stack.enter_context(Origins.open(self._clone.cache, refusals))
        with self._output.progress("reading commits") as report:
            expand_clone(self._clone.view, origins.ledger, report, tips=[commit])
        self._read_records(origins, commit)
        self._observe(origins, commit)
        if origins.links is not None:
            with self._output.progress("linking commits") as report:
                link_clone(self._clone.view, origins.links, SystemClock().now_ms(), report, tips=[commit])
        return origins

    def _read_records(self, origins: Origins, commit: ObjectId) -> None:
        """Read what the clone's refs have of others' records, where they changed."""
        from imprint.store.clock import RandomIds, SystemClock
        from imprint.store.intake.cloned import read_clone

        if origins.intake is None:
            return

        def open_keeper(make: bool) -> Keeper | None:  # noqa: FBT001 - the one question there is
            if make and self._kept() is None:
                self._keeper = self._stack.enter_context(self.keeper())
            return self._kept()

        clock = SystemClock()
        with self._output.progress("reading checkpoints") as report:
            view, ids = self._clone.view, RandomIds(clock)
            read_clone(view, origins.intake, open_keeper, clock, ids, tips=[commit], progress=report)

    def _observe(self, origins: Origins, commit: ObjectId) -> None:
        """Match commits with the sessions kept in the clone, where there are any."""
        from imprint.store.observe.follower import observe_clone

        keeper = self._kept()
        if keeper is None or origins.observations is None:
            return
        read, archive = keeper.read_transcript, keeper.archive
        observe_clone(self._clone.view, origins.observations, archive, read, origins.ledger, [commit])

    def _kept(self) -> Keeper | None:
        """The clone's own archive; None where no session was ever kept: asking makes nothing."""
        from imprint.store.sessions.cloned import has_clone_keeper, open_clone_keeper

        if self._keeper is None and has_clone_keeper(self._clone):
            self._keeper = self._stack.enter_context(open_clone_keeper(self._clone))
        return self._keeper

    def library(self) -> Library:
        """The clone's index, as it is."""
        from imprint.semantic.embedding.choice import open_encoder
        from imprint.semantic.library import Library

        library = Library.open(self._clone.cache / "index", encoder=open_encoder(None))
        self._stack.callback(library.close)
        return library

    def indexed(self, ref: str) -> Library:
        """The clone's index, with the commit in it."""
        from imprint.cli.reading import index_now

        library = self.library()
        index_now(library, self._clone.view, ref, self._output)
        return library

    def past(self) -> Past:
        """What the clone's commits did, with the newest."""
        from imprint.semantic.lineage.changes import ChangeLog

        changes = ChangeLog.open(self._clone.cache / "changes")
        with self._output.progress("reading history") as report:
            changes.ensure(self._clone.view, progress=report)
        return changes.seen(self._clone.view)

    def steps(self) -> KeptSteps:
        """Kept in the clone's cache."""
        from imprint.semantic.lineage.tracing.steps import KeptSteps

        steps = KeptSteps.open(self._clone.cache / "changes")
        self._stack.callback(steps.close)
        return steps

    def note_changes(self, path: bytes, commit: ObjectId) -> None:
        """Say so where the work tree is at the commit and the file in it is not."""
        from imprint.store.objects.trees import read_file

        view, top = self._clone.view, self._clone.top_level
        if top is None or view.refs.snapshot().head_id != commit:
            return
        content = _read_work_file(os.fsencode(top) + b"/" + path)
        if content is None:
            return
        committed = read_file(view, commit, path)
        if content.replace(b"\r\n", b"\n") != committed.replace(b"\r\n", b"\n"):
            self._output.note(f"{os.fsdecode(path)} has changes since HEAD; these are the lines of HEAD")

    def prompt(self, session: str, address: str) -> str | None:
        """The text of a prompt kept in the clone: whoever reads its files may read it."""
        keeper = self._kept()
        return keeper.read_prompt(self._clone.view.id, session, address) if keeper else None

    def archive(self) -> Archive | None:
        """The clone's own archive, if anything was ever kept in it."""
        keeper = self._kept()
        return keeper.archive if keeper else None

    def keeper(self) -> Keeper:
        """The clone's own archive."""
        from imprint.store.sessions.cloned import open_clone_keeper

        return open_clone_keeper(self._clone)

    def people(self) -> frozenset[str]:
        """A clone has no actors."""
        return frozenset()

    def recorded(self) -> RecordedSessions:
        """The sessions kept in the clone."""
        from imprint.cli.sessions.local import LocalSessions

        keeper = self._kept()
        if keeper is None:
            raise NothingFound(
                "no session was kept in this clone",
                hint="'imprint hooks install' captures them; or ask a server: --server URL --repo OWNER/NAME",
            )
        return LocalSessions(self._clone.view.id, keeper)

    def judge(self, refusals: Refusals) -> Judge:
        """The word of whoever works in the clone, kept in its ground."""
        from imprint.store.clock import SystemClock
        from imprint.store.links.judging import Judge

        return Judge(refusals, SystemClock())


def _read_work_file(place: bytes) -> bytes | None:
    """What Git would commit of a file: of a symbolic link, its target; None where there is no file."""
    try:
        mode = os.lstat(place).st_mode
        if stat.S_ISLNK(mode):
            return os.readlink(place)  # noqa: PTH115 - a Path would tidy the target up
        return Path(os.fsdecode(place)).read_bytes() if stat.S_ISREG(mode) else None
    except OSError:
        return None


def path_argument(text: str, directory: Path | None) -> bytes:
    """A path as the user wrote it, from the root of the tree.

    Args:
        text: the path; in double quotes where it could not be written plainly.
        directory: taken from here, inside a clone's work tree; None: the text starts at the root already.

    Raises:
        UsageProblem: the path is empty, or outside the work tree.
        BadPath: it is in double quotes, and not well formed.
    """
    from imprint.store.paths import unquote_path

    raw = unquote_path(text) if text.startswith('"') else os.fsencode(text)
    if not raw:
        raise UsageProblem("the path is empty", hint="name a file")
    if directory is None:
        return os.path.normpath(raw)
    with discover_clone(directory) as clone:
        top = clone.top_level
    if top is None:
        return os.path.normpath(raw)
    root = os.fsencode(os.path.realpath(top))
    here = os.fsencode(os.path.realpath(directory))
    full = os.path.normpath(b"%s/%s" % (here, raw) if not raw.startswith(b"/") else raw)
    if os.path.commonpath([root, full]) != root or full == root:
        raise UsageProblem(f"{text!r} is not inside {os.fsdecode(root)}", hint="name a file of this clone")
    return os.path.relpath(full, root)


def find_remote_repository(directory: Path, server: str) -> str | None:
    """The repository that a remote of the clone at hand has on a server; None if there is none."""
    from imprint.store.clone import Clone
    from imprint.store.errors import Missing, PlumbingFailed

    try:
        with Clone.discover(directory) as clone:
            listed = clone.view.plumbing.run("config", "--null", "--get-regexp", r"^remote\..*\.url$")
    except (Missing, PlumbingFailed):
        return None
    wanted = urlsplit(server)
    for item in listed.split(b"\0"):
        address = urlsplit(os.fsdecode(item.partition(b"\n")[2]))
        above, below = wanted.path.rstrip("/") + "/", address.path
        if _place(address) == _place(wanted) and below.startswith(above):
            name = below.removeprefix(above).rstrip("/").removesuffix(".git")
            if _is_repository_name(name):
                return name
    return None


def _place(address: SplitResult) -> tuple[str, str | None, int | None]:
    """Which server an address leads to; no port where it has none or none that is a number."""
    try:
        port = address.port
    except ValueError:
        port = None
    return address.scheme, address.hostname, port or _PORTS.get(address.scheme)


def _is_repository_name(text: str) -> bool:
    from imprint.store.errors import BadRepositoryName
    from imprint.store.types import RepositoryName

    try:
        RepositoryName.parse(text)
    except BadRepositoryName:
        return False
    return True
