"""Secrets that are known by the name beside them: `KEY=value`, JSON, YAML, source, options, headers, cookies.

A value is a secret when its name says so and it looks like one. Names and values are judged strictly: a name
such as `token` stands in every second line of a program, mostly beside an expression, a type or a count.

Invariants:
1. Only the value is replaced, never the name, the quotes or anything past the closing quote.
2. A value that is a placeholder, an expression, a path, an address or what was replaced before is let be.
3. A value never crosses a quote, whatever its escapes, nor a line.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from imprint.store.redaction.rules import COMMON, Effort, Span, entropy, is_random

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
    "api key",
    "access key",
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
    "webhook_url",
    "sig=",
    "_auth",
    "_key",
    "_pass",
    "pw",
)
"""What begins, or stands inside, a name that a secret may stand beside."""

KINDS: Final = frozenset({"password", "secret", "authorization", "cookie", "high-entropy", "too-many"})
"""What is called what is found here."""

_NAME = re.compile(
    r"(?i:(?P<pass>passw(?:or)?d|passphrase|pwd|_pass(?![a-z])|(?<![a-z])pw(?![a-z]))|(?P<any>_key(?![a-z]))|(?P<key>secret[_\-]?(?:access[_\-]?)?(?:key|token)?(?:[_\-]?base)?"
    r"|(?:api|access|account|private|encryption|signing|master|auth)[_\-]?key|token|credentials?|sig(?==)|_auth(?![a-z]))"
    r")"
    r"(?:[_\-]?(?:\d{1,2}|prod|production|dev|test|live|staging|value|base64|secret|key)){0,2}"
    r"(?P<close>\\*[\"'`])?\]?[ \t]{0,4}"
    r"(?P<sep>:=|=>|={1,2}|:|\\u003d|,|>|[ \t](?=[^ \t]))[ \t]{0,4}"
    r"(?:(?P<quote>(?P<depth>\\*)[\"'`])(?=\S)"
    r"(?P<quoted>(?:[^\"'`\\\n]|(?P=depth)\\+[\"'`]|\\+[/ux$@!%&*]){1,512})(?=\\*[\"'`])"
    r"|(?P<bare>[^\s\"'`\\,;&<>()\[\]{}|#][^\s\"'`\\,;&<>()\[\]{}|]{3,511}))"
)
PASSWORD_MIN: Final = 4
"""Characters of a password in quotes; shorter ones are no secrets."""
LOUD_MIN: Final = 6
"""Characters of a password without quotes: `PASSWORD=letmein`."""
SECRET_MIN: Final = 8
"""Characters of any other secret in quotes."""
BARE_MIN: Final = 16
"""Characters of any other secret without quotes, and of a cookie that looks like chance."""
MIXED_MIN: Final = 10
"""Characters of a password without quotes that could be a name, but for digits between its letters."""
LETTERS_MIN: Final = 20
"""Characters of a secret that is made of letters alone."""
_UNICODE_ESCAPE: Final = 5
TRY: Final = 8
"""Characters that are taken as looked at where nothing is found."""
SPACES_MAX: Final = 3
"""Spaces in a password."""
SEPARATORS_MAX: Final = 3
"""Hyphens and underscores of a token near a secret's name; more are a name."""
QUOTED_ENTROPY: Final = 2.5
"""Bits a character of a secret in quotes; the next ones without, and where a name could stand."""
BARE_ENTROPY: Final = 3.3
WORD_ENTROPY: Final = 3.6
COOKIE_ENTROPY: Final = 3.5
LETTERS_ENTROPY: Final = 3.9
NEAR_ENTROPY: Final = 4.0

