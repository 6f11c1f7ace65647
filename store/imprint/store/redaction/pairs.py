"""Secrets that are known by the name beside them: `KEY=value`, JSON, YAML, source, options, headers, cookies.

A value is a secret when its name says so and it looks like one. Names and values are judged strictly, because a
name such as `token` stands in every second line of a program, mostly beside an expression, a type or a count.

Invariants:
1. Only the value is replaced, never the name, the quotes or anything past the closing quote.
2. A value that is a placeholder, an expression, a path, an address or what was replaced before is let be.
3. A value never crosses a quote, whatever its escapes, nor a line.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from imprint.store.redaction.rules import COMMON, Span, entropy

if TYPE_CHECKING:
    from collections.abc import Iterator

ANCHORS: Final = (
    "passw",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "api-key",
    "access_key",
    "accesskey",
    "access-key",
    "account_key",
    "accountkey",
    "private_key",
    "private-key",
    "privatekey",
    "encryption_key",
    "encryptionkey",
    "signing_key",
    "master_key",
    "auth_key",
    "authkey",
    "credential",
    "authorization",
    "webhook_url",
    "sig=",
    "_auth",
)
"""What begins, or stands inside, a name that a secret may stand beside."""

_NAME = re.compile(
    r"(?i:(?P<pass>passw(?:or)?d|passwd|passphrase|pwd)|(?P<key>secret[_\-]?(?:access[_\-]?)?(?:key|token)?(?:[_\-]?base)?"
    r"|(?:api|access|account|private|encryption|signing|master|auth)[_\-]?key|token|credentials?|sig(?==)|_auth(?![a-z]))"
    r"|(?P<head>authorization))"
    r"(?:[_\-]?(?:\d{1,2}|prod|production|dev|test|live|staging|value|base64|secret|key)){0,2}"
    r"(?P<close>\\*[\"'`])?\]?[ \t]{0,4}"
    r"(?P<sep>:=|=>|={1,2}|:|\\u003d|[ \t](?=[^ \t]))[ \t]{0,4}"
    r"(?:(?P<quote>\\*[\"'`])(?P<quoted>(?:[^\s\"'`\\]|\\+[/u])[^\"'`\\\n]{0,1023}(?:\\+/[^\"'`\\\n]{0,1023}){0,8})"
    r"(?=\\*[\"'`])|(?P<bare>[^\s\"'`\\,;&<>()\[\]{}|#]{4,1024}))"
)
_PREFIX = re.compile(r"[\w.\-]*\Z")
_WORD = re.compile(r"[A-Za-z_$][\w$]*(?:[.\-:/][A-Za-z_$][\w$]*)*[!?*]?\Z")
_LETTERS = re.compile(r"[A-Za-z_.\- ]+\Z")
_PLACEHOLDER = re.compile(
    r"(?i)\A(?:[\$%<{\[@*#(]|\.\.\.|x{3,}|process\.env|os\.|env\.|config\.|self\.|this\.|https?:|file:|/|\./|~/)"
    r"|example|placeholder|changeme|change_me|your[_\- ]|dummy|redacted|\*{3,}|\.\.\.|<[\w\- ]+>|\$\{|\{\{|…"
)
_HARMLESS = re.compile(
    r"(?i)(?:next|page|continuation|sync|cursor|csrf|xsrf|max|min|num|total|input|output|cached?|prompt|completion|"
    r"reasoning|per|stop|eos|bos|pad|special|public|primary|foreign|sort|partition|is|has|show|no|forgot|reset|"
    r"hide|toggle|confirm)[_.\-]?\Z"
)
_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_SCHEME = re.compile(r"(?i)(?:bearer|basic|token|digest|apikey|negotiate|key)[ \t]+")


def find_pair(line: str, at: int, begin: int, end: int) -> Span | None:
    """The secret value of the name that an anchor stands in; None if there is none.

    Args:
        line: the text.
        at: where the anchor begins.
        begin: where the line begins.
        end: where the line ends.
    """
    found = _NAME.match(line, at, min(end, at + 4096))
    if found is None:
        return None
    before = _PREFIX.search(line, max(begin, at - 64), at)
    prefix = before[0] if before else ""
    group = "quoted" if found["quote"] else "bare"
    start, value = found.start(group), found[group]
    if found["head"]:
        scheme = _SCHEME.match(value)
        cut = scheme.end() if scheme else 0
        return _header(value[cut:], start + cut) if group == "quoted" or scheme else None
    if _HARMLESS.search(prefix) or not _separated(found, prefix):
        return None
    strong = found["pass"] is not None
    kind = "password" if strong else "secret"
    name = prefix + found[0][: found.start(group) - at]
    if group == "quoted":
        value = value.rstrip()
        secret = is_secret(value, strong=strong, plain=False)
        return Span(start, start + len(value), kind) if secret else None
    if found["close"] and value.isdecimal():
        mark = f"{found['close']}[redacted:{kind}]{found['close']}"
        return Span(start, start + len(value), kind, mark) if strong and len(value) >= 4 else None
    loud = name.upper() == name or prefix.endswith("--") or prefix.startswith("--")
    return Span(start, start + len(value), kind) if _is_bare_secret(value, strong=strong, loud=loud) else None


def _separated(found: re.Match[str], prefix: str) -> bool:
    """A space alone separates only after an option's name: `--password hunter2`."""
    return bool(found["sep"].strip()) or prefix.startswith("--")


