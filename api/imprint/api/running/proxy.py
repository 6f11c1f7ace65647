"""What a reverse proxy says about the client, believed only of proxies that the operator named.

Headers: `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host`, as nginx, Caddy and others set them.

Invariants:
    1. From any other peer they change nothing.
    2. Of several addresses the last one that is not a trusted proxy's is the client: those before it are
       what the client itself may have sent.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING

from imprint.api.errors import BadRequest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    Network = IPv4Network | IPv6Network


def parse_proxies(text: str) -> tuple[Network, ...]:
    """Addresses and networks, with commas between them.

    Raises:
        BadRequest: one of them is neither.
    """
    try:
        return tuple(ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())
    except ValueError as bad:
        raise BadRequest(
            f"a trusted proxy is an address or a network: {bad}", hint="such as 127.0.0.1 or 10.0.0.0/8"
        ) from bad


class TrustedProxies:
    """ASGI middleware that gives a request the address, scheme and host that its proxy saw."""

    def __init__(self, app: ASGIApp, trusted: Sequence[Network]) -> None:
        self._app = app
        self._trusted = trusted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, as the client sent it to the proxy."""
        if scope["type"] == "http" and scope.get("client") and self._is_trusted(scope["client"][0]):
            self._rewrite(scope)
        await self._app(scope, receive, send)

    def _rewrite(self, scope: Scope) -> None:
        said = {name: value.decode("latin-1").strip() for name, value in scope["headers"]}
        scheme = said.get(b"x-forwarded-proto", "").rpartition(",")[2].strip().lower()
        if scheme in {"http", "https"}:
            scope["scheme"] = scheme
        if host := said.get(b"x-forwarded-host", "").rpartition(",")[2].strip():
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [(b"host", host.encode("latin-1")), *others]
        addresses = [part.strip() for part in said.get(b"x-forwarded-for", "").split(",") if part.strip()]
        for address in reversed(addresses):
            scope["client"] = (address, 0)
            if not self._is_trusted(address):
                break

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._trusted)
