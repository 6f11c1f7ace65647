"""Installing, removing and inspecting hooks of agents and of git.

Invariants:
    1. What is planned is all that is done: `--dry-run` shows the same changes.
    2. Installing again changes nothing; after another version, it brings our parts up to date.
    3. A file that cannot be changed safely is left as it is, and what to add by hand is said.
    4. In a work tree nothing is read or written that a link takes out of it, and no file that bears our name
       without our mark: what a repository brings along decides about no file of the user.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imprint.cli.capture.hooks import githooks, jsonedit
from imprint.cli.capture.hooks.agents import AGENTS, HookFile, agent_folder, hook_file, is_at_hand, is_ours
from imprint.cli.capture.hooks.files import Change, Manifest, Touched, read_file
from imprint.cli.capture.hooks.script import MARK, render_git_hook, render_recorder
from imprint.cli.capture.hooks.unlinked import LeadsOut, resolve, resolve_within
from imprint.cli.capture.places import holding
from imprint.cli.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from imprint.cli.capture.places import Places
    from imprint.cli.gitclient import GitClient

_HOOKS: Final = ("hooks",)
_BOM: Final = "\ufeff"
RECORDER: Final = "recorder"
_LEADS_OUT: Final = "it was left alone: take the link away, or use 'imprint hooks install --user'"
_NO_HOOKS: Final = "without them commits are linked at the end of the agent's turn"
INSTALLED, STALE, BROKEN, ABSENT = "installed", "stale", "broken", "not installed"


@dataclass(frozen=True, slots=True)
class Scene:
    """What installing works on.

    Attributes:
        git: the user's own git, in the work tree.
        top: the work tree, resolved; None where there is none.
        places: of the clone, its Git folder resolved; None outside of one.
        home: the user's.
        environment: the user's.
        program: how to call Imprint from anywhere.
        state: where what was in the user's own files is kept.
    """

    git: GitClient
    top: Path | None
    places: Places | None
    home: Path
    environment: Mapping[str, str]
    program: list[str]
    state: Path

    @property
    def folder(self) -> Path:
        """The work tree, or the clone's Git folder where it has none."""
        return self.top or (self.places.common_dir if self.places else self.home)

    def manifest(self, *, is_user: bool) -> Manifest:
        """What was changed for the user, or for this clone."""
        if is_user or self.places is None:
            return Manifest(self.state)
        return Manifest(self.places.hooks)


