"""`.gitmodules`, `.gitattributes`, `.gitignore` and `.mailmap`: links, folders, too large, hostile inside."""

from collections.abc import Iterator

from agreement.build import ONE, ROOT, SECOND, Case, blob, commit, push, tree
from agreement.trees import FILE, FOLDER, LINK, SUBMODULE, named

MODULES = [
    b".gitmodules",
    b".GITMODULES",
    b".gitmodules ",
    b".gitmodules.",
    b"gitmod~1",
    b"GITMOD~1",
    b"gitmod~4",
    b"gi7eba~1",
    b"GI7EBA~9",
    b"gi7eb~10",
    b"gi7e~123",
    b".gitmodules::$DATA",
    b".gitmodules:x",
    ".g\u200citmodules".encode(),
    "\ufeff.gitmodules".encode(),
    b"a\\.gitmodules",
    b"x\\gitmod~1",
]
NOT_MODULES = [
    b".gitmodules2",
    b"gitmodules",
    b"gitmod~5",
    b"gitmod~0",
    b"gi7eba~0",
    b"gi7ebb~1",
    b"a.gitmodules",
]
BAD_URLS = [
    b"-x",
    b"--upload-pack=x",
    b"./\n-x",
    b"https://host%0ahost=x/y",
    b"http://x/%0a%0ay",
    b"./%0ahost=two/foo.git",
    b"../%0ahost=two/foo.git",
    b"https:///foo.git",
    b"http://:80/%0a",
    b"https::example.com/foo.git",
    b"http:::one.example.com/foo.git",
    b"../../../../:one.example.com/foo.git",
    b"ftp:///x",
    b"https://%0a",
    b"https://user@%0d%0ahost/x",
]
GOOD_URLS = [
    b"https://example.com/foo.git",
    b"../foo.git",
    b"./foo",
    b"ssh://-x/y",
    b"git@example.com:x",
    b"/abs/x",
    b"file:///x",
    b"git://example.com/x",
    b"https://example.com:80/x",
    b"ext::sh -c x",
    b"a-x",
    b"",
    b"https://example.com/%20x",
    b"../../../../../x",
    b"http://[::1]/x",
    b"c:/x",
    b"./-x",
    b"../../../../../x\\n",
    b"http:one.example.com/foo.git",
    b"../../../../../foo\\..\\..\\:x",
]
BAD_NAMES = [
    b"../x",
    b"a/../b",
    b"..",
    b"a/..",
    b"",
    b"..\\x",
    b"a\\..\\b",
    b"../../modules",
    b"x/../../y",
    b"a\\..",
]
GOOD_NAMES = [
    b"x",
    b"a/b",
    b"a.b",
    b"..a",
    b"a..",
    b"...",
    b"a b",
    b"-x",
    b"a/.../b",
    b".",
    b"a\\b",
    "é".encode(),
]
UPDATES = [b"!command", b"!touch /tmp/x", b"!"]
GOOD_UPDATES = [b"checkout", b"rebase", b"merge", b"none", b"nonsense", b"", b" !x"]


def with_modules(name: str, legal: bool, content: bytes, path: bytes = b".gitmodules") -> Case:
    file = blob(content)
    root = tree((FILE, path, file.id))
    return push("gitmodules", name, legal, commit(root), root, file)


def section(name: bytes = b"x", **values: bytes) -> bytes:
    quoted = name.replace(b"\\", b"\\\\")
    lines = [
        b"\t" + key.encode() + b' = "' + value.replace(b"\\", b"\\\\").replace(b"\n", b"\\n") + b'"\n'
        for key, value in values.items()
    ]
    return b'[submodule "' + quoted + b'"]\n' + b"".join(lines)


def modules() -> Iterator[Case]:
    for url in BAD_URLS:
        yield with_modules(f"url {url.decode()}", False, section(url=url))
    for url in GOOD_URLS:
        yield with_modules(f"url {url.decode()}", True, section(url=url))
    for name in BAD_NAMES:
        yield with_modules(f"name {name.decode()}", False, section(name, url=b"../x"))
    for name in GOOD_NAMES:
        yield with_modules(f"name {name.decode()}", True, section(name, url=b"../x"))
    for path in (b"-x", b"--", b"-"):
        yield with_modules(f"path {path.decode()}", False, section(path=path))
    for path in (b"x", b"a-b", b"./-x", b"../x", b".git", b"/etc", b"", b"x\r"):
        yield with_modules(f"path {path!r}", True, section(path=path))
    for update in UPDATES:
        yield with_modules(f"update {update.decode()}", False, section(update=update))
    for update in GOOD_UPDATES:
        yield with_modules(f"update {update.decode()}", True, section(update=update))
    for name, content in {
        "empty": b"",
        "comment": b"# nothing\n",
        "unclosed": b'[submodule "x\n',
        "no value": b'[submodule "x"]\nurl\n',
        "no section": b"url = -x\n",
        "binary": bytes(range(256)),
        "other section": b'[other "x"]\n\turl = -x\n',
        "bad then unparsable": b'[submodule "x"]\n\turl = ok\n[oops\n',
        "NUL": b'[submodule "x"]\n\tpath = a\0b\n',
    }.items():
        yield with_modules(f"content {name}", True, content)
    yield with_modules("hostile and then unparsable", False, section(url=b"-x") + b"[oops\n")
    yield with_modules("two, the second hostile", False, section(url=b"ok") + section(b"y", url=b"-x"))
    yield with_modules("key in capitals", False, section(URL=b"-x"))
    yield with_modules("of 1 MiB", True, b"# x\n" * 262_144)
    yield with_modules("of 17 MiB", True, b"# x\n" * 4_456_448)


