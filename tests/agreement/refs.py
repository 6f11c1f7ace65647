"""Ref names, old ids, deletions, collisions, several commands at once, atomic pushes, and request lines."""

from collections.abc import Iterator

from agreement.build import (
    CAPABILITIES,
    CHILD,
    FIRST,
    GHOST,
    LONELY,
    NEW,
    ONE,
    RELEASE,
    ROOT,
    SECOND,
    THIRD,
    ZERO,
    Case,
    blob,
    commit,
    pack,
    pkt,
    tag,
    tree,
)

MAIN, DEV, TOPIC, V1 = b"refs/heads/main", b"refs/heads/dev", b"refs/heads/topic/one", b"refs/tags/v1"
ATOMIC = CAPABILITIES + b" atomic"
HEADS = b"refs/heads/"
BAD_PARTS = [
    b".",
    b"..",
    b".a",
    b"a..b",
    b"a.lock",
    b"@{",
    b"a@{b",
    b"a@{0}",
    b"a b",
    b" a",
    b"a ",
    b"a~b",
    b"a~1",
    b"a^b",
    b"a^",
    b"a:b",
    b":",
    b"a?b",
    b"a*b",
    b"*",
    b"a[b",
    b"[",
    b"a\\b",
    b"\\",
    b"a\x01b",
    b"\x1f",
    b"\x7f",
    b"a\tb",
    b".lock",
    b"a.lock.lock",
    b"-.lock",
    b"^a",
    b"~",
]
GOOD_PARTS = [
    b"a",
    b"a.b",
    b"a-b",
    b"a@b",
    b"@",
    b"a@",
    b"{",
    b"a{b}",
    b"}",
    b"a.locked",
    b"lock",
    b"a.loc",
    b"a]b",
    b"\xff\xfe",
    "é".encode(),
    "日本".encode(),
    b"a,b",
    b"a;b",
    b"$(x)",
    b"`x`",
    b"a'b",
    b'a"b',
    b"a|b",
    b"a&b",
    b"a<b>",
    b"a#b",
    b"a%b",
    b"%2e%2e",
    b"a=b",
    b"a+b",
    b"a!b",
    b"(a)",
    b"_",
    b"1",
    b"main2",
    b"HEAD2",
    b"FETCH_HEAD",
    b"refs",
    b"heads",
    b"origin",
    b"a..".rstrip(b".") + b"x",
    "\u202e".encode(),
    "\u200b".encode(),
    b"a-",
    b"0" * 40,
    b"nul",
    b"con",
    b"x" * 200,
    "é".encode() * 100,
]


def shown(name: bytes) -> str:
    return name[:40].decode("utf-8", "backslashreplace").encode("unicode_escape").decode() + f" {len(name)}"


def at(family: str, name: str, legal: bool, *commands: tuple[str, str, bytes], atomic: bool = False) -> Case:
    """Commands with a pack of `CHILD`, or without where nothing is made."""
    made = any(new != ZERO for _, new, _ in commands)
    return Case(
        family, name, legal, commands, pack(CHILD) if made else b"", ATOMIC if atomic else CAPABILITIES
    )


