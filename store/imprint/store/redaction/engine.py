"""The redactor: finds what the rules name, line by line, and replaces it.

Invariants:
1. What is found in a line depends on that line alone, but for private keys over several lines: splitting a
   text at its line ends and redacting the pieces gives the same.
2. A line that is JSON stays JSON: a replacement that would break one is made inside its strings instead.
3. Deterministic and idempotent: a changed line is redacted until nothing changes, `PASSES_MAX` times at most.
4. Every rule and bound is in the policy hash.
5. What is looked at is bounded by the length of a line: where the places of one anchor in it are too many for
   that, what stands where secrets would is replaced unjudged, as `too-many`, and rules that search are run
   over the rest of the line once.
6. Nothing of a secret is logged or kept: the memory of long lines holds hashes of lines that had none.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from imprint.store.redaction import blocks, escapes, pairs
from imprint.store.redaction.custom import CustomRules
from imprint.store.redaction.library import library_rules, library_version
from imprint.store.redaction.ports import Redacted, Redactor
from imprint.store.redaction.rules import (
    AFTER,
    BEFORE,
    EFFORT,
    EFFORT_MIN,
    JUDGED_CHARACTERS,
    OWN,
    Effort,
    Rule,
    Span,
    entropy,
)

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator, Sequence

VERSION: Final = 3
"""Of what this module does with the rules; another number, other results."""
PASSES_MAX: Final = 8
"""Times that a changed line is looked at again."""
BLOCK_CHARACTERS: Final = 65536
"""Short lines are searched for anchors together, up to so many characters."""
REMEMBERED_MIN: Final = 2048
"""Characters of a line from which on it is remembered that it holds nothing."""
_KEY: Final = "private key-"
_COOKIE: Final = "cookie"
_HEADER: Final = "authorization"
MARK: Final = "[redacted:"
"""What stands where something was replaced: no secret."""
REMEMBERED_MAX: Final = 65536
"""Lines remembered, 16 bytes each; the memory starts anew when it is full."""


def make_redactor(custom: CustomRules | None = None) -> Redactor:
    """A redactor of every rule there is, and of an operator's own.

    Args:
        custom: what an operator added.

    Raises:
        StoreFailure: the library's rules cannot be read.
    """
    custom = custom or CustomRules()
    return RuleRedactor((*OWN, *library_rules(), *custom.rules), custom.allowed)


class RuleRedactor(Redactor):
    """A redactor by rules; safe to share between threads."""

    def __init__(self, rules: Sequence[Rule], allowed: Sequence[re.Pattern[str]] = ()) -> None:
        self._rules = tuple(rules)
        self._allowed = tuple(allowed)
        self._by_anchor: dict[str, list[Rule]] = {}
        for rule in self._rules:
            for anchor in rule.anchors:
                self._by_anchor.setdefault(anchor, []).append(rule)
        self._anchors = tuple(dict.fromkeys((*self._by_anchor, *pairs.ANCHORS, _COOKIE, _HEADER, _KEY)))
        self._clean: set[bytes] = set()
        self.kinds = frozenset(rule.kind for rule in self._rules) | pairs.KINDS | {"private-key"}
        self.engine = f"imprint/{VERSION} {library_version()}"
        self.policy_hash = self._describe()

    def redact(self, text: str) -> Redacted:
        """The text without secrets; any text is taken."""
        counts: Counter[str] = Counter()
        effort = Effort()
        text, keys = blocks.redact_blocks(text)
        if keys:
            counts["private-key"] = keys
        pieces = [self._block(block, counts, effort) for block in _blocks(text)]
        return Redacted("".join(pieces), dict(sorted(counts.items())), effort.total)

    def _block(self, block: str, counts: Counter[str], effort: Effort) -> str:
        digest = b""
        if len(block) >= REMEMBERED_MIN and block.find("\n", 0, -1) < 0:
            digest = hashlib.blake2b(block.encode("utf-8", "surrogatepass"), digest_size=16).digest()
            if digest in self._clean:
                return block
        # First of all: found as it is written, a secret would end at its first escape.
        new = self._behind_escapes(block, counts, effort) if escapes.are_in(block) else block
        spans = self._find(new, effort)
        if spans:
            new = self._replace_lines(new, spans, counts, effort)
        if digest and new == block:
            self._remember(digest)
        return new

    def _behind_escapes(self, block: str, counts: Counter[str], effort: Effort) -> str:
        """The same with every line in plain letters in which only those show the whole of a secret."""
        if not self._find(escapes.undo(block), effort):
            return block
        lines = block.split("\n")
        for number, line in enumerate(lines):
            plain = escapes.undo(line)
            if plain == line or not self._find(plain, effort):
                continue
            found: Counter[str] = Counter()
            settled = self._line(plain, found, effort)
            if escapes.undo(self._line(line, Counter(), effort)) != settled:
                lines[number] = settled
                counts.update(found)
        return "\n".join(lines)

    def _remember(self, digest: bytes) -> None:
        if len(self._clean) >= REMEMBERED_MAX:
            self._clean = set()
        self._clean.add(digest)

    def _replace_lines(self, block: str, spans: list[Span], counts: Counter[str], effort: Effort) -> str:
        """Each line with a secret anew, the others as they are."""
        pieces: list[str] = []
        done = 0
        for span in spans:
            if span.start < done:
                continue
            begin = block.rfind("\n", 0, span.start) + 1
            end = block.find("\n", span.start)
            end = len(block) if end < 0 else end
            pieces += [block[done:begin], self._line(block[begin:end], counts, effort)]
            done = end
        return "".join(pieces) + block[done:]

    def _line(self, line: str, counts: Counter[str], effort: Effort) -> str:
        found: Counter[str] = Counter()
        new = self._settle(line, found, effort)
        if line.lstrip()[:1] in {"{", "["}:
            value = _read_json(line)
            if value is not None and _read_json(new) is None:
                found = Counter()
                new = json.dumps(
                    self._inside(value[0], found, effort), ensure_ascii=False, separators=(",", ":")
                )
        counts.update(found)
        return new

    def _settle(self, line: str, counts: Counter[str], effort: Effort) -> str:
        for _ in range(PASSES_MAX):
            spans = self._find(line, effort)
            if not spans:
                break
            line = _replace(line, spans, counts)
        return line

    def _inside(self, value: Any, counts: Counter[str], effort: Effort) -> Any:
        """The same value with every string redacted by itself."""
        if isinstance(value, str):
            text, keys = blocks.redact_blocks(value)
            counts["private-key"] += keys
            return "\n".join(self._settle(line, counts, effort) for line in text.split("\n"))
        if isinstance(value, list):
            return [self._inside(item, counts, effort) for item in value]
        if isinstance(value, dict):
            return {key: self._inside(item, counts, effort) for key, item in value.items()}
        return value

    def _find(self, text: str, effort: Effort) -> list[Span]:
        """The secrets of a text, in order, without overlaps; never across lines."""
        lower = text.lower() if "\u0130" not in text else text.replace("\u0130", "I").lower()
        spans: list[Span] = []
        for anchor in self._anchors:
            if anchor in lower:
                spans += self._at_anchor(text, lower, anchor, effort)
        if self._allowed:
            spans = [span for span in spans if not self._is_allowed(text[span.start : span.end])]
        return _merge(spans)

    def _is_allowed(self, secret: str) -> bool:
        return any(pattern.search(secret) for pattern in self._allowed)

    def _at_anchor(self, text: str, lower: str, anchor: str, effort: Effort) -> Iterator[Span]:
        rules: Sequence[Rule] = ()
        at, end = lower.find(anchor), -1
        while at >= 0:
            if at >= end:
                begin = text.rfind("\n", 0, at) + 1
                end = text.find("\n", at)
                end = len(text) if end < 0 else end
                effort.begin(end - begin)
                rules = self._by_anchor.get(anchor, ())
            if rules:
                yield from self._try_rules(rules, text, at, end, effort)
                if effort.room < 0 and not all(rule.begins for rule in rules):
                    yield from _sweep(rules, text, at, end, effort)
                    rules = tuple(rule for rule in rules if rule.begins)
            last = at
            for span in _find_beside(text, at, end, anchor, effort):
                yield span
                last = max(last, span.end - 1) if span.kind == "too-many" else last
            if anchor == _KEY:
                last = end - 1
            elif anchor == _COOKIE and effort.room < 0:
                last = max(last, min(end, at + 4096) - 1)
            at = lower.find(anchor, last + 1)

    def _try_rules(
        self, rules: Sequence[Rule], text: str, at: int, end: int, effort: Effort
    ) -> Iterator[Span]:
        stop = min(end, at + AFTER)
        for rule in rules:
            if rule.begins:
                match = rule.pattern.match(text, max(0, at - rule.back), stop)
                effort.spend(match.end() - at if match else 1)
            else:
                begin = max(text.rfind("\n", max(0, at - BEFORE), at) + 1, at - BEFORE)
                match = rule.pattern.search(text, begin, stop)
                effort.spend((match.end() if match else stop) - begin)
            if match and match.start(rule.group) >= 0 and _accepts(rule, match[rule.group]):
                yield Span(match.start(rule.group), match.end(rule.group), rule.kind)

    def _describe(self) -> str:
        parts = [rule.describe() for rule in self._rules]
        parts += [*pairs.describe(), *blocks.describe()]
        parts += [
            f"{VERSION} {PASSES_MAX} {BEFORE} {AFTER} {JUDGED_CHARACTERS} {EFFORT} {EFFORT_MIN}",
            library_version(),
        ]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _find_beside(text: str, at: int, end: int, anchor: str, effort: Effort) -> Iterator[Span]:
    """What an anchor names that is no rule's: the value of a name, of a header or a cookie, and keys."""
    if anchor in pairs.ANCHORS:
        begin = text.rfind("\n", max(0, at - BEFORE), at) + 1
        found = pairs.find_named(text, at, begin, end, effort)
    elif anchor == _HEADER:
        found = pairs.find_header(text, at, end, effort)
    else:
        found = None
    if found:
        yield found
    if anchor == _COOKIE:
        yield from pairs.find_cookies(text, at, end, effort)
    elif anchor == _KEY:
        keys, _ = blocks.find_keys(text, text.rfind("\n", 0, at) + 1, end)
        yield from (Span(start, stop, "private-key") for start, stop in keys)


