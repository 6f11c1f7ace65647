"""What git's checks would say of a repository that is to be taken over, all of it and not only the first.

Invariants:
    1. The source is only read: what is written for the check is in a temporary folder.
    2. Only findings that a push would be refused for are listed.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imprint.store.hosting.settings import FSCK, MESSAGE_IDS, SETTINGS, SKIP_LIST
from imprint.store.types import ObjectId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from imprint.store.plumbing import Plumbing

SAMPLES: Final = 3
"""How many objects are shown for each kind of finding."""
_STDERR_BYTES: Final = 32 * 1024**2
"""What is read of git's words: some 200,000 findings."""
_FOUND: Final = re.compile(r"warning: object ([0-9a-f]{40,64}): (\w+): ([^\n]*)")
_REFUSED: Final = frozenset(
    each for each in MESSAGE_IDS if SETTINGS[(FSCK + each).lower()].default == "error"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with one object, by git's message id."""

    object_id: ObjectId
    message_id: str
    text: str


def collect_findings(plumbing: Plumbing, wanted: Iterable[ObjectId]) -> list[Finding] | None:
    """Everything that git's checks refuse below the wanted objects; None where nothing could make them pass.

    Raises:
        PlumbingFailed: the objects cannot be read.
    """
    every = ",".join(f"{each}=warn" for each in MESSAGE_IDS)
    with tempfile.TemporaryDirectory(prefix="imprint-check-") as temporary:
        pack = Path(temporary) / "check.pack"
        with (
            plumbing.stream("pack-objects", "--revs", "--stdout", "--delta-base-offset", "-q") as packing,
            plumbing.stream(
                "index-pack", f"--strict={every}", "--stdin", str(pack), stderr_bytes=_STDERR_BYTES
            ) as check,
        ):
            with (
                packing.fed("".join(f"{each}\n" for each in sorted(wanted)).encode()),
                suppress(BrokenPipeError),
            ):
                shutil.copyfileobj(packing.stdout, check.stdin)
            status, said = check.finish(check=False)
    if status:
        return None
    found = {
        Finding(ObjectId(object_id), message_id, text.strip())
        for object_id, message_id, text in _FOUND.findall(said)
        if message_id in _REFUSED
    }
    return sorted(found, key=lambda each: (each.message_id, each.object_id))


def leave_out(findings: Iterable[Finding], chosen: Mapping[str, str]) -> list[Finding]:
    """Those that settings do not take already."""
    skipped = {*chosen.get(SKIP_LIST, "").split()}
    return [
        each
        for each in findings
        if each.object_id not in skipped and chosen.get(FSCK + each.message_id, "error") == "error"
    ]


def describe_findings(findings: Sequence[Finding]) -> list[str]:
    """A line for each message id: how many objects, what is wrong, and some of them."""
    lines = []
    for message_id, count in Counter(each.message_id for each in findings).most_common():
        some = [each for each in findings if each.message_id == message_id][:SAMPLES]
        more = ", ..." if count > len(some) else ""
        ids = ", ".join(each.object_id for each in some)
        lines.append(f"{message_id}: {count} (object {ids}{more}): {some[0].text}")
    return lines


@dataclass(frozen=True, slots=True)
class Allowance:
    """What an import shall take although git's checks refuse it.

    Attributes:
        message_ids: every object of which git finds this, now and later.
        reported: these objects and no others: those that the checks refuse now.
    """

    message_ids: tuple[str, ...] = ()
    reported: bool = False

    def plan(
        self, plumbing: Plumbing, wanted: Collection[ObjectId], chosen: Mapping[str, str]
    ) -> dict[str, str | None]:
        """The settings that say so.

        Args:
            plumbing: git on what is to be taken over.
            wanted: the objects whose history that is.
            chosen: the settings of the repository until now.

        Raises:
            PlumbingFailed: the objects of the source cannot be read.
        """
        changes: dict[str, str | None] = {FSCK + each: "warn" for each in self.message_ids}
        if self.reported and (found := collect_findings(plumbing, wanted)):
            ids = {each.object_id for each in found if each.message_id not in self.message_ids}
            changes[SKIP_LIST] = "\n".join(sorted(ids | {*chosen.get(SKIP_LIST, "").split()}))
        return changes


def explain_findings(findings: Sequence[Finding], source: str) -> tuple[str, str]:
    """The refusal of an import, and what to type to have it all the same."""
    count = len({each.object_id for each in findings})
    kinds = message_ids(findings)
    if count == 1:
        first = findings[0]
        told = f"git's checks refuse object {first.object_id} of {source}: {first.message_id}: {first.text}"
    else:
        told = f"git's checks refuse {count} objects of {source}: {', '.join(kinds)}"
    allow = " ".join(f"--allow {each}" for each in kinds)
    return told, (
        "nothing was kept; to take these objects and no others, add --skip-list-from-report to the command; "
        f"to take others like them too, from now on, add {allow}; options that you gave stay"
    )


def message_ids(findings: Sequence[Finding]) -> list[str]:
    """The kinds of findings, by name."""
    return sorted({each.message_id for each in findings})
