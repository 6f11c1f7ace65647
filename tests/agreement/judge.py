"""One case, told to `git receive-pack` and to Imprint; what each did.

Invariants:
    1. Each case meets the repository of `build.SEED` and nothing of the cases before it.
    2. What is compared: the answer to each command, and all refs afterwards.
"""

import io
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from agreement.build import SEED, Case
from imprint.store.actors import ActorKind, Principal, Verb
from imprint.store.errors import BadInput, LimitExceeded
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting, Repository
from imprint.store.limits import Limits
from imprint.store.receive.policy import ScopeJudge
from imprint.store.receive.receiver import Receiver
from imprint.store.transport.receive_pack import serve_receive
from imprint.store.types import RepositoryName

ENVIRONMENT = {
    **os.environ,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "HOME": "/nonexistent",
    "LC_ALL": "C",
}
_CONFIG = {
    "receive.fsckObjects": "true",
    "receive.unpackLimit": "1",
    "transfer.hideRefs": "refs/imprint",
    "receive.autogc": "false",
}
"""What a repository here is like by default, in git's words. The unpack limit: every push stays a pack."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        accepted: the answer to each command; all False where the whole request was refused.
        refs: all refs afterwards.
        said: the words, which may differ.
    """

    accepted: tuple[bool, ...]
    refs: dict[bytes, str]
    said: str

    def agrees(self, other: "Outcome") -> bool:
        return self.accepted == other.accepted and self.refs == other.refs


class GitJudge:
    """Stock git on a bare repository.

    Args:
        folder: an empty place.
        config: instead of, or beside, the default.
    """

    def __init__(self, folder: Path, **config: str) -> None:
        self._template, self._copy = folder / "template.git", folder / "copy.git"
        self._run("init", "-q", "--bare", "--template=", "-b", "main", str(self._template))
        for key, value in {**_CONFIG, **config}.items():
            self._run("-C", str(self._template), "config", key, value)
        self._dirty = True
        done = self._push(SEED, self._template)
        assert all(done.accepted), done.said

    def judge(self, case: Case) -> Outcome:
        if self._dirty:
            shutil.rmtree(self._copy, ignore_errors=True)
            shutil.copytree(self._template, self._copy)
        outcome = self._push(case, self._copy)
        self._dirty = outcome.refs != self._seeded
        return outcome

    @property
    def _seeded(self) -> dict[bytes, str]:
        return {name: new for _, new, name in SEED.commands}

    def _push(self, case: Case, folder: Path) -> Outcome:
        done = self._run("receive-pack", "--stateless-rpc", str(folder), stdin=case.request, check=False)
        refs = self._run("-C", str(folder), "for-each-ref", "--format=%(objectname) %(refname)").stdout
        pairs = [line.split(b" ", 1) for line in refs.splitlines()]
        said = done.stderr.decode("utf-8", "replace")
        return read_outcome(case, done.stdout, {name: each.decode() for each, name in pairs}, said)

    def _run(
        self, *arguments: str, stdin: bytes = b"", check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            ["git", *arguments], input=stdin, capture_output=True, check=check, env=ENVIRONMENT, timeout=100
        )


class ImprintJudge:
    """Imprint with its default limits and settings, on a catalogue in SQLite.

    Args:
        folder: an empty place.
        limits: if not the default ones.
    """

    def __init__(self, folder: Path, limits: Limits | None = None) -> None:
        self.hosting = Hosting.open(DataFolder.create_or_open(folder / "data"), limits=limits or Limits())
        _, secret = self.hosting.issue_token(
            actor="ada", kind=ActorKind.HUMAN, repositories=["*"], verbs=frozenset({Verb.READ, Verb.WRITE})
        )
        self._principal: Principal = self.hosting.authenticate(secret)
        self._receiver = Receiver(self.hosting, ScopeJudge())
        self._count = 0
        self._repository: Repository | None = None

    def prepare(self) -> None:
        """Have the repository ready."""
        if self._repository is None:
            self._repository = self._make()

    def judge(self, case: Case) -> Outcome:
        self.prepare()
        generation = self._generation()
        outcome = self._push(case)
        if self._generation() != generation:
            self._repository = None
        return outcome

    def close(self) -> None:
        self.hosting.close()

    def _make(self) -> Repository:
        if self._count:
            self.hosting.delete(RepositoryName("acme", f"r{self._count}"), None, grace_ms=0)
        if self._count % 20 == 0:
            self.hosting.purge_due()
        self._count += 1
        self._repository = self.hosting.create(RepositoryName("acme", f"r{self._count}"), None)
        done = self._push(SEED)
        assert all(done.accepted), done.said
        return self._repository

    def _generation(self) -> int:
        assert self._repository
        return self._repository.view.refs.snapshot().generation

    def _push(self, case: Case) -> Outcome:
        assert self._repository
        said, answer = "", b""
        try:
            body = io.BytesIO(case.request)
            answer = b"".join(serve_receive(self._repository, self._principal, body, self._receiver))
        except (BadInput, LimitExceeded) as refusal:
            said = f"{refusal.code}: {refusal.message}"
        except Exception as crash:  # noqa: BLE001 - a crash is an outcome, and agrees with nothing
            return Outcome((), {}, f"crash: {crash!r}")
        snapshot = self._repository.view.refs.snapshot()
        return read_outcome(case, answer, {bytes(n): str(v.id) for n, v in snapshot.refs.items()}, said)


def read_outcome(case: Case, answer: bytes, refs: dict[bytes, str], said: str) -> Outcome:
    """Read a report, in a side band or not."""
    lines = _packets(answer)
    if b"side-band-64k" in case.capabilities and case.raw is None:
        said += b"".join(line[1:] for line in lines if line[:1] != b"\1").decode("utf-8", "replace")
        lines = _packets(b"".join(line[1:] for line in lines if line[:1] == b"\1"))
    said += b"".join(lines).decode("utf-8", "replace")
    results = [line.startswith(b"ok ") for line in lines if line.startswith((b"ok ", b"ng "))]
    if not results:
        # Without a report the refs tell.
        results = (
            [
                name in refs and refs[name] == new.lower() and old != new
                if int(new, 16)
                else name not in refs
                for old, new, name in case.commands
            ]
            if b"unpack" not in answer and case.raw is not None and not answer
            else [False] * len(case.commands)
        )
    return Outcome(tuple(results), refs, said)


def _packets(content: bytes) -> list[bytes]:
    lines, at = [], 0
    while at + 4 <= len(content):
        try:
            size = int(content[at : at + 4], 16)
        except ValueError:
            break
        if size >= 4:
            lines.append(content[at + 4 : at + size])
        at += max(size, 4)
    return lines
