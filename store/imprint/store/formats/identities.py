"""Which Git identities and tool names stand for agents, models and services.

The tables hold what tools are known to write (names, addresses, GitHub logins), collected from their
documentation and from public histories. They are data: a tool that is missing is `unknown`, never a person.

Agents write code on somebody's request. Services, such as dependabot or a release job, act by schedule and
rule: a commit of theirs is declared with the service as its actor and no agent.

Invariants:
    1. Total: any name and address give an answer.
    2. An address decides before a name; a name alone decides only where no person could bear it.
    3. Whoever matches nothing here is not identified; that does not make them a person.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from imprint.store.evidence.claims import Claim, Evidence, merge_claims

if TYPE_CHECKING:
    from imprint.store.objects.ports import Commit, Identity


@dataclass(frozen=True, slots=True)
class Product:
    """A tool that writes commits.

    Attributes:
        id: how Imprint calls it, for ever.
        names: what it calls itself, folded; no name here could be a person's.
        emails: addresses it writes, folded.
        logins: GitHub accounts it acts as, folded, without `[bot]`.
    """

    id: str
    names: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()


AGENTS: Final = (
    Product("aider", ("aider",), ("noreply@aider.chat", "aider@aider.chat"), ("aider-chat-bot",)),
    Product("amazon-q", ("amazon q", "amazon q developer"), (), ("amazon-q-developer",)),
    Product("amp", ("amp", "amp code"), ("amp@ampcode.com", "noreply@ampcode.com")),
    Product("augment", ("augment code", "augment agent", "auggie"), (), ("augmentcode",)),
    Product("chatgpt", ("chatgpt",), (), ()),
    Product(
        "claude-code",
        ("claude code", "claude-code", "claude code agent"),
        ("noreply@anthropic.com", "claude@anthropic.com"),
        ("claude",),
    ),
    Product("cline", ("cline", "cline bot"), ("noreply@cline.bot",), ("cline",)),
    Product(
        "codex",
        ("codex", "openai codex", "codex cli", "chatgpt codex"),
        ("noreply@openai.com", "codex@openai.com"),
        ("chatgpt-codex-connector", "openai-codex"),
    ),
    Product("continue", (), ("noreply@continue.dev",), ("continue",)),
    Product(
        "copilot",
        ("github copilot", "copilot swe agent", "copilot-swe-agent", "copilot cli", "copilot agent"),
        ("copilot@github.com", "noreply+copilot@github.com"),
        ("copilot", "copilot-swe-agent", "github-copilot"),
    ),
    Product("crush", (), ("crush@charm.land",), ()),
    Product("cursor", ("cursor agent", "cursor ai"), ("cursoragent@cursor.com",), ("cursor", "cursoragent")),
    Product("devin", ("devin ai", "devin-ai-integration"), (), ("devin-ai-integration",)),
    Product("factory-droid", ("factory droid", "droid"), ("droid@factory.ai",), ("factory-droid",)),
    Product("gemini-cli", ("gemini cli", "gemini-cli"), (), ("gemini-cli",)),
    Product("gemini-code-assist", ("gemini code assist", "gemini-code-assist"), (), ("gemini-code-assist",)),
    Product("goose", ("codename goose",), ("goose@block.xyz",), ()),
    Product("jules", ("google labs jules", "google-labs-jules"), (), ("google-labs-jules",)),
    Product("junie", (), ("junie@jetbrains.com",), ("jetbrains-junie",)),
    Product("kilo-code", ("kilo code", "kilocode", "kilo"), (), ("kiloconnect", "kilo-code")),
    Product("kiro", ("kiro ai", "kiro agent"), ("kiro@kiro.dev", "noreply@kiro.dev"), ("kiro-agent",)),
    Product("opencode", ("opencode",), ("noreply@opencode.ai",), ("opencode", "opencode-agent")),
    Product("openhands", ("openhands",), ("openhands@all-hands.dev",), ("openhands-agent",)),
    Product("qwen-code", ("qwen code", "qwen-code", "qwen-coder"), ("qwen-coder@alibabacloud.com",), ()),
    Product("replit", ("replit agent", "replit assistant"), ("agent@replit.com",), ("replit-agent",)),
    Product("roo-code", ("roo code", "roocode"), ("roomote@roocode.com",), ("roomote", "roomote-v0")),
    Product("sweep", ("sweep ai",), (), ("sweep-ai",)),
    Product("tabnine", ("tabnine cli", "tabnine"), ("noreply@tabnine.com",), ()),
    Product("trae", ("trae cli",), ("traecli@bytedance.com",), ()),
    Product("warp", ("warp agent", "oz agent"), ("agent@warp.dev", "oz-agent@warp.dev"), ("warp-agent",)),
    Product(
        "windsurf",
        ("windsurf", "windsurf cascade"),
        ("noreply@windsurf.com", "noreply@codeium.com", "cascade@windsurf.ai"),
        ("windsurf",),
    ),
)  # fmt: skip
"""Tools that write code on request. Addresses and logins as seen in public commits, October 2026."""

SERVICES: Final = (
    Product("allcontributors", (), (), ("allcontributors",)),
    Product("dependabot", (), ("support@dependabot.com",), ("dependabot", "dependabot-preview")),
    Product("github-actions", ("github actions",), ("actions@github.com",), ("github-actions",)),
    Product("github-merge-queue", (), (), ("github-merge-queue",)),
    Product("greenkeeper", (), ("support@greenkeeper.io", "greenkeeper@greenkeeper.io"), ("greenkeeper",)),
    Product("imgbot", (), ("imgbothelp@gmail.com",), ("imgbot",)),
    Product("mergify", (), (), ("mergify",)),
    Product("pre-commit-ci", (), (), ("pre-commit-ci",)),
    Product("pyup", (), ("github-bot@pyup.io",), ("pyup-bot",)),
    Product("release-please", (), (), ("release-please",)),
    Product("renovate", (), ("bot@renovateapp.com",), ("renovate", "renovate-bot", "mend-renovate")),
    Product("semantic-release", (), ("semantic-release-bot@martynus.net",), ("semantic-release-bot",)),
    Product("snyk", (), ("snyk-bot@snyk.io",), ("snyk-bot",)),
)  # fmt: skip
"""Programs that commit by schedule or rule. Any other `...[bot]` is a service by the name of its login."""

_TOOL_NAMES: Final = {
    "claude": "claude-code",
    "code-droid": "factory-droid",
    "continue-cli": "continue",
    "devin": "devin",
    "gemini": "gemini-cli",
    "github-copilot": "copilot",
    "jules": "jules",
    "kiro": "kiro",
    "replit": "replit",
    "warp": "warp",
}
"""Short names that only a field for tools may hold: beside a person's address they say nothing."""


