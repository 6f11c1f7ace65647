"""`imprint history` and `imprint diff`: how a symbol came to be, and what two commits differ in."""

from typing import Annotated, Any

import typer

from imprint.cli.asking.structure import answer, quoted, rooted
from imprint.cli.call import Call, reads
from imprint.cli.errors import UsageProblem
from imprint.cli.output import counted, render_time

_SHORT_ID = 10
_MS = 1000


@reads
def history(
    call: Call,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name, a qualified one, FILE:NAME, or FILE:LINE in it.")
    ],
    *,
    path: Annotated[
        str | None, typer.Option(metavar="FILE", help="Only in this file.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Commits at most, newest first.")] = 50,
    why: Annotated[bool, typer.Option("--why", help="Say of each commit where it comes from.")] = False,
) -> None:
    """Show the commits that introduced, changed, renamed, moved or removed a symbol.

    Exit code 1 when nothing was found.
    """
    asked: dict[str, Any] = {"limit": limit, "why": why}
    file, colon, line = name.rpartition(":")
    if colon and line.isdecimal() and not file.endswith(":"):
        asked |= {"path": quoted(call, file), "line": int(line)}
    else:
        asked |= {"name": rooted(call, name), "path": quoted(call, path) if path else None}
    found = answer(call, "history", asked, "changes")
    if call.as_json:
        return
    output = call.output
    headers = ["commit", "date", "author", "change", "where", "subject"]
    rows = [
        [
            one["commit"][:_SHORT_ID],
            render_time(one["time"] * _MS),
            one["author"],
            ", ".join(one["kinds"]),
            f"{one['path']}:{one['start_line']}",
            one["subject"],
        ]
        for one in found["changes"]
    ]
    output.table(headers, rows)
    for one in found["changes"] if why else ():
        origin = one.get("origin") or {}
        told = [str(origin[part]) for part in ("evidence", "agent", "actor", "session") if origin.get(part)]
        said = f": {origin['prompt']}" if origin.get("prompt") else ""
        output.line(f"{one['commit'][:_SHORT_ID]} {', '.join(told)}{said}")
    for gap in found["missing"]:
        output.note(gap)
    if found["left_out"]:
        output.note(f"{counted(found['left_out'], 'older commit')} left out; raise --limit")
    if found["others"]:
        first = found["others"][0]
        others = counted(len(found["others"]), "other definition")
        fit = "fits" if len(found["others"]) == 1 else "fit"
        output.note(f"{others} {fit} too, such as {first['path']}:{first['line']}; --path chooses")


@reads
def diff(
    call: Call,
    base: Annotated[
        str, typer.Argument(metavar="OLD", help="The older branch, tag or commit; --at names the newer.")
    ],
    *,
    semantic: Annotated[
        bool, typer.Option("--semantic", help="By definitions: the only way there is.")
    ] = True,
    path: Annotated[
        str | None, typer.Option(metavar="PREFIX", help="Only below this path.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=5000, help="Definitions at most.")] = 200,
) -> None:
    """Show what two commits differ in: definitions added, removed, moved, renamed, changed.

    OLD may be OLD..NEW. Exit code 1 when no definition differs.
    """
    if not semantic:
        raise UsageProblem("lines are compared by git", hint="git diff OLD NEW")
    old, dots, new = base.partition("..")
    if new.startswith("."):
        hint = f"give OLD..NEW; 'git merge-base {old or 'HEAD'} {new[1:] or 'HEAD'}' names git's OLD of that"
        raise UsageProblem("two commits are compared as they are, not from where they parted", hint=hint)
    asked: dict[str, Any] = {"base": old, "limit": limit, "path": quoted(call, path) if path else None}
    if dots:
        call = call.at(new or "HEAD")
    found = answer(call, "diff", asked, "deltas")
    if call.as_json:
        return
    rows = []
    for one in found["deltas"]:
        was = one["old"] or {}
        moved = [was[part] for part in ("path", "name") if was.get(part) and was[part] != one[part]]
        where = f"{one['path']}:{one['start_line']}" if one["path"] else f"{was['path']}:{was['start_line']}"
        before = " ".join(moved) if one["path"] else None
        rows.append([", ".join(one["kinds"]), one["kind"], one["name"] or was["name"], where, before or None])
    call.output.table(["change", "kind", "name", "where", "before"], rows)
    counts = ", ".join(f"{count} {kind}" for kind, count in found["counts"].items())
    call.output.note(f"{counted(found['files'], 'file')} compared: {counts}")
    if not found["complete"]:
        call.output.note(f"{found['left_out']} definitions and {found['files_left_out']} files left out")
