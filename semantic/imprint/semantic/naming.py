"""How people and agents name a definition: `retry`, `Client.retry`, `http::Client`, `a.py:Client.retry`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imprint.store.errors import BadInput, BadPath
from imprint.store.paths import unquote_path

if TYPE_CHECKING:
    from imprint.semantic.snapshot import Snapshot

SEPARATORS: Final = re.compile(r"::|->|[.#/]")
"""What stands between the parts of a qualified name, in any of the languages."""
_COLON: Final = re.compile(r"(?<!:):(?!:)")


def read_name(asked: str) -> tuple[str, str]:
    """What qualifies a name, with dots as containers have, and the name; routes and titles have no parts.

    Raises:
        BadInput: no name was given.
    """
    if len(asked.split()) > 1:
        return "", asked.strip()
    parts = [part for part in SEPARATORS.split(asked.strip().removesuffix("()")) if part]
    if not parts:
        raise BadInput("no symbol was named", hint="give a name such as parse_header or Session.get")
    return ".".join(parts[:-1]), parts[-1]


def read_place(snapshot: Snapshot, asked: str) -> tuple[int | None, str]:
    """The file before a name that is given as FILE:NAME, where there is such a file, and the name alone.

    What stands before a colon and is no file belongs to the name, as in a route.
    """
    for colon in _COLON.finditer(asked):
        name = asked[colon.end() :].strip()
        try:
            file = snapshot.find_file(unquote_path(asked[: colon.start()].strip()))
        except BadPath:
            file = None
        if file is not None and name:
            return file, name
    return None, asked