_DIGIT = re.compile(r"\d")
_PREFIX = re.compile(r"[\w.\-]*\Z")
_WORD = re.compile(r"[A-Za-z_$][\w$]*(?:[.\-:/][A-Za-z_$][\w$]*)*[!?*]?\Z")
_MIXED = re.compile(r"[A-Za-z]\d+[A-Z]|[A-Z]\d+[a-z]|\d[A-Z]+\d")
_VERSION = re.compile(r"[~^>=<v]{0,3}\d{1,5}(?:\.\d{1,5})+(?:[.\-+][\w.]{1,20})?\Z")
_LETTERS = re.compile(r"[A-Za-z_.\- ]+\Z")
_STAND_INS: Final = ("example", "placeholder", "changeme", "change_me", "dummy", "redacted", "your_", "your-")
"""Words in what stands where a secret would be; in one case, for chance may spell them in mixed ones."""
_PLACEHOLDER = re.compile(
    r"(?i:\A(?:[\$%<{\[@*#(]|\.\.\.|x{3,}\Z|process\.env|os\.|env\.|config\.|self\.|this\.|https?:|file:|/|\./|~/))"
    r"|\*{3,}|\.\.\.|<[\w\- ]+>|\$\{|\{\{|…|[Yy]our |"
    + "|".join(spelt for word in _STAND_INS for spelt in (word, word.capitalize(), word.upper()))
)
_HARMLESS = re.compile(
    r"(?i)(?:next|page|continuation|sync|cursor|csrf|xsrf|max|min|num|total|input|output|cached?|prompt|completion|"
    r"reasoning|per|stop|eos|bos|pad|special|public|primary|foreign|sort|partition|is|has|show|no|forgot|reset|"
    r"hide|toggle|confirm)[_.\-]?\Z"
)
_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_HEADER = re.compile(
    r"(?i:authorization)(?:\\*[\"'`])?\]?[ \t]{0,2}[:=,][ \t]{0,2}(?:\\*[\"'`])?"
    r"(?:(?i:bearer|basic|token|digest|apikey|api-key|negotiate|key)[ \t]+)?"
    r"(?P<value>[A-Za-z0-9._~+/=\-:]{8,4096})"
)


def find_named(line: str, at: int, begin: int, end: int, effort: Effort) -> Span | None:
    """The secret that a name speaks of in which an anchor stands; None if there is none.

    Args:
        line: the text.
        at: where the anchor begins.
        begin: where the line begins.
        end: where the line ends.
        effort: counts what is looked at. When no room is left, whatever stands where a secret would is one.
    """
    found = _NAME.match(line, at, min(end, at + 4096))
    effort.spend(found.end() - at if found else TRY)
    if found and effort.room < 0:
        group = "quoted" if found["quote"] else "bare"
        return _too_many(found, group)
    pair = _judge_pair(line, at, begin, found) if found else None
    if pair:
        return pair
    near = NEAR.match(line, at, min(end, at + 400))
    effort.spend(near.end() - at if near else TRY)
    if near and effort.room < 0:
        return _too_many(near, "value")
    return _judge_near(line, at, begin, near) if near else None


def _too_many(found: re.Match[str], group: str) -> Span | None:
    """Where a secret would stand, unless a mark does."""
    is_mark = found[group].startswith("[")
    return None if is_mark else Span(found.start(group), found.end(group), "too-many")


def _judge_pair(line: str, at: int, begin: int, found: re.Match[str]) -> Span | None:
    """The value beside a name, if it is a secret."""
    prefix = _read_prefix(line, at, begin)
    opening = line[at - len(prefix) - 1 : at - len(prefix)]
    name = prefix + found[0][: found.start("sep") - at]
    loud = name.upper() == name or prefix.startswith("--")
    group = "quoted" if found["quote"] else "bare"
    start, value = found.start(group), found[group].rstrip()
    is_named = not _HARMLESS.search(prefix) and _separated(found, prefix, opening, loud=loud)
    if not is_named or (found["any"] and not (loud and _is_chance(value))):
        return None
    strong = found["pass"] is not None
    kind, mark = "password" if strong else "secret", None
    if group == "quoted":
        is_found = is_secret(value, strong=strong, plain=False)
    elif found["close"] and value.isdecimal():
        mark = f"{found['close']}[redacted:{kind}]{found['close']}"
        is_found = strong and len(value) >= PASSWORD_MIN
    elif strong and opening == ";" and _DIGIT.search(value) is not None:
        is_found = is_secret(value, strong=True, plain=False)
    else:
        is_call = not loud and line[start + len(value) : start + len(value) + 1] in {"(", "["}
        is_found = not is_call and _is_bare_secret(value, strong=strong, loud=loud)
    return Span(start, start + len(value), kind, mark) if is_found else None


