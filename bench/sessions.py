"""What a session costs that grows in many steps: bytes written in sum, beside a whole copy at each step.

    python bench/sessions.py [--megabytes 20] [--steps 50] [--seed 1]

The transcript is made: prompts, and answers that write files, in words of a small vocabulary. Each step
delivers the whole transcript as it is then, as a hook does that does not know what was delivered before.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import tempfile
import time
import zlib
from pathlib import Path

from imprint.store.clock import SystemClock
from imprint.store.redaction.engine import make_redactor
from imprint.store.sessions.keeping import GivenSession, Keeper
from imprint.store.sessions.memory import MemoryArchive
from imprint.store.sessions.model import Source
from imprint.store.transcripts.files import FileTranscripts


def make_lines(size_bytes: int, seed: int) -> list[bytes]:
    """Lines of a transcript of about so many bytes."""
    chance = random.Random(seed)
    words = [
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz_", k=chance.randint(2, 12))) for _ in range(4000)
    ]
    made: list[bytes] = []
    while size_bytes > 0:
        text = " ".join(chance.choices(words, k=chance.randint(20, 800)))
        number = len(made)
        said: dict[str, object] = {
            "sessionId": "s",
            "uuid": f"u{number}",
            "timestamp": "2026-01-02T03:04:05.000Z",
        }
        if number % 25:
            call = {"type": "tool_use", "id": f"c{number}", "name": "Write"}
            call_input = {"input": {"file_path": f"/w/f{number % 40}.py", "content": text}}
            message = {
                "id": f"m{number}",
                "role": "assistant",
                "model": "m",
                "content": [{**call, **call_input}],
            }
            said |= {"type": "assistant", "message": message}
        else:
            said |= {"type": "user", "message": {"role": "user", "content": text}}
        line = json.dumps(said).encode() + b"\n"
        made.append(line)
        size_bytes -= len(line)
    return made


def main() -> None:
    """Grow the session and print what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    lines = make_lines(int(chosen.megabytes * 1e6), chosen.seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        archive = MemoryArchive(lambda _id: True)
        transcripts = FileTranscripts(folder, bytes(32))
        keeper = Keeper(archive, transcripts, make_redactor(), SystemClock())
        seen: dict[str, int] = {}
        raw = copies = 0
        seconds: list[float] = []
        for step in range(1, chosen.steps + 1):
            content = b"".join(lines[: len(lines) * step // chosen.steps])
            begun = time.perf_counter()
            keeper.keep("repo", GivenSession("claude-code", content, Source("bench"), "s"), "ada")
            seconds.append(time.perf_counter() - begun)
            there = {
                path.name: path.stat().st_size for path in (folder / "texts").rglob("*") if path.is_file()
            }
            seen |= there
            raw += len(content)
            copies += len(zlib.compress(content))
        print(f"transcript: {len(content):,} bytes, {len(lines):,} lines, {chosen.steps} steps")
        print(f"whole copies: {raw:,} bytes raw, {copies:,} compressed")
        print(
            f"written in sum: {sum(seen.values()):,} bytes, {sum(seen.values()) / copies:.3f} of whole copies"
        )
        print(f"kept at the end: {sum(there.values()):,} bytes in {len(there)} texts")
        print(f"seconds a step: first {seconds[0]:.2f}, last {seconds[-1]:.2f}, sum {sum(seconds):.1f}")
        print(f"peak memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")


if __name__ == "__main__":
    main()
