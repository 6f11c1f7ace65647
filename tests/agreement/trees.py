"""Trees: names that leave the work tree or enter `.git`, order, modes, and their harmless neighbours."""

from collections.abc import Iterator

from agreement.build import GHOST, ONE, ROOT, SECOND, ZERO, Case, blob, commit, push, tree

FILE, EXEC, LINK, FOLDER, SUBMODULE = b"100644", b"100755", b"120000", b"40000", b"160000"
IGNORED_BY_HFS = [0x200C, 0x200D, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF]
DOT_GIT = [
    b".git",
    b".GIT",
    b".Git",
    b".giT",
    b"git~1",
    b"GIT~1",
    b"Git~1",
    b".git ",
    b".git.",
    b".git . .",
    b".git...",
    b".git::$INDEX_ALLOCATION",
    b".git:stream",
    b".GIT::$DATA",
    b".git\\x",
    b"a\\.git",
    b"a\\b\\.git",
    b"\\.git",
    b"a\\git~1",
    b".git\\",
    b"git~1.",
    b"git~1 ",
    b"git~1:x",
    b"a\\.GIT\\b",
]
NOT_DOT_GIT = [
    b".gitx",
    b"git",
    b"git~2",
    b"git~10",
    b"git~",
    b".gi",
    b".git2",
    b"..git",
    b"x.git",
    b".git-old",
    b".gitkeep",
    b"a.git",
    b"git~1x",
    b"...",
    b"..a",
    b".a",
    b"a..",
    b"a.",
    b" ",
    b"~",
    b".git_",
    b"-",
    b"--x",
    b"a\\b",
    b"\\",
    b"C:",
    b"CON",
    b"aux.c",
    b"nul",
    b"COM1",
    b"a:b",
    b"a?b",
    b"a*b",
    b'a"b',
    b"a\nb",
    b"a\tb",
    b"\x01",
    b"\x7f",
    b"\xff\xfe",
    b"caf\xe9",
    "été".encode(),
    "日本".encode(),
    "\u200c".encode(),
    "a\u202eb".encode(),
    "é".encode(),
    b"HEAD",
    b"refs",
    b"x" * 255,
    b"x" * 256,
    b"x" * 4097,
    b".lock",
]


def holding(family: str, name: str, legal: bool, *entries: tuple[bytes, bytes, str | bytes]) -> Case:
    """A commit whose tree has the entries."""
    root = tree(*entries)
    return push(family, name, legal, commit(root), root, ONE, ROOT)


def named(name: bytes) -> str:
    return name[:24].decode("utf-8", "backslashreplace").encode("unicode_escape").decode() + f" {len(name)}"


def names() -> Iterator[Case]:
    for name in DOT_GIT:
        yield holding("tree-name", named(name), False, (FILE, name, ONE.id))
        yield holding("tree-name", f"folder {named(name)}", False, (FOLDER, name, ROOT.id))
    for point in IGNORED_BY_HFS:
        for place in (0, 2, 4):
            name = ".git"[:place] + chr(point) + ".git"[place:]
            yield holding("tree-name", f"U+{point:04X} at {place}", False, (FILE, name.encode(), ONE.id))
        legal = f"{chr(point)}.gitx".encode()
        yield holding("tree-name", f"U+{point:04X} harmless", True, (FILE, legal, ONE.id))
    for name in (b".", b"..", b"", b"a/b", b"/", b"/a", b"a/", b"../x"):
        yield holding("tree-name", named(name), False, (FILE, name, ONE.id))
    for name in NOT_DOT_GIT:
        yield holding("tree-name", named(name), True, (FILE, name, ONE.id))
    deep = ONE
    chain = [deep]
    for level in range(200):
        deep = tree((FILE if level == 0 else FOLDER, b"d%d" % level, deep.id))
        chain.append(deep)
    yield push("tree-name", "200 folders deep", True, commit(deep), *chain)
    yield push("tree-name", ".git deep inside", False, *_nested(b".git"))
    yield push("tree-name", ".gitx deep inside", True, *_nested(b".gitx"))


