"""Numbers about a running server, for whoever administers it, in Prometheus' text format 0.0.4.

Invariants:
    1. No number names a repository, an actor or anything that a request held.
    2. Counters count since the start of this process, which the label `process` names: several processes
       on one folder count apart.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse

from imprint.api.rest.access import Operator
from imprint.api.services import Services, get_services
from imprint.store.hosting.repositories import Hosting
from imprint.store.plumbing import CommandUse

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_RESIDENT: Final = re.compile(r"VmRSS:\s+(\d+) kB")
router: Final = APIRouter(tags=["server"])


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request, operator: Operator) -> PlainTextResponse:
    """What git work runs and waits, and what git processes took."""
    del operator  # who it is does not matter, only that the store is theirs
    return PlainTextResponse(render_metrics(get_services(request)), media_type=MEDIA_TYPE)


def render_metrics(services: Services) -> str:
    """All numbers of a server."""
    children, queue = services.hosting.children, services.git_queue
    lines = [
        *_render("imprint_git_requests_running", "gauge", "git requests that hold a slot", {"": queue.held}),
        *_render("imprint_git_requests_waiting", "gauge", "git requests in the queue", {"": queue.waiting}),
        *_render(
            "imprint_git_requests_refused_total",
            "counter",
            "git requests told to come again",
            {"": queue.refused},
        ),
        *_render(
            "imprint_git_processes_running", "gauge", "git processes that run", children.count_running()
        ),
        *_render("imprint_resident_bytes", "gauge", "memory of this process", {"": _read_resident()}),
        *_render_uses(children.list_uses()),
        *_render_mirrors(services.hosting),
    ]
    return "".join(f"{line}\n" for line in lines)


def _render_uses(uses: Mapping[str, CommandUse]) -> Iterator[str]:
    facts: tuple[tuple[str, str, str, Callable[[CommandUse], float]], ...] = (
        ("runs_total", "counter", "finished runs of a git command", lambda use: use.runs),
        ("failures_total", "counter", "runs that ended with a status but 0", lambda use: use.failures),
        ("killed_total", "counter", "runs that a signal ended", lambda use: use.killed),
        ("cpu_seconds_total", "counter", "processor time of runs", lambda use: round(use.cpu_seconds, 3)),
        ("peak_bytes", "gauge", "the most memory that one run held", lambda use: use.peak_bytes),
    )
    for name, kind, meaning, read in facts:
        values = {command: read(use) for command, use in uses.items()}
        yield from _render(f"imprint_git_process_{name}", kind, meaning, values)


def _render(name: str, kind: str, meaning: str, values: Mapping[str, float]) -> Iterator[str]:
    """A metric with its values by git command; by the empty name for one that has none."""
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {kind}"
    for command, value in values.items():
        label = f',command="{command}"' if command else ""
        yield f'{name}{{process="{os.getpid()}"{label}}} {value}'


def _render_mirrors(hosting: Hosting) -> Iterator[str]:
    mirrors, now_ms = hosting.mirrors.list(), hosting.clock.now_ms()
    behind = [now_ms - each.state.synced_at_ms for each in mirrors if each.state.synced_at_ms]
    failing = sum(bool(each.state.failures) for each in mirrors)
    yield from _render("imprint_mirrors", "gauge", "repositories that are mirrors", {"": len(mirrors)})
    yield from _render("imprint_mirrors_failing", "gauge", "those whose last round failed", {"": failing})
    lag = max(behind, default=0) / 1000
    yield from _render("imprint_mirror_lag_seconds", "gauge", "age of the oldest good round", {"": lag})


def _read_resident() -> int:
    """Resident memory of this process in bytes; 0 where the system does not say."""
    try:
        found = _RESIDENT.search(Path("/proc/self/status").read_text("ascii"))
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