def places() -> Iterator[Case]:
    hostile, kind = section(url=b"-x"), blob(b"/etc/passwd")
    for name in MODULES:
        yield with_modules(f"hostile at {named(name)}", False, hostile, name)
        yield with_modules(f"good at {named(name)}", True, section(url=b"../x"), name)
        yield _link("gitmodules", f"link at {named(name)}", False, name)
    for name in NOT_MODULES:
        yield with_modules(f"hostile at {named(name)}", True, hostile, name)
        yield _link("gitmodules", f"link at {named(name)}", True, name)
    root = tree((FOLDER, b".gitmodules", ROOT.id))
    yield push("gitmodules", "folder", False, commit(root), root)
    root = tree((SUBMODULE, b".gitmodules", SECOND.id))
    yield push("gitmodules", "submodule", False, commit(root), root)
    inner = tree((FILE, b".gitmodules", (bad := blob(hostile)).id))
    outer = tree((FOLDER, b"sub", inner.id))
    yield push("gitmodules", "hostile below the root", False, commit(outer), outer, inner, bad)
    alone = blob(hostile)
    plain = tree((FILE, b"notes", alone.id))
    yield push("gitmodules", "hostile text elsewhere", True, commit(plain), plain, alone)
    yield push(
        "gitmodules", "blob before its tree", False, commit(r := tree((FILE, b".gitmodules", bad.id))), bad, r
    )
    here = tree((FILE, b".gitmodules", ONE.id))
    yield push("gitmodules", "a blob that is here already", True, commit(here), here)
    missing = tree((FILE, b".gitmodules", blob(b"nowhere\n").id))
    yield push("gitmodules", "missing", False, commit(missing), missing)
    assert kind


def _link(family: str, name: str, legal: bool, path: bytes) -> Case:
    target = blob(b"/etc/passwd")
    root = tree((LINK, path, target.id))
    return push(family, name, legal, commit(root), root, target)


def others() -> Iterator[Case]:
    def attributes(name: str, legal: bool, content: bytes, path: bytes = b".gitattributes") -> Case:
        file = blob(content)
        root = tree((FILE, path, file.id))
        return push("dotfiles", f"attributes {name}", legal, commit(root), root, file)

    yield attributes("plain", True, b"*.c diff=cpp\n")
    yield attributes("filter", True, b"* filter=evil\n")
    yield attributes("line of 2047", True, b"x" * 2047 + b"\n")
    yield attributes("line of 2048", False, b"x" * 2048 + b"\n")
    yield attributes("long last line", False, b"a b\n" + b"y" * 3000)
    yield attributes("long lines under another name", True, b"x" * 3000, b"attributes")
    yield attributes("long lines at ntfs", False, b"x" * 3000, b"gitatt~1")
    yield attributes("long lines in capitals", False, b"x" * 3000, b".GITATTRIBUTES")
    yield attributes("short lines in capitals", True, b"x\n" * 100, b".GITATTRIBUTES")
    yield attributes("long line behind NUL", True, b"a\0" + b"x" * 3000)
    yield attributes("too large", False, b"x\n" * (50 * 1024 * 1024 + 2))
    yield attributes("nearly too large", True, b"x\n" * 500_000)
    folder = tree((FOLDER, b".gitattributes", ROOT.id))
    yield push("dotfiles", "attributes folder", False, commit(folder), folder)
    for name in (
        b".gitattributes",
        b".gitignore",
        b".mailmap",
        b".GITIGNORE",
        b"gitign~1",
        b"mailma~1",
        b"gitatt~1",
    ):
        yield _link("dotfiles", f"link {name.decode()}", True, name)
    for name in (b".gitignore", b".mailmap"):
        root = tree((FOLDER, name, ROOT.id))
        yield push("dotfiles", f"folder {name.decode()}", True, commit(root), root)
    absent = tree((FILE, b".gitattributes", blob(b"nowhere\n").id))
    yield push("dotfiles", "attributes missing", False, commit(absent), absent)


def cases() -> Iterator[Case]:
    yield from modules()
    yield from places()
    yield from others()