def _nested(name: bytes) -> list:
    inner = tree((FILE, name, ONE.id))
    middle = tree((FOLDER, b"m", inner.id))
    outer = tree((FOLDER, b"o", middle.id))
    return [commit(outer), outer, middle, inner, ONE]


def order() -> Iterator[Case]:
    def files(name: str, legal: bool, *entries: bytes | tuple[bytes, bytes]) -> Case:
        pairs = [each if isinstance(each, tuple) else (FILE, each) for each in entries]
        full = [(mode, path, ROOT.id if mode == FOLDER else ONE.id) for mode, path in pairs]
        return holding("tree-order", name, legal, *full)

    yield files("b before a", False, b"b", b"a")
    yield files("a before b", True, b"a", b"b")
    yield files("case", True, b"B", b"a")
    yield files("case folded", False, b"a", b"B")
    yield files("folder as a file", False, (FOLDER, b"a"), b"a.c")
    yield files("folder after a.c", True, b"a.c", (FOLDER, b"a"))
    yield files("file before a.c", True, b"a", b"a.c")
    yield files("file after a.c", False, b"a.c", b"a")
    yield files("folder before a0", True, (FOLDER, b"a"), b"a0")
    yield files("folder after a0", False, b"a0", (FOLDER, b"a"))
    yield files("bytes not letters", True, b"a", b"\xc3\xa9")
    yield files("bytes not letters, turned", False, b"\xc3\xa9", b"a")
    yield files("case twins", True, b"README", b"readme")
    yield files("the same twice", False, b"a", b"a")
    yield files("three times", False, b"a", b"a", b"a")
    yield files("file and folder", False, b"a", (FOLDER, b"a"))
    yield files("folder and file", False, (FOLDER, b"a"), b"a")
    yield files("file and folder apart", False, b"a", b"a.c", (FOLDER, b"a"))
    yield files("file and folder further apart", False, b"a", b"a.c", b"a.d", (FOLDER, b"a"))
    yield files("names within names", True, b"a", b"a.c", (FOLDER, b"a.c.d"))
    yield files("folder twice", False, (FOLDER, b"a"), (FOLDER, b"a"))
    yield files("link and file", False, (LINK, b"a"), (FILE, b"a"))
    yield files("twins with another between", False, b"foo", b"foo.bar", b"foo.bar.baz", (FOLDER, b"foo.bar"))
    yield files("1000 entries", True, *(b"%04d" % n for n in range(1000)))
    yield files(
        "1000 entries, two swapped",
        False,
        *(b"%04d" % (n ^ 1 if n in (500, 501) else n) for n in range(1000)),
    )


