"""`imprint export`: what is known of origins, in others' formats."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from imprint.cli.call import Call, reads
from imprint.cli.errors import CommandError, UsageProblem
from imprint.cli.output import Output, counted
from imprint.cli.ports import Document

if TYPE_CHECKING:
    from imprint.store.plumbing import Plumbing

_INTO_REFS: Final = ("git-ai", "entire")
_INTO_LINES: Final = ("agent-trace", "in-toto")
_INTO_FOLDERS: Final = ("csv", "parquet")
_FORMATS: Final = (*_INTO_REFS, *_INTO_LINES, *_INTO_FOLDERS)
_SHOWN_LOSSES: Final = 10


@dataclass(frozen=True, slots=True)
class _Wish:
    """Where an export is to go; paths are below the current directory."""

    name: str
    output: Path | None
    into: Path | None
    notes_ref: str
    key: Path | None

    def verify(self) -> None:
        """Check that the options fit the format.

        Raises:
            UsageProblem: one does not.
        """
        if self.name not in _FORMATS:
            raise UsageProblem(f"no format {self.name!r}", hint=f"it is one of {', '.join(_FORMATS)}")
        if self.name in _INTO_FOLDERS and self.output is None:
            raise UsageProblem(f"{self.name} goes into a folder", hint="name it with --output DIR")
        if self.name in _INTO_REFS and self.output is not None:
            raise UsageProblem(f"{self.name} goes into a repository", hint="name it with --into DIR")
        if self.name not in _INTO_REFS and self.into is not None:
            raise UsageProblem(f"{self.name} goes into no repository", hint="use --output")
        if self.name != "in-toto" and self.key is not None:
            raise UsageProblem("only in-toto statements are signed", hint="leave --key out")


@reads
def export(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="FORMAT", help=f"One of {', '.join(_FORMATS)}.")],
    *,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="PATH", help="A file; for csv and parquet a folder.", show_default=False
        ),
    ] = None,
    into: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="For git-ai and entire: the repository to write refs of. Without it: the clone at hand.",
            show_default=False,
        ),
    ] = None,
    notes_ref: Annotated[
        str, typer.Option(metavar="REF", help="For git-ai: the notes ref.")
    ] = "refs/notes/ai",
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="For in-toto: the Ed25519 private key, in PEM, that signs each statement.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write what is known of the history's origins in another tool's format.

    agent-trace and in-toto go to standard output or to --output, a JSON document a line. What a format cannot
    say is listed; docs/formats-out.md has the whole table.
    """
    directory = call.surroundings.directory
    wish = _Wish(
        name,
        directory / output if output else None,
        directory / into if into else None,
        notes_ref,
        directory / key if key else None,
    )
    wish.verify()
    losses: list[Document] = []
    with call.reading() as place:
        asked = "tables" if name in _INTO_FOLDERS else name
        written = _write(wish, _without_losses(place.export(asked, call.ref), losses), directory)
    if written is None:  # the documents themselves went to standard output
        for loss in losses[:_SHOWN_LOSSES]:
            call.output.note(_render_loss(loss))
    elif call.as_json:
        call.output.document({"format": name, "written": written, "losses": losses})
    else:
        _show(call.output, written, losses)


def _without_losses(documents: Iterable[Document], losses: list[Document]) -> Iterator[Document]:
    """The documents that are to be written; losses among them are put aside."""
    for document in documents:
        if "loss" in document:
            losses.append(document["loss"])
        else:
            yield document


def _write(wish: _Wish, documents: Iterator[Document], directory: Path) -> dict[str, int] | None:
    """Write the documents; how many of what, or None where they went to standard output."""
    if wish.name in _INTO_REFS:
        return _write_refs(wish, documents, directory)
    if wish.name in _INTO_FOLDERS:
        from imprint.cli.exporting.files import write_csv, write_parquet

        assert wish.output is not None  # noqa: S101 - verified
        return (write_csv if wish.name == "csv" else write_parquet)(documents, wish.output)
    if wish.key is not None:
        documents = _sign(documents, wish.key)
    return _write_lines(documents, wish.output)


def _write_lines(documents: Iterator[Document], output: Path | None) -> dict[str, int] | None:
    from imprint.cli.exporting.files import write_lines

    if output is None:
        write_lines(documents, sys.stdout)
        return None
    partial = output.with_name(f".{output.name}.part")
    try:
        with partial.open("w", encoding="utf-8") as file:
            count = write_lines(documents, file)
        partial.replace(output)
    except OSError as failed:
        raise CommandError(f"{output}: {failed.strerror}", hint="name a file that can be written") from failed
    finally:
        partial.unlink(missing_ok=True)
    return {"documents": count}


def _sign(documents: Iterator[Document], path: Path) -> Iterator[Document]:
    from imprint.store.export.dsse import read_private_key, sign

    try:
        key = read_private_key(path.read_bytes())
    except OSError as failed:
        raise UsageProblem(
            f"{path}: {failed.strerror}", hint="'openssl genpkey -algorithm ed25519 -out FILE' makes a key"
        ) from failed
    return (sign(document, key) for document in documents)


def _write_refs(wish: _Wish, documents: Iterator[Document], directory: Path) -> dict[str, int]:
    from imprint.cli.exporting.refs import import_checkpoints, import_notes
    from imprint.store.clock import SystemClock
    from imprint.store.export.fastimport import Signature
    from imprint.store.types import RefName

    by = Signature("Imprint", "imprint@localhost", SystemClock().now_ms() // 1000)
    counts = {"notes" if wish.name == "git-ai" else "checkpoints": 0}

    def count() -> Iterator[Document]:
        for document in documents:
            counts[next(iter(counts))] += 1
            yield document

    target = _open_target(wish.into or directory)
    if wish.name == "git-ai":
        import_notes(target, RefName.parse(wish.notes_ref), count(), by)
    else:
        import_checkpoints(target, count(), by)
    return counts


def _open_target(folder: Path) -> "Plumbing":
    from imprint.cli.cloned import discover_clone

    with discover_clone(folder) as clone:
        return clone.view.plumbing


def _show(output: Output, written: dict[str, int], losses: list[Document]) -> None:
    output.line(
        "wrote " + ", ".join(counted(count, what.removesuffix("s"), what) for what, count in written.items())
    )
    for loss in losses[:_SHOWN_LOSSES]:
        output.note(_render_loss(loss))
    if len(losses) > _SHOWN_LOSSES:
        output.note(f"and {len(losses) - _SHOWN_LOSSES} more left out; --json lists all")


def _render_loss(loss: Document) -> str:
    of = f" of {loss['commit'][:10]}" if loss.get("commit") else ""
    return f"left out{of}: {loss['what']}: {loss['reason']}"
