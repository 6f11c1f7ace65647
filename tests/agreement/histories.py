"""Whole repositories: `python -m agreement.histories FOLDER ...` pushes each to both and compares verdicts.

What is pushed is one pack of everything that the refs reach. A repository that lacks objects is left out.
"""

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from agreement.judge import ENVIRONMENT
from imprint.store.hosting.data import DataFolder
from imprint.store.hosting.repositories import Hosting
from imprint.store.receive.policy import ScopeJudge
from imprint.store.receive.push import Push, RefCommand
from imprint.store.receive.receiver import Receiver
from imprint.store.types import ObjectId, RepositoryName

_FOUND = re.compile(r"object [0-9a-f]{40}: (\w+)")


def git(folder: Path, *arguments: str, **more) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["git", "-C", str(folder), "-c", "safe.directory=*", *arguments],
        capture_output="stdout" not in more,
        check=False,
        env={**ENVIRONMENT, "GIT_NO_LAZY_FETCH": "1"},
        **more,
    )


def judge_git(pack: Path, folder: Path) -> tuple[bool, str]:
    git(folder, "init", "-q", "--bare", "judge.git")
    with pack.open("rb") as content:
        done = git(folder / "judge.git", "index-pack", "--stdin", "--strict", stdin=content)
    return done.returncode == 0, done.stderr.decode("utf-8", "replace")


def judge_imprint(
    pack: Path, refs: dict[bytes, str], hosting: Hosting, name: RepositoryName
) -> tuple[bool, str]:
    repository = hosting.create(name, None)
    commands = tuple(RefCommand(ref, None, ObjectId(each)) for ref, each in refs.items())
    with pack.open("rb") as content:
        receipt = Receiver(hosting, ScopeJudge()).receive(Push(None, commands, content), repository)
    hosting.delete(name, None, grace_ms=0)
    hosting.purge_due()
    return receipt.unpack_error is None, receipt.unpack_error or ""


def main() -> int:
    differing = 0
    for place in map(Path, sys.argv[1:]):
        listed = git(place, "for-each-ref", "--format=%(objectname) %(refname)").stdout
        refs = {
            name: each.decode() for each, _, name in (line.partition(b" ") for line in listed.splitlines())
        }
        with tempfile.TemporaryDirectory() as temporary:
            folder, pack = Path(temporary), Path(temporary) / "all.pack"
            with pack.open("wb") as out:
                wanted = "\n".join(sorted(set(refs.values()))) + "\n"
                (folder / "wanted").write_text(wanted)
                with (folder / "wanted").open("rb") as lines:
                    packed = git(place, "pack-objects", "--revs", "--stdout", "-q", stdin=lines, stdout=out)
            if packed.returncode:
                sys.stdout.write(f"| {place} | incomplete |\n")
                continue
            started = time.monotonic()
            stock, said = judge_git(pack, folder)
            middle = time.monotonic()
            hosting = Hosting.open(DataFolder.create_or_open(folder / "data"))
            ours, told = judge_imprint(pack, refs, hosting, RepositoryName("acme", "history"))
            hosting.close()
            differing += stock != ours
            found = sorted({*_FOUND.findall(said)} | {*_FOUND.findall(told)})
            sys.stdout.write(
                f"| {place} | {len(refs)} refs | {pack.stat().st_size // 1024**2} MiB "
                f"| git {stock} in {middle - started:.1f} s "
                f"| imprint {ours} in {time.monotonic() - middle:.1f} s | {found} |\n"
            )
            sys.stdout.flush()
    return differing > 0


if __name__ == "__main__":
    sys.exit(main())