def modes() -> Iterator[Case]:
    for mode in (FILE, EXEC, LINK):
        yield holding("tree-mode", mode.decode(), True, (mode, b"a", ONE.id))
    yield holding("tree-mode", "folder", True, (FOLDER, b"a", ROOT.id))
    yield holding("tree-mode", "submodule", True, (SUBMODULE, b"a", GHOST))
    yield holding("tree-mode", "submodule of a commit here", True, (SUBMODULE, b"a", SECOND.id))
    for mode in (b"0100644", b"040000", b"0120000", b"00100644", b"000000100644", b"0160000"):
        target = ROOT.id if mode.endswith(b"40000") else ONE.id
        yield holding("tree-mode", f"padded {mode.decode()}", False, (mode, b"a", target))
    for mode in (b"100664", b"100600", b"100666", b"100777", b"104755", b"102755", b"101644", b"100000"):
        yield holding("tree-mode", f"odd file {mode.decode()}", True, (mode, b"a", ONE.id))
    for mode in (b"40755", b"120777", b"160001"):
        target = ROOT.id if mode.startswith(b"4") else ONE.id
        yield holding("tree-mode", f"odd {mode.decode()}", True, (mode, b"a", target))
    for mode in (b"644", b"10644", b"60644", b"20644", b"140644", b"7", b"1", b"200000", b"170000"):
        yield holding("tree-mode", f"no kind {mode.decode()}", True, (mode, b"a", ONE.id))
    for mode in (b"", b"10o644", b"100648", b"0x644", b"-100644", b" 100644", b"x", b"1\x00"):
        yield holding("tree-mode", f"no number {mode!r}", False, (mode, b"a", ONE.id))
    yield holding("tree-mode", "space in front of the name", True, (b"100644 ", b"a", ONE.id))
    yield holding("tree-mode", "no bits 0", False, (b"0", b"a", ONE.id))
    yield holding("tree-mode", "wraps to a file", True, (b"4100644", b"a", ONE.id))
    yield holding("tree-mode", "wraps further", True, (b"40000100644", b"a", ONE.id))
    yield holding("tree-mode", "folder that is a blob", False, (FOLDER, b"a", ONE.id))
    yield holding("tree-mode", "file that is a tree", False, (FILE, b"a", ROOT.id))
    yield holding("tree-mode", "file that is a commit", False, (FILE, b"a", SECOND.id))
    yield holding("tree-mode", "folder that is a commit", False, (FOLDER, b"a", SECOND.id))


def shapes() -> Iterator[Case]:
    def raw(name: str, legal: bool, data: bytes) -> Case:
        from agreement.build import TREE, Obj

        root = Obj(TREE, data)
        return push("tree-shape", name, legal, commit(root), root, ONE)

    good = b"100644 a\0" + ONE.raw_id
    yield raw("empty", True, b"")
    yield raw("one entry", True, good)
    yield raw("two entries", True, good + b"100644 b\0" + ONE.raw_id)
    for cut in (1, 3, 6, 7, 8, 9, 15, len(good) - 1):
        yield raw(f"cut after {cut}", False, good[:cut])
    for more in (b"1", b"100644 b\0", b"100644 b\0" + ONE.raw_id[:19], b"\0", b"\n"):
        yield raw(f"then {more[:10]!r}", False, good + more)
    yield raw("no space", False, b"100644a\0" + ONE.raw_id)
    yield raw("two spaces", True, b"100644  a\0" + ONE.raw_id)
    yield raw("no mode", False, b" a\0" + ONE.raw_id)
    yield raw("no name", False, b"100644 \0" + ONE.raw_id)
    yield raw("null id", False, b"100644 a\0" + bytes(20))
    yield raw("null id of a submodule", False, b"160000 a\0" + bytes(20))
    yield raw("null id of a folder", False, b"40000 a\0" + bytes(20))
    yield raw("ghost id of a submodule", True, b"160000 a\0" + b"\x11" * 20)
    yield raw("text", False, b"this is not a tree\n")
    link = blob(b"/etc/passwd")
    yield push("tree-shape", "link out", True, commit(t := tree((LINK, b"l", link.id))), t, link)
    up = blob(b"../../x")
    yield push("tree-shape", "link up", True, commit(t := tree((LINK, b"l", up.id))), t, up)
    empty = blob(b"")
    yield push("tree-shape", "empty link", True, commit(t := tree((LINK, b"l", empty.id))), t, empty)
    nul = blob(b"a\0b")
    yield push("tree-shape", "link with NUL", True, commit(t := tree((LINK, b"l", nul.id))), t, nul)
    long = blob(b"x/" * 5000)
    yield push("tree-shape", "long link", True, commit(t := tree((LINK, b"l", long.id))), t, long)
    yield holding("tree-shape", "zero as text", False, (FILE, b"a", bytes.fromhex(ZERO)))


def cases() -> Iterator[Case]:
    yield from names()
    yield from order()
    yield from modes()
    yield from shapes()
