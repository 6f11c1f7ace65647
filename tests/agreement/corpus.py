"""Every case, a sample of them, and the few of which Imprint says something else on purpose."""

import hashlib
from collections import defaultdict

from agreement import commits, dotfiles, packs, refs, trees
from agreement.build import Case

_RACE = (
    "git's own answer to bytes behind a pack is a race between two of its processes; they are refused here"
)
_HEAD = "those who fetch it would find it as refs/remotes/origin/HEAD, which is another branch"
_BLIND = "a deletion that does not name what it deletes would undo what somebody else just pushed"
_HALF = "git does the rest of an atomic push when one ref is hidden or not connected; here it is all or none"
ON_PURPOSE: dict[str, str] = {
    "pack/then 1 bytes b'\\x00'": _RACE,
    "pack/then 1 bytes b'\\n'": _RACE,
    "pack/then 4 bytes b'0000'": _RACE,
    "pack/then 177 bytes b'PACK'": _RACE,
    "pack/then 4 bytes b'PACK'": _RACE,
    "pack/then 10000 bytes b'xxxx'": _RACE,
    "pack/empty pack and more": _RACE,
    "thin/and a byte more": _RACE,
    "ref-name/refs/heads/HEAD 15": _HEAD,
    "ref-name/refs/heads/HEAD/x 17": _HEAD,
    "ref-name/name of 2000": "a ref name has at most 1,024 bytes here",
    "delete/there, old is a ghost": _BLIND,
    "delete/there, old is zero": _BLIND,
    "delete/HEAD's, old is zero": _BLIND,
    "several/one ghost, atomic": _HALF,
    "several/one hidden, atomic": _HALF,
    "gitmodules/of 17 MiB": "larger blobs than 16 MiB pass in pieces: such a file cannot be checked",
}
"""Cases that Imprint refuses whatever git says, each with the reason; docs/agreement.md lists them."""


def all_cases() -> list[Case]:
    """In a fixed order, each with a key of its own."""
    found = [case for module in (trees, dotfiles, commits, packs, refs) for case in module.cases()]
    keys = [case.key for case in found]
    twice = {key for key in keys if keys.count(key) > 1} if len(set(keys)) < len(keys) else set()
    assert not twice, f"named twice: {sorted(twice)}"
    return found


def sample(cases: list[Case], count: int) -> list[Case]:
    """Cases of every family, as many legal as illegal ones where there are, by the hash of their names."""
    shelves: dict[tuple[str, bool], list[Case]] = defaultdict(list)
    for case in sorted(cases, key=lambda each: hashlib.sha256(each.key.encode()).digest()):
        if len(case.request) < 60_000:
            shelves[case.family, case.legal].append(case)
    chosen: list[Case] = []
    depth = 0
    while len(chosen) < count and any(len(shelf) > depth for shelf in shelves.values()):
        chosen += [shelf[depth] for shelf in shelves.values() if len(shelf) > depth]
        depth += 1
    return chosen[:count]


_PARSED = "git index-pack fails to parse the object before it is checked; the case is there, and refused"
NEVER_SAID: dict[str, str] = {
    **dict.fromkeys(("badObjectSha1", "badParentSha1", "badTreeSha1", "badType", "missingObject"), _PARSED),
    **dict.fromkeys(("missingTag", "missingTagEntry", "missingTree", "missingType"), _PARSED),
    "missingTypeEntry": _PARSED,
    "emptyName": "said as badTree: the tree cannot be decoded",
    "gitmodulesMissing": "the missing blob is found first, as a missing link",
    "gitattributesMissing": "the missing blob is found first, as a missing link",
    "gitmodulesLarge": "git's own threshold is 512 MiB; here it is 16 MiB, see ON_PURPOSE",
    "extraHeaderEntry": "git ignores it unless asked",
    "unknownType": "internal to git: packs have no such objects",
}
"""Message ids of git's checks that no push makes git say, each with the reason."""