def names() -> Iterator[Case]:
    for part in BAD_PARTS:
        for name in (
            HEADS + part,
            HEADS + part + b"/x",
            HEADS + b"x/" + part,
            b"refs/tags/" + part,
            b"refs/" + part + b"/x",
        ):
            yield at("ref-name", shown(name), False, (ZERO, CHILD.id, name))
    for part in GOOD_PARTS:
        for name in (HEADS + part, HEADS + b"x/" + part, b"refs/tags/" + part, b"refs/x/" + part):
            yield at("ref-name", shown(name), True, (ZERO, CHILD.id, name))
    for name in (
        b"HEAD",
        b"main",
        b"refs",
        b"refs/",
        b"refs/heads",
        b"refs/heads/",
        b"heads/main",
        b"/refs/heads/x",
        b"refs//heads/x",
        b"refs/heads//x",
        b"refs/heads/x/",
        b"refs/heads/x//y",
        b"REFS/heads/x",
        b"Refs/heads/x",
        b"refs\\heads\\x",
        b"../refs/heads/x",
        b"refs/heads/../../x",
        b"FETCH_HEAD",
        b"objects/x",
        b"config",
        b"hooks/update",
        b"@",
        b"-",
        b"--x",
        b"refs/heads/x.lock/y",
        b"refs/.x/y",
        b"refs/a.lock/y",
        b"refs/heads/x\0y",
    ):
        yield at("ref-name", shown(name), False, (ZERO, CHILD.id, name))
    for name in (
        b"refs/heads/-x",
        b"refs/heads/--upload-pack=x",
        b"refs/heads/-",
        b"refs/heads/HEAD",
        b"refs/heads/HEAD/x",
        b"refs/tags/HEAD",
        b"refs/tags/-x",
        b"refs/notes/commits",
        b"refs/changes/01/1/1",
        b"refs/pull/1/head",
        b"refs/remotes/origin/main",
        b"refs/stash/x",
        b"refs/bisect/x",
        b"refs/heads/refs/heads/x",
        b"refs/heads/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p",
        b"refs/entire/checkpoints/ab/01ABC",
        b"refs/meta/config",
        b"refs/heads/imprint",
        b"refs/heads/imprint/x",
        b"refs/replace/" + GHOST.encode(),
        b"refs/original/x",
        b"refs/worktree/x",
        b"refs/rewritten/x",
        b"refs/x/y/z",
    ):
        yield at("ref-name", shown(name), True, (ZERO, CHILD.id, name))
    for name, legal in (
        (HEADS + b"a.", False),
        (b"refs/tags/a.", False),
        (HEADS + b"a./x", True),
        (HEADS + b"x/a.", False),
    ):
        yield at("ref-name", shown(name), legal, (ZERO, CHILD.id, name))
    yield at("ref-name", "one level below refs", False, (ZERO, CHILD.id, b"refs/x"))
    yield at("ref-name", "refs/stash", False, (ZERO, CHILD.id, b"refs/stash"))
    yield at("ref-name", "refs/-x", False, (ZERO, CHILD.id, b"refs/-x"))
    yield at("ref-name", "component of 250", True, (ZERO, CHILD.id, HEADS + b"y" * 250))
    yield at("ref-name", "component of 251", False, (ZERO, CHILD.id, HEADS + b"y" * 251))
    yield at("ref-name", "component of 256", False, (ZERO, CHILD.id, HEADS + b"y" * 256))
    yield at("ref-name", "name of 1024", True, (ZERO, CHILD.id, (HEADS + b"long/" * 300)[:1023] + b"x"))
    yield at("ref-name", "name of 2000", True, (ZERO, CHILD.id, (HEADS + b"long/" * 500)[:1999] + b"x"))
    yield at("ref-name", "name of 5000", False, (ZERO, CHILD.id, HEADS + b"long/" * 998 + b"x"))
    for hidden in (b"refs/imprint/x", b"refs/imprint/keep/1"):
        yield at("ref-name", f"hidden {hidden.decode()}", False, (ZERO, CHILD.id, hidden))


def olds() -> Iterator[Case]:
    yield at("old-id", "create", True, (ZERO, CHILD.id, NEW))
    yield at("old-id", "update", True, (SECOND.id, CHILD.id, MAIN))
    yield at("old-id", "rewind", True, (SECOND.id, FIRST.id, MAIN))
    yield at("old-id", "sideways", True, (THIRD.id, SECOND.id, DEV))
    yield at("old-id", "no change", True, (SECOND.id, SECOND.id, MAIN))
    yield at("old-id", "tag moved", True, (RELEASE.id, SECOND.id, V1))
    yield at("old-id", "create what is there", False, (ZERO, CHILD.id, MAIN))
    yield at("old-id", "create what is there, as it is", False, (ZERO, SECOND.id, MAIN))
    for name, old in {
        "stale": FIRST.id,
        "another branch's": THIRD.id,
        "ghost": GHOST,
        "a tree": ROOT.id,
        "the new one": CHILD.id,
    }.items():
        yield at("old-id", f"update, old is {name}", False, (old, CHILD.id, MAIN))
        yield at("old-id", f"create, old is {name}", False, (old, CHILD.id, NEW))
    yield at("old-id", "tag, old is what it peels to", False, (SECOND.id, FIRST.id, V1))
    for place in (0, 1):
        ids = [SECOND.id, CHILD.id]
        ids[place] = ids[place].upper()
        yield at("old-id", f"capitals at {place}", True, (ids[0], ids[1], MAIN))


