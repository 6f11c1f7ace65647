"""The audit as one HTML page to hand on: no scripts, nothing loaded from elsewhere, every text escaped.

Invariants:
    1. The page is whole by itself: it asks no server for anything, and runs nothing.
    2. Every word that comes from the repository or a transcript is escaped.
    3. Every number in it is in the JSON of the same audit. Lists that are cut say how much is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Final

from imprint.store.evidence.claims import Evidence
from imprint.store.origins.charts import draw_bar, draw_legend, draw_months
from imprint.store.origins.findings import FindingKind
from imprint.store.paths import quote_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from imprint.store.origins.audit import Coverage
    from imprint.store.origins.costs import Cost
    from imprint.store.origins.tally import Share

_ROWS_MAX: Final = 200
_MEANINGS: Final = {
    Evidence.BOUND: (
        "Made through the commit API in a session, or pushed with a session token by the actor who is its "
        "committer. The server saw it happen."
    ),
    Evidence.OBSERVED: "An edit in a recorded transcript matches the lines.",
    Evidence.DECLARED: "Somebody says so: a trailer, a bot's identity, a note, a checkpoint. Forgeable.",
    Evidence.INFERRED: "Carried over from another version of the commit, with a method and a score.",
    Evidence.UNKNOWN: "Nobody said anything. It does not mean that a person wrote it.",
}
_COSTS: Final = (
    "Tokens of all sessions that the repository's archive has, whichever commits came of them; each request "
    "once. Money only where a transcript states it: the last column counts the requests of which none does."
)
_COMPUTED: Final = (
    "Every commit that leads to the one named above is in one class: that of the best claim about it. Every "
    "text line of its files is traced to the commit that added it, as git blame does, and is in the class of "
    "the best claim that covers it there. Claims come from sessions, transcripts, notes, checkpoints, "
    "trailers and identities; who delivered a commit is never taken for who wrote it."
)
_NEVER_KNOWN: Final = (
    "What nobody recorded: editors that complete lines, text pasted from elsewhere, and everything that is "
    "unknown above."
)
_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1d2330;--dim:#5b6474;--page:#fff;--edge:#d9dde5;--head:#f3f5f8;
--bound:#1b6e4b;--observed:#3f9c6d;--declared:#3b78c2;--inferred:#c08a2c;--unknown:#a9b0bc}
@media
(prefers-color-scheme:dark){:root{--ink:#e4e7ec;--dim:#9aa3b2;--page:#14171d;--edge:#333a46;--head:#1d222b;
--bound:#3fbf87;--observed:#8bd8b1;--declared:#6ba5ea;--inferred:#e0b25c;--unknown:#596170}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1040px;padding:2rem 1.5rem 4rem;background:var(--page);
color:var(--ink);font:15px/1.5 system-ui,sans-serif}h1{font-size:1.7rem;margin:0 0 .2rem}
h2{font-size:1.15rem;margin:2.4rem 0 .6rem;border-bottom:1px solid var(--edge);padding-bottom:.25rem}
h3{font-size:1rem;margin:1.4rem 0 .4rem}p,li{max-width:75ch}.dim,figcaption{color:var(--dim)}
code,.id{font:.87em ui-monospace,monospace;overflow-wrap:anywhere}table{border-collapse:collapse;width:100%;
margin:.6rem 0;font-size:.92rem}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid
var(--edge);
vertical-align:top;overflow-wrap:anywhere}th{background:var(--head);font-weight:600}.n{text-align:right;
font-variant-numeric:tabular-nums;white-space:nowrap}figure{margin:1rem 0}svg{display:block;width:100%}
svg.bar{height:22px}svg text{fill:var(--dim);font-size:13px}svg line{stroke:var(--edge)}.legend{display:flex;
flex-wrap:wrap;gap:.3rem 1.2rem;list-style:none;padding:0;margin:.5rem
0}.mark{display:inline-block;width:.8em;
height:.8em;margin-right:.4em;border-radius:2px}dl{display:grid;grid-template-columns:max-content 1fr;
gap:.25rem 1.2rem}dt{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}.scroll{overflow-x:auto} @media
print{body{max-width:none;padding:0;font-size:10.5pt}h2{break-after:avoid}tr,figure{break-inside:avoid}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""


@dataclass(frozen=True, slots=True)
class Cover:
    """What stands on the report's head.

    Attributes:
        repository: its name, or the clone's folder.
        ref: what was asked for.
        made_at_ms: when the report was made.
        program: what made it, with its version.
    """

    repository: str
    ref: str
    made_at_ms: int
    program: str


def render_report(coverage: Coverage, cover: Cover) -> str:
    """The whole page."""
    title = f"Provenance audit of {cover.repository}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        _render_scope(coverage, cover),
        _render_summary(coverage),
        _render_chart(coverage),
        _render_findings(coverage),
        _render_shares("Agents", "agent", coverage.agents, models=True),
        _render_shares("Models", "model", coverage.models),
        _render_shares("Without an agent: people and services that claims name", "actor", coverage.actors),
        _render_places(coverage),
        _render_costs(coverage),
        _render_method(coverage),
        _render_months(coverage),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )


def _render_scope(coverage: Coverage, cover: Cover) -> str:
    scope = coverage.scope
    facts = [
        ("commit", f'<span class="id">{escape(coverage.commit)}</span> ({escape(cover.ref)})'),
        ("files", escape(quote_path(scope.path)) if scope.path else "all"),
        ("commits", _render_range(scope.since_ms, scope.until_ms)),
        ("made", f"{_time(cover.made_at_ms)} by {escape(cover.program)}"),
    ]
    return "<dl>" + "".join(f"<dt>{name}</dt><dd>{text}</dd>" for name, text in facts) + "</dl>"


def _render_range(since_ms: int | None, until_ms: int | None) -> str:
    if since_ms is None and until_ms is None:
        return "all that lead to it"
    begin = f" from {_time(since_ms)}" if since_ms is not None else ""
    end = f" to before {_time(until_ms)}" if until_ms is not None else ""
    return f"authored{begin}{end}"


def _render_summary(coverage: Coverage) -> str:
    rows = [
        [what, str(sum(counts.values())), *_shares(counts)]
        for what, counts in (("commits", coverage.commits), ("text lines", coverage.lines))
    ]
    names = ["", "total", *(evidence.value for evidence in Evidence)]
    figures = "".join(
        f"<figure>{draw_bar(counts)}<figcaption>{what} by class of evidence</figcaption></figure>"
        for what, counts in (("commits", coverage.commits), ("lines", coverage.lines))
    )
    files = f"{coverage.files_text} text files, {coverage.files_binary} binary files."
    note = f'<p class="dim">{files} Binary files have no lines.</p>'
    return f"<h2>What is known</h2>{draw_legend()}{figures}{_table(names, rows, numbers=range(1, 7))}{note}"


def _render_chart(coverage: Coverage) -> str:
    chart = draw_months(list(coverage.months.items()))
    return f"<h2>Commits by month</h2>{draw_legend()}<figure>{chart}</figure>" if chart else ""


def _render_months(coverage: Coverage) -> str:
    rows = [
        [month, str(sum(counts.values())), *_shares(counts)]
        for month, counts in reversed(list(coverage.months.items()))
    ]
    return f"<h2>Months in numbers</h2>{_table(['month', 'commits', *_names()], rows, numbers=range(1, 7))}"


def _render_shares(title: str, kind: str, shares: Sequence[Share], *, models: bool = False) -> str:
    if not shares:
        return ""
    rows = [
        [
            share.name,
            str(sum(share.commits.values())),
            str(share.lines),
            *(str(share.line_classes[evidence]) for evidence in Evidence if evidence is not Evidence.UNKNOWN),
            *([", ".join(share.models)] if models else []),
        ]
        for share in shares
    ]
    classes = [f"lines {name}" for name in _names() if name != Evidence.UNKNOWN.value]
    head = [kind, "commits", "lines", *classes, *(["models"] if models else [])]
    return f"<h2>{escape(title)}</h2>{_table(head, rows, numbers=range(1, 7))}"


def _render_places(coverage: Coverage) -> str:
    rows = [
        [quote_path(place.path) or "all", str(sum(place.lines.values())), *_shares(place.lines)]
        for place in coverage.folders
    ]
    text = f"<h2>Folders</h2>{_table(['folder', 'lines', *_names()], rows, numbers=range(1, 7))}"
    if coverage.symbols:
        rows = [
            [
                place.symbol or "",
                quote_path(place.path),
                str(sum(place.lines.values())),
                *_shares(place.lines),
            ]
            for place in coverage.symbols
        ]
        head = ["symbol", "file", "lines", *_names()]
        text += f"<h2>Symbols</h2>{_table(head, rows, numbers=range(2, 8))}"
    return text


def _render_findings(coverage: Coverage) -> str:
    parts = ["<h2>Findings</h2>"]
    if coverage.unrecorded:
        rows = [
            [found.commit, found.agent, found.model or "", found.subject, _time(found.at_ms)]
            for found in coverage.unrecorded
        ]
        parts.append(
            f"<h3>{len(coverage.unrecorded)}: The commit declares an agent and there is no record of it.</h3>"
            + _table(["commit", "agent", "model", "subject", "authored"], rows)
        )
    for kind in FindingKind:
        found = [finding for finding in coverage.findings if finding.kind is kind]
        if found:
            rows = [[finding.commit or "", finding.record or "", finding.detail] for finding in found]
            head = f"<h3>{len(found)}: {escape(kind.text)}</h3>"
            parts.append(head + _table(["commit", "record", "what does not fit"], rows))
    if len(parts) == 1:
        parts.append("<p>None: nothing that was looked at contradicts anything else.</p>")
    return "".join(parts)


def _render_costs(coverage: Coverage) -> str:
    costs = coverage.costs
    if costs is None:
        return "<h2>What it cost</h2><p>Not known: no archive of sessions was at hand.</p>"
    if not costs.total.requests:
        return "<h2>What it cost</h2><p>Not known: no recorded session says what it took.</p>"
    head = [
        "",
        "sessions",
        "requests",
        "input",
        "output",
        "cache read",
        "cache written",
        "stated US$",
        "no price",
    ]
    parts = [
        f"<h2>What it cost</h2><p>{_COSTS}</p>",
        _table(head, [_cost_row(costs.total)], numbers=range(1, 9)),
    ]
    for title, group in (
        ("by agent", costs.agents),
        ("by model", costs.models),
        ("by actor", costs.actors),
        ("by month", costs.months),
        ("by session", costs.sessions),
    ):
        rows = [_cost_row(cost) for cost in group]
        parts.append(f"<h3>{title}</h3>{_table(head, rows, numbers=range(1, 9))}")
    return "".join(parts)


def _cost_row(cost: Cost) -> list[str]:
    priced = cost.requests - cost.unpriced
    counts = (
        len(cost.sessions),
        cost.requests,
        cost.input_tokens,
        cost.output_tokens,
        cost.cache_read_tokens,
        cost.cache_write_tokens,
    )
    money = f"{cost.stated_usd:.2f}" if priced else "not stated"
    return [cost.name, *(f"{count:,}" for count in counts), money, f"{cost.unpriced:,}"]


def _render_method(coverage: Coverage) -> str:
    meanings = "".join(
        f"<dt>{evidence.value}</dt><dd>{escape(text)}</dd>" for evidence, text in _MEANINGS.items()
    )
    gaps = [
        f"{coverage.behind} commits were not read yet and count as unknown." if coverage.behind else "",
        f"{len(coverage.problems)} places in notes could not be used." if coverage.problems else "",
        "" if coverage.symbols else "Symbols were not asked for.",
        "No archive was at hand: links to records were not checked." if coverage.costs is None else "",
        _NEVER_KNOWN,
        "Dates are those that authors wrote; they can be set to anything.",
    ]
    known = "".join(f"<li>{escape(gap)}</li>" for gap in gaps if gap)
    problems = _table(
        ["commit", "line of the note", "problem"],
        [[commit, str(line) if line else "", text] for commit, line, text in coverage.problems],
    )
    return (
        f"<h2>How it was computed</h2><p>{_COMPUTED}</p>"
        f"<h3>Classes of evidence, best first</h3><dl>{meanings}</dl>"
        f"<h3>What is not known</h3><ul>{known}</ul>"
        + (f"<h3>Notes that could not be used in full</h3>{problems}" if coverage.problems else "")
    )


def _names() -> list[str]:
    return [evidence.value for evidence in Evidence]


def _shares(counts: Mapping[Evidence, int]) -> list[str]:
    total = sum(counts.values())
    return [
        f"{counts[evidence]} ({100 * counts[evidence] / total:.1f} %)" if counts[evidence] else "0"
        for evidence in Evidence
    ]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], numbers: Iterable[int] = ()) -> str:
    right = set(numbers)

    def cells(tag: str, row: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="n">{escape(text)}</{tag}>' if at in right else f"<{tag}>{escape(text)}</{tag}>"
            for at, text in enumerate(row)
        )

    body = "".join(f"<tr>{cells('td', row)}</tr>" for row in rows[:_ROWS_MAX])
    left_out = len(rows) - _ROWS_MAX
    more = f'<p class="dim">and {left_out} more; the JSON of the audit has all.</p>' if left_out > 0 else ""
    return f'<div class="scroll"><table><tr>{cells("th", head)}</tr>{body}</table></div>{more}'


def _time(at_ms: int) -> str:
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return "a date that no calendar holds"
