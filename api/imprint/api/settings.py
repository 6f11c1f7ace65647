"""What an operator may choose about the server, and the bounds of what a request may cost it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Settings of the server; the bounds of the store itself are `imprint.store.limits`.

    Attributes:
        public_url: how clients reach the server, without a slash at the end; empty: as the request says.
        trusted_proxies: addresses and networks, with commas between them, of reverse proxies whose
            `X-Forwarded-` headers are believed; empty: of nobody.
        git_requests_max: git requests that are worked on at the same time; also the bound on their threads. A
            slow client keeps its place until it is done or stalls.
        git_share_max: the part of them that one actor may have, so that others find a free place.
        git_waiting_max: git requests that wait for their turn; further ones are told to come again.
        git_wait_seconds_max: how long each of them waits before it is told to come again.
        rest_threads: REST and page requests that run at the same time.
        stall_seconds_max: how long a client may send nothing in the middle of a request, or take nothing of
            an answer.
        first_byte_seconds_max: how long a git client may keep the server waiting for the first byte of a
            request, and for each further one of a fetch request, which clients send in one go.
        header_seconds_max: how long an HTTP client may take for the head of a request, from the begin of the
            connection, or from its first byte where the connection has served another.
        http_connections_max: HTTP connections at the same time, in one process; further ones are closed.
        json_bytes_max: body of a REST request; a commit may be larger, see `Limits.commit_bytes_max`.
        notes_bytes_max: body of an upload of Git AI notes.
        session_bytes_max: body of a delivery of a session; a longer transcript is sent in parts.
        notes_uploads_max: such uploads in memory at the same time; one actor has at most half of them.
        sessions_at_once_max: deliveries of sessions that are worked on at the same time; one actor has at
            most half of them.
        sessions_waiting_max: deliveries, and apart from them uploads of notes, that wait for their turn;
            further ones are told to come again.
        sessions_wait_seconds_max: how long each of them waits before it is told to come again.
        session_seconds_max: how long keeping one delivery may take; then nothing of it is kept.
        negotiation_bytes_max: body of a fetch request, inflated.
        page_limit_max: items in one page of a list.
        file_bytes_max: a larger file is not given in one answer of REST.
        shown_bytes_max: a larger file is not shown line by line on a page.
        shown_lines_max: nor is one with more lines.
        poll_seconds: how often followers look for events that nobody announced.
        housekeeping_seconds: how often what is due is destroyed, and what crashes left is removed.
        mirror_poll_seconds: how often mirrors that are due are looked for.
        mirror_private: whether mirrors made over REST may come from private addresses, and over http.
        drain_seconds: how long requests may go on after the server was told to stop.
        stop_seconds: how long the server may take to end in all; what runs then is cut off.
        ssh_url: how clients reach the SSH side, such as `ssh://git@git.example.com`; empty: at the host of
            the request and at `ssh_port`.
        ssh_port: where SSH listens; 0 for nowhere.
        ssh_connections_max: SSH connections at the same time; further ones are turned away.
        ssh_logins_max: those among them that have not proven a key yet.
        ssh_sessions_max: commands at the same time on one of them.
        ssh_login_seconds_max: how long a client may take to prove a key.
        ssh_idle_seconds_max: how long a connection may stay open without a command.
        ssh_keepalive_seconds: silence after which a client is asked whether it is there; after three such
            questions without an answer it is gone.
    """

    public_url: str = ""
    trusted_proxies: str = ""
    git_requests_max: int = 128
    git_share_max: float = 0.75
    git_waiting_max: int = 512
    git_wait_seconds_max: float = 30.0
    rest_threads: int = 64
    stall_seconds_max: float = 300.0
    first_byte_seconds_max: float = 30.0
    header_seconds_max: float = 30.0
    http_connections_max: int = 2000
    json_bytes_max: int = 4 * 1024**2
    notes_bytes_max: int = 128 * 1024**2
    session_bytes_max: int = 64 * 1024**2
    notes_uploads_max: int = 4
    sessions_at_once_max: int = 4
    sessions_waiting_max: int = 64
    sessions_wait_seconds_max: float = 60.0
    session_seconds_max: float = 120.0
    negotiation_bytes_max: int = 64 * 1024**2
    page_limit_max: int = 1000
    file_bytes_max: int = 16 * 1024**2
    shown_bytes_max: int = 1024**2
    shown_lines_max: int = 20_000
    poll_seconds: float = 0.25
    housekeeping_seconds: float = 3600.0
    mirror_poll_seconds: float = 15.0
    mirror_private: bool = False
    drain_seconds: int = 7
    stop_seconds: float = 10.0
    ssh_url: str = ""
    ssh_port: int = 0
    ssh_connections_max: int = 1024
    ssh_logins_max: int = 256
    ssh_sessions_max: int = 16
    ssh_login_seconds_max: float = 30.0
    ssh_idle_seconds_max: float = 600.0
    ssh_keepalive_seconds: float = 15.0
