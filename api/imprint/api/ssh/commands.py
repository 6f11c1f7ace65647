"""What a client may ask for over SSH: git's own two services on a repository, and a pass for Git LFS.

git sends one string that a shell would read, such as `git-upload-pack '/acme/app.git'` (gitprotocol-pack(5),
"SSH Transport").

Invariants:
    1. No shell reads it. It is split as a shell would, and has exactly the service and one path.
    2. A path is a repository's name, checked as everywhere, or refused.
"""

from __future__ import annotations

import enum
import shlex
from dataclasses import dataclass
from typing import Final

from imprint.api.errors import BadRequest
from imprint.store.actors import Verb
from imprint.store.types import RepositoryName

_HINT: Final = "git clone, fetch and push are served, and nothing else"
_NEWEST_VERSION: Final = 2
_WORDS: Final = 2
"""The service, and the path."""
_LFS_WORDS: Final = (3, 4)
_LFS_OPERATIONS: Final = {"download": Verb.READ, "upload": Verb.WRITE}


class Service(enum.Enum):
    """The services of git; the value is the program that git names."""

    UPLOAD = "git-upload-pack"
    RECEIVE = "git-receive-pack"

    @property
    def verb(self) -> Verb:
        """What a token must allow."""
        return Verb.READ if self is Service.UPLOAD else Verb.WRITE


@dataclass(frozen=True, slots=True)
class GitCommand:
    """A service, and the repository that it is asked of."""

    service: Service
    name: RepositoryName

    @classmethod
    def parse(cls, text: str) -> GitCommand:
        """Read what a client wants to run.

        Raises:
            BadRequest: it is not one of git's services with one path.
            BadRepositoryName: the path is no repository's.
        """
        words = _split(text)
        if words[:1] == ["git"] and len(words) > 1:
            words = [f"git-{words[1]}", *words[2:]]
        program = words[0] if words else ""
        if program == "git-upload-archive":
            raise BadRequest("archives are not served", hint="clone with --depth=1 instead")
        if program not in {service.value for service in Service}:
            raise BadRequest(f"{program[:80]!r} is not run here", hint=_HINT)
        if len(words) != _WORDS:
            raise BadRequest(f"{program} takes one path and nothing else", hint=_HINT)
        return cls(Service(program), RepositoryName.parse(words[1].removeprefix("/")))


@dataclass(frozen=True, slots=True)
class PassCommand:
    """What Git LFS asks for before it goes to the HTTP side, and the verb that its operation needs."""

    name: RepositoryName
    verb: Verb

    @classmethod
    def parse(cls, text: str) -> PassCommand | None:
        """Read what a client wants to run; None when that is something else.

        Raises:
            BadRequest: it is this, and not with one path and one operation.
            BadRepositoryName: the path is no repository's.
        """
        words = _split(text)
        if words[:1] != ["git-lfs-authenticate"]:
            return None
        # Old clients add the id of an object, which says nothing that the server needs.
        verb = _LFS_OPERATIONS.get(words[2]) if len(words) in _LFS_WORDS else None
        if verb is None:
            raise BadRequest("Git LFS asks with a path, and 'download' or 'upload'")
        return cls(RepositoryName.parse(words[1].removeprefix("/")), verb)


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as unclosed:
        raise BadRequest(f"{text[:80]!r} cannot be read", hint=_HINT) from unclosed


def parse_protocol_version(text: str) -> int:
    """The newest version of Git's protocol that `GIT_PROTOCOL` asks for, as in `version=2`; 0 for none.

    Over HTTP the header `Git-Protocol` has the same form.
    """
    wished = [
        int(value)
        for key, _, value in (part.partition("=") for part in text.split(":"))
        if key == "version" and value.isascii() and value.isdigit() and len(value) == 1
    ]
    return max((version for version in wished if version <= _NEWEST_VERSION), default=0)
