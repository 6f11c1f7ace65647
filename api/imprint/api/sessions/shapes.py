"""The shapes of requests and answers about sessions; see `imprint.api.wire` for their manner."""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from imprint.store.sessions.model import AnchorKind

_Id = Annotated[str, Field(min_length=1, max_length=200)]
_Fact = Annotated[str, Field(max_length=4096)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Told(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class GivenSource(_Asked):
    """Where a session was read."""

    system: Annotated[str, Field(min_length=1, max_length=100, examples=["capture"])] = "api"
    version: Annotated[str | None, Field(max_length=200)] = None
    ref: _Fact | None = None
    raw_hash: Annotated[str | None, Field(max_length=200)] = None


class GivenAnchor(_Asked):
    """A tie to code."""

    kind: AnchorKind
    value: Annotated[str, Field(min_length=1, max_length=1024)]


class DeliveredSession(_Asked):
    """A session's transcript, or lines that it has grown by."""

    agent: Annotated[_Id | None, Field(description="the tool; left out: seen from the transcript")] = None
    id: Annotated[_Id | None, Field(description="the agent's own id; left out: the transcript's")] = None
    parent_id: Annotated[_Id | None, Field(description="the session that started it")] = None
    first_line: Annotated[
        int, Field(ge=0, description="the line at which `transcript` begins: 0 for the whole transcript")
    ] = 0
    transcript: Annotated[str, Field(description="lines as the agent wrote them; secrets are taken out here")]
    source: GivenSource = GivenSource()
    anchors: Annotated[
        list[GivenAnchor], Field(max_length=1000, description="commits that the session, or its part, made")
    ] = []
    part: Annotated[
        tuple[int, int] | None, Field(description="lines that belong to the anchors: first, and end")
    ] = None
    extra: Annotated[dict[str, Any], Field(description="kept beside, never words of the session")] = {}


def describe_delivery() -> dict[str, Any]:
    """The schema of a delivery, in one piece: its route reads the body itself, so that few are in memory."""
    schema = DeliveredSession.model_json_schema()
    parts = schema.pop("$defs", {})

    def put_in(value: Any) -> Any:
        if isinstance(value, dict):
            named = value.get("$ref")
            if isinstance(named, str):
                return put_in(parts[named.rpartition("/")[2]])
            return {name: put_in(each) for name, each in value.items()}
        return [put_in(each) for each in value] if isinstance(value, list) else value

    found: dict[str, Any] = put_in(schema)
    return found


class SessionSummary(_Told):
    """A session as lists have it: `kinds` are `opened` (with a token), `archived` (with a transcript)."""

    id: str
    kinds: list[str]
    actor: str
    agent: str | None
    model: str | None
    parent: str | None
    base_sha: str | None
    opened_at_ms: int
    erased_at_ms: int | None
    line_count: int
    turn_count: int


class SessionPage(_Told):
    """Some sessions, oldest first; `next_cursor` goes into the next request."""

    sessions: list[SessionSummary]
    next_cursor: str | None
    has_more: bool


class SessionDetails(SessionSummary):
    """A session with its tree, what it cost and what was taken out of it."""

    turns: list[dict[str, Any]]
    usage: dict[str, Any]
    calls: int
    paths: list[str]
    children: list[dict[str, Any]]
    commits: list[str]


class SessionKept(_Told):
    """A session that was kept: how far it is, and how many records tie it to code that were new."""

    id: str
    line_count: int
    serial: int
    is_changed: bool
    records: int


class TurnsAnswer(_Told):
    """Some turns of a session, in order; `withheld` says why prompts are not shown."""

    session: str
    turns: list[dict[str, Any]]
    withheld: str | None
    next_cursor: str | None
    has_more: bool


class SessionErased(_Told):
    """The sessions whose texts were destroyed, and those below that keep theirs, being other actors'."""

    erased: list[str]
    left: list[str]