def deletions() -> Iterator[Case]:
    yield at("delete", "a branch", True, (THIRD.id, ZERO, DEV))
    yield at("delete", "a tag", True, (RELEASE.id, ZERO, V1))
    yield at("delete", "a branch in a folder", True, (FIRST.id, ZERO, TOPIC))
    yield at("delete", "HEAD's branch", False, (SECOND.id, ZERO, MAIN))
    yield at("delete", "HEAD", False, (SECOND.id, ZERO, b"HEAD"))
    yield at("delete", "stale", False, (FIRST.id, ZERO, DEV))
    yield at("delete", "a tag by what it peels to", False, (SECOND.id, ZERO, V1))
    yield at("delete", "missing, old is here", False, (FIRST.id, ZERO, NEW))
    yield at("delete", "missing, old is a ghost", True, (GHOST, ZERO, NEW))
    yield at("delete", "missing, old is zero", True, (ZERO, ZERO, NEW))
    yield at("delete", "there, old is a ghost", True, (GHOST, ZERO, DEV))
    yield at("delete", "there, old is zero", True, (ZERO, ZERO, DEV))
    yield at("delete", "HEAD's, old is zero", True, (ZERO, ZERO, MAIN))
    yield at("delete", "HEAD's, old is a ghost", False, (GHOST, ZERO, MAIN))
    yield at("delete", "HEAD's, stale", False, (FIRST.id, ZERO, MAIN))
    yield at("delete", "funny name", False, (FIRST.id, ZERO, b"refs/heads/a..b"))
    yield at("delete", "folder of a branch", False, (FIRST.id, ZERO, b"refs/heads/topic"))
    yield at("delete", "below a branch", False, (FIRST.id, ZERO, b"refs/heads/main/x"))
    yield at("delete", "hidden", False, (FIRST.id, ZERO, b"refs/imprint/x"))
    yield at("delete", "three", True, (THIRD.id, ZERO, DEV), (RELEASE.id, ZERO, V1), (FIRST.id, ZERO, TOPIC))
    yield at(
        "delete",
        "one of three is stale",
        False,
        (THIRD.id, ZERO, DEV),
        (SECOND.id, ZERO, V1),
        (FIRST.id, ZERO, TOPIC),
    )
    yield at(
        "delete",
        "one of three is stale, atomic",
        False,
        (THIRD.id, ZERO, DEV),
        (SECOND.id, ZERO, V1),
        (FIRST.id, ZERO, TOPIC),
        atomic=True,
    )
    yield at("delete", "and create", True, (THIRD.id, ZERO, DEV), (ZERO, CHILD.id, NEW))
    yield at("delete", "and create, atomic", True, (THIRD.id, ZERO, DEV), (ZERO, CHILD.id, NEW), atomic=True)
    yield at("delete", "HEAD's and create", False, (SECOND.id, ZERO, MAIN), (ZERO, CHILD.id, NEW))
    yield at(
        "delete",
        "HEAD's and create, atomic",
        False,
        (SECOND.id, ZERO, MAIN),
        (ZERO, CHILD.id, NEW),
        atomic=True,
    )
    yield Case("delete", "with a pack behind", True, ((THIRD.id, ZERO, DEV),), pack(CHILD))
    yield Case("delete", "with bytes behind", True, ((THIRD.id, ZERO, DEV),), b"x")


