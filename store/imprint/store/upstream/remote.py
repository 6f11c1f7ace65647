"""Git on a network: what a place has, and its objects fetched into a workshop beside the repository.

Invariants:
    1. Git talks over the place's own scheme only, follows no redirect, asks nobody at a terminal, runs no
       hook, and enters no submodule.
    2. A fetch that takes too long, or brings more than it may, is ended.
    3. What git says is told without the secret.
"""

from __future__ import annotations

import shutil
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from imprint.store.errors import BadRefName, MirrorFailed
from imprint.store.plumbing import Plumbing
from imprint.store.types import HashAlgorithm, ObjectId, RefName
from imprint.store.upstream.places import pin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from imprint.store.plumbing import GitProcess
    from imprint.store.upstream.places import Place
    from imprint.store.upstream.secrets import Proof

_WATCH_SECONDS: Final = 0.5
_SAID_LENGTH: Final = 400
_CONFIGS: Final = {
    HashAlgorithm.SHA1: "[core]\nrepositoryformatversion = 0\nbare = true\n",
    HashAlgorithm.SHA256: "[core]\nrepositoryformatversion = 1\nbare = true\n"
    "[extensions]\nobjectFormat = sha256\n",
}


@dataclass(frozen=True, slots=True)
class Listing:
    """What a place has.

    Attributes:
        refs: its refs, as far as the store can have their names.
        head: the branch that its HEAD names; None where that is not said.
        nameless: refs that the store has no name for.
    """

    refs: Mapping[RefName, ObjectId]
    head: RefName | None = None
    nameless: tuple[str, ...] = field(default=())

    @property
    def algorithm(self) -> HashAlgorithm:
        """The object format; SHA-1 where nothing is there to tell."""
        return next((each.algorithm for each in self.refs.values()), HashAlgorithm.SHA1)


class Remote(Plumbing):
    """Git in a workshop, with the one place in reach.

    Args:
        base: git as it runs on the store's repositories.
        folder: the workshop.
        place: what may be reached.
        proof: how.
        is_public_only: whether the place must have a public address.
    """

    def __init__(
        self, base: Plumbing, folder: Path, place: Place, proof: Proof, *, is_public_only: bool
    ) -> None:
        super().__init__(folder, search_path=base.search_path, bounds=base.bounds, children=base.children)
        self._place = place
        self._proof = proof
        address = pin(place) if is_public_only and place.scheme != "file" else ""
        self._settings = (
            "-c", f"protocol.{place.scheme}.allow=always",
            "-c", "core.alternateRefsCommand=true",
            "-c", "http.followRedirects=false",
            "-c", "http.lowSpeedLimit=1000",
            "-c", "http.lowSpeedTime=120",
            *(("-c", f"http.curloptResolve={place.host}:{place.port}:{address}") if address else ()),
            "-c", "fetch.recurseSubmodules=false",
            "-c", "fetch.writeCommitGraph=false",
            "-c", "transfer.bundleURI=false",
            "-c", "credential.helper=",
            *proof.settings,
        )  # fmt: skip
        ssh = [
            "ssh",
            "-o BatchMode=yes",
            "-o ConnectTimeout=30",
            "-o ForwardAgent=no",
            "-o IdentityAgent=none",
        ]
        if key := proof.environment.get("IMPRINT_SSH_KEY"):
            ssh.append(f"-o IdentitiesOnly=yes -i {key}")
        if address:
            ssh.append(f"-o HostName={address} -o HostKeyAlias={place.host}")
        self._more = {
            "GIT_SSH_COMMAND": " ".join(ssh),
            "GIT_CONFIG_GLOBAL": str(folder / "of-the-source"),
            **proof.environment,
        }

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return super()._command([*self._settings, *arguments])

    def _environment(self) -> dict[str, str]:
        return super()._environment() | self._more

    def list_refs(self) -> Listing:
        """What the place has.

        Raises:
            MirrorFailed: it cannot be asked.
        """
        with self.stream("ls-remote", "--symref", "--", self._place.url) as process:
            out = process.stdout.read()
            self._finish(process, "could not be asked for its refs")
        return _read_listing(out)

    def fetch(self, wanted: Sequence[RefName], bytes_max: int) -> dict[RefName, ObjectId]:
        """Bring refs with all that they need to the workshop; what they were when they were fetched.

        Raises:
            MirrorFailed: the place does not give them, or they are larger than that.
        """
        folder = self.git_dir / "refs" / "new"
        shutil.rmtree(folder, ignore_errors=True)
        given = b"".join(b"+%s:refs/new/%d\n" % (name, at) for at, name in enumerate(wanted))
        options = ("--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--force", "--quiet")
        with (
            self.stream("fetch", *options, "--stdin", "--", self._place.url) as process,
            _watched(process, self.git_dir / "objects" / "pack", bytes_max) as watch,
            process.fed(given),
        ):
            process.stdout.read()
            self._finish(process, "did not give its refs", watch)
        listed = self.run("for-each-ref", "--format=%(refname) %(objectname)", "refs/new")
        found = dict(line.split(b" ") for line in listed.splitlines())
        return {
            name: ObjectId(found[b"refs/new/%d" % at].decode("ascii"))
            for at, name in enumerate(wanted)
            if b"refs/new/%d" % at in found
        }

    def _finish(self, process: GitProcess, what: str, watch: _Watch | None = None) -> None:
        status, said = process.finish(check=False)
        if watch is not None and watch.is_over:
            raise MirrorFailed(
                f"{self._place.url} gives more than {watch.bytes_max} bytes at once",
                hint="the bound is pack_bytes_max",
            )
        if status:
            told = _find_reason(self._proof.strike_out(said)) or f"status {status}"
            raise MirrorFailed(f"{self._place.url} {what}: {told}")


