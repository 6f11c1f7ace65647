"""Commits and tags: every header missing, doubled, cut, or written oddly; and odd but legal history."""

from collections.abc import Iterator

from agreement.build import (
    COMMIT,
    FIRST,
    GHOST,
    ONE,
    RELEASE,
    ROOT,
    SECOND,
    TAG,
    WHO,
    ZERO,
    Case,
    Obj,
    blob,
    commit,
    push,
    tag,
    tree,
)

BAD_WHO = {
    "nobody": b"",
    "no email": b"Ada 1 +0000",
    "no name": b"<a@b> 1 +0000",
    "no space before email": b"Ada<a@b> 1 +0000",
    "closed before opened": b"Ada> <a@b> 1 +0000",
    "opened twice": b"Ada <a<b> 1 +0000",
    "not closed": b"Ada <a@b 1 +0000",
    "no space before date": b"Ada <a@b>1 +0000",
    "nothing after email": b"Ada <a@b>",
    "no date": b"Ada <a@b> ",
    "word as date": b"Ada <a@b> today +0000",
    "negative date": b"Ada <a@b> -1 +0000",
    "zero-padded date": b"Ada <a@b> 01 +0000",
    "date overflows": b"Ada <a@b> 18446744073709551616 +0000",
    "date of 30 digits": b"Ada <a@b> " + b"9" * 30 + b" +0000",
    "date of 2^63": b"Ada <a@b> 9223372036854775808 +0000",
    "no zone": b"Ada <a@b> 1",
    "space and no zone": b"Ada <a@b> 1 ",
    "zone without sign": b"Ada <a@b> 1 0000",
    "zone of three digits": b"Ada <a@b> 1 +000",
    "zone of five digits": b"Ada <a@b> 1 +00000",
    "zone with colon": b"Ada <a@b> 1 +00:00",
    "zone Z": b"Ada <a@b> 1 Z",
    "text after zone": b"Ada <a@b> 1 +0000 x",
    "space after zone": b"Ada <a@b> 1 +0000 ",
    "two emails": b"Ada <a@b> <c@d> 1 +0000",
    "dot in date": b"Ada <a@b> 1.5 +0000",
    "hex date": b"Ada <a@b> 0x1 +0000",
    "00 as date": b"Ada <a@b> 00 +0000",
    "carriage return": b"Ada <a@b> 1 +0000\r",
    "only brackets": b"<>",
}
GOOD_WHO = {
    "plain": WHO,
    "empty name": b" <a@b> 1 +0000",
    "empty email": b"Ada <> 1 +0000",
    "spaces in name": b"A  B   C <a@b> 1 +0000",
    "date 0": b"Ada <a@b> 0 +0000",
    "far future": b"Ada <a@b> 99999999999 +0000",
    "two spaces before date": b"Ada <a@b>  1 +0000",
    "tab before date": b"Ada <a@b> \t1 +0000",
    "zone -0000": b"Ada <a@b> 1 -0000",
    "zone +1400": b"Ada <a@b> 1 +1400",
    "zone +9999": b"Ada <a@b> 1 +9999",
    "zone -7777": b"Ada <a@b> 1 -7777",
    "zone +0545": b"Ada <a@b> 1 +0545",
    "latin-1 name": b"Ad\xe4 <a@b> 1 +0000",
    "utf-8 name": "Adä 日本 <a@b> 1 +0000".encode(),
    "long name": b"A" * 5000 + b" <a@b> 1 +0000",
    "email with spaces": b"Ada <a at b> 1 +0000",
    "control characters": b"A\x01\x1bda <a@b> 1 +0000",
    "quotes": b'"Ada" <a@b> 1 +0000',
    "no at sign": b"Ada <ada> 1 +0000",
    "markup": b"<script>"[1:-1] + b" <a@b> 1 +0000",
    "option": b"--x <a@b> 1 +0000",
    "dot": b". <.> 1 +0000",
    "2^62": b"Ada <a@b> 4611686018427387904 +0000",
}
MESSAGES = {
    "empty": b"",
    "newlines": b"\n\n\n",
    "without newline": b"x",
    "latin-1": b"caf\xe9\n",
    "utf-8": "Grüße 🎉\n".encode(),
    "control characters": b"\x1b[31mred\x07\n",
    "1 MiB": b"word " * 209_716,
    "10,000 lines": b"x\n" * 10_000,
    "carriage returns": b"a\r\nb\r\n",
    "like headers": b"tree x\nparent y\nauthor z\n",
    "trailers": b"x\n\nCo-authored-by: A <a@b>\n",
    "bidi": "a\u202eb\n".encode(),
    "one line of 64 KiB": b"y" * 65_536,
    "space": b" \n",
    "scissors": b"x\n# ------------------------ >8 ------------------------\n",
}
EXTRA = {
    "encoding": b"encoding ISO-8859-1\n",
    "unknown encoding": b"encoding nonsense\n",
    "gpgsig": b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n abc\n -----END PGP SIGNATURE-----\n",
    "mergetag": b"mergetag object "
    + SECOND.id.encode()
    + b"\n type commit\n tag v1\n tagger "
    + WHO
    + b"\n \n text\n",
    "unknown header": b"x-made-by a tool\n",
    "change id": b"change-id abcdef\n",
    "empty value": b"x-y \n",
    "no value": b"flag\n",
    "continued": b"x-y a\n b\n c\n",
    "gpgsig-sha256": b"gpgsig-sha256 x\n",
    "second encoding": b"encoding a\nencoding b\n",
    "long header": b"x-y " + b"z" * 70_000 + b"\n",
    "jj": b"jj:trees a b\n",
    "second committer": b"committer " + WHO + b"\n",
    "parent behind committer": b"parent " + FIRST.id.encode() + b"\n",
    "author behind committer": b"author " + WHO + b"\n",
    "tree behind committer": b"tree " + GHOST.encode() + b"\n",
    "continuation first": b" x\n",
}
LINES = {
    "tree": b"tree " + ROOT.id.encode(),
    "parent": b"parent " + SECOND.id.encode(),
    "author": b"author " + WHO,
    "committer": b"committer " + WHO,
}