def several() -> Iterator[Case]:
    a, b = HEADS + b"a", HEADS + b"b"
    df = HEADS + b"df"
    for atomic in (False, True):
        how = ", atomic" if atomic else ""

        def case(
            name: str, legal: bool, *commands: tuple[str, str, bytes], atomic: bool = atomic, how: str = how
        ) -> Case:
            return at("several", name + how, legal, *commands, atomic=atomic)

        yield case("two", True, (ZERO, CHILD.id, a), (ZERO, SECOND.id, b))
        yield case("one stale", False, (ZERO, CHILD.id, a), (GHOST, CHILD.id, MAIN))
        yield case("first stale", False, (FIRST.id, CHILD.id, MAIN), (ZERO, CHILD.id, a))
        yield case("one funny", False, (ZERO, CHILD.id, a), (ZERO, CHILD.id, HEADS + b"x..y"))
        yield case("one ghost", False, (ZERO, CHILD.id, a), (ZERO, GHOST, b))
        yield case("one hidden", False, (ZERO, CHILD.id, a), (ZERO, CHILD.id, b"refs/imprint/x"))
        yield case("one branch to a blob", False, (ZERO, CHILD.id, a), (ZERO, ONE.id, b))
        yield case("the same twice", False, (ZERO, CHILD.id, a), (ZERO, CHILD.id, a))
        yield case("twice, another value", False, (ZERO, CHILD.id, a), (ZERO, SECOND.id, a))
        yield case("twice, one after the other", not atomic, (ZERO, SECOND.id, a), (SECOND.id, CHILD.id, a))
        yield case("update twice", not atomic, (SECOND.id, FIRST.id, MAIN), (FIRST.id, CHILD.id, MAIN))
        yield case("delete and make again", not atomic, (THIRD.id, ZERO, DEV), (ZERO, CHILD.id, DEV))
        yield case("make and delete again", not atomic, (ZERO, CHILD.id, a), (CHILD.id, ZERO, a))
        yield case("delete twice", False, (THIRD.id, ZERO, DEV), (THIRD.id, ZERO, DEV))
        yield case("below a branch", False, (ZERO, CHILD.id, MAIN + b"/x"))
        yield case("above a branch", False, (ZERO, CHILD.id, HEADS + b"topic"))
        yield case("beside a branch in a folder", True, (ZERO, CHILD.id, HEADS + b"topic/two"))
        yield case("folder and file", False, (ZERO, CHILD.id, df), (ZERO, CHILD.id, df + b"/x"))
        yield case("file and folder", False, (ZERO, CHILD.id, df + b"/x"), (ZERO, CHILD.id, df))
        yield case("folder apart", True, (ZERO, CHILD.id, df), (ZERO, CHILD.id, df + b"x/y"))
        yield case("delete, then below it", not atomic, (THIRD.id, ZERO, DEV), (ZERO, CHILD.id, DEV + b"/x"))
        yield case("below it, then delete", False, (ZERO, CHILD.id, DEV + b"/x"), (THIRD.id, ZERO, DEV))
        yield case(
            "delete, then its folder", not atomic, (FIRST.id, ZERO, TOPIC), (ZERO, CHILD.id, HEADS + b"topic")
        )
        yield case(
            "its folder, then delete", False, (ZERO, CHILD.id, HEADS + b"topic"), (FIRST.id, ZERO, TOPIC)
        )
        yield case("200 refs", True, *((ZERO, CHILD.id, HEADS + b"many/%d" % n) for n in range(200)))
        yield case(
            "two names that fold", True, (ZERO, CHILD.id, HEADS + b"Case"), (ZERO, SECOND.id, HEADS + b"case")
        )
        yield case(
            "one file, three ways",
            False,
            (ZERO, CHILD.id, df),
            (ZERO, CHILD.id, df + b"/x"),
            (ZERO, CHILD.id, df + b"/x/y"),
        )


def kinds() -> Iterator[Case]:
    """What a ref may point at."""
    targets = {"commit": SECOND, "tree": ROOT, "blob": ONE, "tag": RELEASE, "blob no ref reaches": LONELY}
    for name, target in targets.items():
        yield Case("kind", f"branch to a {name}", name == "commit", ((ZERO, target.id, NEW),), pack())
        yield Case("kind", f"main to a {name}", name == "commit", ((SECOND.id, target.id, MAIN),), pack())
        yield Case("kind", f"tag to a {name}", True, ((ZERO, target.id, b"refs/tags/new"),), pack())
        yield Case("kind", f"note to a {name}", True, ((ZERO, target.id, b"refs/notes/new"),), pack())
    fresh = blob(b"fresh\n")
    yield Case("kind", "branch to a new blob", False, ((ZERO, fresh.id, NEW),), pack(fresh))
    yield Case("kind", "tag to a new blob", True, ((ZERO, fresh.id, b"refs/tags/new"),), pack(fresh))
    root = tree((b"100644", b"x", fresh.id))
    yield Case("kind", "branch to a new tree", False, ((ZERO, root.id, NEW),), pack(root, fresh))
    yield Case("kind", "other ref to a new tree", True, ((ZERO, root.id, b"refs/x/y"),), pack(root, fresh))
    mark = tag(SECOND)
    yield Case("kind", "branch to a new tag", False, ((ZERO, mark.id, NEW),), pack(mark))
    yield Case(
        "kind",
        "branch to a commit, tag to a tag",
        True,
        ((ZERO, CHILD.id, NEW), (ZERO, mark.id, b"refs/tags/n")),
        pack(CHILD, mark),
    )


