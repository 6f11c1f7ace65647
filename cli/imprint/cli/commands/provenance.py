"""`imprint blame` and `why`: where lines come from."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from imprint.cli.asking.structure import rooted
from imprint.cli.call import Call, reads
from imprint.cli.errors import NothingFound, UsageProblem
from imprint.cli.output import Output, counted, render_time
from imprint.cli.ports import Document

CLASSES: Final = ("bound", "observed", "declared", "inferred", "unknown")
"""The evidence classes, best first."""
_SHORT_ID: Final = 10
_LINE_COLUMN: Final = 3


@reads
def blame(
    call: Call,
    file: Annotated[str, typer.Argument(metavar="FILE", help="In a clone: from the current directory.")],
) -> None:
    """Show every line of a file with who made it, by what evidence."""
    with call.reading() as place:
        answer = place.blame(call.path(file), call.ref)
    if call.as_json:
        call.output.document(answer)
        return
    rows = [
        [one["commit"][:_SHORT_ID], one["evidence"], _maker(one), one["line"], one["text"]]
        for one in answer["lines"]
    ]
    call.output.lines(rows, numbers=frozenset({_LINE_COLUMN}))


def _maker(line: Document) -> str:
    """Who is claimed to have made it, agent and model where said; else the commit's author in brackets."""
    who = " ".join(str(line[part]) for part in ("agent", "model") if line.get(part))
    return who or line.get("actor") or f"({line['author']['name']})"


@reads
def why(
    call: Call,
    where: Annotated[
        str, typer.Argument(metavar="FILE:LINE|FILE:FIRST-LAST|NAME|FILE:NAME", help="Lines count from 1.")
    ],
    *,
    symbol: Annotated[
        bool, typer.Option("--symbol", help="Take the argument for a name, such as Client.retry.")
    ] = False,
) -> None:
    """Explain a line, some lines or a definition: the commit, who made it, in which session, by which prompt.

    Exit code 1 when nothing of this name was found.
    """
    place = None if symbol else _parse_place(where)
    with call.reading() as reading:
        if place is None:
            answer = reading.why_symbol(rooted(call, where), call.ref)
        elif place.is_range:
            answer = reading.why_lines(call.path(place.file), place.lines, call.ref)
        else:
            answer = reading.why(call.path(place.file), place.lines[0], call.ref)
    if call.as_json:
        call.output.document(answer)
    elif place is None:
        _show_places(call.output, answer)
    elif place.is_range:
        _show_parts(call.output, answer)
    else:
        _show_explanation(call.output, answer)
    if place is None and not answer["places"]:
        if call.as_json:
            raise typer.Exit(1)
        raise NothingFound(f"no definition of {where!r} found")


@dataclass(frozen=True, slots=True)
class _Place:
    """What a FILE:LINE or FILE:FIRST-LAST names."""

    file: str
    lines: tuple[int, int]
    is_range: bool


_LINES: Final = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?\Z")
_NAME: Final = re.compile(r"[^\W\d][\w$]*(?:(?:\.|::|#)[\w$]+)*\Z")
_FILE_SUFFIX: Final = re.compile(r"\.[a-z0-9]{1,4}\Z", re.IGNORECASE)


def _parse_place(text: str) -> _Place | None:
    """The lines that are meant; None for a name.

    Raises:
        UsageProblem: it is neither.
    """
    file, colon, numbers = text.rpartition(":")
    found = _LINES.match(numbers)
    if colon and file and found:
        first = int(found[1])
        last = int(found[2]) if found[2] else first
        if 1 <= first <= last:
            return _Place(file, (first, last), found[2] is not None)
    has_file = bool(colon and file) and not file.endswith(":")
    if not found and _NAME.match(numbers if has_file else text) and not _FILE_SUFFIX.search(numbers):
        return None
    raise UsageProblem(
        f"{text!r} is not FILE:LINE, FILE:FIRST-LAST, FILE:NAME or a name",
        hint="for example src/app.py:12, src/app.py:12-20 or Client.retry; --symbol takes any name",
    )


def _show_places(output: Output, answer: Document) -> None:
    for number, place in enumerate(answer["places"]):
        if number:
            output.line()
        name = ".".join(part for part in (place["container"], place["name"]) if part)
        output.line(f"{place['kind']} {name}")
        _show_parts(output, place)


def _show_parts(output: Output, answer: Document) -> None:
    """Several lines: what they have in common once, then each part with its cause."""
    told: set[tuple[str, str]] = set()
    for number, part in enumerate(answer["parts"]):
        if number:
            output.line()
        _show_explanation(output, part, told)


def _show_explanation(output: Output, answer: Document, told: set[tuple[str, str]] | None = None) -> None:
    """One cause; `told` are sessions and prompts that were printed in full before, and grow."""
    told = set() if told is None else told
    asked, origin = answer["asked"], answer["origin"]
    author = answer["author"]
    more = answer["end"] - answer["line"]
    output.line(f"{asked['path']}:{asked['line']}" + (f"-{answer['end']}" if more else ""))
    output.line(f"    {answer['text']}")
    if more:
        output.line(f"    ... {counted(more, 'more line')}")
    output.line()
    output.line(f"commit    {origin['commit']}  {answer['subject']}")
    if (origin["path"], origin["line"]) != (asked["path"], asked["line"]):
        output.line(f"as        {origin['path']}:{origin['line']}")
    for step in answer["steps"]:
        if step["how"] == "rewrite":
            output.line(f"rewrites  {step['commit']}  ({step['method']}{_score(step)})")
    output.line(f"author    {author['name']} <{author['email']}>, {render_time(author['at_ms'])}")
    if delivered := answer["delivered"]:
        output.line(f"delivered by {delivered['actor']}, {render_time(delivered['at_ms'])}")
    if answer["level"] == "commit":
        _show_message(output, answer)
    for claim in answer["claims"]:
        output.line()
        _show_claim(output, claim, told)
    if answer["missing"]:
        output.line()
    for gap in answer["missing"]:
        output.line(f"not known {gap}")


def _show_message(output: Output, answer: Document) -> None:
    """What the commit itself says, where nobody else says anything."""
    body = str(answer["message"]).partition("\n")[2].strip("\n")
    if body:
        output.line("message")
        output.text("\n".join(f"    {line}" for line in body.splitlines()))


def _show_claim(output: Output, claim: Document, told: set[tuple[str, str]]) -> None:
    by = ": " if claim["evidence"] == "unknown" else ", by "
    output.line(f"evidence  {claim['evidence']}{by}{claim['method']}{_score(claim)}")
    for part in ("actor", "agent", "model", "session", "turn", "via"):
        if claim.get(part):
            output.line(f"{part:<8}  {claim[part]}")
    prompt = (str(claim.get("session")), str(claim.get("prompt") or ""))
    if prompt in told:
        output.line("prompt    as above")
    elif prompt[1]:
        told.add(prompt)
        output.line("prompt")
        output.text("\n".join(f"    {line}" for line in prompt[1].splitlines()))


def _score(told: Document) -> str:
    return "" if told.get("score") is None else f", score {told['score']:.2f}"
