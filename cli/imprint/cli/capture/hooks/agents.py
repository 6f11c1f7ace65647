"""The agents that can be asked to call us: where each keeps its settings, and what goes into them.

Sources: each agent's own pages on hooks, as of November 2026. Every settings file is JSON with lists of hooks
per event, except OpenCode's, which is a plugin.

Invariants:
    1. Settings that a team shares are not touched where an agent has a file for one person.
    2. Only ends of turns and sessions, prompts, and shell tools are asked for: nothing per edit or per token.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imprint.cli.capture.hooks.script import (
    AFTER_SHELL,
    AFTER_TOOL,
    BEFORE_SHELL,
    BEFORE_TOOL,
    MARK,
    PROMPT,
    render_command,
    render_plugin,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.cli.ports import Document

START: Final = "start"
STOP: Final = "stop"
END: Final = "end"


@dataclass(frozen=True, slots=True)
class Entry:
    """One value of ours in a settings file.

    Attributes:
        place: keys to the list that it goes into.
        value: what goes there.
    """

    place: tuple[str, ...]
    value: Document


@dataclass(frozen=True, slots=True)
class HookFile:
    """A settings file that an agent reads.

    Attributes:
        path: where.
        entries: ours in it; empty for a file that is wholly ours.
        head: members that a file made by us has besides.
        whole: what a file that is wholly ours holds.
        is_named_by_us: whether the file bears our name: one that is there without our mark is a stranger.
        warning: what to look at, besides.
    """

    path: Path
    entries: tuple[Entry, ...] = ()
    head: str = "{}\n"
    whole: str | None = None
    is_named_by_us: bool = False
    warning: str = ""


@dataclass(frozen=True, slots=True)
class _Agent:
    """How one agent is told.

    Attributes:
        local: its settings below a work tree.
        shared: its settings below its own folder.
        events: the agent's names of events, ours, and which tools it is for.
        style: how an entry is written.
        marks: names below the user's home that show that it is there.
        programs: names on the PATH that show it.
        variable: of the environment, that names its folder; empty for none.
    """

    local: str
    shared: str
    events: tuple[tuple[str, str, str], ...]
    style: str
    marks: tuple[str, ...]
    programs: tuple[str, ...]
    variable: str = ""


_AGENTS: Final[dict[str, _Agent]] = {
    "claude-code": _Agent(
        ".claude/settings.local.json",
        "settings.json",
        (
            ("SessionStart", START, ""),
            ("UserPromptSubmit", PROMPT, ""),
            ("PreToolUse", BEFORE_SHELL, "Bash"),
            ("PostToolUse", AFTER_SHELL, "Bash"),
            ("SubagentStop", STOP, ""),
            ("Stop", STOP, ""),
            ("SessionEnd", END, ""),
        ),
        "nested",
        (".claude",),
        ("claude",),
        "CLAUDE_CONFIG_DIR",
    ),
    "codex": _Agent(
        ".codex/hooks.json",
        "hooks.json",
        (
            ("SessionStart", START, ""),
            ("UserPromptSubmit", PROMPT, ""),
            ("PreToolUse", BEFORE_SHELL, "Bash"),
            ("PostToolUse", AFTER_SHELL, "Bash"),
            ("Stop", STOP, ""),
        ),
        "nested",
        (".codex",),
        ("codex",),
        "CODEX_HOME",
    ),
    "gemini-cli": _Agent(
        ".gemini/settings.json",
        "settings.json",
        (
            ("SessionStart", START, ""),
            ("BeforeAgent", PROMPT, ""),
            ("BeforeTool", BEFORE_SHELL, "run_shell_command"),
            ("AfterTool", AFTER_SHELL, "run_shell_command"),
            ("AfterAgent", STOP, ""),
            ("SessionEnd", END, ""),
        ),
        "named",
        (".gemini",),
        ("gemini",),
    ),
    "cursor": _Agent(
        ".cursor/hooks.json",
        "hooks.json",
        (
            ("sessionStart", START, ""),
            ("beforeSubmitPrompt", PROMPT, ""),
            ("preToolUse", BEFORE_SHELL, "Shell"),
            ("postToolUse", AFTER_SHELL, "Shell"),
            ("subagentStop", STOP, ""),
            ("stop", STOP, ""),
            ("sessionEnd", END, ""),
        ),
        "flat",
        (".cursor",),
        ("cursor-agent", "cursor"),
    ),
    "copilot-cli": _Agent(
        ".github/hooks/imprint.json",
        "hooks/imprint.json",
        (
            ("sessionStart", START, ""),
            ("userPromptSubmitted", PROMPT, ""),
            ("preToolUse", BEFORE_TOOL, ""),
            ("postToolUse", AFTER_TOOL, ""),
            ("agentStop", STOP, ""),
            ("subagentStop", STOP, ""),
            ("sessionEnd", END, ""),
        ),
        "bash",
        (".copilot",),
        ("copilot",),
    ),
    "opencode": _Agent(
        ".opencode/plugins/imprint.ts",
        "plugins/imprint.ts",
        (),
        "plugin",
        (".config/opencode", ".local/share/opencode"),
        ("opencode",),
    ),
}
AGENTS: Final = tuple(_AGENTS)
"""Ids of the agents, as `imprint.store.formats.identities` has them."""
_CODEX_WARNING: Final = (
    "older Codex CLI calls hooks only with 'codex_hooks = true' under [features] in its config.toml"
)


def agent_folder(agent: str, home: Path, environment: Mapping[str, str]) -> Path:
    """The folder below which an agent keeps what is the user's."""
    told = _AGENTS[agent]
    if told.variable and environment.get(told.variable):
        return home / environment[told.variable]
    return home / told.marks[0]


