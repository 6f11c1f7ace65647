"""Passes: short-lived credentials for one repository, made from a token for a client that proved an SSH key.

A pass is text: `imprint_pass`, then in hexadecimal a JSON list of version, what is kept of the token's
credential, the repository's id, the verb and the time when it ends, then the HMAC-SHA256 of that list under a
key that is derived from the data folder's master key. Nothing of it is kept.

Invariants:
    1. Nobody without the master key can make one, or change one.
    2. It opens one repository, for one verb, and no more than the token allows at the moment of its use.
    3. It falls with its token: when that is revoked or expires, at once; else at its own end.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from imprint.store.actors import TOKEN_PREFIX, Principal, Token, Verb
from imprint.store.errors import Denied, TokenExpired, Unauthenticated

if TYPE_CHECKING:
    from collections.abc import Callable

    from imprint.store.catalog.ports import Catalogue, RepositoryRecord
    from imprint.store.clock import Clock

PASS_PREFIX: Final = TOKEN_PREFIX + "pass"
PASS_MS: Final = 3600 * 1000
"""How long a pass is good: longer than any client needs one before it comes for the next."""
_PASS_CHARACTERS: Final = range(len(PASS_PREFIX) + 200, 2000)
"""How long a pass may be; a token's secret is far shorter."""
_VERSION: Final = 1
_MAC_BYTES: Final = 32


class Passes:
    """Makes passes, and says who holds one.

    Args:
        master_key: the data folder's.
        catalogue: which repositories there are.
        clock: when it is.
        admit: gives the principal of a token by what is kept of its credential, or refuses it.
    """

    def __init__(
        self, master_key: bytes, catalogue: Catalogue, clock: Clock, admit: Callable[[str], Principal]
    ) -> None:
        self._key = hmac.new(master_key, b"imprint passes 1", hashlib.sha256).digest()
        self._catalogue = catalogue
        self._clock = clock
        self._admit = admit

    def make(self, token: Token, record: RepositoryRecord, verb: Verb) -> tuple[str, int]:
        """A pass for what the token may do, and for how many milliseconds it is good.

        Raises:
            Denied: the token may not do that.
        """
        _verify_allowed(token, record, verb)
        now_ms = self._clock.now_ms()
        ends_at_ms = min(now_ms + PASS_MS, token.expires_at_ms or now_ms + PASS_MS)
        content = json.dumps([_VERSION, token.secret_hash, record.id, verb.value, ends_at_ms]).encode()
        return PASS_PREFIX + (content + self._sign(content)).hex(), ends_at_ms - now_ms

    def admit(self, secret: str) -> Principal:
        """Whoever holds the pass, with what it allows and nothing more.

        Raises:
            Unauthenticated: it is none of ours.
            TokenExpired, TokenRevoked: it has ended, or its token has.
            RepositoryMissing: its repository is gone.
            Denied: its token may no longer do that.
        """
        try:
            sealed = bytes.fromhex(secret.removeprefix(PASS_PREFIX))
        except ValueError:
            sealed = b""
        content, signature = sealed[:-_MAC_BYTES], sealed[-_MAC_BYTES:]
        if not hmac.compare_digest(signature, self._sign(content)):
            raise Unauthenticated("no such token", hint="'imprint token create' makes one")
        _, secret_hash, repository_id, verb_name, ends_at_ms = json.loads(content)
        if ends_at_ms <= self._clock.now_ms():
            raise TokenExpired("the pass has expired", hint="the client gets a new one by itself")
        principal, verb = self._admit(secret_hash), Verb(verb_name)
        record = self._catalogue.get_repository(repository_id)
        _verify_allowed(principal.token, record, verb)
        narrowed = replace(
            principal.token,
            repositories=(record.name.key,),
            verbs=frozenset({verb}),
            expires_at_ms=ends_at_ms,
        )
        return Principal(principal.actor, narrowed)

    def _sign(self, content: bytes) -> bytes:
        return hmac.new(self._key, content, hashlib.sha256).digest()


def is_pass(secret: str) -> bool:
    """Whether a secret has the form of a pass."""
    return secret.startswith(PASS_PREFIX) and len(secret) in _PASS_CHARACTERS


def _verify_allowed(token: Token, record: RepositoryRecord, verb: Verb) -> None:
    if not token.may(verb, record.name):
        raise Denied(f"this token may not {verb.value} {record.name}")
