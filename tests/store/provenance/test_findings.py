"""What an audit finds that does not fit, what it sums up, what it leaves out on request, and its page."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from imprint.store.actors import ActorKind
from imprint.store.agents.model import Usage
from imprint.store.errors import BadInput
from imprint.store.evidence.claims import Evidence
from imprint.store.hosting.access import SessionSeed
from imprint.store.origins.audit import Scope, audit
from imprint.store.origins.findings import FindingKind
from imprint.store.origins.report import Cover, render_report
from imprint.store.origins.sources import Origins
from imprint.store.provenance.expand import expand_clone
from imprint.store.sessions.memory import MemoryArchive
from imprint.store.sessions.model import Anchor, AnchorKind, ArchivedSession, ArchivedTurn, Record, Source
from imprint.store.types import ObjectId

CLAUDE = "x\n\nCo-authored-by: Claude Opus 4.6 <noreply@anthropic.com>"
ROBOT = {"committer_name": "robot", "committer_email": "robot@example.com"}
BOT = {"committer_name": "Cursor Agent", "committer_email": "cursoragent@cursor.com"}
ABSENT = "1" * 40
COVER = Cover("acme/<app>", "HEAD", 1_772_359_200_000, "Imprint")


def kinds(coverage) -> dict[FindingKind, list[str | None]]:
    found: dict[FindingKind, list[str | None]] = {}
    for finding in coverage.findings:
        found.setdefault(finding.kind, []).append(finding.commit or finding.record)
    return found


def counts(classes) -> dict[str, int]:
    return {evidence.value: count for evidence, count in classes.items() if count}


@pytest.fixture
def audited(work_tree, clone_view, ledger):
    """Audit the work tree's HEAD."""

    def audited(**asked):
        view = clone_view(work_tree.folder)
        expand_clone(view, ledger)
        head = ObjectId(work_tree("rev-parse", "HEAD"))
        return audit(view, Origins.of_ledger(ledger), head, **asked)

    return audited


def archive_with(*records: Record) -> MemoryArchive:
    archive = MemoryArchive(lambda _: True)
    archive.add_records("clone", records)
    return archive


def record(name: str, *anchors: Anchor) -> Record:
    return Record(name, Source("entire"), "ada", 1, anchors, session_id="s1", agent="codex")


def test_a_commit_that_declares_another_agent_than_its_session_is_found(room):
    room.git.commit_file("a", "1\n")
    room.push(room.principal("ada", ActorKind.HUMAN), "main")
    robot = room.principal("robot", session=SessionSeed("s1", "codex", "gpt-5"))
    commit = room.git.commit_file("a", "2\n", CLAUDE, **ROBOT)
    room.push(robot, "main")
    coverage = audit(room.view, Origins.of_ledger(room.ledger), ObjectId(commit))
    assert kinds(coverage) == {FindingKind.AGENT_DIFFERS: [commit]}
    assert coverage.findings[0].detail == "made in a session of codex, declares claude-code"
    assert coverage.unrecorded == ()


def test_an_agents_identity_that_somebody_else_delivers_is_found(room):
    commit = room.git.commit_file("a", "1\n", **BOT)
    room.push(room.principal("ada", ActorKind.HUMAN), "main")
    coverage = audit(room.view, Origins.of_ledger(room.ledger), ObjectId(commit))
    assert kinds(coverage) == {FindingKind.UNPROVEN_IDENTITY: [commit]}
    assert coverage.findings[0].detail == "committed as cursor, delivered by ada"


