"""`imprint mcp`: the Model Context Protocol on standard input and output."""

from typing import Any

from imprint.cli.call import Call, reads
from imprint.cli.errors import ExtraMissing


@reads
def mcp(call: Call) -> None:
    """Answer an agent's questions about one repository: search, callers, history, why and all the others.

    An agent starts this command itself and talks to it over standard input and output. Without options it
    answers about the clone at hand; with --server and --repo about a repository there. A server also speaks
    the protocol itself, at /mcp.
    """
    try:
        from imprint.api.mcp.stdio import serve_stdio
    except ImportError as absent:
        raise ExtraMissing(
            "the protocol's library is not installed", hint="pip install 'imprint[server,semantic]'"
        ) from absent
    with call.reading() as place:

        def ask(question: str, given: Any) -> dict[str, Any]:
            return place.ask(question, given)

        serve_stdio(ask)