def raw_commit(name: str, legal: bool, data: bytes, *objects: Obj) -> Case:
    return push("commit", name, legal, Obj(COMMIT, data), *objects)


def idents() -> Iterator[Case]:
    for name, who in BAD_WHO.items():
        yield push("ident", f"author {name}", False, commit(ROOT, SECOND, author=who))
        yield push("ident", f"committer {name}", False, commit(ROOT, SECOND, committer=who))
        yield push("ident", f"tagger {name}", False, tag(SECOND, tagger=who), ref=b"refs/tags/new")
    for name, who in GOOD_WHO.items():
        yield push("ident", f"author {name}", True, commit(ROOT, SECOND, author=who))
        yield push("ident", f"committer {name}", True, commit(ROOT, SECOND, committer=who))
        yield push("ident", f"tagger {name}", True, tag(SECOND, tagger=who), ref=b"refs/tags/new")


def headers() -> Iterator[Case]:
    order = list(LINES.values())
    text = b"\n\nmessage\n"
    for name in ("tree", "author", "committer"):
        rest = [line for key, line in LINES.items() if key != name]
        yield raw_commit(f"without {name}", False, b"\n".join(rest) + text)
        cut = [line if key != name else name.encode() for key, line in LINES.items()]
        yield raw_commit(f"bare {name}", False, b"\n".join(cut) + text)
        upper = [line if key != name else line.capitalize() for key, line in LINES.items()]
        yield raw_commit(f"{name} in capitals", False, b"\n".join(upper) + text)
        indented = [line if key != name else b" " + line for key, line in LINES.items()]
        yield raw_commit(f"{name} indented", False, b"\n".join(indented) + text)
        tabbed = [line if key != name else line.replace(b" ", b"\t", 1) for key, line in LINES.items()]
        yield raw_commit(f"{name} with a tab", False, b"\n".join(tabbed) + text)
    yield raw_commit("without parent", True, b"\n".join([order[0], *order[2:]]) + text)
    yield raw_commit("plain", True, b"\n".join(order) + text)
    yield raw_commit("two trees", False, b"\n".join([order[0], *order]) + text)
    yield raw_commit("two authors", False, b"\n".join([*order[:3], order[2], order[3]]) + text)
    yield raw_commit("parent first", False, b"\n".join([order[1], order[0], *order[2:]]) + text)
    yield raw_commit("author last", False, b"\n".join([order[0], order[1], order[3], order[2]]) + text)
    yield raw_commit(
        "parent behind author", False, b"\n".join([order[0], order[2], order[1], order[3]]) + text
    )
    yield raw_commit("empty object", False, b"")
    yield raw_commit("only newline", False, b"\n")
    yield raw_commit("text", False, b"this is not a commit\n")
    yield raw_commit("carriage returns", False, b"\r\n".join(order) + b"\r\n\r\nmessage\r\n")
    yield raw_commit("no blank line", True, b"\n".join(order) + b"\n")
    yield raw_commit("header not ended", False, b"\n".join(order))
    yield raw_commit("NUL in header", False, b"\n".join(order[:3]) + b"\n\0" + order[3] + text)
    yield raw_commit("NUL behind committer", False, b"\n".join(order) + b"\0" + text)
    yield raw_commit(
        "NUL in name", False, b"\n".join([*order[:2], b"author A\0 <a@b> 1 +0000", order[3]]) + text
    )
    yield raw_commit("NUL in message", False, b"\n".join(order) + b"\n\nmess\0age\n")
    yield raw_commit("NUL at the end", False, b"\n".join(order) + b"\n\nmessage\0")
    for name in ("tree", "parent"):
        line = LINES[name]
        for what, wrong in {
            "39 digits": line[:-1],
            "41 digits": line + b"0",
            "64 digits": line + b"0" * 24,
            "no hex": line[:-1] + b"g",
            "space behind": line + b" ",
            "two spaces": line.replace(b" ", b"  "),
            "of nothing": name.encode() + b" ",
            "carriage return": line + b"\r",
        }.items():
            lines = [wrong if each == line else each for each in order]
            yield raw_commit(f"{name} {what}", False, b"\n".join(lines) + text)
        lines = [name.encode() + b" " + ZERO.encode() if each == line else each for each in order]
        yield raw_commit(f"{name} of zeros", False, b"\n".join(lines) + text)
        lines = [name.encode() + b" " + GHOST.encode() if each == line else each for each in order]
        yield raw_commit(f"{name} ghost", False, b"\n".join(lines) + text)
        lines = [
            line.upper().replace(name.upper().encode(), name.encode()) if each == line else each
            for each in order
        ]
        yield raw_commit(f"{name} id in capitals", True, b"\n".join(lines) + text)
    for cut in (4, 5, 20, 45, 46, 60, 94, 100, 110, 130, 150, 170):
        yield raw_commit(f"cut after {cut}", False, (b"\n".join(order) + text)[:cut])
    for name, target in {"a tag": RELEASE, "a tree": ROOT, "a blob": ONE}.items():
        yield raw_commit(
            f"parent is {name}",
            False,
            b"\n".join([order[0], b"parent " + target.id.encode(), *order[2:]]) + text,
        )
    for name, target in {"a commit": SECOND, "a blob": ONE, "a tag": RELEASE}.items():
        yield raw_commit(
            f"tree is {name}", False, b"\n".join([b"tree " + target.id.encode(), *order[1:]]) + text
        )