def is_at_hand(agent: str, home: Path, environment: Mapping[str, str], top: Path | None) -> bool:
    """Whether an agent is on this machine: what a work tree holds, somebody else may have put there.

    Args:
        agent: its id.
        home: the user's.
        environment: the user's.
        top: the work tree; programs within it do not count.
    """
    told = _AGENTS[agent]
    places = [home / mark for mark in told.marks]
    places.append(agent_folder(agent, home, environment))
    if any(place.is_dir() for place in places):
        return True
    path = os.pathsep.join(
        folder
        for folder in environment.get("PATH", "").split(os.pathsep)
        if folder.startswith("/") and (top is None or not Path(os.path.realpath(folder)).is_relative_to(top))
    )
    return bool(path) and any(shutil.which(program, path=path) for program in told.programs)


def hook_file(agent: str, folder: Path, *, is_shared: bool) -> HookFile:
    """What an agent's settings are to hold.

    Args:
        agent: its id.
        folder: the work tree's top, or the agent's own folder.
        is_shared: whether it is the agent's own folder.
    """
    told = _AGENTS[agent]
    path = folder / (told.shared if is_shared else told.local)
    if told.style == "plugin":
        return HookFile(path, whole=render_plugin(), is_named_by_us=True)
    entries = tuple(
        Entry(("hooks", name), _render_entry(told.style, render_command(agent, event), tools))
        for name, event, tools in told.events
    )
    head = '{\n  "version": 1\n}\n' if told.style in ("flat", "bash") else "{}\n"
    warning = _CODEX_WARNING if agent == "codex" else ""
    return HookFile(path, entries, head, is_named_by_us=told.style == "bash", warning=warning)


def _render_entry(style: str, command: str, tools: str) -> Document:
    matcher: Document = {"matcher": tools} if tools else {}
    if style == "bash":
        return {"type": "command", "bash": command, "timeoutSec": 5}
    if style == "flat":
        return {"command": command, **matcher}
    if style == "named":
        return {
            **matcher,
            "hooks": [{"name": "imprint", "type": "command", "command": command, "timeout": 5000}],
        }
    return {**matcher, "hooks": [{"type": "command", "command": command, "timeout": 5}]}


def is_ours(value: object) -> bool:
    """Whether a value of a settings file was put there by us."""
    if isinstance(value, dict):
        return any(is_ours(one) for one in value.values())
    if isinstance(value, list):
        return any(is_ours(one) for one in value)
    return isinstance(value, str) and MARK in value
