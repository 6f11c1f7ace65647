"""The protocol over standard input and output, for one repository: of a clone, data folder or server."""

from __future__ import annotations

import threading
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anyio
from mcp.server.stdio import stdio_server

from imprint.api.mcp.tools import make_server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def serve_stdio(ask: Callable[[str, Mapping[str, Any]], dict[str, Any]]) -> None:
    """Answer until the input ends.

    Args:
        ask: answers a question from its name and parameters; one call at a time.
    """
    anyio.run(_serve, ask)


async def _serve(ask: Callable[[str, Mapping[str, Any]], dict[str, Any]]) -> None:
    turn = threading.Lock()

    def answer(_context: Any, _repo: str | None, question: str, given: Mapping[str, Any]) -> dict[str, Any]:
        with turn:
            return ask(question, given)

    server = make_server(answer, None, version("imprint"))
    async with stdio_server() as (requests, answers):
        await server.run(requests, answers, server.create_initialization_options())