def reach() -> Iterator[Case]:
    """Objects that are missing, one kind at a time."""
    content = blob(b"content\n")
    inner = tree((b"100644", b"f", content.id))
    root = tree((b"40000", b"d", inner.id))
    base = commit(root, SECOND)
    tip = commit(root, base)
    mark = tag(tip)
    every = {"tip": tip, "parent": base, "tree": root, "inner tree": inner, "blob": content}
    for name in every:
        rest = [each for key, each in every.items() if key != name]
        yield Case("reach", f"{name} missing", False, ((ZERO, tip.id, NEW),), pack(*rest))
        yield Case(
            "reach",
            f"{name} missing below a tag",
            False,
            ((ZERO, mark.id, b"refs/tags/new"),),
            pack(mark, *rest),
        )
        good = [(ZERO, SECOND.id, HEADS + b"good"), (ZERO, tip.id, NEW)]
        yield Case("reach", f"{name} missing, another ref is good", False, tuple(good), pack(*rest))
    yield Case("reach", "complete", True, ((ZERO, tip.id, NEW),), pack(*every.values()))
    yield Case(
        "reach",
        "complete below a tag",
        True,
        ((ZERO, mark.id, b"refs/tags/new"),),
        pack(mark, *every.values()),
    )
    yield Case("reach", "only the tip new", True, ((ZERO, CHILD.id, NEW),), pack(CHILD))
    yield Case("reach", "ghost", False, ((ZERO, GHOST, NEW),), pack())
    yield Case("reach", "ghost with something", False, ((ZERO, GHOST, NEW),), pack(CHILD))
    yield Case("reach", "tag of a missing commit", False, ((ZERO, mark.id, b"refs/tags/new"),), pack(mark))
    yield Case(
        "reach",
        "tree with a blob of a ref",
        True,
        ((ZERO, (c := commit(t := tree((b"100644", b"z", ONE.id)))).id, NEW),),
        pack(c, t),
    )
    yield Case(
        "reach",
        "tree with an unreachable blob that is here",
        True,
        ((ZERO, (c := commit(t := tree((b"100644", b"z", LONELY.id)))).id, NEW),),
        pack(c, t),
    )
    for place in ("before", "behind"):
        order = (CHILD, tip) if place == "before" else (tip, CHILD)
        yield Case(
            "reach",
            f"a good and a bad tip, good {place}",
            False,
            tuple((ZERO, each.id, HEADS + each.id[:5].encode()) for each in order),
            pack(CHILD, tip),
        )


def shallow() -> Iterator[Case]:
    def cut(name: str, legal: bool, ids: tuple[str, ...], *objects, tip=CHILD) -> Case:
        return Case("shallow", name, legal, ((ZERO, tip.id, NEW),), pack(*(objects or (tip,))), shallow=ids)

    lone_parent = commit(ROOT, message=b"far away\n")
    above = commit(ROOT, lone_parent, message=b"above a cut\n")
    cut_root = commit(ROOT, GHOST, message=b"parent is not here\n")
    yield cut("at a commit of the repository", True, (FIRST.id,))
    yield cut("at the parent", True, (SECOND.id,))
    yield cut("at a ghost", True, (GHOST,))
    yield cut("at two ghosts", True, (GHOST, "2" * 40))
    yield cut("at the tip, parent here", False, (CHILD.id,))
    yield cut("at the tip, parent nowhere", False, (cut_root.id,), tip=cut_root)
    yield cut("below the tip", False, (cut_root.id,), (t := commit(ROOT, cut_root)), cut_root, tip=t)
    yield cut("parent nowhere, cut elsewhere", False, (FIRST.id,), tip=cut_root)
    yield cut("history whole in spite of a cut", False, (above.id,), above, lone_parent, tip=above)
    yield cut("at a blob", True, (ONE.id,))
    for wrong in ("x", "1" * 39, "g" * 40, ""):
        yield Case(
            "shallow", f"line {wrong[:8]!r}", False, ((ZERO, CHILD.id, NEW),), pack(CHILD), shallow=(wrong,)
        )
    yield cut("zeros", True, (ZERO,))
    two = ((ZERO, CHILD.id, NEW), (ZERO, cut_root.id, HEADS + b"cut"))
    yield Case("shallow", "one of two refs", False, two, pack(CHILD, cut_root), shallow=(cut_root.id,))