def test_links_that_lead_nowhere_are_found(work_tree, audited):
    kept = work_tree.commit_file("a", "1\n", "x\n\nEntire-Checkpoint: aaaaaaaaaaaa")
    lost = work_tree.commit_file("a", "2\n", "x\n\nEntire-Checkpoint: bbbbbbbbbbbb")
    archive = archive_with(
        record("good", Anchor(AnchorKind.CHECKPOINT, "aaaaaaaaaaaa"), Anchor(AnchorKind.COMMIT, ABSENT)),
        record("commit", Anchor(AnchorKind.COMMIT, kept)),
        record("nowhere", Anchor(AnchorKind.COMMIT, ABSENT), Anchor(AnchorKind.CHECKPOINT, "cccccccccccc")),
        record("session", Anchor(AnchorKind.SESSION, "s1")),
    )
    assert kinds(audited(archive=archive)) == {
        FindingKind.CHECKPOINT_UNKNOWN: [lost],
        FindingKind.RECORD_DANGLES: ["nowhere"],
    }
    assert kinds(audited()) == {}, "without an archive nothing is said of its records"


def test_notes_about_nothing_and_about_lines_of_others_are_found(work_tree, audited):
    first = work_tree.commit_file("a", "1\n2\n")
    second = work_tree.commit_file("a", "1\n2\n3\n")
    note = 'a\n  s_00000000000001 1\n---\n{"sessions": {"s_00000000000001": {"agent_id": {"tool": "x"}}}}'
    work_tree("notes", "--ref=ai", "add", "-F", "-", second, stdin=note.encode())
    coverage = audited()
    assert kinds(coverage) == {FindingKind.LINES_NOT_ADDED: [second]}
    work_tree("reset", "-q", "--hard", first)
    work_tree("reflog", "expire", "--expire=now", "--all")
    work_tree("prune", "--expire=now")
    assert kinds(audited()) == {FindingKind.NOTE_DANGLES: [second]}


def test_findings_add_up_in_the_json(work_tree, audited):
    for number in range(3):
        work_tree.commit_file("a", f"{number}\n", f"x\n\nEntire-Checkpoint: {number}aaaaaaaaaaa")
    told = audited(archive=archive_with()).to_json()["findings"]
    assert told["total"] == len(told["list"]) == sum(kind["count"] for kind in told["kinds"]) == 3
    assert {one["kind"] for one in told["list"]} == {"checkpoint-unknown"}


def test_dates_and_paths_leave_out_the_rest(work_tree, audited):
    work_tree.commit_file("lib/a", "1\n", author_date="2026-01-10T12:00:00Z")
    work_tree.commit_file("lib/sub/b", "1\n2\n", CLAUDE, author_date="2026-02-10T12:00:00Z")
    work_tree.commit_file("other", "1\n2\n3\n", author_date="2026-02-11T00:00:00Z")
    everything = audited()
    folders = {place.path: sum(place.lines.values()) for place in everything.folders}
    assert folders == {b"": 6, b"lib": 3, b"lib/sub": 2}
    of_lib = audited(scope=Scope(path=b"lib"))
    assert (counts(of_lib.commits), counts(of_lib.lines)) == (
        {"declared": 1, "unknown": 1},
        {"declared": 2, "unknown": 1},
    )
    of_day = audited(scope=Scope.read("2026-02-10", "2026-02-10"))
    assert (counts(of_day.commits), counts(of_day.lines)) == ({"declared": 1}, {"declared": 2})
    assert list(of_day.months) == ["2026-02"]
    assert counts(audited(scope=Scope.read(until="2026-01-31")).lines) == {"unknown": 1}
    assert counts(audited(scope=Scope.read(path="other/")).lines) == {"unknown": 3}
    assert of_day.to_json()["scope"]["since_ms"] == 1_770_681_600_000


@pytest.mark.parametrize(
    ("since", "until"), [("yesterday", None), (None, "2026-13-01"), ("2026-02-01", "2026-01-01")]
)
def test_dates_that_are_none_are_refused(since, until):
    with pytest.raises(BadInput) as caught:
        Scope.read(since, until)
    assert caught.value.hint


def test_lines_are_counted_by_symbol_where_somebody_names_them(work_tree, audited):
    work_tree.commit_file("a", "1\n2\n")
    work_tree.commit_file("a", "1\n2\n3\n4\n", CLAUDE)
    coverage = audited(locate=lambda _: [("one", 1, 3), ("two", 4, 9), ("none", 7, 9)])
    assert [(place.symbol, counts(place.lines)) for place in coverage.symbols] == [
        ("one", {"unknown": 2, "declared": 1}),
        ("two", {"declared": 1}),
    ]


