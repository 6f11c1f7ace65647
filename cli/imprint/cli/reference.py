"""The reference pages of the command line and of the REST interface, made from the programs themselves.

    python -m imprint.cli.reference             writes docs/reference/cli.md and rest.md
    python -m imprint.cli.reference cli|rest    prints one page

A test compares the pages with what this module renders.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from imprint.cli.commands import app
from imprint.cli.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from imprint.cli.ports import Document

FOLDER: Final = Path("docs/reference")
_WIDTH: Final = 100
_NOT_OURS: Final = frozenset({"HTTPValidationError", "ValidationError"})
"""What the framework would answer to a malformed request, where this server answers with a problem."""
_NAMES_IN_PATH: Final = frozenset({"owner", "repo"})
"""The two parts of a repository's name, which the head of the page explains."""
_CLI_HEAD: Final = """\
Exit codes: 0 done, 1 refused or nothing found where something was asked for, 2 wrong usage; 130 after
Ctrl-C. Results go to stdout, everything else to stderr. `IMPRINT_SERVER` and `IMPRINT_TOKEN` stand in for
`--server` and its token. Inside a clone the commands that read need no server."""
_REST_HEAD: Final = """\
Requests and answers are JSON; refusals are problem documents (RFC 9457) with a stable `code`. Every call but
the health checks needs a token: `Authorization: Bearer TOKEN`, or the password of Basic. A running server
describes itself at `/docs` and `/openapi.json`. `{owner}/{repo}` is the name of a repository."""
_GENERATED: Final = "<!-- written by `make docs`: do not edit -->"


def render_cli() -> str:
    """The page of every command: its help, as the terminal shows it."""
    root = typer.main.get_command(app)
    parts = ["# Command line", _GENERATED, _CLI_HEAD]
    for name, text in _iter_help(root, "imprint"):
        parts.append(f"{'#' * min(2 + name.count(' '), 3)} {name}\n\n```\n{text}\n```")
    return "\n\n".join(parts) + "\n"


def _iter_help(command: Any, name: str) -> Iterator[tuple[str, str]]:
    context = command.context_class(command, info_name=name, terminal_width=_WIDTH, max_content_width=_WIDTH)
    yield name, command.get_help(context).rstrip()
    for child_name, child in getattr(command, "commands", {}).items():
        yield from _iter_help(child, f"{name} {child_name}")


def render_rest() -> str:
    """The page of every REST call, from the server's OpenAPI description."""
    description = _describe_server()
    parts = ["# REST interface", _GENERATED, _REST_HEAD]
    for path, calls in description["paths"].items():
        for method, call in calls.items():
            parts.append(_render_call(f"{method.upper()} {path}", call))
    parts.append("## Objects")
    parts += [
        _render_schema(name, schema)
        for name, schema in sorted(description["components"]["schemas"].items())
        if name not in _NOT_OURS
    ]
    return "\n\n".join(parts) + "\n"


def _describe_server() -> Document:
    """The OpenAPI description of a server, made for this on a data folder that is gone at the end."""
    from imprint.api.app import create_app
    from imprint.semantic.library import Library
    from imprint.store.hosting.data import DataFolder
    from imprint.store.hosting.repositories import Hosting
    from imprint.store.origins.sources import Origins

    with tempfile.TemporaryDirectory(prefix="imprint-reference-") as folder, ExitStack() as opened:
        hosting = Hosting.open(DataFolder.create_or_open(Path(folder) / "data"))
        opened.callback(hosting.close)
        origins = opened.enter_context(Origins.of_hosting(hosting))
        library = Library.open(hosting.folder.index_path)
        opened.callback(library.close)
        return create_app(hosting, origins, library).openapi()


def _render_call(title: str, call: Document) -> str:
    lines = [f"## {title}", "", call.get("description") or call.get("summary") or ""]
    parameters = [one for one in call.get("parameters", []) if one["name"] not in _NAMES_IN_PATH]
    if parameters:
        lines += ["", "| parameter | in | type | default | meaning |", "|---|---|---|---|---|"]
        for one in parameters:
            schema = one["schema"]
            default = "required" if one.get("required") else f"`{json.dumps(schema.get('default'))}`"
            meaning = _cell(one.get("description") or schema.get("description") or "")
            lines.append(
                f"| `{one['name']}` | {one['in']} | {_render_type(schema)} | {default} | {meaning} |"
            )
    if body := call.get("requestBody"):
        lines += ["", f"Body: {_render_content(body['content'])}."]
    for status, answer in sorted(call.get("responses", {}).items()):
        if status.startswith("2"):
            lines += ["", f"Answer {status}: {_render_content(answer.get('content', {}))}."]
    return "\n".join(lines)


def _render_content(content: Document) -> str:
    if not content:
        return "nothing"
    return ", ".join(
        _render_type(one["schema"]) if one.get("schema") else f"`{kind}`" for kind, one in content.items()
    )


def _render_schema(name: str, schema: Document) -> str:
    lines = [f"### {name}", "", schema.get("description", "")]
    if "enum" in schema:
        return "\n".join([*lines, "", "One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + "."])
    required = set(schema.get("required", []))
    lines += ["", "| field | type | | meaning |", "|---|---|---|---|"]
    for field, facts in schema.get("properties", {}).items():
        need = "required" if field in required else ""
        lines.append(
            f"| `{field}` | {_render_type(facts)} | {need} | {_cell(facts.get('description', ''))} |"
        )
    return "\n".join(lines)


def _render_type(schema: Document) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(_render_type(one) for one in schema["anyOf"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_render_type(schema.get('items', {}))}"
    return str(schema.get("type", "anything"))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


PAGES: Final[dict[str, Callable[[], str]]] = {"cli": render_cli, "rest": render_rest}


def write_pages(arguments: list[str]) -> None:
    """Print the page that is named, or write all."""
    if arguments:
        Output.standard().text(PAGES[arguments[0]]())
        return
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, render in PAGES.items():
        (FOLDER / f"{name}.md").write_text(render(), "utf-8")


if __name__ == "__main__":
    write_pages(sys.argv[1:])