@dataclass(frozen=True, slots=True)
class Identification:
    """Whom an identity stands for: an agent (perhaps with its model) or a service; never both."""

    agent: str | None = None
    model: str | None = None
    service: str | None = None


_BY_EMAIL: Final = {email: product for product in (*AGENTS, *SERVICES) for email in product.emails}
_BY_LOGIN: Final = {login: product for product in (*AGENTS, *SERVICES) for login in product.logins}
_BY_NAME: Final = {name: product for product in (*AGENTS, *SERVICES) for name in (product.id, *product.names)}
_AGENT_IDS: Final = frozenset(product.id for product in AGENTS)
_PLAIN_LOGINS: Final = frozenset(
    {"copilot", "cursoragent", "gemini-cli", "openhands-agent", "pyup-bot", "snyk-bot"}
)
"""Logins that are accounts, not apps: they come without `[bot]` and need no more to be known."""
_GITHUB_ADDRESS: Final = re.compile(r"(?:\d+\+)?([^@+]+)@users\.noreply\.github\.com\Z")
_BOT: Final = re.compile(r"([\w.-]+)\[bot\]\Z")
_AIDER_SUFFIX: Final = re.compile(r"\(aider\)\s*\Z", re.IGNORECASE)
_PARENTHESES: Final = re.compile(r"\(([^()]*)\)")
_MODEL: Final = re.compile(
    r"(?:claude[ -](?=\d|opus|sonnet|haiku|fable)|(?:chat)?gpt[ -]?(?=\d)|o(?=\d)"
    r"|(?:gemini|gemma|grok|deepseek|qwen|llama|kimi|glm|minimax|mistral|codestral|devstral)(?=[ -]|\d))"
    r"[\w. -]*\Z"
)
_CLAUDE_TIER: Final = re.compile(r"(?:opus|sonnet|haiku|fable)(?:[ -]\d[\w.]*)+\Z")
_DIGIT: Final = re.compile(r"\d")
_NOT_IN_SLUG: Final = re.compile(r"[^a-z0-9._/-]+")
_SLUG_LENGTH_MAX: Final = 80
_MODEL_LENGTH_MAX: Final = 60
_NAME_LENGTH_MAX: Final = 300
"""Longer names are cut: the patterns below are for names, and must stay quick on anything."""


