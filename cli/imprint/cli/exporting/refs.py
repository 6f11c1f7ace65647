"""Exported notes and checkpoints written into a repository, by its own git and in one step.

Invariants:
    1. The repository's refs change together at the end of git-fast-import(1), or not at all.
    2. Refs outside the format's own are left alone; what a notes ref or checkpoint held before stays in its
       history.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from imprint.cli.errors import CommandError
from imprint.store.errors import PlumbingFailed
from imprint.store.export.fastimport import Signature, write_notes, write_refs
from imprint.store.types import ObjectId, RefName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from imprint.cli.ports import Document
    from imprint.store.plumbing import Plumbing

_CHECKPOINTS: Final = "refs/entire/checkpoints/"


def import_notes(target: Plumbing, ref: RefName, documents: Iterable[Document], by: Signature) -> None:
    """Write notes to a ref of a repository.

    Raises:
        CommandError: git refused, for example because an annotated commit is not there.
    """
    onto = bool(target.run("for-each-ref", "--format=%(refname)", ref.text).strip())
    notes = (
        (ObjectId(each["commit"]), str(each["note"]).encode("utf-8", "surrogateescape")) for each in documents
    )
    _import(target, write_notes(ref, notes, by, onto=onto))


def import_checkpoints(target: Plumbing, documents: Iterable[Document], by: Signature) -> None:
    """Write checkpoints to refs of a repository; of one that is there, a new version.

    Raises:
        CommandError: git refused.
    """
    listed = target.run("for-each-ref", "--format=%(refname)", _CHECKPOINTS)
    refs = (
        (
            RefName.parse(str(each["ref"])),
            {
                path.encode("utf-8", "surrogateescape"): base64.b64decode(raw)
                for path, raw in each["files"].items()
            },
            str(each["message"]),
        )
        for each in documents
    )
    _import(target, write_refs(refs, by, frozenset(listed.split(b"\n"))))


def _import(target: Plumbing, stream: Iterator[bytes]) -> None:
    try:
        with target.stream("fast-import", "--quiet", "--done", "--date-format=raw") as git:
            with suppress(BrokenPipeError):  # git has ended, and its status says why
                for piece in stream:
                    git.stdin.write(piece)
                git.stdin.flush()
            git.finish()
    except PlumbingFailed as failed:
        raise CommandError(
            f"git could not take what was exported: {failed.message}",
            hint="does the repository have the commits that are spoken of? 'git fetch' them first",
        ) from failed
