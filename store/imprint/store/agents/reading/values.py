"""Values out of foreign JSON: whatever stands there, a value of the wished type comes back, within bounds.

Invariants:
    1. Total: no value raises; what is of another type counts as absent.
    2. Every text can be encoded as UTF-8: lone surrogates become U+FFFD. Names and ids have no NUL.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME_LIMIT: Final = 512
"""Characters of an id, a name, a model, a branch; the rest is cut."""

PATH_LIMIT: Final = 4096
"""Characters of a path; a longer one counts as absent."""

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_LARGEST: Final = 2**53
_SECONDS_END: Final = 10**11
_EMPTY: Final[Mapping[str, object]] = {}


def as_text(value: object) -> str:
    """The text; empty for anything else."""
    if not isinstance(value, str):
        return ""
    if value.isascii():
        return value
    return _SURROGATE.sub("\ufffd", value)


def as_name(value: object) -> str:
    """A short text on one line: an id, a name; empty for anything else."""
    return as_text(value)[:NAME_LIMIT].replace("\0", "\ufffd").strip()


def as_optional(value: object) -> str | None:
    """`as_name`, None where it is empty."""
    return as_name(value) or None


def as_path(value: object) -> str:
    """A path as a tool gave it; empty for anything that cannot be one."""
    path = as_text(value)
    return "" if len(path) > PATH_LIMIT or "\0" in path else path


def as_map(value: object) -> Mapping[str, object]:
    """The object; an empty one for anything else."""
    return value if isinstance(value, dict) else _EMPTY


def as_items(value: object) -> list[object]:
    """The array; an empty one for anything else."""
    return value if isinstance(value, list) else []


def as_maps(value: object) -> list[Mapping[str, object]]:
    """The objects of an array, without its other members."""
    return [item for item in as_items(value) if isinstance(item, dict)]


def as_count(value: object) -> int:
    """A number of something, 0 or more; 0 for anything that is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    if not 0 <= value <= _LARGEST:  # NaN and infinity are outside
        return 0
    return int(value)


def as_cost(value: object) -> float | None:
    """Money, 0 or more; None for anything that is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _LARGEST else None


def as_time(value: object) -> int | None:
    """Milliseconds since the epoch, of RFC 3339 text, seconds or milliseconds; None for anything else."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value[:64])
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=UTC)
            return max(0, round(moment.timestamp() * 1000))
        except (ValueError, OverflowError):
            return None
    number = as_cost(value)
    if number is None:
        return None
    return int(number * 1000) if number < _SECONDS_END else int(number)


def split_text(text: str) -> tuple[str, ...]:
    """Its lines without their ends; none for an empty text. Only line feeds end lines, as in git."""
    if not text:
        return ()
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return tuple(line.removesuffix("\r") for line in lines)


def join_texts(content: object, kinds: tuple[str, ...] = ("text",)) -> str:
    """The text of a message: itself, or that of its parts of these types, an empty line between them."""
    if isinstance(content, str):
        return as_text(content)
    parts = [as_text(part.get("text")) for part in as_maps(content) if part.get("type") in kinds]
    return "\n\n".join(part for part in parts if part)
