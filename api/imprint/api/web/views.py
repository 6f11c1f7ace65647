"""The pages of a repository: its front, folders, files with the origin of every line, search, and why.

Invariants:
    1. A page shows only what the reader's token may read; a repository that it may not see is not there.
    2. What somebody pushed is shown as text. As itself it is served only from `raw`, in a sandbox and never
       as a type that a browser runs.
"""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from imprint.api.browse import OpenedFile, iter_file, kind_of, list_folder, open_file
from imprint.api.services import (
    Access,
    get_principal,
    list_readable,
    open_access,
    server_address,
)
from imprint.api.web.front import (
    CommitCounts,
    describe_refs,
    describe_repository,
    measure_coverage,
    read_latest,
    render_day,
)
from imprint.api.web.origins import BlameShelf, Run, Teller, split_plainly
from imprint.api.web.pages import RAW_POLICY, render_page
from imprint.api.web.places import Place, place_address, read_place, resolve_head
from imprint.api.web.snippets import cut_snippet
from imprint.semantic.search.answer import Hit
from imprint.semantic.search.query import Query as SearchQuery
from imprint.store.actors import Verb
from imprint.store.errors import BadRepositoryName, RepositoryMissing
from imprint.store.objects.ports import TreeEntry
from imprint.store.origins.explain import why
from imprint.store.paths import quote_path

router: Final = APIRouter(include_in_schema=False)

_IMAGES: Final = {
    b"gif": "image/gif",
    b"jpeg": "image/jpeg",
    b"jpg": "image/jpeg",
    b"png": "image/png",
    b"webp": "image/webp",
}
"""Types that a browser draws and never runs; SVG is not among them."""
_READMES: Final = (b"readme.md", b"readme", b"readme.txt", b"readme.rst")
_README_CHARACTERS_MAX: Final = 40_000


@router.get("/")
def list_page(request: Request) -> Response:
    """Every repository that the reader may see."""
    principal = get_principal(request)
    records = list_readable(request)
    return render_page(
        request,
        "repositories.html",
        repositories=[(str(record.name), record) for record in records],
        actor=principal.actor,
        server=server_address(request),
    )


@router.get("/{owner}/{repo}")
def front_page(request: Request, owner: str, repo: str) -> Response:
    """What a repository is, how to get it, what is in it, and how much is known of where it comes from."""
    access = _open(request, owner, repo)
    place = resolve_head(access.view)
    if place is None:
        return render_page(request, "empty.html", **describe_repository(request, access))
    return _render_folder(request, access, place, is_front=True)


@router.get("/{owner}/{repo}/tree/{place:path}")
def folder_page(request: Request, owner: str, repo: str, place: str) -> Response:
    """A folder of a commit."""
    access = _open(request, owner, repo)
    return _render_folder(request, access, read_place(access.view, place), is_front=False)


@router.get("/{owner}/{repo}/blob/{place:path}")
def file_page(
    request: Request,
    owner: str,
    repo: str,
    place: str,
    plain: Annotated[bool, Query(description="leave the origins out")] = False,  # noqa: FBT002 - a query parameter
) -> Response:
    """A file, with where every line comes from."""
    access = _open(request, owner, repo)
    shown = read_place(access.view, place)
    bytes_max = access.services.settings.shown_bytes_max
    opened = open_file(access.view, shown.commit, shown.path, bytes_max)
    image = _image_type(shown.path)
    lines = split_plainly(opened.content) if _is_showable(access, opened) and not image else None
    runs = _origins(request, access, shown) if lines is not None and not plain else None
    return render_page(
        request,
        "file.html",
        **_describe_place(request, access, shown, "blob"),
        size_bytes=opened.size_bytes,
        kind=kind_of(opened.entry),
        is_binary=opened.is_binary,
        is_image=image is not None,
        lines=lines,
        runs=runs,
        raw=place_address(access.name, "raw", shown.revision, shown.path),
        why=place_address(access.name, "why", shown.revision, shown.path),
    )


@router.get("/{owner}/{repo}/raw/{place:path}")
def raw_file(request: Request, owner: str, repo: str, place: str) -> Response:
    """The bytes of a file, as text or an image or a download; never as anything that a browser runs."""
    access = _open(request, owner, repo)
    shown = read_place(access.view, place)
    bytes_max = access.services.settings.shown_bytes_max
    opened = open_file(access.view, shown.commit, shown.path, bytes_max)
    media_type = _image_type(shown.path) or (
        "application/octet-stream" if opened.is_binary else "text/plain; charset=utf-8"
    )
    headers = {
        "Content-Security-Policy": RAW_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "private, no-cache",
        "ETag": f'"{opened.entry.id}"',
    }
    if opened.is_whole:
        return Response(opened.content, media_type=media_type, headers=headers)
    pieces = iter_file(access.view, opened)
    return StreamingResponse(
        pieces, media_type=media_type, headers={**headers, "Content-Length": str(opened.size_bytes)}
    )


@router.get("/{owner}/{repo}/search")
def search_page(
    request: Request,
    owner: str,
    repo: str,
    q: Annotated[str, Query(max_length=2000)] = "",
    ref: Annotated[str, Query(max_length=2000)] = "HEAD",
) -> Response:
    """The places that answer a question best."""
    access = _open(request, owner, repo)
    view = access.view
    answer = (
        access.services.library.search(view, SearchQuery(text=q, limit=20), ref=ref) if q.strip() else None
    )
    hits = [_describe_hit(access, hit, ref, q) for hit in (answer.hits if answer else ())]
    values = describe_repository(request, access)
    return render_page(request, "search.html", **values, query=q, revision=ref, answer=answer, hits=hits)


