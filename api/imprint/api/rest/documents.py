"""The shapes of the answers that lower layers render, for the OpenAPI document.

The layers render; nothing here is applied to an answer. A test reads real answers by these models, which
allow no member more and none less.
"""

from pydantic import BaseModel, ConfigDict


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class HitOriginDocument(_Document):
    """Where most of a hit's lines come from, of `lines` of them; `prompt` is the first line of it."""

    commit: str
    lines: int
    evidence: str
    agent: str | None
    actor: str | None
    model: str | None
    session: str | None
    turn: int | None
    score: float | None
    prompt: str | None


class HitDocument(_Document):
    """A place that answers a search."""

    repo: str
    path: str
    start_line: int
    end_line: int
    symbol: str
    kind: str
    language: str
    score: float
    text: str
    origin: HitOriginDocument | None = None
    parts: dict[str, float] | None = None
    commit: str | None = None
    time: int | None = None
    author: str | None = None
    subject: str | None = None
    session: str | None = None
    removed: bool | None = None
    cut: bool | None = None


class SearchDocument(_Document):
    """What a search found: `commit` was searched, and `behind` commits are not indexed yet.

    `complete` is false where a bound was reached; `notes` say which. `mode` is how the question was read.
    """

    commit: str | None
    behind: int
    complete: bool
    mode: str
    notes: list[str]
    hits: list[HitDocument]


class SymbolDocument(_Document):
    """A definition."""

    path: str
    start_line: int
    end_line: int
    kind: str
    name: str
    container: str
    signature: str


class SymbolsDocument(_Document):
    """Where a name is defined."""

    commit: str | None
    behind: int
    symbols: list[SymbolDocument]


class HistoryDocument(_Document):
    """How much of all contents ever held is indexed; `total` is 0 where that was not begun."""

    done: int
    total: int


class IndexDocument(_Document):
    """How far the index has come on a ref: `behind` commits, and `waiting` contents of its head are left.

    `waiting` is null where trees of the head are missing.
    """

    ref: str
    head: str | None
    indexed: str | None
    behind: int
    waiting: int | None
    blobs: int
    chunks: int
    skipped: dict[str, int]
    history: HistoryDocument


class AuthorDocument(_Document):
    """Whom a commit names as its author: its own word."""

    name: str
    email: str
    at_ms: int


class DeliveryDocument(_Document):
    """Who brought a commit here, which is not who wrote it."""

    actor: str
    event: str
    sequence: int
    at_ms: int


class ClaimDocument(_Document):
    """One claim about a line, with the prompt's text where it may be read."""

    evidence: str
    actor: str | None
    agent: str | None
    model: str | None
    session: str | None
    turn: int | None
    prompt: str | None
    method: str
    score: float | None
    via: str | None


class StepDocument(_Document):
    """A step back to the cause: `blame`, `rename`, or `rewrite` to an earlier version of the commit."""

    how: str
    commit: str
    path: str | None
    line: int | None
    method: str
    score: float | None


class OriginDocument(_Document):
    """A line of a file of a commit."""

    commit: str
    path: str
    line: int


class WhyDocument(_Document):
    """Why a line is there: `commit` is where it came from; `level` says how far the claims lead.

    Of several lines that have one cause, `end` is the last.
    """

    commit: str
    path: str
    line: int
    end: int
    text: str
    level: str
    subject: str
    message: str
    author: AuthorDocument
    claims: list[ClaimDocument]
    delivered: DeliveryDocument | None
    missing: list[str]
    steps: list[StepDocument]
    origin: OriginDocument
    asked: OriginDocument


class WhyLinesDocument(_Document):
    """Why some lines are there: neighbours that have one cause are one part."""

    commit: str
    path: str
    start: int
    end: int
    parts: list[WhyDocument]


class WhyPlaceDocument(WhyLinesDocument):
    """Why a definition is there."""

    kind: str
    name: str
    container: str


class WhySymbolDocument(_Document):
    """Why every definition of a name is there, as far as commits are indexed."""

    commit: str | None
    behind: int
    symbol: str
    places: list[WhyPlaceDocument]


class BlameLineDocument(_Document):
    """A line with its origin and the best claim about it."""

    line: int
    commit: str
    evidence: str
    actor: str | None
    agent: str | None
    model: str | None
    session: str | None
    turn: int | None
    method: str
    score: float | None
    via: str | None
    author: AuthorDocument
    delivered: DeliveryDocument | None
    text: str


class BlameDocument(_Document):
    """A file, line by line."""

    commit: str
    path: str
    lines: list[BlameLineDocument]


class CountsDocument(_Document):
    """How many there are, and how many of each class of evidence: the classes add up to the total."""

    total: int
    bound: int
    observed: int
    declared: int
    inferred: int
    unknown: int


class MonthDocument(_Document):
    """The commits of one month."""

    month: str
    commits: CountsDocument


class AgentDocument(_Document):
    """What an agent did, as far as somebody says so."""

    agent: str
    commits: int
    lines: int
    evidence: dict[str, int]
    line_evidence: dict[str, int]
    models: list[str]


class UnrecordedDocument(_Document):
    """A commit that declares an agent and has no record of it."""

    commit: str
    agent: str
    model: str | None
    subject: str
    at_ms: int


class FolderDocument(_Document):
    """The text lines of a folder, with those of the folders in it; the root's path is empty."""

    path: str
    lines: CountsDocument


class FindingDocument(_Document):
    """Something that does not fit, of a commit or of a record."""

    kind: str
    commit: str | None
    record: str | None
    detail: str


class FindingKindDocument(_Document):
    """How often something does not fit."""

    kind: str
    text: str
    count: int


class FindingsDocument(_Document):
    """What an auditor should look at; `kinds` add up to `total`."""

    total: int
    kinds: list[FindingKindDocument]
    list: list[FindingDocument]


class CostDocument(_Document):
    """What was taken: tokens, and money where transcripts state it; `unpriced` requests have no price."""

    name: str
    sessions: int
    requests: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    usd: float | None
    unpriced: int


class CostsDocument(_Document):
    """What sessions took; each list adds up to `total`."""

    total: CostDocument
    undated: int
    agents: list[CostDocument]
    models: list[CostDocument]
    actors: list[CostDocument]
    sessions: list[CostDocument]
    months: list[CostDocument]


class AuditDocument(_Document):
    """How much is known of a commit's history and of the lines of its files."""

    model_config = ConfigDict(extra="allow", strict=True)

    commit: str
    commits: CountsDocument
    lines: CountsDocument
    months: list[MonthDocument]
    agents: list[AgentDocument]
    folders: list[FolderDocument]
    unrecorded: list[UnrecordedDocument]
    findings: FindingsDocument
    costs: CostsDocument | None
