"""The rules of the secret-detection library: those of gitleaks, as the package `secretscreen` carries them.

The package follows gitleaks and is under the MIT licence, like it; decision 0011 compares it with others. Its
own functions judge one value at a time, so its rules are read from its data and run here, where the text is
long and secrets are rare.

Invariants:
1. A rule that is left out is named in `LEFT_OUT` with the reason; every other one is used, or loading fails.
2. Rules are translated, never edited: Go's notation for Python's, and what a text inside JSON strings needs:
   a quote may be escaped, and a token may begin after an escaped line's end.
"""

from __future__ import annotations

import re
import tomllib
import warnings
from importlib import metadata, resources
from typing import TYPE_CHECKING, Any, Final

from imprint.store.errors import StoreFailure
from imprint.store.redaction.rules import START, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE: Final = "secretscreen"
"""The package that carries the rule set."""

LEFT_OUT: Final[Mapping[str, str]] = {
    "azure-ad-client-secret": "a rule of our own, which finds it after an escaped line's end too",
    "curl-auth-header": "rules of our own find credentials in headers wherever they stand",
    "curl-auth-user": "rules of our own find credentials on command lines",
    "facebook-access-token": "fifteen digits and a bar are too little beside a common word",
    "generic-api-key": "the named pairs of our own, which know JSON and source code",
    "hashicorp-tf-password": "the named pairs of our own, which leave the quotes",
    "jwt": "a stricter rule of our own",
    "kubernetes-secret-yaml": "crosses lines; the values are found as named pairs",
    "pkcs12-file": "judges the name of a file",
    "private-key": "the blocks of our own, which cross lines and may lack their end",
    "sidekiq-sensitive-url": "credentials in addresses are found whatever the host",
    "twilio-api-key": "a stricter rule of our own",
}
"""Rules of the library that are not used, and why."""

_CONTEXT = r"[\w.-]{0,50}?"
_TAIL = r"""(?:[\x60'"\s;]|\\[nr]|$)"""
_TRANSLATED: Final = (
    (r"\z", r"\Z"),
    (_TAIL, r"""(?=[\x60'"\s;,&)<>}\]\\|]|$)"""),
    (r"""[\s'"]{0,3}""", r"""[\s'"\\]{0,8}"""),
    (r"""[\x60'"\s=]{0,5}""", r"""[\x60'"\s=\\]{0,10}"""),
    (r"|[a-fA-F0-9]{40})\b)", r")\b)"),
    (r"|s\.(?i:[a-z0-9]{24})", ""),
)
_INLINE = "(?i)"
_ANCHORED: Final[Mapping[str, tuple[str, ...]]] = {"vault-service-token": ("hvs.",)}
"""Anchors of rules that were translated to find less than their keywords promise."""
_HEAD: Final = 40
"""Characters at the beginning of a pattern in which its context is looked for."""


def library_rules() -> tuple[Rule, ...]:
    """Every rule of the library in use.

    Raises:
        StoreFailure: the package is there without its rules, or a rule cannot be read.
    """
    try:
        text = resources.files(PACKAGE).joinpath("gitleaks.toml").read_text("utf-8")
        rules = tomllib.loads(text)["rules"]
        return tuple(_translate(rule) for rule in rules if rule["id"] not in LEFT_OUT)
    except (OSError, ModuleNotFoundError, KeyError, ValueError, re.error) as error:
        raise StoreFailure(
            f"the rules of {PACKAGE} cannot be read: {error}", hint=f"reinstall the package {PACKAGE}"
        ) from error


def library_version() -> str:
    """Name and version of the library."""
    return f"{PACKAGE}/{metadata.version(PACKAGE)}"


def _translate(rule: Mapping[str, Any]) -> Rule:
    pattern = str(rule["regex"])
    for old, new in _TRANSLATED:
        pattern = pattern.replace(old, new)
    pattern = _fold(pattern)
    bare = pattern.removeprefix(_INLINE)
    context = _CONTEXT in bare[:_HEAD]
    while context and _CONTEXT in bare[:_HEAD]:
        bare = bare.replace(_CONTEXT, "", 1)
    flag = _INLINE if pattern.startswith(_INLINE) else ""
    if bare.startswith(r"\b"):
        bare = START + bare.removeprefix(r"\b")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        compiled = re.compile(flag + bare)
    anchors = _anchors(bare, rule, context=context)
    return Rule(
        kind=str(rule["id"]),
        anchors=anchors,
        pattern=compiled,
        group=int(rule.get("secretGroup", 1 if compiled.groups else 0)),
        begins=context or _begins(bare, anchors),
        entropy_min=float(rule.get("entropy", 0.0)),
        allowed=_allowed(rule),
    )


def _anchors(bare: str, rule: Mapping[str, Any], *, context: bool) -> tuple[str, ...]:
    """Where to try the rule: at the vendor's name, or at the keywords that can stand in what it finds."""
    if rule["id"] in _ANCHORED:
        return _ANCHORED[rule["id"]]
    vendors = _vendors(bare) if context else ()
    plain = bare.replace("\\", "").lower()
    keywords = [keyword.lower() for keyword in rule["keywords"]]
    return tuple(dict.fromkeys(vendors or [word for word in keywords if word in plain] or keywords))


def _begins(bare: str, anchors: tuple[str, ...]) -> bool:
    """Whether what the rule finds begins with an anchor, whichever is tried."""
    head = bare.removeprefix(START)
    while head.startswith(("(?:", "(")):
        head = head.removeprefix("(").removeprefix("?:")
    head = head.replace("\\", "").lower()
    return len(anchors) == 1 and head.startswith(anchors[0])


def _fold(pattern: str) -> str:
    """Go lets `(?i)` stand anywhere and speak for the rest of its group; Python wants a group of its own."""
    at = pattern.find(_INLINE, 1)
    while at > 0:
        end = _group_end(pattern, at)
        inner = pattern[at + len(_INLINE) : end]
        pattern = f"{pattern[:at]}(?i:{inner}){pattern[end:]}"
        at = pattern.find(_INLINE, 1)
    return pattern


def _group_end(pattern: str, at: int) -> int:
    """Where the group that holds a place ends."""
    depth, inside, index = 0, False, at + len(_INLINE)
    while index < len(pattern):
        char = pattern[index]
        if char == "\\":
            index += 2
            continue
        if inside:
            inside = char != "]"
        elif char == "[":
            inside = True
        elif char == "(":
            depth += 1
        elif char == ")":
            if depth == 0:
                return index
            depth -= 1
        index += 1
    return index


def _vendors(bare: str) -> tuple[str, ...]:
    """The names that a rule with context begins with, where they are plain text."""
    match = re.match(r"(?:\(\?i:)?\(\?:(?:\(\?-i:)?([\w\-|]+)\)", bare)
    return tuple(name.lower() for name in match[1].split("|")) if match else ()


def _allowed(rule: Mapping[str, Any]) -> tuple[re.Pattern[str], ...]:
    found = []
    for entry in rule.get("allowlists", ()):
        if entry.get("regexTarget", "secret") == "secret" and "paths" not in entry:
            found += [re.compile(text) for text in entry.get("regexes", ())]
    return tuple(found)
