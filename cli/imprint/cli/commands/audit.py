"""`imprint audit`: how much is known of a history and its files, and what does not fit."""

from pathlib import Path
from typing import Annotated, Final

import typer

from imprint.cli.call import Call, reads
from imprint.cli.commands.provenance import CLASSES
from imprint.cli.errors import CommandError, UsageProblem
from imprint.cli.output import Output, counted
from imprint.cli.ports import AuditWish, Document

_COUNT_COLUMNS: Final = " ".join(("total", *CLASSES))
_COSTS: Final = "requests input output cached to_cache usd unpriced"
_SHORT_ID: Final = 10
_SHOWN_MONTHS: Final = 12
_SHOWN_COMMITS: Final = 20
"""Unrecorded commits and findings that people see; the JSON has all."""
_SHOWN_PLACES: Final = 50
_SHOWN_SESSIONS: Final = 20
_SIDES: Final = ("agent", "model", "actor", "path", "symbol", "month", "cost")


@reads
def audit(
    call: Call,
    *,
    since: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only commits authored then or later: 2026-01-31.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DATE", help="Only commits authored before the end of that day.")
    ] = None,
    path: Annotated[
        str | None, typer.Option(metavar="PATH", help="Only this file, or files in this folder.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(metavar="SIDE", help=f"Show one side: {', '.join(_SIDES)}.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the whole audit as one HTML page.")
    ] = None,
) -> None:
    """Count every commit and every line by how well its origin is known, and say what does not fit."""
    if by is not None and by not in _SIDES:
        raise UsageProblem(f"no side {by!r}", hint=f"it is one of {', '.join(_SIDES)}")
    if html is not None and call.as_json:
        raise UsageProblem("--html and --json exclude each other", hint="ask twice")
    wish = AuditWish(since, until, _quoted(call, path), symbols=by == "symbol")
    with call.reading() as place:
        if html is not None:
            _write(call, html, place.audit_report(wish, call.ref))
            return
        answer = place.audit(wish, call.ref)
    if call.as_json:
        call.output.document(answer)
    elif by is None:
        _show(call.output, answer)
    else:
        _SHOWING[by](call.output, answer)


def _quoted(call: Call, path: str | None) -> str | None:
    from imprint.store.paths import quote_path

    return None if path is None else quote_path(call.path(path))


def _write(call: Call, file: Path, page: bytes) -> None:
    try:
        (call.surroundings.directory / file).write_bytes(page)
    except OSError as error:
        raise CommandError(f"cannot write {file}: {error.strerror}", hint="name another file") from error
    call.output.note(f"wrote {file}, {len(page)} bytes")


def _show(output: Output, answer: Document) -> None:
    rows = [[what, *_counts(answer[what])] for what in ("commits", "lines")]
    output.table(["", "total", *CLASSES], rows, numbers=_COUNT_COLUMNS)
    if answer["agents"]:
        output.line()
        _show_agents(output, answer)
    if answer.get("actors"):  # people and bots that claims name: with the agents, all that is known
        output.line()
        _show_actors(output, answer)
    if answer["months"]:
        output.line()
        _show_months(output, answer)
    _show_unrecorded(output, answer["unrecorded"])
    _show_findings(output, answer["findings"])
    for problem in answer["problems"]:
        output.note(str(problem))


def _show_agents(output: Output, answer: Document) -> None:
    rows = [
        [one["agent"], one["commits"], one["lines"], ", ".join(one["models"]) or None]
        for one in answer["agents"]
    ]
    output.table(["agent", "commits", "lines", "models"], rows, numbers="commits lines")


def _show_models(output: Output, answer: Document) -> None:
    rows = [[one["model"], one["commits"], one["lines"]] for one in answer["models"]]
    output.table(["model", "commits", "lines"], rows, numbers="commits lines")


def _show_actors(output: Output, answer: Document) -> None:
    rows = [[one["actor"], one["commits"], one["lines"]] for one in answer["actors"]]
    output.table(["without an agent", "commits", "lines"], rows, numbers="commits lines")


def _show_paths(output: Output, answer: Document) -> None:
    rows = [[one["path"] or ".", *_counts(one["lines"])] for one in answer["folders"]]
    output.table(["lines in", "total", *CLASSES], rows[:_SHOWN_PLACES], numbers=_COUNT_COLUMNS)
    _say_more(output, len(rows) - _SHOWN_PLACES, "folder")


def _show_symbols(output: Output, answer: Document) -> None:
    rows = [[f"{one['path']} {one['symbol']}", *_counts(one["lines"])] for one in answer["symbols"]]
    output.table(["lines of", "total", *CLASSES], rows[:_SHOWN_PLACES], numbers=_COUNT_COLUMNS)
    _say_more(output, len(rows) - _SHOWN_PLACES, "symbol")


def _show_months(output: Output, answer: Document) -> None:
    months = answer["months"]
    rows = [[one["month"], *_counts(one["commits"])] for one in months[-_SHOWN_MONTHS:]]
    output.table(["commits of", "total", *CLASSES], rows, numbers=_COUNT_COLUMNS)
    if len(months) > _SHOWN_MONTHS:
        output.line(f"and {counted(len(months) - _SHOWN_MONTHS, 'month')} before; --json has all")


def _show_costs(output: Output, answer: Document) -> None:
    costs = answer["costs"]
    if costs is None or not costs["total"]["requests"]:
        output.line("no recorded session says what it took")
        return
    for title in ("agents", "models", "actors", "months", "sessions"):
        rows = [_cost(one) for one in costs[title][:_SHOWN_SESSIONS]]
        output.table([title, *_COSTS.split()], rows, numbers=_COSTS)
        _say_more(output, len(costs[title]) - _SHOWN_SESSIONS, title.removesuffix("s"))
        output.line()
    output.table(["total", *_COSTS.split()], [_cost(costs["total"])], numbers=_COSTS)
    if costs["undated"]:
        output.line(f"{counted(costs['undated'], 'request')} without a time left out")


def _cost(one: Document) -> list[str]:
    counts = ("requests", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    money = "not stated" if one["usd"] is None else f"{one['usd']:.2f}"
    return [one["name"], *(str(one[name]) for name in counts), money, str(one["unpriced"])]


def _counts(counts: Document) -> list[str]:
    total = counts["total"]
    return [str(total), *(_share(counts[name], total) for name in CLASSES)]


def _share(count: int, total: int) -> str:
    return f"{count} ({100 * count / total:.1f} %)" if count and total else str(count)


def _say_more(output: Output, count: int, what: str) -> None:
    if count > 0:
        output.line(f"and {counted(count, what)} more; --json has all")


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


def _show_findings(output: Output, findings: Document) -> None:
    for kind in findings["kinds"]:
        output.line()
        output.line(f"{kind['count']}: {kind['text']}")
        found = [one for one in findings["list"] if one["kind"] == kind["kind"]]
        rows = [
            [(one["commit"] or "")[:_SHORT_ID] or one["record"], one["detail"]]
            for one in found[:_SHOWN_COMMITS]
        ]
        output.table(["about", "what does not fit"], rows)
        _say_more(output, len(found) - _SHOWN_COMMITS, "finding")


_SHOWING: Final = {
    "agent": _show_agents,
    "model": _show_models,
    "actor": _show_actors,
    "path": _show_paths,
    "symbol": _show_symbols,
    "month": _show_months,
    "cost": _show_costs,
}