def histories() -> Iterator[Case]:
    for name, message in MESSAGES.items():
        yield push("history", f"message {name}", True, commit(ROOT, SECOND, message=message))
    for name, extra in EXTRA.items():
        yield push("history", f"header {name}", True, commit(ROOT, SECOND, extra=extra))
    sides = [commit(ROOT, FIRST, message=b"side %d\n" % n) for n in range(100)]
    for count in (2, 3, 16, 17, 100):
        yield push("history", f"{count} parents", True, commit(ROOT, *sides[:count]), *sides[:count])
    yield push("history", "the same parent twice", True, commit(ROOT, SECOND, SECOND))
    yield push("history", "parent and grandparent", True, commit(ROOT, SECOND, FIRST))
    yield push("history", "a root beside", True, commit(ROOT))
    yield push("history", "empty tree", True, commit(t := tree()), t)
    yield push(
        "history",
        "child older than parent",
        True,
        commit(ROOT, SECOND, author=b"A <a> 0 +0000", committer=b"A <a> 0 +0000"),
    )
    line: list[Obj] = [SECOND]
    for n in range(300):
        line.append(commit(ROOT, line[-1], message=b"%d\n" % n))
    yield push("history", "300 commits", True, line[-1], *line[1:-1])
    yield push("history", "300 commits, the last first", True, *reversed(line[1:]))
    yield push("history", "one of 300 missing", False, line[-1], *line[1:150], *line[151:-1])
    big = blob(bytes(range(256)) * 4096)
    yield push("history", "1 MiB blob", True, commit(t := tree((b"100644", b"b", big.id))), t, big)
    wide = tree(*((b"100644", b"%06d" % n, ONE.id) for n in range(5000)))
    yield push("history", "5000 files", True, commit(wide), wide)
    yield push("history", "tip already here", True, SECOND)
    stray = blob(b"stray\n")
    yield push("history", "an object nobody needs", True, commit(ROOT, SECOND), stray)
    lost = commit(GHOST, message=b"lost\n")
    yield push("history", "a broken commit nobody needs", False, commit(ROOT, SECOND), lost)


