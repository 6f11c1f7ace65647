"""The transcript formats that Imprint reads, and which of them a file has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.store.agents.captured import Captured
from imprint.store.agents.claude_code import ClaudeCode
from imprint.store.agents.codex import Codex
from imprint.store.agents.compact import Compact
from imprint.store.agents.copilot import Copilot
from imprint.store.agents.cursor import Cursor
from imprint.store.agents.gemini import Gemini
from imprint.store.agents.opencode import OpenCode

if TYPE_CHECKING:
    from imprint.store.agents.ports import TranscriptFormat

HEAD_SIZE: Final = 64 * 1024
"""Bytes from the start of a file that are enough to recognise it."""

FORMATS: Final[tuple[TranscriptFormat, ...]] = (
    Captured(),
    Compact(),
    Codex(),
    Copilot(),
    OpenCode(),
    Cursor(),
    Gemini(),
    ClaudeCode(),
)
"""Every format; where two would recognise a file, the first has it."""


def find_format(agent: str | None, head: bytes) -> TranscriptFormat | None:
    """The format of a transcript; None if it is none that is known.

    Args:
        agent: the tool's id as somebody named it; None if nobody did. It decides only where the content
            fits it or fits nothing, as whoever names it may be wrong.
        head: the first bytes, `HEAD_SIZE` of them or all.
    """
    fitting = [form for form in FORMATS if form.recognises(head[:HEAD_SIZE])]
    named = [form for form in fitting or FORMATS if form.agent == agent]
    return next(iter(named or fitting), None)
