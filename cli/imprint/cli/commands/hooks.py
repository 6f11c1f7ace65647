"""`imprint hooks`: capture of agents' sessions on a developer's machine."""

import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from imprint.cli.call import Call, prints
from imprint.cli.errors import CommandError, NothingFound, UsageProblem
from imprint.cli.output import counted, render_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.cli.capture.hooks.install import Plan, Scene
    from imprint.cli.ports import Document

app = typer.Typer(help="Capture agents' sessions on this machine.", rich_markup_mode=None)

Agents = Annotated[
    list[str] | None,
    typer.Argument(metavar="[AGENT]...", help="Such as claude-code or codex. Without it: those at hand."),
]
User = Annotated[
    bool, typer.Option("--user", help="In the user's own settings, for every clone, not in this work tree.")
]


@app.callback()
def group() -> None:
    """Capture agents' sessions on this machine."""


@app.command()
@prints
def install(
    call: Call,
    agents: Agents = None,
    *,
    user: User = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Ask agents and git to say when there is something to keep.

    What is in their settings and hooks stays and goes on working. 'imprint hooks uninstall' puts every file
    back as it was. Exit code 1 when a file could not be changed: what to add by hand is said.
    """
    from imprint.cli.capture.hooks import install as installing
    from imprint.store.clock import SystemClock

    scene = _open_scene(call, user=user)
    named = _known(agents or [])
    chosen = installing.choose_agents(scene, named) if named or not agents else []
    plugins = [agent for agent in agents or [] if agent not in named]
    if dry_run:
        plan, failed = installing.plan_install(scene, chosen, is_user=user), dict[str, str]()
    else:
        with installing.installing_alone(scene, is_user=user):
            plan = installing.plan_install(scene, chosen, is_user=user)
            failed = installing.apply(plan, SystemClock().now_ms())
            if plugins:
                from imprint.cli.capture.external import install_plugin

                plan.notes += [install_plugin(plugin, scene) for plugin in plugins]
    _show_plan(call, plan, failed, chosen + plugins, dry_run=dry_run)
    if plan.refused or failed:
        raise typer.Exit(1)


def _known(agents: list[str]) -> list[str]:
    from imprint.cli.capture.hooks.agents import AGENTS

    for agent in agents:
        if agent not in AGENTS and not agent.startswith("entire-agent-"):
            raise UsageProblem(
                f"{agent!r} is no agent that can be asked",
                hint=f"one of {', '.join(AGENTS)}, or entire-agent-NAME for a plug-in on the PATH",
            )
    return [agent for agent in agents if agent in AGENTS]


def _show_plan(call: Call, plan: "Plan", failed: dict[str, str], agents: list[str], *, dry_run: bool) -> None:
    changes = [change for _, change in plan.changes if str(change.path) not in failed]
    if call.as_json:
        call.output.document(
            {
                "agents": agents,
                "changed": [] if dry_run else [str(change.path) for change in changes],
                "would_change": [str(change.path) for change in changes] if dry_run else [],
                "refused": plan.refused | failed,
            }
        )
    elif dry_run:
        for change in changes:
            call.output.exactly(change.render())
    else:
        for change in changes:
            call.output.line(f"{change.owner:<12}  {change.path}")
        if not changes and not plan.refused and not failed:
            call.output.line("nothing to change: hooks are installed")
    if not agents:
        call.output.note("no agent is at hand: name one, or its sessions are found by the sweep alone")
    for note in [*plan.notes, *(change.note for change in changes if change.note)]:
        call.output.note(note)
    for what, why in (plan.refused | failed).items():
        first, *rest = why.splitlines()
        call.output.error(f"{what}: {first}")
        for line in rest:
            call.output.note(line)


@app.command()
@prints
def uninstall(call: Call, agents: Agents = None, *, user: User = False) -> None:
    """Put every file back as it was before, or take our part out of one that was edited since.

    What was captured stays.
    """
    from imprint.cli.capture.hooks import install as installing

    scene = _open_scene(call, user=user)
    with installing.installing_alone(scene, is_user=user):
        known = scene.manifest(is_user=user)
        if not known.files and not known.plugins:
            raise NothingFound("no hooks are installed here", hint="'imprint hooks status' shows all of them")
        plugins = [one for one in known.plugins if not agents or one in agents]
        if plugins:
            from imprint.cli.capture.external import uninstall_plugin

            for plugin in plugins:
                uninstall_plugin(plugin, scene)
        named = [one for one in agents or [] if one not in plugins]
        manifest = scene.manifest(is_user=user)
        outcomes = installing.uninstall(manifest, named) if named or not agents else {}
    if call.as_json:
        call.output.document({"files": outcomes})
    else:
        for path, outcome in outcomes.items():
            call.output.line(f"{outcome:<9} {path}")
    if any(outcome.startswith("left") for outcome in outcomes.values()):
        raise typer.Exit(1)


@app.command()
@prints
def status(call: Call) -> None:
    """Show which hooks are installed, stale or broken, and what waits to be kept or sent.

    Exit code 1 when one is broken.
    """
    from dataclasses import asdict

    from imprint.cli.capture.deliver import Outbox
    from imprint.cli.capture.hooks import install as installing
    from imprint.cli.capture.state import State

    scene = _open_scene(call, user=False)
    findings = installing.inspect(scene)
    document: Document = {"hooks": [asdict(one) for one in findings]}
    if scene.places is not None:
        state = State.load(scene.places.state)
        spool = scene.places.spool
        notes = len([*spool.iterdir()]) if spool.is_dir() else 0
        document |= {
            "is_on": not scene.places.off.exists(),
            "notes": notes,
            "waiting": len(Outbox(scene.places.ground / "outbox")),
            "swept_at_ms": state.swept_at_ms,
            "destination": state.destination,
        }
    if call.as_json:
        call.output.document(document)
    else:
        rows = [[one.name, one.state, one.path, one.detail or None] for one in findings]
        call.output.table(["hook", "state", "file", "detail"], rows)
        if scene.places is not None:
            swept = render_time(document["swept_at_ms"]) or "never"
            call.output.line()
            call.output.line(f"capture is {'on' if document['is_on'] else 'off (imprint.capture)'}")
            call.output.line(f"last sweep {swept}; {counted(document['notes'], 'note')} since")
            call.output.line(f"sessions go to {document['destination'] or 'the clone'}")
            if document["waiting"]:
                call.output.line(f"{counted(document['waiting'], 'document')} waiting to be sent")
    if any(one.state == installing.BROKEN for one in findings):
        raise typer.Exit(1)


@app.command()
@prints
def sweep(
    call: Call,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Take sessions from before the installation too.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing, and end with 0: for hooks.")] = False,
) -> None:
    """Find sessions of agents in this clone, reported or not, keep what is new, and link them to commits.

    They go to the server that the clone pushes to, if it is one of Imprint; else they are kept in the clone.
    """
    from imprint.cli.capture.sweep import Sweep

    if quiet:
        # Nobody is there to read it, and nothing may follow from it: the next sweep starts where this ended.
        with suppress(Exception):
            Sweep.of(_open_scene(call, user=False), call.surroundings).run(everything=everything)
        return
    report = Sweep.of(_open_scene(call, user=False), call.surroundings).run(everything=everything)
    if call.as_json:
        call.output.document(report.document())
        return
    for line in report.render():
        call.output.line(line)
    for problem in report.problems:
        call.output.note(problem)


def _open_scene(call: Call, *, user: bool) -> "Scene":
    from imprint.cli.capture.hooks.install import Scene
    from imprint.cli.capture.places import Places, find_home, state_folder
    from imprint.cli.cloned import discover_clone
    from imprint.cli.gitclient import GitClient

    surroundings = call.surroundings
    environment = surroundings.environment
    try:
        with discover_clone(surroundings.directory) as clone:
            top, places = clone.top_level, Places(clone.common_dir.resolve())
    except NothingFound:
        if not user:
            raise
        top, places = None, None
    if top is None and places is not None:
        top = _main_work_tree(places.common_dir, environment)
    folder = top or (places.common_dir if places else surroundings.directory)
    return Scene(
        git=GitClient(environment, folder),
        top=top.resolve() if top else None,
        places=places,
        home=find_home(environment),
        environment=environment,
        program=[sys.executable, "-m", "imprint.cli.main"],
        state=state_folder(environment),
    )


def _main_work_tree(common_dir: Path, environment: "Mapping[str, str]") -> Path | None:
    """The work tree of a Git folder; None of a bare repository."""
    from imprint.cli.capture.places import list_work_trees
    from imprint.cli.gitclient import GitClient

    with suppress(CommandError):
        top = Path(list_work_trees(GitClient(environment, common_dir), common_dir)[0])
        if top.resolve() != common_dir.resolve():
            return top
    return None
