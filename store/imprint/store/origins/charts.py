"""Charts of the audit's report, as SVG within HTML: bars of evidence classes, and their legend.

Colours are custom properties of the page's style (`--bound` and so on), so that they follow light and dark;
every bar has a title with its numbers, and the numbers stand in tables beside, so that no colour has to be
told apart.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from imprint.store.evidence.claims import Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDTH: Final = 960
_HEIGHT: Final = 220
_FOOT: Final = 24
_HEAD: Final = 20
_MONTHS_MAX: Final = 600
_COLUMN_MAX: Final = 64.0
_LABELS_MAX: Final = 12


def draw_bar(counts: Mapping[Evidence, int]) -> str:
    """One bar over the whole width, divided by class."""
    total = sum(counts.values())
    if not total:
        return ""
    parts: list[str] = []
    at = 0.0
    for evidence in Evidence:
        share = counts[evidence] / total
        if share:
            title = f"{evidence.value}: {counts[evidence]} of {total} ({100 * share:.1f} %)"
            parts.append(
                f'<rect x="{at * _WIDTH:.2f}" y="0" width="{share * _WIDTH:.2f}" height="22"'
                f' fill="var(--{evidence.value})"><title>{escape(title)}</title></rect>'
            )
        at += share
    return (
        f'<svg class="bar" viewBox="0 0 {_WIDTH} 22" preserveAspectRatio="none" role="img"'
        f' aria-label="{escape(_describe(counts))}">{"".join(parts)}</svg>'
    )


def draw_months(months: Sequence[tuple[str, Mapping[Evidence, int]]]) -> str:
    """A stacked column for each month."""
    if not months:
        return ""
    months = _fill_gaps(months)
    highest = max(sum(counts.values()) for _, counts in months) or 1
    step = min(_WIDTH / len(months), _COLUMN_MAX)
    every = -(-len(months) // _LABELS_MAX)
    parts: list[str] = []
    for index, (month, counts) in enumerate(months):
        at = float(_HEAD + _HEIGHT)
        for evidence in Evidence:
            height = counts[evidence] / highest * _HEIGHT
            if height:
                at -= height
                title = f"{month}: {counts[evidence]} {evidence.value}"
                parts.append(
                    f'<rect x="{index * step:.2f}" y="{at:.2f}" width="{max(step * 0.86, 0.5):.2f}"'
                    f' height="{height:.2f}" fill="var(--{evidence.value})">'
                    f"<title>{escape(title)}</title></rect>"
                )
        if index % every == 0:
            x, y = (index + 0.43) * step if index else 0.0, _HEAD + _HEIGHT + 17
            anchor = "middle" if index else "start"
            parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="{anchor}">{escape(month)}</text>')
    top = f'<text x="{_WIDTH}" y="12" text-anchor="end">at most {highest} commits a month</text>'
    return (
        f'<svg class="months" viewBox="0 0 {_WIDTH} {_HEAD + _HEIGHT + _FOOT}" role="img"'
        f' aria-label="commits of each month by class of evidence">'
        f'<line x1="0" y1="{_HEAD + _HEIGHT}" x2="{_WIDTH}" y2="{_HEAD + _HEIGHT}"/>'
        f"{''.join(parts)}{top}</svg>"
    )


def _fill_gaps(
    months: Sequence[tuple[str, Mapping[Evidence, int]]],
) -> list[tuple[str, Mapping[Evidence, int]]]:
    """The months with those between in which nothing happened, as long as they are few enough to be drawn."""
    counts = {month: found for month, found in months if month != "unknown"}
    if not counts:
        return list(months)
    numbers = [int(month[:-3]) * 12 + int(month[-2:]) - 1 for month in counts]
    first, last = min(numbers), max(numbers)
    if last - first > _MONTHS_MAX:
        return list(months)
    every = (f"{number // 12:04}-{number % 12 + 1:02}" for number in range(first, last + 1))
    return [(month, counts.get(month, dict.fromkeys(Evidence, 0))) for month in every]


def draw_legend() -> str:
    """Which colour is which class."""
    marks = "".join(
        f'<li><span class="mark" style="background:var(--{evidence.value})"></span>{evidence.value}</li>'
        for evidence in Evidence
    )
    return f'<ul class="legend">{marks}</ul>'


def _describe(counts: Mapping[Evidence, int]) -> str:
    return ", ".join(f"{counts[evidence]} {evidence.value}" for evidence in Evidence)
