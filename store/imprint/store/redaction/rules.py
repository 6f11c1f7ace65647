"""What a rule is, and the rules of our own for secrets that are known by their looks.

Invariants:
1. A rule looks at one line at a time, and only where one of its anchors stands: what it costs is bounded by
   `BEFORE` and `AFTER` characters around each anchor.
2. A rule names the characters that are secret, never the name or the quotes around them.
3. What is already replaced is never a secret: no rule's secret may hold a square bracket at its start.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

BEFORE: Final = 128
"""Characters before an anchor that a rule may look at."""
AFTER: Final = 2048
"""Characters after the beginning of an anchor that a rule may look at."""

END: Final = r"(?![A-Za-z0-9_\-])"
"""Where a token ends that is made of letters, digits, underscores and hyphens."""
START: Final = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrtbf])|(?<=\\u[0-9a-fA-F]{4}))"
"""Where a token begins: after what is no letter or digit, or after an escape of JSON such as a line's end."""


COMMON: Final = frozenset(
    {"password", "passwd", "pass", "pwd", "pw", "passphrase", "secret", "token", "user", "username"}
    | {"credentials", "key", "apikey", "api_key", "none", "null", "true", "false", "undefined", "string"}
)
"""Words that stand where a secret would, in documentation and in programs."""

JUDGED_CHARACTERS: Final = 256
"""Characters of a value whose entropy is counted."""
LOOKS_RANDOM: Final = 4.2
"""Bits a character from which on letters alone are taken for chance."""


EFFORT_MIN: Final = 16384
"""Characters that may be looked at around one anchor's places in a line, however short that is."""
EFFORT: Final = 8
"""Characters more, for each one of the line."""


@dataclass(slots=True)
class Effort:
    """What one redaction looks at: all of it, and of the places of one anchor in one line.

    Attributes:
        total: characters looked at, those of every try.
        room: characters that the anchor may still look at in the line; none are left below zero.
    """

    total: int = 0
    room: int = 0

    def begin(self, size: int) -> None:
        """Another line, of so many characters, or another anchor."""
        self.room = EFFORT_MIN + EFFORT * size

    def spend(self, size: int) -> None:
        """So many characters are looked at."""
        self.total += size
        self.room -= size


@dataclass(frozen=True, slots=True)
class Rule:
    """How one kind of secret is found.

    Attributes:
        kind: what a replaced secret is called; lower case, letters, digits, hyphens.
        anchors: texts in lower case; the rule is tried where one of them stands, in any case.
        pattern: found in the neighbourhood of the anchor.
        group: the group of the pattern that is the secret; 0 is all of it.
        begins: whether the pattern begins at the anchor, which makes looking cheap.
        back: characters of what is found before the anchor, where it begins there.
        entropy_min: bits a character that the secret needs at least.
        accepts: a further condition on the secret; None is none.
        allowed: a secret that one of these is found in is let be.
    """

    kind: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]
    group: int = 0
    begins: bool = False
    back: int = 0
    entropy_min: float = 0.0
    accepts: Callable[[str], bool] | None = None
    allowed: tuple[re.Pattern[str], ...] = ()

    def describe(self) -> str:
        """Everything that decides what the rule finds, as one line, for the policy hash."""
        accepts = self.accepts.__name__ if self.accepts else ""
        allowed = ",".join(pattern.pattern for pattern in self.allowed)
        parts = (self.kind, *self.anchors, self.pattern.pattern, str(self.pattern.flags), str(self.group))
        return "\t".join(
            (*parts, str(self.begins), str(self.back), f"{self.entropy_min:.3f}", accepts, allowed)
        )


@dataclass(frozen=True, slots=True)
class Span:
    """A run of characters to replace.

    Attributes:
        start: the first character.
        end: one past the last.
        kind: what it is.
        mark: what to write instead; None for the usual mark.
    """

    start: int
    end: int
    kind: str
    mark: str | None = None


def entropy(text: str) -> float:
    """Shannon's entropy of a text, or of its beginning, in bits a character."""
    text = text[:JUDGED_CHARACTERS]
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values()) if size else 0.0


def is_credentials(encoded: str) -> bool:
    """Whether a text is base64 of `name:password`, as HTTP's Basic scheme sends it."""
    try:
        plain = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return b":" in plain and plain.isascii()