@router.get("/{owner}/{repo}/why/{place:path}")
def why_page(
    request: Request, owner: str, repo: str, place: str, line: Annotated[int, Query(ge=1)] = 1
) -> Response:
    """Why a line is there: every claim about it, best first, and what is not known."""
    access = _open(request, owner, repo)
    view = access.view
    shown = read_place(view, place)
    found = why(view, access.services.origins, shown.commit, shown.path, line, access.read_prompt)
    explanation = access.say_hidden(found)
    made = view.objects.read_commit(explanation.origin.commit)
    return render_page(
        request,
        "why.html",
        **_describe_place(request, access, shown, "blob"),
        line=line,
        explanation=explanation,
        text=explanation.origin.text.decode("utf-8", "replace"),
        made=made,
        day=render_day(made.author.at_s),
        back=place_address(access.name, "blob", shown.revision, shown.path) + f"#L{line}",
    )


def _describe_hit(access: Access, hit: Hit, revision: str, query: str) -> dict[str, Any]:
    snippet = cut_snippet(hit.text, hit.start_line, query)
    return {
        "hit": hit,
        "path": quote_path(hit.path),
        "snippet": snippet,
        "address": place_address(access.name, "blob", revision, hit.path) + f"#L{snippet.line}",
        "why": place_address(access.name, "why", revision, hit.path) + f"?line={snippet.line}",
    }


def _open(request: Request, owner: str, repo: str) -> Access:
    """The repository of a page; a name that cannot be one is as absent as any other."""
    try:
        return open_access(request, owner, repo, Verb.READ)
    except BadRepositoryName as bad:
        raise RepositoryMissing(f"{owner}/{repo}") from bad


def _render_folder(request: Request, access: Access, place: Place, *, is_front: bool) -> Response:
    view = access.view
    entries = list_folder(view, place.commit, place.path)
    values = _describe_place(request, access, place, "tree")
    if is_front:
        values |= _describe_front(request, access, place, entries)
    return render_page(
        request,
        "front.html" if is_front else "folder.html",
        **values,
        entries=_describe_entries(access, place, entries),
        latest=read_latest(access, place.commit),
    )


def _describe_front(
    request: Request, access: Access, place: Place, entries: tuple[TreeEntry, ...]
) -> dict[str, Any]:
    counts: CommitCounts = request.app.state.commit_counts
    by_class = access.services.origins.ledger.commits_by_class(access.repository.record.id)
    return {
        "commit_count": counts.count(access.view, place.commit),
        "coverage": measure_coverage(by_class),
        "known": sum(by_class.values()),
        "readme": _read_readme(access, entries),
    }


def _describe_place(request: Request, access: Access, place: Place, page: str) -> dict[str, Any]:
    view = access.view
    crumbs = []
    parts = place.path.split(b"/") if place.path else []
    for at, part in enumerate(parts, 1):
        kind = "tree" if at < len(parts) else page
        address = place_address(access.name, kind, place.revision, b"/".join(parts[:at]))
        crumbs.append((quote_path(part), address))
    return {
        **describe_repository(request, access),
        "place": place,
        "revision": place.revision,
        "crumbs": crumbs,
        "root": place_address(access.name, "tree", place.revision),
        "refs": describe_refs(access.name, view.refs.snapshot(), page, place.path),
    }


def _describe_entries(access: Access, place: Place, entries: tuple[TreeEntry, ...]) -> list[dict[str, str]]:
    """Folders first, then everything else; each in Git's order."""
    prefix = place.path + b"/" if place.path else b""
    described = [
        {
            "name": quote_path(entry.name),
            "kind": kind_of(entry),
            "address": _entry_address(access, place, prefix, entry),
        }
        for entry in entries
    ]
    return sorted(described, key=lambda entry: entry["kind"] != "folder")


def _entry_address(access: Access, place: Place, prefix: bytes, entry: TreeEntry) -> str:
    match kind_of(entry):
        case "folder":
            return place_address(access.name, "tree", place.revision, prefix + entry.name)
        case "submodule":
            return ""
        case _:
            return place_address(access.name, "blob", place.revision, prefix + entry.name)


def _read_readme(access: Access, entries: tuple[TreeEntry, ...]) -> dict[str, str] | None:
    by_name = {entry.name.lower(): entry for entry in entries if entry.is_file}
    entry = next((by_name[name] for name in _READMES if name in by_name), None)
    if entry is None:
        return None
    view = access.view
    if (view.objects.find_size(entry.id) or 0) > access.services.settings.shown_bytes_max:
        return None
    text = view.objects.read_blob(entry.id).decode("utf-8", "replace")
    return {"name": quote_path(entry.name), "text": text[:_README_CHARACTERS_MAX]}


def _is_showable(access: Access, opened: OpenedFile) -> bool:
    settings = access.services.settings
    return (
        not opened.is_binary and opened.is_whole and opened.content.count(b"\n") <= settings.shown_lines_max
    )


def _origins(request: Request, access: Access, place: Place) -> list[Run]:
    view = access.view
    shelf: BlameShelf = request.app.state.blame_shelf
    lines = shelf.blame(view, access.services.origins, place.commit, place.path)
    return Teller(view.objects, access.tell_prompt).group(lines)


def _image_type(path: bytes) -> str | None:
    return _IMAGES.get(path.rpartition(b".")[2].lower())
