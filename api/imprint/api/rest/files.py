"""Folders and files of a commit."""

import base64
from typing import Annotated, Final

from fastapi import APIRouter, Query

from imprint.api.browse import kind_of, list_folder, open_file
from imprint.api.rest.access import Reader, Ref, TreePath
from imprint.api.wire import FileAnswer, FileEntry, FilesAnswer
from imprint.store.errors import LimitExceeded
from imprint.store.paths import quote_path, unquote_path
from imprint.store.view import resolve_commit

router: Final = APIRouter(prefix="/api/repos/{owner}/{repo}", tags=["files"])


@router.get("/files")
def list_files(
    access: Reader,
    ref: Ref = "HEAD",
    path: Annotated[str, Query(max_length=20_000, description="a folder; empty for the root")] = "",
) -> FilesAnswer:
    """What a folder holds, in Git's order."""
    view, folder = access.view, unquote_path(path).strip(b"/")
    commit = resolve_commit(view, ref)
    prefix = folder + b"/" if folder else b""
    entries = [
        FileEntry(path=quote_path(prefix + e.name), kind=kind_of(e), mode=f"{e.mode:06o}", sha=e.id)
        for e in list_folder(view, commit, folder)
    ]
    return FilesAnswer(commit=commit, path=quote_path(folder), entries=entries)


@router.get("/file")
def get_file(access: Reader, path: TreePath, ref: Ref = "HEAD") -> FileAnswer:
    """A file with its content: as text where it is UTF-8, else in base64. A link's content is its target."""
    view = access.view
    commit = resolve_commit(view, ref)
    bytes_max = access.services.settings.file_bytes_max
    opened = open_file(view, commit, path, bytes_max)
    if not opened.is_whole:
        raise LimitExceeded(
            f"{quote_path(path)} has {opened.size_bytes} bytes, more than the {bytes_max} of one answer",
            limit="file_bytes_max",
            hint="clone the repository, or take the file from its page",
        )
    try:
        encoding, content = "utf-8", opened.content.decode()
    except UnicodeDecodeError:
        encoding, content = "base64", base64.b64encode(opened.content).decode()
    return FileAnswer(
        commit=commit,
        path=quote_path(path),
        mode=f"{opened.entry.mode:06o}",
        sha=opened.entry.id,
        size_bytes=len(opened.content),
        encoding="utf-8" if encoding == "utf-8" else "base64",
        content=content,
    )
