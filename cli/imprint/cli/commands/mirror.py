"""`imprint mirror`: keep hosted repositories in step with others."""

from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imprint.cli.call import Call, operates
from imprint.cli.errors import UsageProblem
from imprint.cli.output import counted
from imprint.cli.ports import Document

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imprint.store.hosting.repositories import Hosting, Repository
    from imprint.store.upstream.sync import RoundReport

app = typer.Typer(help="Keep repositories in step with others.", rich_markup_mode=None)
Name = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository here.")]


@app.command()
@operates
def add(  # noqa: PLR0913 - an option each
    call: Call,
    url: Annotated[
        str, typer.Argument(metavar="URL", help="https, ssh, user@host:path, or a folder on this machine.")
    ],
    name: Annotated[str, typer.Argument(metavar="OWNER/NAME", help="What it is here; made if missing.")],
    *,
    ref: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Refs to mirror, with *; may be repeated."),
    ] = None,
    every: Annotated[str, typer.Option(metavar="DURATION", help="From one round to the next.")] = "5m",
    credential_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Variable with USER:SECRET or a token; it is kept encrypted."),
    ] = None,
    credential_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the same, of mode 0600; read each time.")
    ] = None,
    ssh_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Private key for ssh, of mode 0600.")
    ] = None,
    credential_helper: Annotated[
        str | None, typer.Option(metavar="HELPER", help="A credential helper of git's, such as store.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="MESSAGE_ID", help="Take what git's checks find so; may be repeated."),
    ] = None,
    sync_now: Annotated[bool, typer.Option("--sync/--no-sync", help="Do the first round now.")] = True,
) -> None:
    """Mirror a repository: branches, tags, notes, heads of pull and merge requests, agents' checkpoints.

    From then on nobody pushes to mirrored refs here. A server does the rounds by itself.
    """
    from imprint.store.durations import parse_duration_ms
    from imprint.store.hosting.settings import FSCK
    from imprint.store.types import RepositoryName
    from imprint.store.upstream.control import MirrorWish, add_mirror

    directory = call.surroundings.directory
    wish = MirrorWish(
        url=str((directory / url).resolve()) if (directory / url).is_dir() else url,
        patterns=tuple(ref or ()),
        every_ms=parse_duration_ms(every) or 0,
        secret=_read_variable(call, credential_env) if credential_env else None,
        secret_file=directory / credential_file if credential_file else None,
        ssh_key=directory / ssh_key if ssh_key else None,
        helper=credential_helper,
        may_be_private=True,
    )
    with _hosting(call, create=True) as hosting:
        parsed = RepositoryName.parse(name)
        mirror = add_mirror(hosting, parsed, wish, None)
        if allow:
            hosting.change_settings(parsed, {FSCK + each: "warn" for each in allow}, None)
        if not call.as_json:
            call.output.line(f"{parsed} mirrors {mirror.url}, every {every}")
        report = _sync(call, hosting, hosting.get(parsed)) if sync_now else None
        _show_round(call, hosting, hosting.get(parsed), report)


def _read_variable(call: Call, name: str) -> str:
    value = call.surroundings.environment.get(name)
    if not value:
        raise UsageProblem(f"the variable {name} is not set", hint="it holds USER:SECRET, or a token")
    return value


@app.command("list")
@operates
def list_(call: Call) -> None:
    """All mirrors, with their lag and last error."""
    from imprint.store.upstream.control import describe_mirrors

    with _hosting(call) as hosting:
        mirrors = describe_mirrors(hosting)
    if call.as_json:
        call.output.document({"mirrors": mirrors})
        return
    for mirror in mirrors:
        state = (
            "paused"
            if mirror["paused"]
            else f"failed {mirror['failures']} times"
            if mirror["failures"]
            else "ok"
        )
        call.output.line(f"{mirror['name']}  {mirror['url']}  {_describe_lag(mirror)}  {state}")
        if mirror["error"]:
            call.output.line(f"    {mirror['error']}")


