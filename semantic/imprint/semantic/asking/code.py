"""Questions of search: passages, differences, messages, prompts, removed code; and why a line is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from imprint.semantic.asking.model import Kind, Parameter, Question
from imprint.semantic.search.background import Background
from imprint.semantic.search.query import ISSUE_CHARACTERS_MAX, LIMIT_MAX, Mode, Query, What
from imprint.semantic.search.render import answer_json
from imprint.semantic.why import answer_with_origins, why_symbol
from imprint.store.errors import BadInput
from imprint.store.origins.audit import Scope
from imprint.store.origins.explain import why_lines
from imprint.store.origins.render import explanations_json
from imprint.store.paths import unquote_path
from imprint.store.view import resolve_commit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any

    from imprint.semantic.asking.model import Json, Standpoint
    from imprint.store.evidence.claims import Claim
    from imprint.store.types import ObjectId

TOKENS_MAX: Final = 100_000


def read_query(asked: Mapping[str, Any]) -> Query:
    """The search that parameters describe.

    Raises:
        BadInput: a date is none, or the range of dates is empty.
    """
    dates = Scope.read(asked["since"] or None, asked["until"] or None)
    return Query(
        text=asked["q"],
        limit=asked["limit"],
        path_prefix=unquote_path(asked["path"] or ""),
        language=asked["language"] or None,
        mode=Mode(asked["mode"]),
        what=What(asked["what"]),
        path_glob=asked["glob"] or "",
        kind=asked["kind"] or None,
        removed=bool(asked["removed"]),
        since=None if dates.since_ms is None else dates.since_ms // 1000,
        until=None if dates.until_ms is None else dates.until_ms // 1000,
        author=asked["author"] or "",
        agent=asked["agent"] or "",
        session=asked["session"] or "",
        tokens=asked["tokens"],
        explain=bool(asked["explain"]),
    )


def background_of(here: Standpoint, ref: str) -> Background:
    """What a search at a ref may know beside the index."""

    def read_claims(commits: Collection[ObjectId]) -> Mapping[ObjectId, Sequence[Claim]]:
        return here.origins(resolve_commit(here.view, ref)).claims.claims_of(here.view.id, commits)

    return Background(here.past(), read_claims, here.prompts)


def _search(here: Standpoint, asked: Mapping[str, Any]) -> Json:
    query = read_query(asked)
    ref = asked["ref"]
    answer = here.library.search(here.view, query, ref=ref, background=background_of(here, ref))
    code_is_there = query.what is What.CODE and not query.removed
    if not asked["why"] or answer.commit is None or not code_is_there:
        return answer_json(answer)
    return answer_with_origins(answer, here.view, here.origins(answer.commit), here.prompts)


def _why(here: Standpoint, asked: Mapping[str, Any]) -> Json:
    view, ref = here.view, asked["ref"]
    commit = resolve_commit(view, ref)
    if asked["symbol"]:
        return why_symbol(here.library, view, here.origins(commit), asked["symbol"], ref, here.prompts)
    if not asked["path"] or not asked["line"]:
        raise BadInput("nothing was named", hint="give a path and a line, or a symbol")
    if asked["end"] and asked["end"] < asked["line"]:
        raise BadInput("the range ends before it begins", hint="end is the last line, and at least line")
    path = unquote_path(asked["path"])
    lines = asked["line"], asked["end"] or asked["line"]
    parts = why_lines(view, here.origins(commit), commit, path, lines, here.prompts)
    return explanations_json(commit, path, lines, list(map(here.tell, parts))) | {"behind": 0}


SEARCH: Final = Question(
    "search",
    "The passages that answer a question best, at any commit; also differences, messages and removed code.",
    "Ask in plain words or with an identifier instead of grepping and reading files. `tokens` bounds the "
    "answer; `why` says of each hit who or what wrote it.",
    (
        Parameter(
            "q", "words, an identifier, a text in double quotes, or an expression between slashes",
            required=True, most=ISSUE_CHARACTERS_MAX, is_argument=True,
        ),
        Parameter("limit", "hits at most", Kind.NUMBER, default=10, least=1, most=LIMIT_MAX),
        Parameter("path", "only below this path", most=20_000),
        Parameter("glob", "only files that this pattern fits, such as '*.py' or 'src/**/test_*'", most=1_000),
        Parameter("language", "only in this language", most=40),
        Parameter("kind", "only passages of this kind, such as function, class or test", most=40),
        Parameter(
            "mode", "how the question is read", default=Mode.AUTO.value,
            choices=tuple(mode.value for mode in Mode),
        ),
        Parameter(
            "what", "what is searched", default=What.CODE.value, choices=tuple(what.value for what in What)
        ),
        Parameter("removed", "search code that is gone", Kind.YES, default=False),
        Parameter("since", "only what commits since then touched, such as 2026-01-31", most=40),
        Parameter("until", "only what commits before then touched", most=40),
        Parameter("author", "only what commits by this author touched", most=1_000),
        Parameter("agent", "only what this agent's commits touched", most=1_000),
        Parameter("session", "only what this session's commits touched", most=1_000),
        Parameter(
            "tokens", "what the texts may take together, at four characters a token", Kind.NUMBER,
            least=50, most=TOKENS_MAX,
        ),
        Parameter("explain", "say what each score is made of", Kind.YES, default=False),
        Parameter("why", "say of each hit where most of its lines come from", Kind.YES, default=False),
    ),
    _search,
    "hits",
)  # fmt: skip
WHY: Final = Question(
    "why",
    "Why lines or a symbol are there: commit, agent, session, prompt, and the evidence for each.",
    "Ask before you undo something that looks odd. What is not known is said.",
    (
        Parameter("path", "the file", most=20_000),
        Parameter("line", "its line, from 1", Kind.NUMBER, least=1, most=10_000_000),
        Parameter("end", "the last line of a range", Kind.NUMBER, least=1, most=10_000_000),
        Parameter("symbol", "a name instead of a place", most=1_000),
    ),
    _why,
)
