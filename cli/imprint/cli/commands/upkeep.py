"""`imprint repo maintain` and `imprint repo prune`: the packs of a repository, while a server goes on."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from imprint.cli.call import Call, operates
from imprint.cli.errors import UsageProblem
from imprint.cli.output import counted

if TYPE_CHECKING:
    from imprint.cli.ports import Document
    from imprint.store.maintenance.rounds import RoundReport
    from imprint.store.maintenance.survey import Survey

Name = Annotated[str, typer.Argument(metavar="OWNER/NAME", help="The repository.")]


@operates
def maintain(
    call: Call,
    name: Name,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Rewrite every pack, with better deltas; this takes long.")
    ] = False,
) -> None:
    """Join packs, write what makes clones and history fast, and remove what nobody reads any more.

    A server does this by itself when pushes have left enough packs. It may go on meanwhile. Exit code 1 when
    objects are lost, or a pack is damaged.
    """
    from imprint.cli.commands.doctor import describe_damage
    from imprint.cli.hosted import open_hosting
    from imprint.store.errors import PlumbingFailed
    from imprint.store.maintenance.rounds import maintain as maintain_one
    from imprint.store.maintenance.survey import find_damaged, survey
    from imprint.store.maintenance.work import Work
    from imprint.store.types import RepositoryName

    with open_hosting(call.data_folder(), call.key_path) as hosting:
        work = Work(hosting.get(RepositoryName.parse(name)), hosting)
        try:
            report = maintain_one(work, everything=everything)
        except PlumbingFailed:
            for line in describe_damage(find_damaged(work), work.pack_dir):
                call.output.note(line)
            raise
        found = survey(work)
        # Bitmaps cannot be made of packs that cannot be read; it is said which ones.
        damaged = find_damaged(work) if found.packs and not found.bitmap else {}
    if call.as_json:
        document: Document = {"name": name, "round": asdict(report), "survey": asdict(found)}
        call.output.document(document | {"damaged": damaged})
    else:
        _show_round(call, report, found)
    for line in describe_damage(damaged, work.pack_dir):
        call.output.error(line)
    if report.adoption.lost or damaged:
        raise typer.Exit(1)


def _show_round(call: Call, report: "RoundReport", found: "Survey") -> None:
    before, after = (counted(count, "pack") for count in (report.packs_before, report.packs_after))
    call.output.line(f"{before} before, {after} now; {counted(found.retired, 'retired pack')} waiting to go")
    if report.adoption.missing:
        what = "objects are lost" if report.adoption.lost else "nothing is lost"
        call.output.note(f"{counted(len(report.adoption.missing), 'pack')} had vanished: {what}")


@operates
def prune(
    call: Call,
    name: Name,
    *,
    older_than: Annotated[
        str, typer.Option(metavar="DURATION", help="For how long no ref reached it: 24h, 90d.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Drop objects that no ref has reached for long, and record that in the repository's events.

    Without this command nothing that was accepted ever goes. It cannot be taken back. The disk is free when
    the old packs have gone, two to four hours later.
    """
    from imprint.cli.hosted import open_hosting
    from imprint.store.durations import parse_duration_ms
    from imprint.store.maintenance.prune import prune as prune_one
    from imprint.store.maintenance.work import Work
    from imprint.store.types import RepositoryName

    older_than_ms = parse_duration_ms(older_than)
    if older_than_ms is None:
        raise UsageProblem("--older-than takes a duration", hint="such as 24h or 90d")
    with open_hosting(call.data_folder(), call.key_path) as hosting:
        work = Work(hosting.get(RepositoryName.parse(name)), hosting)
        report = prune_one(work, older_than_ms, dry_run=dry_run)
    sequence = report.event.sequence if report.event else None
    if call.as_json:
        document: Document = {"name": name, "objects": report.objects, "size_bytes": report.size_bytes}
        call.output.document(document | {"dry_run": dry_run, "event": sequence})
        return
    what = f"{counted(report.objects, 'object')}, {counted(report.size_bytes, 'byte')}"
    call.output.line(f"would drop {what}" if dry_run else f"dropped {what}")