def _header(value: str, start: int) -> Span | None:
    value = value.strip()
    if len(value) < 8 or _PLACEHOLDER.search(value) or _LETTERS.match(value):
        return None
    return Span(start, start + len(value), "authorization")


def is_secret(value: str, *, strong: bool, plain: bool) -> bool:
    """Whether a quoted value beside a secret's name is a secret.

    Args:
        value: without its quotes.
        strong: whether the name is a password's, beside which even short values count.
        plain: whether words alone count.
    """
    if _PLACEHOLDER.search(value) or value.lower() in COMMON:
        return False
    if _LETTERS.match(value):
        return (plain and " " not in value) or _is_random_letters(value)
    if " " in value and (not strong or value.count(" ") > 3 or not any(c.isdigit() for c in value)):
        return False
    if strong:
        return len(value) >= 4 and not value.endswith((":", "()"))
    return (
        len(value) >= 8 and any(c.isdigit() for c in value) and entropy(value) >= 2.5 and "/" not in value[:1]
    )


def _is_random_letters(value: str) -> bool:
    """Letters of both cases, mixed as chance mixes them and words do not."""
    if len(value) < 20 or not value.isalpha():
        return False
    turns = sum(a.islower() != b.islower() for a, b in zip(value, value[1:], strict=False))
    return entropy(value) >= 3.9 and turns >= len(value) / 4


def _is_bare_secret(value: str, *, strong: bool, loud: bool) -> bool:
    """Whether a value without quotes is a secret, where an expression or a type is likelier."""
    if _PLACEHOLDER.search(value) or value.lower() in COMMON:
        return False
    digits = any(c.isdigit() for c in value)
    if loud:
        return is_secret(value, strong=strong, plain=strong and len(value) >= 6)
    if _WORD.match(value) and not (digits and len(value) >= 16 and entropy(value) >= 3.6):
        return False
    if strong and digits and not value.isdecimal():
        return len(value) >= 6 and "." not in value
    return len(value) >= 16 and digits and not value.isdecimal() and entropy(value) >= 3.3


COOKIE: Final = re.compile(
    r"(?i)cookie(?:\\*[\"'`])?[ \t]{0,2}:[ \t]{0,2}(?:\\*[\"'`])?(?P<pairs>[^\"'`\\\n]{3,4096})"
)
_CRUMB = re.compile(r"(?P<name>[\w.\-]{1,64})=(?P<value>[^;,\s\[]{8,4096})")
_SESSION = re.compile(r"(?i)sess|sid|auth|token|jwt|csrf|login|remember|user")


def find_cookies(line: str, at: int, end: int) -> Iterator[Span]:
    """The values of a cookie header that carry a session or look like chance."""
    header = COOKIE.match(line, at, min(end, at + 4096))
    if header is None:
        return
    for crumb in _CRUMB.finditer(line, header.start("pairs"), header.end("pairs")):
        value = crumb["value"]
        random = len(value) >= 16 and any(c.isdigit() for c in value) and entropy(value) >= 3.5
        if random or (_SESSION.search(crumb["name"]) and any(c.isdigit() for c in value)):
            yield Span(crumb.start("value"), crumb.end("value"), "cookie")


NEAR: Final = re.compile(
    r"(?i:(?:api|access|secret|private|auth)[ _\-]?(?:key|token)|password|passphrase|secret|token|credentials?)"
    r"[^A-Za-z0-9\n][^\n]{0,40}?(?<![A-Za-z0-9_+/=\-\\.])(?P<value>[A-Za-z0-9_+/=\-]{20,256})(?![A-Za-z0-9_+/=\-])"
)
_HEX = re.compile(r"(?i)[0-9a-f]+\Z")
_IDENTIFIER = re.compile(r"(?i)[a-z]{2,16}[_\-](?:[0-9A-Za-z]{8,64})\Z|sha\d{1,3}-")


def find_near(line: str, at: int, end: int) -> Span | None:
    """A token of chance characters a few words after a secret's name: `the api key is ...`."""
    found = NEAR.match(line, at, min(end, at + 400))
    if found is None:
        return None
    value = found["value"]
    classes = (str.islower, str.isupper, str.isdigit)
    if not all(any(kind(c) for c in value) for kind in classes):
        return None
    if _HEX.match(value) or _UUID.match(value) or _IDENTIFIER.match(value) or value.count("/") > 1:
        return None
    if _PLACEHOLDER.search(value) or value.count("-") + value.count("_") > 3 or entropy(value) < 4.0:
        return None
    return Span(found.start("value"), found.end("value"), "high-entropy")


def describe() -> tuple[str, ...]:
    """Everything that decides what is found, for the policy hash."""
    patterns = (_NAME, _PREFIX, _WORD, _LETTERS, _PLACEHOLDER, _HARMLESS, _UUID, _SCHEME)
    more = (COOKIE, _CRUMB, _SESSION, NEAR, _HEX, _IDENTIFIER)
    return tuple(pattern.pattern for pattern in (*patterns, *more))
