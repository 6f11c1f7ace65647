"""The shapes of requests and answers about branches and merges; see `imprint.api.wire` for their manner."""

from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from imprint.api.wire import Author, EventAnswer
from imprint.store.receive.merge import Strategy

_Name = Annotated[str, Field(min_length=1, max_length=1024)]


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True)


class BranchAnswer(_Told):
    """A branch."""

    name: str
    sha: str
    is_default: bool


class BranchPage(_Told):
    """Some branches, by name; `next_cursor` goes into the next request."""

    branches: list[BranchAnswer]
    next_cursor: str | None
    has_more: bool


class NewBranch(_Asked):
    """A branch to be made."""

    target_branch: Annotated[_Name, Field(description="its name", examples=["feature/retry"])]
    base_ref: Annotated[
        _Name | None, Field(description="where it begins: a branch, a tag or a commit; left out: HEAD")
    ] = None
    base_sha: Annotated[str | None, Field(description="where it begins: a commit's full id")] = None


class BranchChanged(_Told):
    """A branch that was made or deleted, and the event that did it."""

    target_branch: str
    old_sha: str | None
    new_sha: str | None
    event: EventAnswer


class Sides(_Asked):
    """What is merged into what."""

    target_branch: Annotated[_Name, Field(description="what is merged into", examples=["main"])]
    source_branch: Annotated[_Name | None, Field(description="what is merged: a branch")] = None
    source_sha: Annotated[str | None, Field(description="what is merged: a commit's full id")] = None
    allow_unrelated_histories: bool = False


class MergeProposal(Sides):
    """A merge to be looked at before it is done."""


class NewMerge(Sides):
    """A merge to be done."""

    expected_head_sha: Annotated[
        str | None, Field(description="the target must be exactly there; left out: anywhere")
    ] = None
    strategy: Annotated[Strategy, Field(description="whether it may be a fast-forward")] = Strategy.MERGE
    squash: Annotated[bool, Field(description="one commit, with the target as its only parent")] = False
    commit_message: Annotated[str | None, Field(min_length=1)] = None
    author: Author | None = None
    session: Annotated[
        _Name | None, Field(max_length=200, description="id of the session that the work belongs to")
    ] = None
    agent: Annotated[_Name | None, Field(max_length=200)] = None
    model: Annotated[_Name | None, Field(max_length=200)] = None
    prompt: Annotated[str | None, Field(description="what the agent was asked")] = None


class MergeStatus(Enum):
    """What merging would do."""

    CLEAN = "clean"
    CONFLICTED = "conflicted"
    FAST_FORWARD = "fast_forward"
    UP_TO_DATE = "up_to_date"


class MergePreview(_Told):
    """What merging would give; nothing was changed."""

    status: MergeStatus
    target_branch: str
    target_sha: str
    source_sha: str
    merge_base_sha: str | None
    tree_sha: str | None
    conflict_paths: list[str]


class MergeAnswer(_Told):
    """A merge that landed, or that the target had already: then `event` is null."""

    status: Literal["merged", "fast_forward", "up_to_date"]
    target_branch: str
    source_sha: str
    merge_base_sha: str | None
    commit_sha: str
    tree_sha: str
    old_sha: str
    new_sha: str
    event: EventAnswer | None
