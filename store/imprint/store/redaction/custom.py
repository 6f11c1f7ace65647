"""An operator's own rules: a TOML file with patterns to find, and with what to let be.

    [[rules]]
    kind = "acme-token"              # what a replaced secret is called
    anchors = ["acme_"]              # texts, one of which stands in or shortly before what is found
    pattern = 'acme_[a-z0-9]{20,40}'
    group = 0                        # optional: the group that is the secret
    entropy_min = 3.0                # optional: bits a character

    [allow]
    values = ["acme_00000000000000000000"]
    patterns = ['^test_']

Invariants:
1. A pattern cannot make the server slow: a repeated group may hold neither a repetition nor an alternative,
   back references are refused, and what is left is tried on growing texts of the worst kinds when it is read.
2. A file with a fault is refused whole, with the rule and what is wrong: half a policy is none.
3. What is allowed is allowed for every rule, and is part of the policy hash.
"""

from __future__ import annotations

import re
import time
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from imprint.store.errors import BadInput
from imprint.store.redaction.rules import Rule

if TYPE_CHECKING:
    from pathlib import Path

FILE_BYTES_MAX: Final = 1024 * 1024
"""Size of a file of rules."""
RULES_MAX: Final = 200
"""Rules of a file."""
PATTERN_CHARACTERS_MAX: Final = 1000
"""Length of one pattern."""
ANCHOR_MIN: Final = 3
"""Length of an anchor; shorter ones stand everywhere."""
SECONDS_MAX: Final = 0.05
"""Processor time that a pattern may take on a text of the worst kind."""

_KIND = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\Z")
_QUANTIFIER = re.compile(r"[*+?]|\{\d*(?:,\d*)?\}")
_MANY = re.compile(r"[*+]|\{\d*,\}|\{(?:[2-9]|\d{2,})\}|\{\d*,(?:[2-9]|\d{2,})\}")
_SIZES: Final = (16, 24, 32, 48, 64, 96, 128, 256, 512, 1024)
_WORST: Final = ("a", "A", "0", " ", "_", "-", "/", "=", '"', "\\", ".", "a0", "a ", "=a", "aA0_")


@dataclass(frozen=True, slots=True)
class CustomRules:
    """What an operator added: `rules` to find, and `allowed`, patterns of secrets to let be."""

    rules: tuple[Rule, ...] = ()
    allowed: tuple[re.Pattern[str], ...] = ()


def read_custom_rules(path: Path) -> CustomRules:
    """Read a file of rules.

    Raises:
        BadInput: it cannot be read, or holds something that is no rule; the message names the place.
    """
    try:
        raw = path.read_bytes()
        if len(raw) > FILE_BYTES_MAX:
            raise BadInput(f"{path}: more than {FILE_BYTES_MAX} bytes", hint="split no file: remove rules")
        parsed = tomllib.loads(raw.decode())
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: {error}", hint="docs/redaction.md shows a file of rules") from error
    return parse_custom_rules(parsed, str(path))


def parse_custom_rules(parsed: dict[str, Any], where: str) -> CustomRules:
    """Rules from what a file holds.

    Args:
        parsed: the tables of the file.
        where: how to name the file in a message.

    Raises:
        BadInput: something in it is no rule.
    """
    _verify_keys(parsed, {"rules", "allow"}, where)
    entries = parsed.get("rules", [])
    if not isinstance(entries, list) or len(entries) > RULES_MAX:
        raise _bad(where, f"'rules' is a list of at most {RULES_MAX} tables")
    rules = tuple(_parse_rule(entry, f"{where}: rule {number}") for number, entry in enumerate(entries, 1))
    allow = parsed.get("allow", {})
    if not isinstance(allow, dict):
        raise _bad(where, "'allow' is a table")
    _verify_keys(allow, {"values", "patterns"}, f"{where}: allow")
    allowed = [re.compile(rf"\A{re.escape(value)}\Z") for value in _texts(allow, "values", f"{where}: allow")]
    allowed += [_compile(text, f"{where}: allow") for text in _texts(allow, "patterns", f"{where}: allow")]
    return CustomRules(rules, tuple(allowed))


