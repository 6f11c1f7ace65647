"""Text to search terms, aware of how identifiers are built.

Invariants:
1. A word gives itself, folded to lower case without its underscores, and then each of its parts if it has
   more than
   one: `getHTTPResponse` and `get_http_response` both give `gethttpresponse get http response`.
2. Nothing is dropped: no stop words, no shortest length. Punctuation separates words and is no term.
3. Query and content go through the same function.
"""

from __future__ import annotations

import re

# A run of letters, digits and underscores with something other than underscores in it.
_WORD = re.compile(r"\w*[^\W_]\w*")

# In order: capitals before a capitalised word (HTTP in HTTPServer), a word with at most one capital in front,
# capitals at the end, digits.
_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|[0-9]+")

# Letters of scripts that write no spaces between words: kana, CJK ideographs, Hangul syllables.
_UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


def terms(text: str) -> list[str]:
    """Cut text into lower-case terms, in order, with repetitions."""
    found: list[str] = []
    append = found.append
    for word in _WORD.findall(text):
        if word.islower() and word.isalpha() and word.isascii():
            append(word)
            continue
        parts = _PART.findall(word) if word.isascii() else _parts_of_any_script(word)
        if len(parts) == 1:
            append(parts[0].lower())
        else:
            append(word.replace("_", "").lower())
            found.extend([part.lower() for part in parts])
    return found


def _parts_of_any_script(word: str) -> list[str]:
    """Split a word at underscores, changes of case and digits, and unspaced scripts into pairs of letters."""
    parts: list[str] = []
    start = 0
    for position in range(1, len(word) + 1):
        if position == len(word) or _is_boundary(word, position):
            part = word[start:position].strip("_")
            start = position
            if len(part) > 2 and _UNSPACED.fullmatch(part):  # noqa: PLR2004  (a pair is whole)
                parts.extend(part[i : i + 2] for i in range(len(part) - 1))
            elif part:
                parts.append(part)
    return parts


def _is_boundary(word: str, position: int) -> bool:
    before, here = word[position - 1], word[position]
    if here == "_" or before == "_":
        return True
    if here.isdigit() != before.isdigit():
        return True
    if bool(_UNSPACED.match(here)) != bool(_UNSPACED.match(before)):
        return True
    if not here.isupper():
        return False
    following = word[position + 1 : position + 2]
    return before.islower() or (before.isupper() and following.islower())
