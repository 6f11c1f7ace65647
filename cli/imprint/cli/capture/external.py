"""Third-party agents through their plug-ins: programs `entire-agent-NAME`, Entire's external-agent protocol.

A plug-in is foreign code: it runs only where somebody named it to `imprint hooks install`. Hooks that a
plug-in installs call the program `entire`; where that is absent they are not installed, and the sweep finds
the sessions.

Invariants:
    1. A plug-in that fails takes nothing else with it: its sessions wait for the next sweep, and it is said.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from imprint.cli.capture.discover import Transcript
from imprint.cli.errors import NothingFound
from imprint.store.agents.external.client import PREFIX, ExternalAgent, find_agents
from imprint.store.errors import PluginFailed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from imprint.cli.capture.hooks.install import Scene


def find_plugin(program: str, scene: Scene) -> ExternalAgent:
    """The plug-in that a person named.

    Raises:
        NothingFound: it is not on the PATH.
    """
    found = find_agents(scene.environment.get("PATH", "")).get(program.removeprefix(PREFIX))
    if found is None:
        raise NothingFound(f"there is no {program} on the PATH", hint="install the plug-in first")
    return ExternalAgent(found, repository=scene.folder, environment=scene.environment)


def install_plugin(program: str, scene: Scene) -> str:
    """Take a plug-in's sessions from now on; what to know.

    Raises:
        NothingFound: it is not on the PATH.
        PluginFailed: it does not speak the protocol.
    """
    plugin = find_plugin(program, scene)
    plugin.info()
    manifest = scene.manifest(is_user=False)
    manifest.add_plugin(program)
    if shutil.which("entire", path=scene.environment.get("PATH", "")) is None:
        return f"{program}: its hooks call 'entire', which is not here: the sweep finds its sessions"
    return f"{program}: {plugin.install_hooks()} hooks"


def uninstall_plugin(program: str, scene: Scene) -> None:
    """Leave a plug-in's sessions alone from now on.

    Raises:
        NothingFound: it is not on the PATH.
        PluginFailed: it could not take its hooks away.
    """
    scene.manifest(is_user=False).remove_plugin(program)
    plugin = find_plugin(program, scene)
    if plugin.has_hooks():
        plugin.uninstall_hooks()


def list_external(
    programs: Sequence[str], scene: Scene, tops: Sequence[str], problems: list[str]
) -> Iterator[Transcript]:
    """Transcripts of the agents behind plug-ins, in Entire's compact form where they can give it.

    Args:
        programs: the plug-ins that somebody named.
        scene: where.
        tops: work trees of the clone.
        problems: what failed is put in.
    """
    known = find_agents(scene.environment.get("PATH", ""))
    for program in programs:
        path = known.get(program.removeprefix(PREFIX))
        if path is None:
            problems.append(f"{program} is not on the PATH")
            continue
        for top in tops:
            if Path(top).is_dir():
                plugin = ExternalAgent(path, repository=Path(top), environment=scene.environment)
                try:
                    yield from _list_one(plugin, top)
                except PluginFailed as failed:
                    problems.append(failed.message)


def _list_one(plugin: ExternalAgent, top: str) -> Iterator[Transcript]:
    info = plugin.info()
    if not plugin.detect():
        return
    folder = Path(plugin.find_session_folder())
    is_compact = "compact_transcript" in info.capabilities
    for path in sorted(folder.rglob("*.json*")) if folder.is_dir() else ():
        yield Transcript(
            info.name,
            path,
            path.stem,
            cwd=top,
            read_whole=partial(_read, plugin, path, is_compact=is_compact),
        )


def _read(plugin: ExternalAgent, path: Path, *, is_compact: bool) -> bytes:
    read = plugin.compact_transcript if is_compact else plugin.read_transcript
    try:
        return read(str(path))
    except PluginFailed as failed:
        raise OSError(failed.message) from failed