def is_uncommon(value: str) -> bool:
    """Whether a password is neither a word that documentation writes for one, nor crossed out."""
    return value.lower() not in COMMON and not set(value.lower()) <= {"x", "*", "."}


def is_random(value: str) -> bool:
    """Whether a bearer's token has a digit, or letters as chance mixes them."""
    return any(c.isdigit() for c in value) or entropy(value) >= LOOKS_RANDOM


def is_mixed(value: str) -> bool:
    """Whether a word after `password is` has digits and letters, and is no placeholder."""
    plain = value.strip(".!?:*")
    mixed = any(c.isdigit() for c in plain) and any(c.isalpha() for c in plain)
    return mixed and value[0] not in "$<%[{*-" and "example" not in value.lower() and "://" not in value


def is_no_example(value: str) -> bool:
    """Whether a key is none of those that documentation shows."""
    return not value.endswith("EXAMPLE")


def _rule(kind: str, anchors: str, pattern: str, **more: object) -> Rule:
    begins = bool(more.pop("begins", True))
    if begins and pattern[:1] not in ":/":
        pattern = START + pattern
    return Rule(kind, tuple(anchors.split()), re.compile(pattern), begins=begins, **more)  # type: ignore[arg-type]


OWN: Final[tuple[Rule, ...]] = (
    _rule("imprint-token", "imprint_", rf"imprint_[A-Za-z0-9_\-]{{20,}}{END}"),
    _rule("imprint-pass", "imprint_pass", r"imprint_pass[0-9A-Fa-f._\-]{16,}"),
    _rule(
        "aws-access-key",
        "akia asia abia acca",
        rf"(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{{16}}{END}",
        accepts=is_no_example,
    ),
    _rule("anthropic-key", "sk-ant-", r"sk-ant-[A-Za-z0-9_\-]{20,}"),
    _rule("openai-key", "sk-proj- sk-svcacct- sk-admin- sk-or-", r"sk-(?:proj|svcacct|admin|or)-[\w\-]{20,}"),
    _rule("openai-key", "sk-", rf"sk-[A-Za-z0-9]{{32,64}}{END}", entropy_min=3.5),
    _rule("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    _rule("github-token", "github_pat_", r"github_pat_\w{22,255}"),
    _rule("gitlab-token", "glpat- gldt- glrt- glcbt- glptt- glft- gloas-", r"gl[a-z]{2,5}-[\w\-.]{20,300}"),
    _rule("slack-token", "xox xapp-", r"(?:xox[abeoprs](?:\.xox[bp])?-|xapp-)[A-Za-z0-9\-]{10,250}"),
    _rule(
        "slack-webhook",
        "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/([\w+/]{20,})",
        group=1,
    ),
    _rule(
        "stripe-key",
        "sk_live_ sk_test_ rk_live_ rk_test_ whsec_",
        r"(?:[sr]k_(?:live|test)_|whsec_)[A-Za-z0-9+/=]{10,250}",
    ),
    _rule("twilio-key", "sk", rf"SK[0-9a-f]{{32}}{END}"),
    _rule("sendgrid-key", "sg.", r"SG\.[\w\-]{16,32}\.[\w\-]{32,64}"),
    _rule("npm-token", "npm_", rf"npm_[A-Za-z0-9]{{36,}}{END}"),
    _rule("pypi-token", "pypi-ag", r"pypi-Ag[\w\-]{50,1000}"),
    _rule("huggingface-token", "hf_", rf"hf_[A-Za-z0-9]{{30,}}{END}"),
    _rule("google-key", "aiza", rf"AIza[\w\-]{{35}}{END}"),
    _rule("google-oauth", "ya29. gocspx-", r"(?:ya29\.[\w\-.]{20,}|GOCSPX-[\w\-]{20,})"),
    _rule("groq-key", "gsk_", rf"gsk_[A-Za-z0-9]{{40,}}{END}"),
    _rule("xai-key", "xai-", rf"xai-[A-Za-z0-9]{{40,}}{END}"),
    _rule("docker-token", "dckr_pat_ dckr_oat_", r"dckr_[po]at_[\w\-]{20,}"),
    _rule("telegram-token", ":aa", r"(?<!\d)\d{8,10}:AA[\w\-]{32,34}(?![\w\-])", begins=False),
    _rule("jwt", "eyj", r"eyJ[\w\-]{8,}\.(?:eyJ[\w\-]{8,}|[\w\-]{40,})\.[\w\-]{8,}(?:\.[\w\-]+){0,2}"),
    _rule(
        "azure-client-secret",
        "q~",
        rf"[A-Za-z0-9_~.]{{3}}\dQ~[A-Za-z0-9_~.\-]{{31,34}}{END}",
        back=4,
        entropy_min=3.0,
    ),
    _rule("age-key", "age-secret-key-", r"AGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    _rule(
        "credential-uri",
        ":// :\\/\\/",
        r":\\?/\\?/[^\s/:@\"'`\\<>]{0,128}:"
        r"(?!\$|<|\{|%\(|\[|\*{3}|/)([^\s/@\"'`\\<>\[\]{}|,;]{1,256})@[A-Za-z0-9\[.$_\-]",
        group=1,
        accepts=is_uncommon,
    ),
    _rule(
        "credential-uri",
        ":// :\\/\\/",
        r":\\?/\\?/(?:([A-Za-z0-9_\-]{20,256})(?::x-oauth-basic)?)@[A-Za-z0-9]",
        group=1,
        entropy_min=3.0,
    ),
    _rule(
        "curl-user",
        "curl",
        r"curl(?=[ \t])[^\n]{0,400}?[ \t](?:-u|--user|--proxy-user)[ =]?(?:\\*[\"'])?[^\s:\"'\\]{0,64}:"
        r"(?![$<{%\[*])([^\s\"'\\\[\]]{3,128})",
        group=1,
        accepts=is_uncommon,
    ),
    _rule(
        "discord-webhook",
        "/api/webhooks/",
        r"/api/webhooks/\d{15,22}/([\w\-]{50,100})",
        group=1,
    ),
    _rule(
        "password",
        "identified by",
        r"(?i:identified)[ \t]+(?i:by)[ \t]+(?:\\*['\"])([^\s'\"\\]{4,128})",
        group=1,
        accepts=is_uncommon,
    ),
    _rule(
        "password",
        "login ",
        r"login[ \t]+[^\s\"'\\]{1,64}[ \t]+password[ \t]+([^\s\"'\\]{4,128})",
        group=1,
        accepts=is_mixed,
    ),
    _rule(
        "password",
        "password is passphrase is password was password: passwort",
        r"(?i:pass(?:word|phrase|wort))(?:[ \t]+(?:is|was|ist))?:?[ \t]+"
        r"[\"'`\\]{0,4}([^\s\"'`\\,;<>()\[\]{}]{8,128})",
        group=1,
        accepts=is_mixed,
    ),
    _rule("password", "sshpass", r"sshpass[ \t]+-p[ \t]*(?:\\*[\"'])?([^\s\"'\\$]{4,128})", group=1),
    _rule(
        "password",
        "docker ssh-keygen",
        r"(?:docker[ \t]+login|ssh-keygen)[ \t][^\n]{0,200}?(?<=[ \t])-[pN][ \t]+"
        r"(?:\\*[\"'])?([^\s\"'\\$]{4,128})",
        group=1,
        accepts=is_mixed,
    ),
    _rule(
        "password",
        "mysql mariadb",
        r"(?:mysql|mariadb)(?:dump|admin)?[ \t][^\n]{0,200}?(?<=[ \t])-p(?:\\*[\"'])?([^\s\"'\\$\-]{4,128})",
        group=1,
        accepts=is_mixed,
    ),
    _rule(
        "password", "redis-cli", r"redis-cli[ \t][^\n]{0,200}?(?<=[ \t])-a[ \t]+([^\s\"'\\$]{6,128})", group=1
    ),
    _rule(
        "authorization",
        "auth",
        r"auth\\*[\"'][ \t]*:[ \t]*\\*[\"']([A-Za-z0-9+/]{8,512}={0,2})",
        group=1,
        accepts=is_credentials,
    ),
    _rule(
        "authorization",
        "basic ",
        r"[Bb](?:asic|ASIC)\s+([A-Za-z0-9+/]{8,512}={0,2})",
        group=1,
        accepts=is_credentials,
    ),
    _rule(
        "authorization",
        "bearer ",
        r"[Bb](?:earer|EARER)\s+([A-Za-z0-9._~+/\-]{16,4096}={0,2})",
        group=1,
        accepts=is_random,
    ),
)
"""Rules of our own: what the library does not know, or knows in a stricter form than tokens have by now."""