class _Watch:
    """How much has come so far."""

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.is_over = False


@contextmanager
def _watched(process: GitProcess, folder: Path, bytes_max: int) -> Iterator[_Watch]:
    """End the process when a folder has grown too large."""
    watch, done = _Watch(bytes_max), threading.Event()

    def look() -> None:
        while not done.wait(_WATCH_SECONDS):
            size_bytes = 0
            with suppress(OSError):
                size_bytes = sum(path.stat().st_size for path in folder.iterdir())
            if size_bytes > bytes_max:
                watch.is_over = True
                process.stop()
                return

    thread = threading.Thread(target=look, name="mirror watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        done.set()
        thread.join()


def _find_reason(said: str) -> str:
    """The first line of what git said that gives a reason, else the last one."""
    lines = [line.strip(" \0") for line in said.splitlines() if line.strip(" \0")]
    reasons = [
        line for line in lines if line.startswith(("fatal:", "error:", "remote: fatal:", "remote: error:"))
    ]
    return (reasons or lines[-1:] or [""])[0][:_SAID_LENGTH]


def _read_listing(out: bytes) -> Listing:
    """What `git ls-remote --symref` prints: an id or `ref: NAME`, a tab, and a name."""
    refs: dict[RefName, ObjectId] = {}
    head: RefName | None = None
    nameless = []
    for line in out.splitlines():
        value, _, raw = line.partition(b"\t")
        if value.startswith(b"ref: "):  # its id is told in a line of its own
            if raw == b"HEAD" and value.startswith(b"ref: refs/heads/"):
                head = RefName(value.removeprefix(b"ref: "))
        elif raw.startswith(b"refs/") and not raw.endswith(b"^{}"):
            try:
                refs[RefName.parse(raw)] = ObjectId.parse(value.decode("ascii"))
            except BadRefName:
                nameless.append(raw.decode("utf-8", "backslashreplace"))
    return Listing(refs, head, tuple(nameless))


def prepare_workshop(
    folder: Path, objects: Path | None, algorithm: HashAlgorithm, haves: Iterable[ObjectId]
) -> None:
    """Make or renew a workshop: a bare repository that borrows objects and says which it has.

    What a killed fetch left half-done goes; packs that it finished stay, so that they need not come again.

    Args:
        folder: where.
        objects: of the hosted repository; None for none.
        algorithm: its object format.
        haves: the hosted repository's tips.
    """
    for part in ("refs", "objects/info", "objects/pack"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "refs" / "new", ignore_errors=True)
    for path in (*(folder / "objects" / "pack").glob("tmp_*"), *folder.rglob("*.lock")):
        path.unlink(missing_ok=True)
    if objects is not None:
        (folder / "objects/info/alternates").write_text(f"{objects}\n", "utf-8")
    (folder / "of-the-source").write_text("[safe]\n\tdirectory = *\n", "ascii")
    (folder / "config").write_text(_CONFIGS[algorithm], "ascii")
    (folder / "HEAD").write_text("ref: refs/heads/none\n", "ascii")
    say_haves(folder, haves)


def say_haves(folder: Path, haves: Iterable[ObjectId]) -> None:
    """Tell git in a workshop which commits it need not fetch."""
    lines = [f"{each} refs/have/{each}\n" for each in sorted(set(haves))]
    (folder / "packed-refs").write_text("# pack-refs with: sorted \n" + "".join(lines), "ascii")


def empty_workshop(folder: Path) -> None:
    """Drop what was fetched, once the repository has it."""
    shutil.rmtree(folder / "refs" / "new", ignore_errors=True)
    for path in (folder / "objects" / "pack").iterdir():
        path.unlink(missing_ok=True)
    for path in (folder / "objects").iterdir():
        if len(path.name) == 2:  # noqa: PLR2004 - loose objects lie in folders of two digits
            shutil.rmtree(path, ignore_errors=True)