@app.command()
@operates
def show(call: Call, name: Name) -> None:
    """One mirror in full."""
    with _hosting(call) as hosting, _found(hosting, name) as repository:
        document = _describe(hosting, repository)
    if call.as_json:
        call.output.document(document)
        return
    for key, value in document.items():
        for each in value if isinstance(value, list) else [value]:
            shown = _when(each) if key.endswith("_at_ms") and each else each
            call.output.line(
                f"{key.removesuffix('_ms').replace('_', ' ')}: {'-' if shown is None else shown}"
            )


@app.command()
@operates
def sync(call: Call, name: Name) -> None:
    """Do a round now, also of a paused mirror. Exit code 1 when it fails or refs were left alone."""
    with _hosting(call) as hosting, _found(hosting, name) as repository:
        report = _sync(call, hosting, repository)
        _show_round(call, hosting, repository, report)
    if report is not None and (report.left or report.refused):
        raise typer.Exit(1)


@app.command()
@operates
def pause(
    call: Call, name: Name, *, resume: Annotated[bool, typer.Option("--resume", help="Go on again.")] = False
) -> None:
    """Stop the rounds that a server does by itself; pushes to mirrored refs stay refused."""
    from imprint.store.upstream.control import pause_mirror

    with _hosting(call) as hosting, _found(hosting, name) as repository:
        pause_mirror(hosting, repository, is_paused=not resume)
        document = _describe(hosting, repository)
    if call.as_json:
        call.output.document(document)
    else:
        call.output.line(f"{name} goes on" if resume else f"{name} is paused")


@app.command()
@operates
def remove(call: Call, name: Name) -> None:
    """End a mirror: what came stays, and may be pushed to."""
    from imprint.store.upstream.control import remove_mirror

    with _hosting(call) as hosting, _found(hosting, name) as repository:
        remove_mirror(hosting, repository, None)
    if call.as_json:
        call.output.document({"name": name, "removed": True})
    else:
        call.output.line(f"{name} is no mirror any more")


@contextmanager
def _hosting(call: Call, *, create: bool = False) -> "Iterator[Hosting]":
    from imprint.cli.hosted import open_hosting

    with open_hosting(call.data_folder(create=create), call.key_path) as hosting:
        yield hosting


@contextmanager
def _found(hosting: "Hosting", name: str) -> "Iterator[Repository]":
    from imprint.store.types import RepositoryName
    from imprint.store.upstream.control import find_mirror

    repository = hosting.get(RepositoryName.parse(name))
    find_mirror(hosting, repository)
    yield repository


def _sync(call: Call, hosting: "Hosting", repository: "Repository") -> "RoundReport | None":
    from imprint.store.receive.policy import ScopeJudge
    from imprint.store.receive.receiver import Receiver
    from imprint.store.upstream.sync import sync as sync_one

    with call.output.stage(f"mirroring {repository.record.name}"):
        return sync_one(hosting, Receiver(hosting, ScopeJudge()), repository.record.id)


def _show_round(
    call: Call, hosting: "Hosting", repository: "Repository", report: "RoundReport | None"
) -> None:
    if call.as_json:
        call.output.document(_describe(hosting, repository))
        return
    if report is None:
        return
    forced = f", {counted(len(report.forced), 'one', 'ones')} forced" if report.forced else ""
    call.output.line(f"{counted(report.changed, 'ref')} changed{forced}, {report.removed} removed")
    for left in report.left:
        call.output.line(f"left alone: {left}")


def _describe(hosting: "Hosting", repository: "Repository") -> Document:
    from imprint.store.mirror.model import describe
    from imprint.store.upstream.control import find_mirror

    mirror = find_mirror(hosting, repository)
    return describe(mirror, str(repository.record.name), hosting.clock.now_ms())


def _describe_lag(mirror: Document) -> str:
    lag_ms = mirror["lag_ms"]
    return "never synced" if lag_ms is None else f"synced {max(0, lag_ms) // 1000} s ago"


def _when(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
