"""`imprint blame`, `why` and `audit`: where lines come from, and how much of it is known."""

import re
from dataclasses import dataclass
from typing import Annotated, Final

import typer

from imprint.cli.call import Call, reads
from imprint.cli.errors import NothingFound, UsageProblem
from imprint.cli.output import Output, counted, render_time
from imprint.cli.ports import Document

CLASSES: Final = ("bound", "observed", "declared", "inferred", "unknown")
"""The evidence classes, best first."""
_COUNT_COLUMNS: Final = " ".join(("total", *CLASSES))
_SHORT_ID: Final = 10
_LINE_COLUMN: Final = 3
_SHOWN_MONTHS: Final = 12
_SHOWN_COMMITS: Final = 20
"""Unrecorded commits that people see; the JSON has all."""


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
        str, typer.Argument(metavar="FILE:LINE|FILE:FIRST-LAST|NAME", help="Lines count from 1.")
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
            answer = reading.why_symbol(where, call.ref)
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
    elif _NAME.match(text) and not _FILE_SUFFIX.search(text):
        return None
    raise UsageProblem(
        f"{text!r} is not FILE:LINE, FILE:FIRST-LAST or a name",
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
    for number, part in enumerate(answer["parts"]):
        if number:
            output.line()
        _show_explanation(output, part)


def _show_explanation(output: Output, answer: Document) -> None:
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
        _show_claim(output, claim)
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


def _show_claim(output: Output, claim: Document) -> None:
    by = ": " if claim["evidence"] == "unknown" else ", by "
    output.line(f"evidence  {claim['evidence']}{by}{claim['method']}{_score(claim)}")
    for part in ("actor", "agent", "model", "session", "turn", "via"):
        if claim.get(part):
            output.line(f"{part:<8}  {claim[part]}")
    if claim.get("prompt"):
        output.line("prompt")
        output.text("\n".join(f"    {line}" for line in str(claim["prompt"]).splitlines()))


def _score(told: Document) -> str:
    return "" if told.get("score") is None else f", score {told['score']:.2f}"


@reads
def audit(call: Call) -> None:
    """Count every commit and every line by how well its origin is known."""
    with call.reading() as place:
        answer = place.audit(call.ref)
    if call.as_json:
        call.output.document(answer)
        return
    output = call.output
    rows = [[what, *_counts(answer[what])] for what in ("commits", "lines")]
    output.table(["", "total", *CLASSES], rows, numbers=_COUNT_COLUMNS)
    if answer["agents"]:
        output.line()
        agents = [
            [one["agent"], one["commits"], one["lines"], ", ".join(one["models"]) or None]
            for one in answer["agents"]
        ]
        output.table(["agent", "commits", "lines", "models"], agents, numbers="commits lines")
    if answer.get("actors"):  # people and bots that claims name: with the agents, all that is known
        output.line()
        actors = [[one["actor"], one["commits"], one["lines"]] for one in answer["actors"]]
        output.table(["without an agent", "commits", "lines"], actors, numbers="commits lines")
    months = answer["months"]
    if months:
        output.line()
        rows = [[one["month"], *_counts(one["commits"])] for one in months[-_SHOWN_MONTHS:]]
        output.table(["commits of", "total", *CLASSES], rows, numbers=_COUNT_COLUMNS)
        if len(months) > _SHOWN_MONTHS:
            output.line(f"and {counted(len(months) - _SHOWN_MONTHS, 'month')} before; --json has all")
    _show_unrecorded(output, answer["unrecorded"])
    for problem in answer["problems"]:
        output.note(str(problem))


def _counts(counts: Document) -> list[str]:
    total = counts["total"]
    return [str(total), *(_share(counts[name], total) for name in CLASSES)]


def _share(count: int, total: int) -> str:
    return f"{count} ({100 * count / total:.1f} %)" if count and total else str(count)


def _show_unrecorded(output: Output, commits: list[Document]) -> None:
    if not commits:
        return
    output.line()
    verbs = ("declares", "has") if len(commits) == 1 else ("declare", "have")
    output.line(f"{counted(len(commits), 'commit')} {verbs[0]} an agent and {verbs[1]} no record:")
    rows = [[one["commit"][:_SHORT_ID], one["agent"], one["subject"]] for one in commits[:_SHOWN_COMMITS]]
    output.table(["commit", "agent", "subject"], rows)
    if len(commits) > _SHOWN_COMMITS:
        output.line(f"and {len(commits) - _SHOWN_COMMITS} more; --json names them all")
