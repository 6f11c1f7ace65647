"""`imprint link`: which commits are versions of one another, and refusing what looks wrong."""

from typing import Annotated, Final

import typer

from imprint.cli.call import Call, reads
from imprint.cli.output import Output, counted, render_time
from imprint.cli.ports import Document

app = typer.Typer(help="See and judge links between versions of commits.", rich_markup_mode=None)
Commit = Annotated[str, typer.Argument(metavar="COMMIT", help="The later commit: a revision.")]
Origin = Annotated[str, typer.Argument(metavar="ORIGIN", help="The earlier one; of a squash its head.")]
_SHORT_ID: Final = 10


@app.command("list")
@reads
def list_links(
    call: Call,
    *,
    refused: Annotated[bool, typer.Option("--refused", help="Only those that a person refused.")] = False,
) -> None:
    """List every link between versions of commits."""
    with call.reading() as place:
        links = place.links(None)
    if refused:
        links = [link for link in links if link["refused"]]
    if call.as_json:
        call.output.document({"links": links})
        return
    rows = [
        [link["commit"][:_SHORT_ID], link["origin"][:_SHORT_ID], link["method"], _score(link), _state(link)]
        for link in links
    ]
    call.output.table(["commit", "origin", "method", "score", ""], rows, numbers="score")


@app.command()
@reads
def show(call: Call, commit: Annotated[str, typer.Argument(metavar="COMMIT", help="A revision.")]) -> None:
    """Show the links from a commit to earlier versions, and from later ones to it."""
    with call.reading() as place:
        links = place.links(commit)
    if call.as_json:
        call.output.document({"links": links})
        return
    for number, link in enumerate(links):
        if number:
            call.output.line()
        _show_link(call.output, link)
    if not links:
        call.output.note("no other version of this commit is known")


def _show_link(output: Output, link: Document) -> None:
    output.line(f"commit    {link['commit']}")
    output.line(f"origin    {link['origin']}")
    if link["members"]:
        output.line(f"of        {counted(len(link['members']), 'commit')}: its head and what it is built of")
    if link["method"]:
        shares = f"{_percent(link['explained'])} of the commit, {_percent(link['arrived'])} of the origin"
        output.line(f"by        {link['method']}, score {_score(link)}: {shares}")
    if link["at_ms"]:
        output.line(f"found     {render_time(link['at_ms'])}")
    if refusal := link["refused"]:
        output.line(f"refused   by {refusal['actor']}, {render_time(refusal['at_ms'])}: {refusal['reason']}")


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _score(link: Document) -> str | None:
    return None if link["score"] is None else f"{link['score']:.2f}"


def _state(link: Document) -> str:
    if refusal := link["refused"]:
        return f"refused by {refusal['actor']}"
    return "" if link["carries"] else "carries nothing"


@app.command()
@reads
def refuse(
    call: Call,
    commit: Commit,
    origin: Origin,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is shown with the link.")],
) -> None:
    """Refuse a link for good: nothing is carried over it, and it is not inferred again."""
    with call.reading() as place:
        answer = place.refuse_link(commit, origin, reason)
    _say(call, answer, "refused")


@app.command()
@reads
def restore(call: Call, commit: Commit, origin: Origin) -> None:
    """Take a refusal back."""
    with call.reading() as place:
        answer = place.restore_link(commit, origin)
    _say(call, answer, "no longer refused")


def _say(call: Call, answer: Document, what: str) -> None:
    if call.as_json:
        call.output.document(answer)
        return
    link = f"{answer['commit'][:_SHORT_ID]} <- {answer['origin'][:_SHORT_ID]}"
    call.output.line(
        f"{what}: {link}, by {answer['actor']}, {render_time(answer['at_ms'])}: {answer['reason']}"
    )
