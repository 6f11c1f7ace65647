"""`imprint doctor`: whether this machine has what Imprint needs, and a data folder what it promises."""

import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import typer

from imprint.cli.call import Call, operates
from imprint.cli.output import counted
from imprint.cli.ports import Document

GIT_VERSION_MIN: Final = (2, 36)
"""The first git that takes configuration from GIT_CONFIG_COUNT: credentials stay off command lines."""
_EXTRAS: Final = {
    "server": ("fastapi", "jinja2", "uvicorn"),
    "semantic": ("lancedb", "numpy", "pyarrow", "tree-sitter"),
}


@operates
def doctor(call: Call) -> None:
    """Check that what Imprint needs is there, and what a data folder keeps is whole.

    With --data, every pack of every repository and every large object (Git LFS) of the data folder is read
    and hashed, which takes as long as reading the folder does. Exit code 1 when something is missing or
    damaged.
    """
    checks = [_check_git(call), *(_check_extra(name) for name in _EXTRAS)]
    if call.data is not None:
        checks += [*_check_packs(call), *_check_records(call), *_check_large_objects(call)]
    is_well = all(check["ok"] for check in checks)
    if call.as_json:
        call.output.document({"ok": is_well, "checks": checks})
    else:
        rows = [["ok" if check["ok"] else "wrong", check["what"], check["found"]] for check in checks]
        call.output.table(["state", "what", "found"], rows)
    if not is_well:
        raise typer.Exit(1)


def _check_git(call: Call) -> Document:
    needed = ".".join(map(str, GIT_VERSION_MIN))
    try:
        said = subprocess.run(
            ["git", "--version"],  # noqa: S607 - the git on the user's own PATH is the one in question
            capture_output=True,
            text=True,
            check=False,
            env=dict(call.surroundings.environment),
        ).stdout.strip()
    except OSError:
        said = ""
    match = re.search(r"(\d+)\.(\d+)", said)
    is_new_enough = match is not None and (int(match[1]), int(match[2])) >= GIT_VERSION_MIN
    return {"what": f"git {needed} or newer", "ok": is_new_enough, "found": said or "none on the PATH"}


def _check_extra(name: str) -> Document:
    found, absent = [], []
    for package in _EXTRAS[name]:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            absent.append(package)
    text = f"no {', '.join(absent)}: pip install 'imprint[{name}]'" if absent else ", ".join(found)
    return {"what": f"imprint[{name}]", "ok": not absent, "found": text}


def _check_packs(call: Call) -> list[Document]:
    """One check for each repository: whether its packs are all there, and what waits for maintenance."""
    from imprint.cli.hosted import open_hosting
    from imprint.store.maintenance.survey import find_damaged, survey
    from imprint.store.maintenance.work import Work

    checks: list[Document] = []
    with open_hosting(call.data_folder(), call.key_path) as hosting:
        for repository in hosting.list():
            work, what = Work(repository, hosting), f"packs of {repository.record.name}"
            found = survey(work)
            with call.output.progress(f"reading {what}") as report:
                damaged = find_damaged(work, report)
            facts = [counted(found.packs, "pack"), f"{found.uncovered} not indexed"]
            facts.append("bitmaps" if found.bitmap else "no bitmaps")
            facts.append(
                f"commit-graph {counted(found.graph_behind, 'event')} behind"
                if found.graph_layers
                else "no commit-graph"
            )
            facts += [f"{found.retired} retired", f"{found.leftovers} left over", f"{found.loose} loose"]
            facts += [f"{name} is missing" for name in found.missing]
            facts += describe_damage(damaged, work.pack_dir)
            is_well = not found.missing and not damaged
            checks.append({"what": what, "ok": is_well, "found": ", ".join(facts)})
    return checks


def describe_damage(damaged: Mapping[str, str], pack_dir: Path) -> list[str]:
    """A line for each damaged pack, with what to do."""
    return [
        f"{name} is damaged: restore {pack_dir / name}.pack and .idx from a backup, or import the repository "
        f"anew from a whole clone (git says: {said})"
        for name, said in damaged.items()
    ]


def _check_records(call: Call) -> list[Document]:
    """One check for each repository whose provenance of others could not all be read."""
    from collections import Counter

    from imprint.cli.hosted import open_hosting
    from imprint.store.origins.sources import Origins

    checks: list[Document] = []
    with open_hosting(call.data_folder(), call.key_path) as hosting, Origins.of_hosting(hosting) as origins:
        for repository in hosting.list():
            found = origins.intake.problems(repository.record.id) if origins.intake else []
            kinds = Counter(problem.text.partition(":")[0] for _, problem in found)
            told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
            first = next((f"; first {each.place}: {each.text}" for _, each in found), "")
            if found:
                what = f"records of {repository.record.name}"
                checks.append({"what": what, "ok": True, "found": f"{told}{first}"})
    return checks


def _check_large_objects(call: Call) -> list[Document]:
    """One check for each repository that has large objects."""
    from imprint.cli.hosted import open_hosting

    checks: list[Document] = []
    with open_hosting(call.data_folder(), call.key_path) as hosting:
        for repository in hosting.list():
            count = len(hosting.lfs.register.list_objects(repository.record.id))
            faults = list(hosting.lfs.find_faults(repository.record.id))
            found = [f"{fault.oid}: {fault.what}" for fault in faults] or [f"{count} whole"]
            what = f"large objects of {repository.record.name}"
            if count:
                checks.append({"what": what, "ok": not faults, "found": "; ".join(found)})
    return checks
