"""`make agreement`: every case to both, and a table by family."""

import argparse
import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

from agreement.corpus import NEVER_SAID, ON_PURPOSE, all_cases
from agreement.judge import GitJudge, ImprintJudge
from imprint.store.hosting.settings import FATAL_IDS, MESSAGE_IDS

_SAID = re.compile(r"object [0-9a-f]{40}: (\w+): ")


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--family", help="only this one")
    parser.add_argument("--git-only", action="store_true", help="only check what is said to be legal")
    options = parser.parse_args()
    cases = [case for case in all_cases() if options.family in (None, case.family)]
    counts: Counter[tuple[str, str]] = Counter()
    wrong = 0
    heard: set[str] = set()
    with tempfile.TemporaryDirectory() as temporary:
        git = GitJudge(Path(temporary))
        ours = None if options.git_only else ImprintJudge(Path(temporary))
        for case in cases:
            expected = git.judge(case)
            heard.update(_SAID.findall(expected.said))
            counts[case.family, "cases"] += 1
            counts[case.family, "legal" if all(expected.accepted) else "malformed"] += 1
            if all(expected.accepted) != case.legal and case.key not in ON_PURPOSE:
                wrong += 1
                say(f"{case.key}: git: {expected.accepted} {expected.said!r}"[:300])
            if ours is None:
                continue
            actual = ours.judge(case)
            if case.key in ON_PURPOSE:
                counts[case.family, "on purpose"] += 1
                wrong += all(actual.accepted)
            elif actual.agrees(expected):
                counts[case.family, "agreed"] += 1
            else:
                wrong += 1
                say(f"{case.key}\n  git     {expected.accepted} {expected.said!r}"[:500])
                say(f"  imprint {actual.accepted} {actual.said!r}"[:500])
        if ours is not None:
            ours.close()
    show(counts)
    silent = {*MESSAGE_IDS, *FATAL_IDS} - heard - NEVER_SAID.keys()
    say(f"git said {len(heard)} of its message ids; {len(NEVER_SAID)} it never says to a push")
    if silent and options.family is None:
        say(f"no case makes git say {sorted(silent)}")
        wrong += 1
    return wrong > 0


def show(counts: Counter[tuple[str, str]]) -> None:
    columns = ("cases", "malformed", "legal", "agreed", "on purpose")
    say("| family | " + " | ".join(columns) + " |")
    say("|---|" + "---:|" * len(columns))
    for family in sorted({family for family, _ in counts}):
        say(f"| {family} | " + " | ".join(str(counts[family, column]) for column in columns) + " |")
    totals = [sum(number for (_, name), number in counts.items() if name == column) for column in columns]
    say("| all | " + " | ".join(map(str, totals)) + " |")


if __name__ == "__main__":
    sys.exit(main())