def _read_prefix(line: str, at: int, begin: int) -> str:
    """What a name has before an anchor, without what belongs to an escape of JSON before it."""
    before = _PREFIX.search(line, max(begin, at - 64), at)
    if before is None:
        return ""
    if line[before.start() - 1 : before.start()] != "\\":
        return before[0]
    return before[0][_UNICODE_ESCAPE if before[0][:1] == "u" else 1 :]


def _separated(found: re.Match[str], prefix: str, opening: str, *, loud: bool) -> bool:
    """Whether what stands between name and value separates them, in that place.

    A space does so after an option, `--password hunter2`; a comma after a variable's name in quotes,
    `getenv("DB_PASSWORD", "hunter2")`; an angle bracket in a tag, `<password>hunter2</password>`.
    """
    match found["sep"]:
        case ",":
            return loud and bool(found["close"])
        case ">":
            return opening == "<"
        case sep:
            return bool(sep.strip()) or prefix.startswith("--")


def _is_chance(value: str) -> bool:
    """Whether a value beside a name that says little, `STRIPE_KEY`, is made of chance characters."""
    long = len(value) >= LETTERS_MIN and entropy(value) >= COOKIE_ENTROPY
    return long and _DIGIT.search(value) is not None and not set(value) & {"/", " ", "."}


def find_header(line: str, at: int, end: int, effort: Effort) -> Span | None:
    """The credentials of an `Authorization` header, with or without their scheme."""
    found = _HEADER.match(line, at, min(end, at + 4096))
    effort.spend(found.end() - at if found else TRY)
    if found is None:
        return None
    if effort.room < 0:
        return _too_many(found, "value")
    value = found["value"]
    if value.lower() in COMMON or _PLACEHOLDER.search(value) or not is_random(value):
        return None
    return Span(found.start("value"), found.end("value"), "authorization")


def is_secret(value: str, *, strong: bool, plain: bool) -> bool:
    """Whether a quoted value beside a secret's name is a secret.

    Args:
        value: without its quotes.
        strong: whether the name is a password's, beside which even short values count.
        plain: whether words alone count.
    """
    if _PLACEHOLDER.search(value) or _VERSION.match(value) or value.lower() in COMMON:
        return False
    if _LETTERS.match(value):
        return (plain and " " not in value) or _is_random_letters(value)
    if " " in value and (not strong or value.count(" ") > SPACES_MAX or not _DIGIT.search(value)):
        return False
    if strong:
        return len(value) >= PASSWORD_MIN and not value.endswith((":", "()"))
    long = len(value) >= SECRET_MIN and entropy(value) >= QUOTED_ENTROPY
    return long and _DIGIT.search(value) is not None


def _is_random_letters(value: str) -> bool:
    """Letters of both cases, mixed as chance mixes them and words do not."""
    if len(value) < LETTERS_MIN or not value.isalpha():
        return False
    turns = sum(a.islower() != b.islower() for a, b in pairwise(value))
    return entropy(value) >= LETTERS_ENTROPY and turns >= len(value) / 3


def _is_bare_secret(value: str, *, strong: bool, loud: bool) -> bool:
    """Whether a value without quotes is a secret, where an expression or a type is likelier."""
    if _PLACEHOLDER.search(value) or value.lower() in COMMON:
        return False
    digits = _DIGIT.search(value) is not None
    if loud:
        return is_secret(value, strong=strong, plain=strong and len(value) >= LOUD_MIN)
    if _is_random_letters(value):
        return True
    bits = entropy(value)
    if _WORD.match(value) and not (digits and len(value) >= BARE_MIN and bits >= WORD_ENTROPY):
        return strong and len(value) >= MIXED_MIN and bits >= BARE_ENTROPY and bool(_MIXED.search(value))
    if strong and digits and not value.isdecimal():
        return len(value) >= LOUD_MIN
    long = len(value) >= BARE_MIN and bits >= BARE_ENTROPY
    return long and digits and not value.isdecimal()