@pytest.fixture
def spent():
    """Two sessions of one agent that tell of a common request, one of another that states its price."""
    archive = MemoryArchive(lambda _: True)
    january, march = 1_767_300_000_000, 1_772_400_000_000

    def session(name: str, agent: str, at_ms: int, *usage: Usage) -> None:
        found = ArchivedSession(name, name, agent, "ada", Source("capture"), at_ms, started_at_ms=at_ms)
        turns = [ArchivedTurn(1, at_ms=at_ms, usage=usage[:1]), ArchivedTurn(2, at_ms=None, usage=usage[1:])]
        archive.put_session("clone", replace(found, content_hash=name), turns)

    session("s1", "claude-code", january, Usage("r1", "m1", 1, 10), Usage("r2", "m2", 2, 20))
    session("s1.sub", "claude-code", march, Usage("r2", "m2", 2, 20), Usage("r3", "m2", 4, 40, 100))
    session("s2", "opencode", march, Usage("r1", "m3", 8, 80, cost_usd=0.25), Usage(None, "m3", 16, 160))
    return archive


def test_what_sessions_took_is_counted_once(work_tree, audited, spent):
    work_tree.commit_file("a", "1\n")
    costs = audited(archive=spent).costs
    total = costs.total.to_json()
    assert (total["requests"], total["input_tokens"], total["output_tokens"]) == (5, 31, 310)
    assert (total["usd"], total["unpriced"], total["cache_read_tokens"]) == (0.25, 4, 100)
    for group in (costs.agents, costs.models, costs.actors, costs.sessions, costs.months):
        assert sum(cost.output_tokens for cost in group) == 310
        assert sum(cost.unpriced for cost in group) == 4
    prices = {cost.name: cost.to_json()["usd"] for cost in costs.agents}
    assert prices == {"claude-code": None, "opencode": 0.25}
    late = audited(archive=spent, scope=Scope.read("2026-02-01")).costs
    assert [cost.name for cost in late.months] == ["2026-03"]
    assert late.total.output_tokens == 300 - 20


class Page(HTMLParser):
    """Every element of a page that could load, run or send something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in {"href", "src", "action", "data"}]
        assert not [name for name, _ in attrs if name.startswith("on")]


def test_the_page_is_whole_by_itself_and_escapes_what_it_shows(work_tree, audited, spent):
    evil = "<script>alert(1)</script>"
    work_tree.commit_file(f"{evil}/f", "1\n", f"{evil}\n\nCo-authored-by: Claude <noreply@anthropic.com>")
    work_tree.commit_file("a", "1\n", f"x\n\nEntire-Checkpoint: {'a' * 12}")
    coverage = audited(archive=spent, locate=lambda _: [(evil, 1, 1)])
    text = render_report(coverage, COVER)
    page = Page()
    page.feed(text)
    assert page.tags.isdisjoint({"script", "link", "img", "iframe", "form", "object", "embed", "base"})
    assert page.addresses == []
    assert not re.search(r"url\(|@import|https?://", text)
    assert "&lt;script&gt;" in text
    assert "acme/&lt;app&gt;" in text
    for number in ("1 (50.0 %)", "not stated", "0.25"):
        assert number in text
    assert all(f"var(--{evidence.value})" in text for evidence in Evidence)


def test_a_page_of_little_says_what_is_not_known(work_tree, audited):
    work_tree.commit_file("a", "1\n", author_date="@99999999999999 +0000")
    text = render_report(audited(scope=Scope(path=b"no such file")), COVER)
    assert "no archive of sessions was at hand" in text
    assert "nothing that was looked at contradicts" in text
    text = render_report(audited(archive=archive_with()), COVER)
    assert "no recorded session says what it took" in text
    assert re.search(r"<td>unknown</td>", text)