def _parse_rule(entry: object, where: str) -> Rule:
    if not isinstance(entry, dict):
        raise _bad(where, "it is no table")
    _verify_keys(entry, {"kind", "anchors", "pattern", "group", "entropy_min"}, where)
    kind, pattern = entry.get("kind"), entry.get("pattern")
    if not isinstance(kind, str) or not _KIND.match(kind):
        raise _bad(where, "'kind' is made of lower-case letters, digits and single hyphens")
    if not isinstance(pattern, str):
        raise _bad(where, "'pattern' is missing")
    anchors = tuple(anchor.lower() for anchor in _texts(entry, "anchors", where))
    if not anchors or any(len(anchor) < ANCHOR_MIN or "\n" in anchor for anchor in anchors):
        raise _bad(
            where, f"'anchors' are texts of one line and at least {ANCHOR_MIN} characters, one at least"
        )
    compiled = _compile(pattern, where)
    group, entropy_min = entry.get("group", 0), entry.get("entropy_min", 0.0)
    if type(group) is not int or not 0 <= group <= compiled.groups:
        raise _bad(where, "'group' is the number of a group of the pattern")
    if not isinstance(entropy_min, int | float) or entropy_min < 0:
        raise _bad(where, "'entropy_min' is a number of bits a character")
    return Rule(kind, anchors, compiled, group=group, entropy_min=float(entropy_min))


def _compile(text: str, where: str) -> re.Pattern[str]:
    if not text or len(text) > PATTERN_CHARACTERS_MAX:
        raise _bad(where, f"a pattern has 1 to {PATTERN_CHARACTERS_MAX} characters")
    try:
        compiled = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise _bad(where, f"the pattern cannot be read: {error}") from error
    if re.search(r"\\[1-9]|\(\?P=|\(\?\(", text) or _is_nested(text):
        raise _bad(
            where,
            "a pattern may hold no back reference, and a repeated group no repetition and no alternative",
        )
    if compiled.match("") or _is_slow(compiled):
        raise _bad(where, "the pattern finds nothing at all, or takes too long on a text of the worst kind")
    return compiled


def _is_nested(text: str) -> bool:
    """Whether a repeated group holds a repetition or an alternative, judged by the pattern's text."""
    stack = [False]
    index = 0
    while index < len(text):
        char = text[index]
        if char == "\\":
            index += 2
            continue
        if char == "[":
            index = _class_end(text, index)
            continue
        if char == "(":
            stack.append(False)
        elif char == ")" and len(stack) > 1:
            holds = stack.pop()
            repeated = _MANY.match(text, index + 1)
            if holds and repeated:
                return True
            stack[-1] = stack[-1] or holds or bool(repeated)
        elif char == "|" or (_QUANTIFIER.match(text, index) and text[index - 1 : index] != "("):
            stack[-1] = True
        index += 1
    return False


def _class_end(text: str, index: int) -> int:
    """One past the end of the set of characters that begins at a place."""
    index += 1
    if text[index : index + 1] == "^":
        index += 1
    if text[index : index + 1] == "]":
        index += 1
    while index < len(text) and text[index] != "]":
        index += 2 if text[index] == "\\" else 1
    return index + 1


def _is_slow(pattern: re.Pattern[str]) -> bool:
    """Whether a pattern takes too long; texts grow slowly, so that trying it is bounded too."""
    for size in _SIZES:
        for unit in _WORST:
            text = (unit * size)[:size] + "\x00"
            begun = time.process_time()
            for _ in pattern.finditer(text):
                pass
            if time.process_time() - begun > SECONDS_MAX:
                return True
    return False


def _texts(table: dict[str, Any], key: str, where: str) -> list[str]:
    values = table.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise _bad(where, f"{key!r} is a list of texts")
    return values


def _verify_keys(table: dict[str, Any], known: set[str], where: str) -> None:
    if unknown := sorted(table.keys() - known):
        raise _bad(where, f"{unknown[0]!r} is unknown; known are {', '.join(sorted(known))}")


def _bad(where: str, what: str) -> BadInput:
    return BadInput(f"{where}: {what}", hint="docs/redaction.md shows a file of rules")