COOKIE: Final = re.compile(
    r"(?i)cookie(?:\\*[\"'`])?[ \t]{0,2}:[ \t]{0,2}(?:\\*[\"'`])?(?P<pairs>[^\"'`\\\n]{3,4096})"
)
_CRUMB = re.compile(r"(?<=[\w.\-])=(?P<value>[^;,\s\[]{8,4096})")
_SESSION = re.compile(r"(?i)sess|sid|auth|token|jwt|csrf|login|remember|user")


def find_cookies(line: str, at: int, end: int, effort: Effort) -> Iterator[Span]:
    """The values of a cookie header that carry a session or look like chance."""
    header = COOKIE.match(line, at, min(end, at + 4096))
    effort.spend(header.end() - at if header else TRY)
    if header is None:
        return
    if effort.room < 0:
        crumbs = _CRUMB.finditer(line, header.start("pairs"), header.end("pairs"))
        yield from (Span(*crumb.span("value"), "too-many") for crumb in crumbs)
        return
    for crumb in _CRUMB.finditer(line, header.start("pairs"), header.end("pairs")):
        value = crumb["value"]
        digits = _DIGIT.search(value) is not None
        random = len(value) >= BARE_MIN and entropy(value) >= COOKIE_ENTROPY
        if _is_random_letters(value) or (
            digits and (random or _SESSION.search(_read_name(line, crumb.start())))
        ):
            yield Span(crumb.start("value"), crumb.end("value"), "cookie")


def _read_name(line: str, end: int) -> str:
    """The name of a cookie, or its last characters, that ends at a place."""
    found = _PREFIX.search(line, max(0, end - 64), end)
    return found[0] if found else ""


NEAR: Final = re.compile(
    r"(?i:(?:api|access|secret|private|auth)[ _\-]?(?:key|token)"
    r"|passw(?:or)?d|passphrase|secret|token|credentials?)"
    r"[^A-Za-z0-9\n][^\n]{0,40}?(?<![A-Za-z0-9_+/=\-\\.])(?P<value>[A-Za-z0-9_+/=\-]{20,256})(?![A-Za-z0-9_+/=\-])"
)
_HEX = re.compile(r"(?i)[0-9a-f]+\Z")
_IDENTIFIER = re.compile(r"(?i)[a-z]{2,16}[_\-](?:[0-9A-Za-z]{8,64})\Z|sha\d{1,3}-")


def _judge_near(line: str, at: int, begin: int, found: re.Match[str]) -> Span | None:
    """A token of chance characters a few words after a secret's name: `the api key is ...`."""
    if _HARMLESS.search(_read_prefix(line, at, begin)):
        return None
    value = found["value"]
    classes = (str.islower, str.isupper, str.isdigit)
    if not all(any(kind(c) for c in value) for kind in classes) and not _is_random_letters(value):
        return None
    if _HEX.match(value) or _UUID.match(value) or _IDENTIFIER.match(value) or value.count("/") > 1:
        return None
    if (
        _PLACEHOLDER.search(value)
        or value.count("-") + value.count("_") > SEPARATORS_MAX
        or entropy(value) < NEAR_ENTROPY
    ):
        return None
    return Span(found.start("value"), found.end("value"), "high-entropy")


def describe() -> tuple[str, ...]:
    """Everything that decides what is found, for the policy hash."""
    patterns = (_NAME, _PREFIX, _WORD, _MIXED, _VERSION, _LETTERS, _PLACEHOLDER, _HARMLESS, _UUID, _HEADER)
    more = (COOKIE, _CRUMB, _SESSION, NEAR, _HEX, _IDENTIFIER)
    bounds = (
        PASSWORD_MIN,
        LOUD_MIN,
        MIXED_MIN,
        SECRET_MIN,
        BARE_MIN,
        LETTERS_MIN,
        SPACES_MAX,
        TRY,
        SEPARATORS_MAX,
    )
    bits = (QUOTED_ENTROPY, BARE_ENTROPY, WORD_ENTROPY, COOKIE_ENTROPY, LETTERS_ENTROPY, NEAR_ENTROPY)
    words = " ".join(sorted(COMMON))
    return (*ANCHORS, *(pattern.pattern for pattern in (*patterns, *more)), words, str(bounds + bits))
