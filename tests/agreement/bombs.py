"""Small pushes that want to become large: `python -m agreement.bombs` shows what each costs the server."""

import resource
import sys
import tempfile
import time
import zlib
from pathlib import Path

from agreement.build import (
    BLOB,
    CHILD,
    NEW,
    ZERO,
    Case,
    copy_op,
    entry_header,
    insert_op,
    ofs_delta,
    pack,
    varint,
)
from agreement.judge import ImprintJudge
from imprint.store.limits import Limits

MIB = 1024**2


def zeros(size: int) -> bytes:
    """One whole blob of zeros, as an entry of a pack; packed piece by piece."""
    engine = zlib.compressobj(9)
    pieces = [engine.compress(bytes(MIB)) for _ in range(size // MIB)]
    return entry_header(BLOB, size) + b"".join([*pieces, engine.flush()])


def doubling(steps: int, siblings: int = 0) -> list[bytes]:
    """16 MiB of zeros and deltas, each twice what the one before is; then more like the last."""
    entries, size = [zeros(16 * MIB)], 16 * MIB
    for _ in range(steps):
        entries.append(ofs_delta(len(entries[-1]), twice(size)))
        size *= 2
    back = len(entries[-1]) + len(entries[-2])
    for number in range(siblings):
        entries.append(ofs_delta(back, twice(size // 2, b"%04d" % number)))
        back += len(entries[-1])
    return entries


def twice(size: int, more: bytes = b"") -> bytes:
    """A delta: a base of this size two times, then some bytes."""
    copies = [copy_op(at, min(0xFFFFFF, size - at)) for at in range(0, size, 0xFFFFFF)]
    operations = b"".join(copies * 2) + insert_op(more)
    return varint(size) + varint(size * 2 + len(more)) + operations


BOMBS = {
    "256 MiB of zeros": lambda: [zeros(256 * MIB)],
    "1 GiB of zeros": lambda: [zeros(1024 * MIB)],
    "deltas to 128 MiB": lambda: doubling(3),
    "deltas to 512 MiB": lambda: doubling(5),
    "deltas to 4 GiB": lambda: doubling(8),
    "100 deltas of 128 MiB": lambda: doubling(3, 100),
}


def main() -> int:
    for name, make in BOMBS.items():
        entries = make()
        case = Case("bomb", name, True, ((ZERO, CHILD.id, NEW),), pack(CHILD, *entries))
        with tempfile.TemporaryDirectory() as temporary:
            judge = ImprintJudge(Path(temporary), Limits())
            judge.prepare()
            started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
            outcome = judge.judge(case)
            took, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
            judge.close()
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        sys.stdout.write(
            f"| {name} | {len(case.request):,} bytes | {took:.1f} s | {cpu:.1f} s CPU "
            f"| {after.ru_maxrss // 1024} MiB at most | {outcome.accepted} {outcome.said[:150]!r} |\n"
        )
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