def identify(name: str, email: str) -> Identification | None:
    """Whom a Git identity stands for; None when the tables do not know it."""
    name = name[:_NAME_LENGTH_MAX]
    folded_name, folded_email = " ".join(name.casefold().split()), email[:_NAME_LENGTH_MAX].strip().casefold()
    product = _BY_EMAIL.get(folded_email) or _find_by_login(folded_email, folded_name)
    if product is None and _AIDER_SUFFIX.search(name):
        return Identification(agent="aider")
    if product is None and (bot := _BOT.match(folded_name) or _match_bot_address(folded_email)):
        return Identification(service=bot[1])
    model = read_model(name)
    product = product or _find_by_unmistakable_name(folded_name, model)
    if product is None:
        return None
    if product.id in _AGENT_IDS:
        return Identification(agent=product.id, model=model)
    return Identification(service=product.id)


def _find_by_login(email: str, name: str) -> Product | None:
    """By the account: apps carry `[bot]` in their name or address, which no person's account can."""
    bot = _BOT.match(name) or _match_bot_address(email)
    if bot:
        return _BY_LOGIN.get(bot[1])
    address = _GITHUB_ADDRESS.match(email)
    return _BY_LOGIN.get(address[1]) if address and address[1] in _PLAIN_LOGINS else None


def _match_bot_address(email: str) -> re.Match[str] | None:
    address = _GITHUB_ADDRESS.match(email)
    return _BOT.match(address[1]) if address else None


def _find_by_unmistakable_name(name: str, model: str | None) -> Product | None:
    """By the display name, without the parentheses, if it has two words or is a versioned model's name."""
    bare = _PARENTHESES.sub("", name).strip()
    if product := _BY_NAME.get(bare):
        return product if len(re.split(r"[ -]", bare)) > 1 else None
    if model and model == read_model(bare):
        return _find_family(model)
    return None


_FAMILIES: Final = (("claude", "claude-code"), ("gpt", "codex"), ("gemini", "gemini-cli"))
"""The vendor's own agent, assumed where a co-author is named only by a model."""


def _find_family(model: str) -> Product | None:
    return next((_BY_NAME[agent] for family, agent in _FAMILIES if model.startswith(family)), None)


def find_product(name: str) -> str | None:
    """The agent that calls itself so, in a place where only a tool's name can stand; None if not known."""
    folded = " ".join(_PARENTHESES.sub("", name).casefold().split())
    product = _BY_NAME.get(folded) or _BY_NAME.get(folded.replace(" ", "-"))
    if product is not None:
        return product.id if product.id in _AGENT_IDS else None
    short = _TOOL_NAMES.get(folded) or _TOOL_NAMES.get(folded.replace(" ", "-"))
    if short:
        return short
    model = read_model(name)
    family = _find_family(model) if model else None
    return family.id if family else None


def normalise_tool(name: str) -> str | None:
    """The id of the tool that a record names: from the tables, or its own name as a slug; None if empty."""
    return find_product(name) or _slug(name) or None


def read_model(name: str) -> str | None:
    """The model that a display name tells, such as `claude-opus-4.6`; None when it names no version.

    Looked for in the name itself and then in its parentheses: `Claude Opus 4.6 (1M context)`,
    `aider (gpt-4o)`, `Kiro AI (Claude Opus 4.6)`.
    """
    folded = name.casefold()
    for part in (_PARENTHESES.sub(" ", folded), *_PARENTHESES.findall(folded)):
        text = " ".join(part.split())
        for vendor in ("openai ", "anthropic ", "google "):
            text = text.removeprefix(vendor)
        text = text.removeprefix("gemini-cli ").rpartition("/")[2]
        if not _DIGIT.search(text) or len(text) > _MODEL_LENGTH_MAX:
            continue
        if _MODEL.match(text):
            return _slug(text)
        if _CLAUDE_TIER.match(text):
            return _slug(f"claude-{text}")
    return None


def _slug(text: str) -> str:
    return _NOT_IN_SLUG.sub("-", text.casefold().strip()).strip("-./")[:_SLUG_LENGTH_MAX]


def identity_claims(commit: Commit) -> list[Claim]:
    """What the commit's author and committer identities declare: an agent's or service's name, or nothing.

    A service that only committed what somebody else authored (a merge button, a queue) declares nothing.
    """
    claims = []
    for role, identity in (("author", commit.author), ("committer", commit.committer)):
        found = identify(identity.name, identity.email)
        if found is None or (role == "committer" and found.agent is None):
            continue
        claims.append(_identity_claim(commit, identity, found, role))
    return merge_claims(claims)


def _identity_claim(commit: Commit, identity: Identity, found: Identification, role: str) -> Claim:
    kind = "bot identity" if found.agent else "service identity"
    return Claim(
        commit.id,
        Evidence.DECLARED,
        actor=found.service or identity.name or identity.email,
        agent=found.agent,
        model=found.model,
        method=f"{kind} ({role})",
    )
