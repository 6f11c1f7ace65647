"""`imprint session`: the recorded stretches of work, what was said in them, and its erasure."""

import sys
from typing import Annotated, Any

import typer

from imprint.cli.call import Call, reads
from imprint.cli.errors import UsageProblem
from imprint.cli.output import counted, render_time

app = typer.Typer(help="Look at recorded sessions, and erase what was said in them.", rich_markup_mode=None)
_SHOWN_PATHS = 5
_PROMPT_LINES = 6

SessionId = Annotated[str, typer.Argument(metavar="SESSION", help="The session's id, as 'list' shows it.")]


@app.callback()
def group() -> None:
    """Look at recorded sessions, and erase what was said in them."""


@app.command("list")
@reads
def list_(call: Call) -> None:
    """List the sessions of a repository, oldest first; sub-agents below whoever started them."""
    with call.reading() as place:
        found = place.recorded().list_all()
    if call.as_json:
        call.output.document({"sessions": found})
        return
    rows = [
        [
            "  " * depth + one["id"],
            "+".join(one["kinds"]),
            one["actor"],
            one["agent"],
            one["model"],
            render_time(one["opened_at_ms"]),
            one["turn_count"],
            one["line_count"],
            "erased" if one["erased_at_ms"] else "",
        ]
        for depth, one in _by_tree(found)
    ]
    titles = ["id", "kind", "actor", "agent", "model", "began", "turns", "lines", ""]
    call.output.table(titles, rows, numbers="turns lines")


@app.command("show")
@reads
def show(call: Call, session: SessionId) -> None:
    """Say what is known of a session: its tree, what it cost, which files its tools named."""
    with call.reading() as place:
        found = place.recorded().show(session)
    if call.as_json:
        call.output.document(found)
        return
    usage = found["usage"]
    cost = "" if usage["cost_usd"] is None else f", {usage['cost_usd']:.4f} USD"
    facts = {
        "session": found["id"],
        "kind": "+".join(found["kinds"]),
        "actor": found["actor"],
        "agent": " ".join(filter(None, (found["agent"], found.get("agent_version")))),
        "models": ", ".join(found["models"]) or found["model"],
        "parent": found["parent"],
        "children": ", ".join(f"{child['id']} ({child['agent']})" for child in found["children"]),
        "began": render_time(found["opened_at_ms"]),
        "ended": render_time(found["ended_at_ms"]),
        "source": found["source"],
        "transcript": f"{counted(found['line_count'], 'line')}" if found["line_count"] else "none",
        "taken out": _render_redaction(found["redaction"]),
        "turns": str(found["turn_count"]),
        "tool calls": str(found["calls"]),
        "usage": f"{counted(usage['requests'], 'request')}, {usage['input_tokens']} tokens in, "
        f"{usage['output_tokens']} out, {usage['cache_read_tokens']} from cache, "
        f"{usage['cache_write_tokens']} to cache{cost}",
        "files": ", ".join(found["paths"][:_SHOWN_PATHS])
        + (f" and {len(found['paths']) - _SHOWN_PATHS} more" if len(found["paths"]) > _SHOWN_PATHS else ""),
        "commits": ", ".join(found["commits"]),
        "problems": "; ".join(f"{each['place']}: {each['text']}" for each in found["problems"]),
        "erased": render_time(found["erased_at_ms"]),
    }
    for name, value in facts.items():
        if value:
            call.output.line(f"{name:<12}{value}")


