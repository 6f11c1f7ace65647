"""Where a mirror may come from, and how git is kept from going anywhere else.

Schemes: `https`, `ssh` (also as `user@host:path`), `http` where private addresses are allowed or nothing
secret is sent, and a path on this machine for whoever operates the data folder. Nothing else, whatever git
could do: `git`, `ext`, `file` and remote helpers are refused.

Invariants:
    1. A URL holds no password, and over HTTP no user: what is kept and shown needs no striking out.
    2. Where only public addresses are allowed, a name is resolved here, each of its addresses is checked, and
       git connects to the one that was checked: a name that changes its mind meanwhile changes nothing.
    3. Git follows no redirect.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from imprint.store.errors import BadInput, Denied

_SHORT: Final = re.compile(
    r"(?P<user>[A-Za-z0-9_][A-Za-z0-9._-]*)@(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?P<path>[^:/-][^:]*|/.+)\Z"
)
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?\Z")
_USER: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*\Z")
_PORTS: Final = {"https": 443, "http": 80, "ssh": 22}
_URL_LENGTH_MAX: Final = 2000


@dataclass(frozen=True, slots=True)
class Place:
    """A repository elsewhere.

    Attributes:
        url: as git is given it.
        scheme: `https`, `http`, `ssh` or `file`.
        host: empty for a path.
        port: 0 for a path.
    """

    url: str
    scheme: str
    host: str = ""
    port: int = 0


def parse_place(text: str, *, may_be_path: bool) -> Place:
    """The place that a text names.

    Args:
        text: a URL, `user@host:path`, or an absolute path.
        may_be_path: whether it may be on this machine.

    Raises:
        BadInput: it is none of these, or holds a secret.
    """
    if not text.isprintable() or len(text) > _URL_LENGTH_MAX:
        raise BadInput("a URL is one line of at most 2,000 characters")
    if text.startswith("/") and may_be_path:
        return Place(str(Path(text)), "file")
    if found := _SHORT.match(text):
        return Place(
            f"ssh://{found['user']}@{found['host']}/{found['path'].lstrip('/')}", "ssh", found["host"], 22
        )
    try:
        address = urlsplit(text)
        port = address.port
    except ValueError as wrong:
        raise BadInput(f"{text.rpartition('@')[2]!r} is no URL: {wrong}") from wrong
    if address.scheme not in _PORTS:
        raise BadInput(
            f"cannot mirror {address.scheme or 'this'}: a mirror comes over https or ssh",
            hint="name a path on this machine only with --data, at the data folder"
            if not may_be_path
            else "",
        )
    if address.password is not None or (address.username and address.scheme != "ssh"):
        raise BadInput(
            "the URL holds a user or a password, which would be shown",
            hint="give the URL without it, and the secret by --credential-env NAME or --credential-file FILE",
        )
    host = address.hostname or ""
    is_number = _parse_address(host) is not None
    if not (is_number or _HOST.match(host)) or (address.username and not _USER.match(address.username)):
        raise BadInput(f"{text!r} names no host that can be asked")
    return Place(text, address.scheme, host, port or _PORTS[address.scheme])


def pin(place: Place) -> str:
    """A public address of the place's host, to connect to.

    Raises:
        Denied: it has none, or one that is not public.
    """
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except OSError as failure:
        raise Denied(f"{place.host} has no address: {failure.strerror}") from failure
    addresses = [ipaddress.ip_address(entry[4][0]) for entry in found]
    if not addresses or not all(_is_public(each) for each in addresses):
        raise Denied(
            f"{place.host} is not at a public address",
            hint="whoever operates the data folder may add it there, with --data",
        )
    return str(addresses[0])


def is_loopback(place: Place) -> bool:
    """Whether a place is on this machine by its very name, so that nobody is on the way to it."""
    address = _parse_address(place.host)
    return place.host == "localhost" or (address is not None and address.is_loopback)


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    return address.is_global and not address.is_multicast and (mapped is None or mapped.is_global)


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