@dataclass(slots=True)
class Plan:
    """Changes to be made, and what cannot be.

    Attributes:
        changes: with the list that each is noted in.
        notes: for the person.
        refused: what could not be planned, by agent or hook, and what to do by hand.
    """

    changes: list[tuple[Manifest, Change]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


@contextmanager
def installing_alone(scene: Scene, *, is_user: bool) -> Iterator[None]:
    """Wait for who else installs in this clone, or for this user: what was changed is noted in one list.

    Raises:
        CommandError: another does not end.
    """
    folders = {scene.manifest(is_user=which).folder for which in {is_user, False}}
    with ExitStack() as held:
        for folder in sorted(folders):
            if not held.enter_context(holding(folder / "lock")):
                raise CommandError(
                    f"somebody else installs hooks: {folder / 'lock'} is held", hint="try again"
                )
        yield


def choose_agents(scene: Scene, wanted: Sequence[str]) -> list[str]:
    """The agents that are named, or all that are at hand."""
    if wanted:
        return list(dict.fromkeys(wanted))
    return [one for one in AGENTS if is_at_hand(one, scene.home, scene.environment, scene.top)]


def plan_install(scene: Scene, agents: Sequence[str], *, is_user: bool) -> Plan:
    """Everything that is to be changed."""
    plan = Plan()
    of_clone = scene.manifest(is_user=False)
    manifest = scene.manifest(is_user=True) if is_user else of_clone
    for agent in agents:
        file = _locate(scene, agent, is_user=is_user)
        if file is None:
            continue
        try:
            change = plan_settings(file, _settle(scene, file, is_user=is_user), agent, manifest)
        except LeadsOut as wrong:
            plan.refused[agent] = f"{file.path}: {wrong}\n{_LEADS_OUT}"
            continue
        except NotOurs as wrong:
            plan.refused[agent] = f"{file.path}: {wrong}"
            continue
        except (jsonedit.NotPlainJson, OSError, UnicodeDecodeError) as wrong:
            plan.refused[agent] = f"{file.path}: {wrong}\n{_by_hand(file)}"
            continue
        if change is not None:
            plan.changes.append((manifest, change))
            plan.notes += [file.warning] if file.warning else []
    if scene.places is not None:
        _plan_clone(scene, plan, of_clone, manifest)
    return plan


def _locate(scene: Scene, agent: str, *, is_user: bool) -> HookFile | None:
    if is_user:
        return hook_file(agent, agent_folder(agent, scene.home, scene.environment), is_shared=True)
    return None if scene.top is None else hook_file(agent, scene.top, is_shared=False)


def _settle(scene: Scene, file: HookFile, *, is_user: bool) -> Path:
    """The file that is to be changed. In a work tree links are followed as long as they stay in it.

    Raises:
        LeadsOut: they do not.
    """
    if is_user or scene.top is None:
        return resolve(file.path)
    return resolve_within(file.path, scene.top)


def _plan_clone(scene: Scene, plan: Plan, manifest: Manifest, chosen: Manifest) -> None:
    """The script, git's hooks, and the list of what git is to leave alone.

    Args:
        scene: where.
        plan: what to add to.
        manifest: the clone's.
        chosen: the user's where the user's own settings are meant, else the clone's.
    """
    assert scene.places is not None  # noqa: S101 - the caller looked
    wanted = render_recorder(scene.program).encode()
    current = read_file(scene.places.recorder)
    if current != wanted:
        plan.changes.append((manifest, Change(scene.places.recorder, RECORDER, current, wanted, 0o700)))
    if scene.top is None:
        return
    _plan_hooks(scene, plan, manifest, chosen)
    made = [
        os.path.relpath(change.path, scene.top)
        for _, change in plan.changes
        if change.before is None and change.path.is_relative_to(scene.top)
    ]
    new = [one for one in made if not one.startswith(".git" + os.sep)]
    try:
        exclude = githooks.plan_exclude(scene.places.common_dir, new, manifest) if new else None
    except (OSError, LeadsOut) as wrong:
        plan.refused["info/exclude"] = f"it cannot be read: {wrong}"
        return
    if exclude is not None:
        plan.changes.append((manifest, exclude))


def _plan_hooks(scene: Scene, plan: Plan, manifest: Manifest, chosen: Manifest) -> None:
    assert scene.top is not None  # noqa: S101 - the caller looked
    assert scene.places is not None  # noqa: S101 - likewise
    try:
        folder = githooks.find_folder(scene.git, scene.top, scene.places.common_dir)
    except LeadsOut as wrong:
        plan.refused["git"] = f"the folder of hooks: {wrong}"
        return
    if folder.is_stray:
        plan.refused["git"] = (
            f"a link takes the folder of hooks out of this clone: {folder.path}\n{_NO_HOOKS}"
        )
    elif folder.scope != "local" and chosen is manifest:
        plan.refused["git"] = (
            f"core.hooksPath is set for all repositories ({folder.scope}): {folder.path}\n"
            "'imprint hooks install --user' puts lines there that do nothing in clones without Imprint; "
            f"{_NO_HOOKS}"
        )
    else:
        owner = manifest if folder.scope == "local" else chosen
        for name in githooks.NAMES:
            try:
                change = githooks.plan(folder, name, owner)
            except OSError as wrong:
                plan.refused[f"git {name}"] = f"{folder.path / name}: {wrong.strerror or wrong}"
                continue
            plan.changes += [(owner, change)] if change else []


class NotOurs(Exception):
    """A file bears our name, but not our mark."""


def plan_settings(file: HookFile, path: Path, agent: str, manifest: Manifest) -> Change | None:
    """The change that puts our entries into an agent's settings; None if they are in.

    Args:
        file: what it is to hold.
        path: the file itself, its links resolved.
        agent: whose.
        manifest: what was changed.

    Raises:
        NotOurs: a file of another is where ours belongs.
        NotPlainJson: the file is not strict JSON, or has something else where hooks belong.
        OSError: it cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    current = read_file(path)
    if file.is_named_by_us and current is not None and MARK.encode() not in current:
        raise NotOurs("there is a file that is not ours: move it away, then install again")
    if file.whole is not None:
        wanted = file.whole.encode()
        return None if current == wanted else Change(path, agent, current, wanted)
    if current is not None and is_current(current.decode(), file):
        return None
    base = manifest.read_before(path, current)
    text = file.head if base is None else base.decode()
    mark, text = (_BOM, text[1:]) if text.startswith(_BOM) else ("", text)
    text = strip_entries(text) if text.strip() else file.head
    for entry in file.entries:
        text = jsonedit.add(text, entry.place, entry.value)
    note = ""
    if agent == "gemini-cli" and '"hooksConfig"' in text and _is_off(text):
        note = f"{path} switches hooks off (hooksConfig.enabled): Gemini CLI will not call ours"
    return Change(path, agent, current, (mark + text).encode(), note=note)


def _is_off(text: str) -> bool:
    settings = json.loads(text).get("hooksConfig")
    return isinstance(settings, dict) and settings.get("enabled") is False


def is_current(text: str, file: HookFile) -> bool:
    """Whether a file holds exactly our entries of today."""
    text = text.removeprefix(_BOM)
    places = {entry.place for entry in file.entries} | set(_list_places(text))
    for place in places:
        there = [one for one in jsonedit.read_list(text, place) if is_ours(one)]
        if there != [entry.value for entry in file.entries if entry.place == place]:
            return False
    return True


def _list_places(text: str) -> list[tuple[str, ...]]:
    try:
        hooks = json.loads(text or "{}").get("hooks")
    except (ValueError, AttributeError):
        return []
    return [("hooks", name) for name in hooks] if isinstance(hooks, dict) else []


def strip_entries(text: str, before: str = "") -> str:
    """A settings file without our entries.

    Args:
        text: the file.
        before: what it was before us: empty lists that it had stay.
    """
    for place in _list_places(text):
        keep = jsonedit.depth_of(before, place) if before.strip() else 0
        for at, group in reversed(list(enumerate(jsonedit.read_list(text, place)))):
            nested = group.get("hooks") if isinstance(group, dict) else None
            if isinstance(nested, list) and is_ours(nested) and not all(map(is_ours, nested)):
                text = jsonedit.remove(text, (*place, at, "hooks"), is_ours, keep=len(place) + 2)
        text = jsonedit.remove(text, place, is_ours, keep=keep)
    return text


def _by_hand(file: HookFile) -> str:
    if file.whole is not None:
        return "make it writable, then install again"
    hooks: dict[str, list[object]] = {}
    for entry in file.entries:
        hooks.setdefault(entry.place[-1], []).append(entry.value)
    return "add this by hand: " + json.dumps({"hooks": hooks}, indent=2)


def apply(plan: Plan, at_ms: int) -> dict[str, str]:
    """Make the changes; what failed, by file."""
    failed = {}
    for manifest, change in plan.changes:
        try:
            manifest.apply(change, at_ms)
        except OSError as fault:
            failed[str(change.path)] = _render_fault(fault, change.path)
    return failed


def _render_fault(fault: OSError, path: Path) -> str:
    said = fault.strerror or str(fault)
    return f"{said} ({fault.filename})" if fault.filename and str(fault.filename) != str(path) else said


def uninstall(manifest: Manifest, agents: Sequence[str]) -> dict[str, str]:
    """Put files back as they were, of some agents or of all and git; what became of each.

    Raises:
        CommandError: nothing is installed for an agent that is named.
    """
    chosen = [one for one in manifest.files.values() if not agents or one.owner in agents]
    if missing := set(agents) - {one.owner for one in chosen}:
        raise CommandError(f"no hooks are installed for {', '.join(sorted(missing))}")
    outcomes = {}
    for touched in reversed(chosen):
        try:
            outcomes[touched.path] = manifest.restore(touched, partial(_strip, manifest, touched))
        except (OSError, jsonedit.NotPlainJson, UnicodeDecodeError) as wrong:
            outcomes[touched.path] = f"left as it is: {wrong}"
    return outcomes


def _strip(manifest: Manifest, touched: Touched, content: bytes) -> bytes | None:
    """A file that was edited since, without what is ours."""
    if touched.owner == githooks.OWNER:
        return githooks.strip(content)
    if touched.owner == RECORDER or not touched.path.endswith(".json"):
        return None if b"imprint" in content else content
    before = manifest.read_kept(touched.before).decode() if touched.before else ""
    text = content.decode()
    left = strip_entries(text.removeprefix(_BOM), before.removeprefix(_BOM))
    is_empty = touched.before is None and json.loads(left) in ({}, {"version": 1})
    return None if is_empty else (_BOM * text.startswith(_BOM) + left).encode()


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one agent's hooks or of git's.

    Attributes:
        name: the agent, or `git NAME`.
        state: `installed`, `stale`, `broken` or `not installed`.
        path: the file.
        detail: what is wrong.
    """

    name: str
    state: str
    path: str
    detail: str = ""


def inspect(scene: Scene) -> list[Finding]:
    """What is installed, agent by agent, then git's hooks."""
    findings = []
    for agent in AGENTS:
        for is_user in (False, True):
            file = _locate(scene, agent, is_user=is_user)
            if file is None or (is_user and not file.path.exists()):
                continue
            try:
                path = _settle(scene, file, is_user=is_user)
            except LeadsOut as wrong:
                findings.append(Finding(agent, ABSENT, str(file.path), str(wrong)))
                continue
            finding = _inspect_settings(scene, agent, file, path)
            if not is_user or finding.state != ABSENT:
                findings.append(finding)
    if scene.top is not None and scene.places is not None:
        findings += _inspect_hooks(scene, scene.top, scene.places)
        findings.append(_inspect_recorder(scene, scene.places))
    return findings


def _inspect_settings(scene: Scene, agent: str, file: HookFile, real: Path) -> Finding:
    path = str(file.path)
    try:
        content = read_file(real)
        if content is None:
            state = BROKEN if scene.manifest(is_user=False).find(real) else ABSENT
            return Finding(agent, state, path, "the file was removed" if state is BROKEN else "")
        if file.whole is not None:
            return Finding(agent, INSTALLED if content == file.whole.encode() else STALE, path)
        text = content.decode()
        if not is_ours(json.loads(text.removeprefix(_BOM) or "{}")):
            was_there = scene.manifest(is_user=False).find(real)
            return Finding(
                agent, BROKEN if was_there else ABSENT, path, "our entries are gone" if was_there else ""
            )
        return Finding(agent, INSTALLED if is_current(text, file) else STALE, path)
    except (OSError, ValueError) as wrong:
        return Finding(agent, BROKEN, path, str(wrong))


def _inspect_hooks(scene: Scene, top: Path, places: Places) -> list[Finding]:
    try:
        folder = githooks.find_folder(scene.git, top, places.common_dir)
    except LeadsOut as wrong:
        return [Finding("git", ABSENT, str(top), f"the folder of hooks: {wrong}")]
    if folder.is_stray:
        return [Finding("git", ABSENT, str(folder.path), "a link takes it out of this clone")]
    return [_inspect_git(scene, folder, name) for name in githooks.NAMES]


def _inspect_git(scene: Scene, folder: githooks.HooksFolder, name: str) -> Finding:
    manifest = scene.manifest(is_user=folder.scope != "local")
    path = githooks.hook_path(folder, name, manifest)
    try:
        content = read_file(path) or b""
    except OSError as wrong:
        return Finding(f"git {name}", BROKEN, str(path), wrong.strerror or str(wrong))
    was_there = manifest.find(path) is not None
    if b"imprint: begin" not in content:
        detail = f"{folder.manager or 'something'} wrote it anew: install again" if was_there else ""
        return Finding(f"git {name}", BROKEN if was_there else ABSENT, str(path), detail)
    is_new = render_git_hook(name).encode() in content
    return Finding(f"git {name}", INSTALLED if is_new else STALE, str(path))


def _inspect_recorder(scene: Scene, places: Places) -> Finding:
    content = read_file(places.recorder)
    if content is None:
        return Finding(RECORDER, ABSENT, str(places.recorder))
    if not Path(scene.program[0]).exists():
        return Finding(RECORDER, BROKEN, str(places.recorder), f"{scene.program[0]} is not there")
    is_new = content == render_recorder(scene.program).encode()
    return Finding(RECORDER, INSTALLED if is_new else STALE, str(places.recorder))
