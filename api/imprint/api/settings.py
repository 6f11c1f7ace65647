"""What an operator may choose about the server, and the bounds of what a request may cost it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Settings of the HTTP side; the bounds of the store itself are `imprint.store.limits`.

    Attributes:
        public_url: how clients reach the server, without a slash at the end; empty: as the request says.
        git_requests_max: git requests that are worked on at the same time; also the bound on their threads. A
            slow client keeps its place until it is done or stalls.
        git_share_max: the part of them that one actor may have, so that others find a free place.
        git_waiting_max: git requests that wait for their turn; further ones are told to come again.
        git_wait_seconds_max: how long each of them waits before it is told to come again.
        rest_threads: REST and page requests that run at the same time.
        stall_seconds_max: how long a client may send nothing in the middle of a request, or take nothing of
            an answer.
        json_bytes_max: body of a REST request; a commit may be larger, see `Limits.commit_bytes_max`.
        negotiation_bytes_max: body of a fetch request, inflated.
        page_limit_max: items in one page of a list.
        shown_bytes_max: a larger file is not shown line by line on a page.
        shown_lines_max: nor is one with more lines.
        poll_seconds: how often followers look for events that nobody announced.
        housekeeping_seconds: how often what is due is destroyed, and what crashes left is removed.
        drain_seconds: how long requests may go on after the server was told to stop.
        stop_seconds: how long the server may take to end in all; what runs then is cut off.
    """

    public_url: str = ""
    git_requests_max: int = 128
    git_share_max: float = 0.75
    git_waiting_max: int = 512
    git_wait_seconds_max: float = 30.0
    rest_threads: int = 64
    stall_seconds_max: float = 300.0
    json_bytes_max: int = 4 * 1024**2
    negotiation_bytes_max: int = 64 * 1024**2
    page_limit_max: int = 1000
    shown_bytes_max: int = 1024**2
    shown_lines_max: int = 20_000
    poll_seconds: float = 0.25
    housekeeping_seconds: float = 3600.0
    drain_seconds: int = 7
    stop_seconds: float = 10.0