def _sweep(rules: Sequence[Rule], text: str, at: int, end: int, effort: Effort) -> Iterator[Span]:
    """What the rules that search find in the rest of a line, in windows half of which is the next one's."""
    for rule in rules:
        if rule.begins:
            continue
        for begin in range(at, end, AFTER):
            stop = min(end, begin + 2 * AFTER)
            effort.spend(stop - begin)
            for match in rule.pattern.finditer(text, begin, stop):
                if match.start(rule.group) >= 0 and _accepts(rule, match[rule.group]):
                    yield Span(match.start(rule.group), match.end(rule.group), rule.kind)


def _accepts(rule: Rule, secret: str) -> bool:
    if not secret or secret.startswith(MARK) or (rule.entropy_min and entropy(secret) < rule.entropy_min):
        return False
    if rule.accepts and not rule.accepts(secret):
        return False
    return not any(pattern.search(secret) for pattern in rule.allowed)


def _merge(spans: list[Span]) -> list[Span]:
    """In order; of two that overlap the one that begins first, made long enough for both."""
    spans.sort(key=lambda span: (span.start, -span.end))
    merged: list[Span] = []
    for span in spans:
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            if span.end > last.end:
                merged[-1] = Span(last.start, span.end, last.kind)
        elif span.end > span.start:
            merged.append(span)
    return merged


def _replace(line: str, spans: list[Span], counts: Counter[str]) -> str:
    pieces: list[str] = []
    done = 0
    for span in spans:
        pieces += [line[done : span.start], span.mark or f"[redacted:{span.kind}]"]
        done = span.end
        counts[span.kind] += 1
    return "".join(pieces) + line[done:]


def _read_json(line: str) -> tuple[Any] | None:
    try:
        return (json.loads(line),)
    except (ValueError, RecursionError):
        return None


def _blocks(text: str) -> Iterator[str]:
    """The text cut at line ends: a long line alone, short ones together."""
    begin = 0
    size = len(text)
    while begin < size:
        end = text.find("\n", begin) + 1 or size
        if end - begin < REMEMBERED_MIN:
            limit = begin + BLOCK_CHARACTERS
            last = text.rfind("\n", end, limit) + 1
            end = max(end, last) if size > limit else size
        yield text[begin:end]
        begin = end
