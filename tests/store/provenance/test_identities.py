"""Who stands behind a Git identity or a tool's name."""

import pytest

from imprint.store.formats.identities import (
    AGENTS,
    SERVICES,
    Identification,
    find_product,
    identify,
    identity_claims,
    normalise_tool,
    read_model,
)
from imprint.store.objects.ports import Commit, Identity
from imprint.store.types import ObjectId


def commit(author: tuple[str, str], committer: tuple[str, str] = ("Ada", "ada@example.com")) -> Commit:
    ada = [Identity(*who, at_s=0, offset_minutes=0) for who in (author, committer)]
    return Commit(ObjectId("1" * 40), ObjectId("2" * 40), (), ada[0], ada[1], "Fix it\n")


@pytest.mark.parametrize(
    ("name", "email", "expected"),
    [
        ("Claude", "noreply@anthropic.com", Identification(agent="claude-code")),
        ("Anything", "NoReply@Anthropic.com", Identification(agent="claude-code")),
        ("copilot-swe-agent[bot]", "198982749+Copilot@users.noreply.github.com",
         Identification(agent="copilot")),
        ("devin-ai-integration[bot]", "x@example.com", Identification(agent="devin")),
        ("factory-droid[bot]", "138933559+factory-droid[bot]@users.noreply.github.com",
         Identification(agent="factory-droid")),
        ("Ada (aider)", "ada@example.com", Identification(agent="aider")),
        ("GitHub Copilot", "someone@example.com", Identification(agent="copilot")),
        ("Claude Sonnet 4.5", "x@users.noreply.github.com",
         Identification(agent="claude-code", model="claude-sonnet-4.5")),
        ("Kiro AI (Claude Opus 4.6)", "kiro@kiro.dev", Identification(agent="kiro", model="claude-opus-4.6")),
        ("dependabot[bot]", "49699333+dependabot[bot]@users.noreply.github.com",
         Identification(service="dependabot")),
        ("renovate[bot]", "29139614+renovate[bot]@users.noreply.github.com",
         Identification(service="renovate")),
        ("some-new-app[bot]", "1+some-new-app[bot]@users.noreply.github.com",
         Identification(service="some-new-app")),
        ("Claude Dupont", "claude@dupont.example", None),
        ("Claude", "claude@dupont.example", None),
        ("Claudette 3", "c3@example.com", None),
        ("Devin Booker", "devin@example.com", None),
        ("copilot", "copilot@airline.example", None),
        ("Olivia 2", "o@example.com", None),
        ("claude", "12+claude@users.noreply.github.com", None),
        ("", "", None),
    ],
)  # fmt: skip
def test_an_identity_stands_for_an_agent_a_service_or_nobody_we_know(name, email, expected):
    assert identify(name, email) == expected


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Claude Opus 4.6 (1M context)", "claude-opus-4.6"),
        ("Claude Fable 5", "claude-fable-5"),
        ("Claude 3.5 Sonnet", "claude-3.5-sonnet"),
        ("OpenAI GPT 5.5", "gpt-5.5"),
        ("aider (openai/gpt-4o)", "gpt-4o"),
        ("aider (gemini/gemini-2.5-pro)", "gemini-2.5-pro"),
        ("Claude Code (Opus 4.5)", "claude-opus-4.5"),
        ("o3", "o3"),
        ("Claude", None),
        ("Claude Code", None),
        ("Cursor", None),
        ("Ada 2", None),
    ],
)
def test_a_display_name_tells_the_model_when_it_names_a_version(name, model):
    assert read_model(name) == model


@pytest.mark.parametrize(
    ("name", "agent"),
    [
        ("Claude", "claude-code"),
        ("claude-code", "claude-code"),
        ("github-copilot", "copilot"),
        ("Gemini", "gemini-cli"),
        ("droid", "factory-droid"),
        ("dependabot", None),
        ("somebody", None),
    ],
)
def test_a_tool_is_found_by_the_names_it_goes_by(name, agent):
    assert find_product(name) == agent


def test_a_tool_nobody_listed_keeps_its_own_name_as_a_slug():
    assert normalise_tool("My New Tool!") == "my-new-tool"
    assert normalise_tool("  ") is None


def test_a_bot_author_is_declared_with_its_name_as_the_actor():
    (claim,) = identity_claims(
        commit(("copilot-swe-agent[bot]", "198982749+Copilot@users.noreply.github.com"))
    )
    assert (claim.actor, claim.agent, claim.method) == (
        "copilot-swe-agent[bot]",
        "copilot",
        "bot identity (author)",
    )


def test_an_agent_that_only_committed_is_declared_too():
    (claim,) = identity_claims(commit(("Ada", "ada@example.com"), ("Claude", "noreply@anthropic.com")))
    assert (claim.agent, claim.method) == ("claude-code", "bot identity (committer)")


def test_a_service_that_only_committed_declares_nothing():
    assert identity_claims(commit(("Ada", "ada@example.com"), ("GitHub Actions", "actions@github.com"))) == []


def test_a_service_author_is_an_actor_without_an_agent():
    (claim,) = identity_claims(commit(("dependabot[bot]", "support@dependabot.com")))
    assert (claim.actor, claim.agent, claim.method) == ("dependabot", None, "service identity (author)")


def test_the_tables_hold_each_id_name_and_address_once_and_folded():
    products = (*AGENTS, *SERVICES)
    for field in ("names", "emails", "logins"):
        values = [value for product in products for value in getattr(product, field)]
        assert len(values) == len(set(values))
        assert values == [value.casefold() for value in values]
    ids = [product.id for product in products]
    assert len(ids) == len(set(ids))


def test_a_long_hostile_name_is_read_quickly():
    assert identify("claude opus " + "a1 " * 200_000 + "!", "(" * 200_000) is None