def tags() -> Iterator[Case]:
    def raw(name: str, legal: bool, data: bytes, *objects: Obj) -> Case:
        return push("tag", name, legal, Obj(TAG, data), *objects, ref=b"refs/tags/new")

    def good(name: str, each: Obj, *objects: Obj) -> Case:
        return push("tag", name, True, each, *objects, ref=b"refs/tags/new")

    lines = [b"object " + SECOND.id.encode(), b"type commit", b"tag new", b"tagger " + WHO]
    text = b"\n\nrelease\n"
    yield good("plain", tag(SECOND))
    yield good("of a tree", tag(ROOT))
    yield good("of a blob", tag(ONE))
    yield good("of a tag", tag(RELEASE))
    yield good("of a new blob", tag(b := blob(b"key\n")), b)
    inner: list[Obj] = [tag(SECOND, b"t0")]
    for n in range(30):
        inner.append(tag(inner[-1], b"t%d" % (n + 1)))
    yield good("31 deep", inner[-1], *inner[:-1])
    yield push("tag", "one of 31 missing", False, inner[-1], *inner[:10], *inner[11:-1], ref=b"refs/tags/new")
    yield good("name differs from ref", tag(SECOND, b"other"))
    yield good("without tagger", tag(SECOND, tagger=None))
    for name in (
        b"a b",
        b"-x",
        b"a..b",
        b"a.lock",
        b"",
        b".a",
        b"a~",
        b"HEAD",
        b"a/b",
        b"x" * 5000,
        "é".encode(),
        b"\xff",
    ):
        yield good(f"named {name[:20]!r}", tag(SECOND, name))
    yield raw(
        "signed",
        True,
        b"\n".join(lines) + text + b"-----BEGIN PGP SIGNATURE-----\n\nx\n-----END PGP SIGNATURE-----\n",
    )
    yield raw("empty message", True, b"\n".join(lines) + b"\n\n")
    yield raw("no message", True, b"\n".join(lines) + b"\n")
    yield raw("further header", True, b"\n".join([*lines, b"x-y z"]) + text)
    yield raw("latin-1 message", True, b"\n".join(lines) + b"\n\ncaf\xe9\n")
    yield raw("NUL in message", True, b"\n".join(lines) + b"\n\na\0b\n")
    for place, name in enumerate(("object", "type", "tag")):
        yield raw(f"without {name}", False, b"\n".join(lines[:place] + lines[place + 1 :]) + text)
        yield raw(
            f"bare {name}", False, b"\n".join([*lines[:place], name.encode(), *lines[place + 1 :]]) + text
        )
        yield (
            raw(f"{name} twice", False, b"\n".join([*lines[:place], lines[place], *lines[place:]]) + text)
            if place < 2
            else raw("tag twice", True, b"\n".join([*lines[:3], lines[2], lines[3]]) + text)
        )
        yield raw(f"cut behind {name}", False, b"\n".join(lines[: place + 1]))
        yield raw(f"ended behind {name}", place == 2, b"\n".join(lines[: place + 1]) + b"\n")
    for name, kind in {
        "empty": b"",
        "unknown": b"thing",
        "a tree": b"tree",
        "a blob": b"blob",
        "in capitals": b"Commit",
        "with a space": b"commit ",
        "a tag": b"tag",
        "delta": b"ofs-delta",
        "number": b"1",
    }.items():
        yield raw(f"type {name}", False, b"\n".join([lines[0], b"type " + kind, *lines[2:]]) + text)
    for name, target in {
        "39 digits": SECOND.id[:-1],
        "41 digits": SECOND.id + "0",
        "no hex": "g" * 40,
        "zeros": ZERO,
        "ghost": GHOST,
        "nothing": "",
        "behind a space": " " + SECOND.id,
    }.items():
        yield raw(f"object {name}", False, b"\n".join([b"object " + target.encode(), *lines[1:]]) + text)
    yield raw("NUL in header", False, b"\n".join([*lines[:2], b"tag n\0ew", lines[3]]) + text)
    yield raw("header not ended", False, b"\n".join(lines))
    yield raw("empty object", False, b"")
    yield raw("text", False, b"this is not a tag\n")
    yield raw("type first", False, b"\n".join([lines[1], lines[0], *lines[2:]]) + text)
    yield raw("carriage returns", False, b"\r\n".join(lines) + b"\r\n\r\nx\r\n")
    yield raw(
        "id in capitals", True, b"\n".join([b"object " + SECOND.id.upper().encode(), *lines[1:]]) + text
    )


def cases() -> Iterator[Case]:
    yield from idents()
    yield from headers()
    yield from histories()
    yield from tags()
