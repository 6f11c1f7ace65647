"""The tools: one for each question, and one that lists the repositories where there are several.

Invariants:
    1. A tool's result is the document that REST and the command line give, with `repo` beside it, shortened
       where it would take more tokens than asked for; then `cut` says how many answers were left out.
    2. What goes wrong is a result that says so, with a hint; never a stack trace.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

import mcp_types as types
from anyio import to_thread
from mcp.server.lowlevel import Server

from imprint.semantic.asking.model import AT, Kind
from imprint.semantic.asking.table import QUESTIONS
from imprint.semantic.tokens import count_tokens
from imprint.store.errors import BadInput, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from mcp.server.context import ServerRequestContext

    from imprint.semantic.asking.model import Parameter, Question

    Json = dict[str, Any]
    Asker = Callable[[ServerRequestContext[Any, Any], str | None, str, Mapping[str, Any]], Json]
    """Given the request, a repository, a question and its parameters: the document."""
    Lister = Callable[[ServerRequestContext[Any, Any]], list[str]]
    """The repositories that the caller may read, by name."""

_LOGGER: Final = logging.getLogger("imprint.api")

REPOSITORIES: Final = "repositories"
EVERYWHERE: Final = "search"
"""The question that may be asked of all repositories at once."""
MAX_TOKENS: Final = "max_tokens"
MAX_TOKENS_DEFAULT: Final = 4_000
MAX_TOKENS_MOST: Final = 25_000
_MAX_TOKENS_LEAST: Final = 200
_ERROR_CHARACTERS_MAX: Final = 1_000
"""Of what an error says, which may name what was asked."""
_TEXTS: Final = frozenset({"prompt", "text", "message", "doc", "signature"})
"""Members that hold what somebody wrote, of any length, and that are of use in part."""
_REPO: Final[Json] = {"type": "string", "description": "the repository, as owner/name", "maxLength": 200}
_BOUND: Final[Json] = {
    "type": "integer",
    "description": "what the result may take, at four characters a token",
    "default": MAX_TOKENS_DEFAULT,
    "minimum": _MAX_TOKENS_LEAST,
    "maximum": MAX_TOKENS_MOST,
}
INSTRUCTIONS: Final = (
    "Imprint knows this code at every commit: definitions, callers, history, and which agent or person wrote "
    "each line, from which prompt. Begin with `map` in a repository that is new to you; `search` in plain "
    "words or with an identifier before you grep; `why` and `history` before you undo something; `impact` "
    "before you change a signature. Cite results as repo, commit and path:line."
)


def make_server(ask: Asker, list_repositories: Lister | None, version: str) -> Server[Any]:
    """The protocol's server over something that answers questions.

    Args:
        ask: answers a question; called in a thread.
        list_repositories: for a server of many repositories, those that the caller may read; None where there
            is one repository only, which tools then do not name.
        version: of this program.
    """

    async def list_tools(_context: Any, _params: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=list(describe_tools(many=list_repositories is not None)))

    async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        given = dict(params.arguments or {})

        def work() -> Json:
            if params.name == REPOSITORIES and list_repositories is not None:
                return {"repositories": list_repositories(context)}
            return _answer(ask, context, params.name, given, many=list_repositories is not None)

        try:
            document = await to_thread.run_sync(work)
        except StoreError as refused:
            return _refuse(refused)
        except Exception:
            _LOGGER.exception("a tool failed name=%s", params.name[:40])
            return _fault({"error": "the server failed; its log says more", "code": "internal"})
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        return types.CallToolResult(
            content=[types.TextContent(type="text", text=text)], structured_content=document
        )

    return Server(
        "imprint",
        version=version,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def describe_tools(*, many: bool) -> tuple[types.Tool, ...]:
    """Every tool with the schema of its parameters; with `many`, each asks for a repository."""
    tools = [_describe(question, many=many) for question in QUESTIONS.values()]
    if many:
        about = "The repositories that you may ask about."
        tools.insert(0, _tool(REPOSITORIES, about, {"type": "object", "properties": {}}))
    return tuple(tools)


def _describe(question: Question, *, many: bool) -> types.Tool:
    properties = {each.name: _schema(each) for each in (*question.parameters, AT)} | {MAX_TOKENS: _BOUND}
    required = [each.name for each in question.parameters if each.required]
    if many:
        everywhere = ", or leave it out to search all" if question.name == EVERYWHERE else ""
        properties = {"repo": _REPO | {"description": _REPO["description"] + everywhere}} | properties
        if question.name != EVERYWHERE:
            required.insert(0, "repo")
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    return _tool(question.name, f"{question.about} {question.advice}", schema)


def _tool(name: str, about: str, schema: Json) -> types.Tool:
    hints = types.ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)
    return types.Tool(name=name, description=about, input_schema=schema, annotations=hints)


def _schema(parameter: Parameter) -> Json:
    told: Json = {"type": parameter.kind.value, "description": parameter.about}
    if parameter.default is not None:
        told["default"] = parameter.default
    if parameter.choices:
        told["enum"] = list(parameter.choices)
    least, most = ("minimum", "maximum") if parameter.kind is Kind.NUMBER else ("minLength", "maxLength")
    if parameter.least is not None:
        told[least] = parameter.least
    if parameter.most is not None:
        told[most] = parameter.most
    return told


def _answer(
    ask: Asker, context: ServerRequestContext[Any, Any], name: str, given: Json, *, many: bool
) -> Json:
    if name not in QUESTIONS:
        there = (*((REPOSITORIES,) if many else ()), *QUESTIONS)
        raise BadInput(f"there is no tool {name!r}", hint=f"there are {', '.join(there)}")
    bound = given.pop(MAX_TOKENS, MAX_TOKENS_DEFAULT)
    if not isinstance(bound, int) or not _MAX_TOKENS_LEAST <= bound <= MAX_TOKENS_MOST:
        raise BadInput(
            f"{MAX_TOKENS} is out of bounds", hint=f"from {_MAX_TOKENS_LEAST} to {MAX_TOKENS_MOST}"
        )
    repo = given.pop("repo", None) if many else None
    if many and not isinstance(repo, str) and (repo is not None or name != EVERYWHERE):
        raise BadInput("no repository was named", hint=f"give repo; the tool {REPOSITORIES!r} lists them")
    document = ask(context, repo, name, given)
    named = {"repo": repo} | document if repo else document
    return shorten(named, bound)


def shorten(document: Json, tokens: int) -> Json:
    """The document made to fit: long texts cut, then the last answers of lists left out, longest list first.

    Raises:
        BadInput: without any answers it is still too long.
    """
    left_out = 0
    size = _size(document)
    if size > tokens:
        document = _clip(document, tokens)
        size = _size(document)
    while size > tokens:
        lists = [name for name, value in document.items() if isinstance(value, list) and value]
        if not lists:
            raise BadInput(f"the answer takes {size} tokens", hint=f"ask for less, or raise {MAX_TOKENS!r}")
        longest = max(lists, key=lambda name: _size(document[name]))
        kept = document[longest]
        drop = max(1, min(len(kept), len(kept) * (size - tokens) // (2 * size)))
        left_out += drop
        document = document | {longest: kept[:-drop], "cut": left_out}
        size = _size(document)
    return document


def _clip(value: object, most: int) -> Any:
    """The value with what was said and written in it cut to so many characters each, which it says."""
    if isinstance(value, list):
        return [_clip(item, most) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _cut(item, most) if name in _TEXTS and isinstance(item, str) else _clip(item, most)
        for name, item in value.items()
    }


def _cut(text: str, most: int) -> str:
    more = len(text) - most
    return text if more <= 0 else f"{text[:most]} ... ({more} more characters)"


def _size(document: object) -> int:
    return count_tokens(json.dumps(document, ensure_ascii=False, separators=(",", ":")))


def _refuse(refused: StoreError) -> types.CallToolResult:
    told = {"error": _cut(str(refused), _ERROR_CHARACTERS_MAX), "code": refused.code}
    return _fault(told | ({"hint": refused.hint} if refused.hint else {}))


def _fault(told: Json) -> types.CallToolResult:
    text = json.dumps(told, ensure_ascii=False)
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], is_error=True)
