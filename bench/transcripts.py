"""How many transcripts of a repository's checkpoints are recognised and read, and how fast.

python bench/transcripts.py REPOSITORY.git [--ref REF] [--name full.jsonl] [--every N]
"""

import argparse
import subprocess
import time
from collections import Counter

from imprint.store.agents.known import HEAD_SIZE, find_format

DEFAULT_REF = "refs/heads/entire/checkpoints/v1"


def list_blobs(repository: str, ref: str, name: str) -> list[str]:
    out = subprocess.run(
        ["git", "-C", repository, "ls-tree", "-r", "-z", ref], check=True, capture_output=True
    ).stdout
    entries = (entry.split(b"\t", 1) for entry in out.split(b"\0") if entry)
    return [facts.split()[2].decode() for facts, path in entries if path.endswith(b"/" + name.encode())]


def read_blob(process: subprocess.Popen[bytes], blob: str) -> bytes | None:
    process.stdin.write(blob.encode() + b"\n")
    process.stdin.flush()
    told = process.stdout.readline().split()
    if told[1] == b"missing":
        return None
    content = process.stdout.read(int(told[2]))
    process.stdout.read(1)
    return content


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository")
    parser.add_argument("--ref", default=DEFAULT_REF)
    parser.add_argument("--name", default="full.jsonl")
    parser.add_argument("--every", type=int, default=1)
    given = parser.parse_args()
    counts: Counter[str] = Counter()
    agents: Counter[str] = Counter()
    size = seconds = 0.0
    command = ["git", "-C", given.repository, "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for blob in list_blobs(given.repository, given.ref, given.name)[:: given.every]:
            content = read_blob(process, blob)
            counts["absent" if content is None else "transcripts" if content else "empty"] += 1
            if not content:
                continue
            began = time.process_time()
            form = find_format(None, content[:HEAD_SIZE])
            session = form.parse(content) if form else None
            seconds += time.process_time() - began
            size += len(content)
            if session is None:
                continue
            agents[session.agent] += 1
            calls = [call for turn in session.turns for call in turn.calls]
            counts["recognised"] += 1
            counts["with turns"] += bool(session.turns)
            counts["with edits"] += any(call.edits for call in calls)
            counts["turns"] += len(session.turns)
            counts["edits"] += sum(len(call.edits) for call in calls)
            counts["problems"] += len(session.problems)
        process.stdin.close()
    for name, count in (*counts.items(), *agents.items()):
        print(f"{name:12} {count}")
    print(f"{size / 1e6:.0f} MB, {size / 1e6 / max(seconds, 1e-9):.0f} MB/s")


if __name__ == "__main__":
    main()
