"""How claims are ranked, joined and found for a line."""

from imprint.store.evidence.claims import (
    Claim,
    Evidence,
    LineRange,
    find_best,
    merge_claims,
    rank_claims,
    unknown,
)
from imprint.store.types import ObjectId

COMMIT = ObjectId("1" * 40)


def claim(evidence: Evidence, agent: str | None = None, *lines: LineRange, **more: str) -> Claim:
    return Claim(COMMIT, evidence, agent=agent, lines=lines, **more)


def test_evidence_is_ranked_from_bound_to_unknown():
    ordered = sorted(Evidence, key=lambda evidence: evidence.rank)
    assert [evidence.value for evidence in ordered] == [
        "bound",
        "observed",
        "declared",
        "inferred",
        "unknown",
    ]


def test_better_evidence_comes_first_and_lines_come_before_the_whole():
    whole = claim(Evidence.DECLARED, "a")
    lines = claim(Evidence.DECLARED, "b", LineRange(b"f", 1, 2))
    bound = claim(Evidence.BOUND, "c")
    assert rank_claims([whole, lines, bound]) == [bound, lines, whole]


def test_a_claim_without_lines_covers_every_line_and_one_with_lines_only_those():
    whole, part = claim(Evidence.DECLARED), claim(Evidence.DECLARED, None, LineRange(b"f", 2, 3))
    assert whole.covers(b"anything", 999)
    assert [part.covers(b"f", line) for line in (1, 2, 3, 4)] == [False, True, True, False]
    assert not part.covers(b"g", 2)


def test_the_best_claim_of_a_line_is_the_first_that_covers_it():
    part = claim(Evidence.DECLARED, "b", LineRange(b"f", 2, 3))
    whole = claim(Evidence.DECLARED, "a")
    assert find_best([part, whole], b"f", 2) == part
    assert find_best([part, whole], b"f", 9) == whole
    assert find_best([part], b"f", 9) is None


def test_claims_of_one_agent_are_joined_and_fill_each_other_in():
    joined = merge_claims(
        [
            claim(Evidence.DECLARED, "codex", method="trailer A"),
            claim(Evidence.DECLARED, "cursor", method="trailer B"),
            claim(Evidence.DECLARED, "codex", method="trailer C", model="gpt-5", session="s"),
            claim(Evidence.DECLARED, "codex", method="trailer A", model="other"),
        ]
    )
    assert [(it.agent, it.model, it.session, it.method) for it in joined] == [
        ("codex", "gpt-5", "s", "trailer A, trailer C"),
        ("cursor", None, None, "trailer B"),
    ]


def test_actors_without_an_agent_are_not_joined_with_each_other():
    one, other = (Claim(COMMIT, Evidence.DECLARED, actor=name, method="m") for name in ("one", "other"))
    assert merge_claims([one, other]) == [one, other]


def test_an_unknown_claim_names_nobody():
    nobody = unknown(COMMIT)
    assert (nobody.actor, nobody.agent, nobody.evidence) == (None, None, Evidence.UNKNOWN)