@app.command("turns")
@reads
def turns(call: Call, session: SessionId) -> None:
    """List the turns of a session: prompts, tool calls with the files they name, usage, models."""
    with call.reading() as place:
        found = place.recorded().turns(session)
    if call.as_json:
        call.output.document(found)
        return
    if found["withheld"]:
        call.output.note(found["withheld"])
    for turn in found["turns"]:
        usage = turn["usage"]
        when = render_time(turn["at_ms"]) or "time not said"
        call.output.line(
            f"turn {turn['number']}  {when}  {turn['model'] or 'model not said'}  "
            f"{usage['input_tokens']} tokens in, {usage['output_tokens']} out"
        )
        for line in _prompt_lines(turn, withheld=bool(found["withheld"])):
            call.output.line(f"    {line}")
        for each in turn["calls"]:
            failed = "" if each["ok"] is not False else "  failed"
            started = f"  started session {each['session']}" if each["session"] else ""
            call.output.line(f"  - {' '.join([each['name'], *each['paths']])}{started}{failed}")


@app.command("transcript")
@reads
def transcript(call: Call, session: SessionId) -> None:
    """Write the transcript of a session as it was kept: as the agent wrote it, without its secrets."""
    with call.reading() as place:
        texts = place.recorded().transcript(session)
        if call.as_json:
            whole = b"".join(texts).decode("utf-8", "replace")
            call.output.document({"session": session, "transcript": whole})
            return
        for text in texts:
            call.output.verbatim(text)


@app.command("erase")
@reads
def erase(
    call: Call,
    session: SessionId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,  # noqa: FBT002 - typer's way
) -> None:
    """Destroy the prompts and the transcript of a session and of its whole tree, for ever.

    Claims stay, and say that the prompt was erased. Copies in backups cannot be read without the key of the
    data folder; see docs/sessions.md.
    """
    with call.reading() as place:
        recorded = place.recorded()
        if not yes:
            if not sys.stdin.isatty():
                raise UsageProblem("erasing cannot be taken back", hint="say --yes")
            typer.confirm(f"Destroy what was said in session {session!r} and its sub-agents?", abort=True)
        erased = recorded.erase(session)
    if call.as_json:
        call.output.document(erased)
        return
    for one in erased["erased"]:
        call.output.line(f"erased {one}")
    for one in erased.get("left", []):
        call.output.line(f"left   {one}, which is another actor's")


@app.command("redact")
@reads
def redact(call: Call, session: SessionId) -> None:
    """Redact a kept transcript anew, by the rules of today; what it replaces is dropped.

    A session that grows is redacted anew by itself.
    """
    with call.reading() as place:
        found = place.recorded().redact(session)
    if call.as_json:
        call.output.document(found)
        return
    call.output.line(f"{session}: {_render_redaction(found['redaction']) or 'nothing is kept'}")


def _by_tree(found: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Each session after its parent, with its depth; one whose parent is not there is a root."""
    known = {one["id"]: one for one in found}
    children: dict[str | None, list[dict[str, Any]]] = {}
    for one in found:
        parent = one["parent"] if one["parent"] in known else None
        children.setdefault(parent, []).append(one)
    ordered: list[tuple[int, dict[str, Any]]] = []
    waiting = [(0, one) for one in reversed(children.get(None, []))]
    while waiting:
        depth, one = waiting.pop()
        ordered.append((depth, one))
        known.pop(one["id"], None)
        waiting += [(depth + 1, child) for child in reversed(children.get(one["id"], []))]
    return ordered + [(0, one) for one in known.values()]  # those that name each other in a ring


def _prompt_lines(turn: dict[str, Any], *, withheld: bool) -> list[str]:
    if turn["prompt"] is None:
        if not turn["has_prompt"]:
            return ["(no prompt)"]
        return ["(not shown)" if withheld else "(erased)"]
    lines = str(turn["prompt"]).splitlines()
    more = [f"... {len(lines) - _PROMPT_LINES} more lines"] if len(lines) > _PROMPT_LINES else []
    return lines[:_PROMPT_LINES] + more


def _render_redaction(redaction: dict[str, Any] | None) -> str:
    if redaction is None:
        return ""
    counts = ", ".join(f"{count} {kind}" for kind, count in redaction["counts"].items()) or "nothing"
    return f"{counts} (by {redaction['engine']}, policy {redaction['policy_hash'][:12]})"
