"""How a refusal is said: as a problem document, as a page, to Git LFS in its form, or to git in plain text.

Invariants:
    1. A refusal for want of a valid token asks for Basic credentials; no other refusal does.
    2. A refusal never repeats what the request held, beyond names and addresses.
    3. A failure of the machine is logged with its kind and code, and nothing of the request.
"""

from __future__ import annotations

import logging
import math
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse, PlainTextResponse, Response

from imprint.api.errors import PROBLEM_MEDIA_TYPE, BadRequest, Busy, is_machine_at_fault, render_problem
from imprint.api.services import get_services, server_address
from imprint.api.web.pages import render_page
from imprint.store.errors import StoreError, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

_LOGGER: Final = logging.getLogger("imprint.api")
_GIT_ADDRESS: Final = re.compile(r"/[^/]+/[^/]+/(?:info/refs|git-upload-pack|git-receive-pack)\Z")
_LFS_ADDRESS: Final = re.compile(r"/[^/]+/[^/]+/info/lfs/")
_GIT_AI_ADDRESS: Final = re.compile(r"/api/(?:repos/[^/]+/[^/]+/)?git-ai/")
_LFS_CONTENT: Final = re.compile(r"/[^/]+/[^/]+/info/lfs/objects/(?!(?:batch|verify)\Z)[^/]+\Z")
LFS_MEDIA_TYPE: Final = "application/vnd.git-lfs+json"
"""docs/api/batch.md of git-lfs/git-lfs."""
CHALLENGE: Final = 'Basic realm="Imprint"'
"""RFC 7617: browsers and git answer it by asking for a password."""
_UNPROCESSABLE: Final = 422


def refuse(request: Request, error: StoreError) -> Response:
    """The answer to a request that was refused, in the form that its client reads."""
    if is_machine_at_fault(error):
        level = logging.WARNING if isinstance(error, Busy) else logging.ERROR
        kind = type(error).__name__
        _LOGGER.log(level, "request failed code=%s kind=%s: %s", error.code, kind, error.message)
    response = _render(request, render_problem(error))
    if isinstance(error, Unauthenticated):
        response.headers["WWW-Authenticate"] = CHALLENGE
        if is_lfs(request.url.path):
            response.headers["LFS-Authenticate"] = CHALLENGE
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(math.ceil(error.retry_seconds))
    return response


def refuse_invalid(request: Request, faults: Sequence[Mapping[str, Any]]) -> Response:
    """The answer to a request whose parameters or body do not have the right shape."""
    where = [".".join(str(part) for part in fault["loc"]) for fault in faults]
    problem = render_problem(
        BadRequest(f"{where[0]}: {faults[0]['msg']}" if faults else "the request is malformed")
    )
    problem["status"] = _UNPROCESSABLE
    problem["errors"] = [{"where": at, "what": fault["msg"]} for at, fault in zip(where, faults, strict=True)]
    return _render(request, problem)


def refuse_plainly(request: Request, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """The answer where only the status is known: no such address, no such method, a body too large, a bug."""
    phrase = HTTPStatus(status).phrase
    problem = {"type": "about:blank", "title": phrase, "status": status, "detail": phrase}
    response = _render(request, {**problem, "code": phrase.lower().replace(" ", "_").replace("-", "_")})
    response.headers.update(headers or {})
    return response


def _render(request: Request, problem: dict[str, Any]) -> Response:
    status, path = problem["status"], request.url.path
    response: Response
    if is_git(path):
        response = PlainTextResponse(
            "\n".join([problem["detail"], problem.get("hint", "")]).strip() + "\n", status
        )
    elif is_lfs(path):
        response = JSONResponse(_render_for_lfs(request, problem), status, media_type=LFS_MEDIA_TYPE)
    elif is_git_ai(path):
        said = ": ".join(filter(None, [problem["detail"], problem.get("hint", "")]))
        response = JSONResponse({"error": said, **problem}, status)
    elif path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        response = JSONResponse(problem, status, media_type=PROBLEM_MEDIA_TYPE)
    else:
        response = render_page(request, "refused.html", status=status, problem=problem)
    response.headers["Cache-Control"] = "no-store"
    return response


def _render_for_lfs(request: Request, problem: dict[str, Any]) -> dict[str, str]:
    """The three members that Git LFS knows; the log has the same id."""
    request_id = get_services(request).hosting.ids.new_id("req")
    _LOGGER.info("refused request=%s code=%s", request_id, problem["code"])
    said = [problem["detail"], problem.get("hint", "")]
    return {
        "message": ": ".join(filter(None, said)),
        "request_id": request_id,
        "documentation_url": f"{server_address(request)}/docs",
    }


def is_lfs(path: str) -> bool:
    """Whether an address is one of Git LFS."""
    return bool(_LFS_ADDRESS.match(path))


def is_lfs_content(path: str) -> bool:
    """Whether an address is that of a large object's content."""
    return bool(_LFS_CONTENT.match(path))


def is_git_ai(path: str) -> bool:
    """Whether an address is one that Git AI's client asks for notes."""
    return bool(_GIT_AI_ADDRESS.match(path))


def is_git(path: str) -> bool:
    """Whether an address is one of git's own."""
    return bool(_GIT_ADDRESS.search(path))
