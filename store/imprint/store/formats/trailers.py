"""Trailers of a commit message, and what they declare about its origin.

What is a trailer block follows git-interpret-trailers(1) and, where the page leaves it open, what git does
(tested against git itself). Attributions are also read where git sees no trailer block, because squash
merges and tools leave them in the body: from a line that begins at its first column with one of the keys
below, after the subject, outside fenced code. Such a claim's method says `line` instead of `trailer`.

Keys and forms are those of Claude Code, Codex, Cursor, Copilot, Aider, Replit, Amp, Entire and the Linux
kernel's coding-assistants page. Keys match without regard to letter case.

Invariants:
    1. Total: any text gives an answer.
    2. A person's name in `Co-authored-by` is no claim; only agents and services in the tables are.
    3. Every claim made here is `declared`: anybody can write a trailer.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from imprint.store.evidence.claims import Claim, Evidence, merge_claims
from imprint.store.formats.identities import find_product, identify, normalise_tool, read_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from imprint.store.objects.ports import Commit


@dataclass(frozen=True, slots=True)
class Trailer:
    """One `key: value`. Continuation lines are joined to the value by single spaces."""

    key: str
    value: str


_SPACES: Final = " \t\n\r"
"""What git's own ctype calls space."""
_KEY: Final = re.compile(r"[A-Za-z0-9-]+[ \t]*:")
_GENERATED_PREFIXES: Final = ("Signed-off-by: ", "(cherry picked from commit ")
_SCISSORS: Final = "# ------------------------ >8 ------------------------\n"
_FOLD: Final = re.compile(r"\n[ \t\r\n]*")


def parse_trailers(message: str) -> tuple[Trailer, ...]:
    """The trailers that git sees in a commit message, in order."""
    lines = [line + "\n" for line in message.split("\n")]
    lines[-1] = lines[-1][:-1]
    first = next((at for at, line in enumerate(lines) if not _is_blank(line)), len(lines))
    lines = lines[first : _find_end(lines)]
    return tuple(_iter_block(lines[_find_block(lines) :]))


def _find_end(lines: Sequence[str]) -> int:
    """Index after the last line that belongs to the message: comments and old conflict lists are left off."""
    cutoff = next((at for at, line in enumerate(lines) if line == _SCISSORS), len(lines))
    end, in_conflicts = 0, False
    for at, line in enumerate(lines[:cutoff], 1):
        if line == "Conflicts:\n":
            in_conflicts = True
        elif line[:1] in {"#", "\n", ""} or (in_conflicts and line.startswith("\t")):
            continue
        else:
            end, in_conflicts = at, False
    return end


def _find_block(lines: Sequence[str]) -> int:
    """Index of the first line of the trailer block; the number of lines when there is none.

    The block is the last paragraph, if it is not the first, and either holds nothing but trailers, or holds a
    line that git generates and at least one trailer in four lines.
    """
    last = len(lines)
    while last and (_is_blank(lines[last - 1]) or lines[last - 1].startswith("#")):
        last -= 1
    start = next((at for at in range(last, 0, -1) if _is_blank(lines[at - 1])), None)
    if start is None:
        return len(lines)
    trailers = others = maybe_continuations = 0
    is_generated = False
    for line in reversed(lines[start:last]):
        if line.startswith("#"):
            others += maybe_continuations
            maybe_continuations = 0
        elif line.startswith(_GENERATED_PREFIXES):
            is_generated, trailers, maybe_continuations = True, trailers + 1, 0
        elif _KEY.match(line):
            trailers, maybe_continuations = trailers + 1, 0
        elif line[0] in _SPACES:
            maybe_continuations += 1
        else:
            others, maybe_continuations = others + 1 + maybe_continuations, 0
    others += maybe_continuations
    is_block = (is_generated and trailers * 3 >= others) or (trailers and not others)
    return start if is_block else len(lines)


def _is_blank(line: str) -> bool:
    return not line.strip(_SPACES)


def _iter_block(lines: Sequence[str]) -> Iterator[Trailer]:
    unfolded: list[str] = []
    can_continue = False
    for line in lines:
        if line.startswith("#"):
            can_continue = False
            continue
        if can_continue and line[0] in _SPACES:
            unfolded[-1] += line
            continue
        unfolded.append(line)
        can_continue = _KEY.match(line) is not None
    for text in unfolded:
        if _KEY.match(text):
            key, _, value = text.partition(":")
            yield Trailer(key.strip(_SPACES), _FOLD.sub(" ", value.strip(_SPACES)))


# -- what they declare ----------------------------------------------------------------------------------

