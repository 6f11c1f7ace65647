"""What a client of Git LFS is told that came over SSH: where to go, and a pass for it.

Source: docs/api/server-discovery.md of git-lfs/git-lfs, "SSH".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.api.services import require

if TYPE_CHECKING:
    from imprint.api.services import Services
    from imprint.store.actors import Principal, Verb
    from imprint.store.types import RepositoryName


def lfs_authenticate(
    services: Services, principal: Principal, name: RepositoryName, verb: Verb, address: str = ""
) -> dict[str, object]:
    """A pass for a repository, in the form of an action of a batch.

    The address in it is how clients reach the server as the operator said, or else `address`; where neither
    is known clients guess HTTPS on the host of the SSH side.

    Raises:
        RepositoryMissing: there is none, or the token may not see it.
        Denied: the token may see it, but not do this.
    """
    require(principal, verb, name)
    record = services.hosting.get(name).record
    secret, good_ms = services.hosting.passes.make(principal.token, record, verb)
    told: dict[str, object] = {
        "header": {"Authorization": f"Bearer {secret}"},
        "expires_in": max(1, good_ms // 1000),
    }
    if public_url := services.settings.public_url or address:
        told["href"] = f"{public_url}/{record.name}.git/info/lfs"
    return told