def lines() -> Iterator[Case]:
    """Requests that are not what gitprotocol-pack(5) says, and some that are in unusual ways."""
    good = f"{ZERO} {CHILD.id} ".encode() + NEW
    caps = b"\0 " + CAPABILITIES
    body = b"0000" + pack(CHILD)

    def raw(name: str, legal: bool, request: bytes) -> Case:
        return Case("line", name, legal, ((ZERO, CHILD.id, NEW),), raw=request)

    yield raw("plain", True, pkt(good + caps) + body)
    yield raw("newline behind", True, pkt(good + caps + b"\n") + body)
    yield raw("no capabilities", True, pkt(good) + body)
    yield raw("no space before capabilities", True, pkt(good + b"\0" + CAPABILITIES) + body)
    yield raw("empty capabilities", True, pkt(good + b"\0") + body)
    yield raw("capitals in length", True, pkt(good + caps)[:4].upper() + pkt(good + caps)[4:] + body)
    yield raw("sha256", False, pkt(good + b"\0 report-status object-format=sha256") + body)
    yield raw("unknown format", False, pkt(good + b"\0 report-status object-format=md5") + body)
    yield raw("no format named", True, pkt(good + b"\0 report-status") + body)
    for name, line in {
        "no name": f"{ZERO} {CHILD.id}".encode(),
        "no new id": ZERO.encode() + b" " + NEW,
        "short id": good[1:],
        "no hex": b"z" + good[1:],
        "two spaces": good.replace(b" ", b"  ", 1),
        "tab": good.replace(b" ", b"\t"),
        "long id": b"0" * 24 + good,
        "text": b"hello",
        "empty": b"",
        "leading space": b" " + good,
        "name first": NEW + b" " + f"{ZERO} {CHILD.id}".encode(),
    }.items():
        yield raw(f"command with {name}", False, pkt(line + caps) + body)
    for name, wrong in {
        "length 1": b"0001",
        "length 3": b"0003",
        "no hex": b"zzzz",
        "negative": b"-001",
        "too long": b"fff1" + good,
        "cut length": b"00",
        "nothing": b"",
        "cut line": pkt(good + caps)[:50],
        "no flush": pkt(good + caps),
        "length with 0x": b"0x50" + good,
        "space": b" 050" + good,
    }.items():
        yield raw(f"packet {name}", False, wrong)
    yield raw("delim for flush", True, pkt(good + caps) + b"0001" + pack(CHILD))
    yield raw("response end for flush", True, pkt(good + caps) + b"0002" + pack(CHILD))
    yield raw("ERR packet", False, pkt(b"ERR no") + body)
    yield raw("nothing but flush", False, b"0000")
    yield raw(
        "capabilities on the second line",
        True,
        pkt(good) + pkt(f"{ZERO} {SECOND.id} refs/heads/second".encode() + caps) + body,
    )
    yield raw(
        "push-cert",
        False,
        pkt(b"push-cert\0 " + CAPABILITIES)
        + pkt(b"certificate version 0.1\n")
        + pkt(b"push-cert-end\n")
        + body,
    )


def cases() -> Iterator[Case]:
    yield from names()
    yield from olds()
    yield from deletions()
    yield from several()
    yield from kinds()
    yield from reach()
    yield from shallow()
    yield from lines()