_ATTRIBUTION: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]+)[ \t]*:[ \t]*(\S.*)")
_GENERATED_WITH: Final = re.compile(
    r"[^\w\[]{0,8}(?:generated|created|made|built) (?:with|by|using) "
    r"\[?([a-z][\w .-]{1,40}?)(?:\]\(|[.!]?\s*\Z)",
    re.IGNORECASE,
)
_AIDER_SUBJECT: Final = re.compile(r"aider: ", re.IGNORECASE)
_VALUE_LENGTH_MAX: Final = 1000
"""Longer values are cut before they are read: no name, model or session is as long."""
_TOOLS: Final = re.compile(r"\s*\[[^\]]*\]")
_ASSISTANT: Final = re.compile(r"([^:/<>]{1,60}?)\s*(?::\s*|\s/\s+)([A-Za-z][\w .()/-]{0,80})\Z")


def message_claims(commit: Commit) -> list[Claim]:
    """What the commit's message declares: agents and services it names as having had a hand in it."""
    claims = []
    if _AIDER_SUBJECT.match(commit.message):
        claims.append(Claim(commit.id, Evidence.DECLARED, agent="aider", method="message prefix aider:"))
    seen: set[tuple[str, str]] = set()
    for trailer in parse_trailers(commit.message):
        seen.add((trailer.key, trailer.value))
        claims += _read(commit, trailer, "trailer")
    for trailer in _iter_body_lines(commit.message):
        if (trailer.key, trailer.value) not in seen:
            claims += _read(commit, trailer, "line")
    return merge_claims(claims)


def _iter_body_lines(message: str) -> Iterator[Trailer]:
    """Attribution lines below the subject, outside fenced code; `generated with` lines under that key."""
    is_code = False
    for line in message.split("\n")[1:]:
        if line.startswith("```"):
            is_code = not is_code
        elif is_code:
            continue
        elif (found := _ATTRIBUTION.match(line)) and found[1].casefold() in _READERS:
            yield Trailer(found[1], found[2].strip())
        elif found := _GENERATED_WITH.match(line):
            yield Trailer("generated-with", found[1].strip())


def _read(commit: Commit, trailer: Trailer, place: str) -> Iterator[Claim]:
    reader = _READERS.get(trailer.key.casefold())
    claim = reader(commit, trailer.value[:_VALUE_LENGTH_MAX]) if reader else None
    if claim is not None:
        yield replace(claim, method=f"{place} {trailer.key}")


def _read_person(commit: Commit, value: str) -> Claim | None:
    """`Name <address>` of an agent or a service."""
    found = identify(*_split_person(value))
    if found is None:
        return None
    return Claim(commit.id, Evidence.DECLARED, actor=found.service, agent=found.agent, model=found.model)


def _split_person(value: str) -> tuple[str, str]:
    """The name and the address; an address that is not in angle brackets at the end is part of the name."""
    name, bracket, email = value.rstrip().removesuffix(">").rpartition("<")
    return (name.strip(), email) if bracket and value.rstrip().endswith(">") else (value, "")


def _read_assistant(commit: Commit, value: str) -> Claim | None:
    """`AGENT:MODEL [TOOL]...` as the kernel asks for, `Agent / model`, `Agent`, or `Name <address>`."""
    text = _TOOLS.sub("", value).strip()
    name, email = _split_person(text)
    if email:
        return _read_person(commit, text) or _read_tool(commit, name)
    pair = _ASSISTANT.match(text)
    if pair is None:
        return _read_tool(commit, text)
    agent, model = (
        normalise_tool(pair[1]),
        read_model(pair[2]) or pair[2].strip().casefold().replace(" ", "-"),
    )
    return Claim(commit.id, Evidence.DECLARED, agent=agent, model=model) if agent else None


def _read_tool(commit: Commit, value: str) -> Claim | None:
    agent = find_product(value)
    return Claim(commit.id, Evidence.DECLARED, agent=agent, model=read_model(value)) if agent else None


def _session_reader(agent: str) -> Callable[[Commit, str], Claim]:
    """A reader of a trailer by which one tool names its session; the last part of an address is the id."""

    def read(commit: Commit, value: str) -> Claim:
        session = value.rstrip("/").rpartition("/")[2] if "://" in value else value
        return Claim(commit.id, Evidence.DECLARED, agent=agent, session=session or None)

    return read


def _read_replit_author(commit: Commit, value: str) -> Claim | None:
    is_agent = value.casefold() in {"agent", "assistant"}
    return Claim(commit.id, Evidence.DECLARED, agent="replit") if is_agent else None


_READERS: Final = {
    "amp-thread": _session_reader("amp"),
    "amp-thread-id": _session_reader("amp"),
    "assisted-by": _read_assistant,
    "claude-session": _session_reader("claude-code"),
    "co-authored-by": _read_person,
    "codex-session": _session_reader("codex"),
    "cursor-session": _session_reader("cursor"),
    "entire-agent": _read_tool,
    "generated-by": _read_assistant,
    "generated-with": _read_tool,
    "made-with": _read_tool,
    "replit-commit-author": _read_replit_author,
    "replit-commit-session-id": _session_reader("replit"),
}
"""Keys that declare an origin, folded, and how their values are read."""
