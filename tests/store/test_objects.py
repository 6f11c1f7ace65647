"""Git's objects where it gets odd: packs that come and go, damage, and what old tools wrote into commits."""

import contextlib
import gc
import io
import os
import threading
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.store.errors import BadInput, ObjectDamaged, StorageFailed
from imprint.store.objects.codec import (
    canonical_mode,
    decode_commit,
    decode_tag,
    decode_tree,
    encode_commit,
    encode_tag,
    encode_tree,
    join_tree,
    object_id,
    split_tree,
)
from imprint.store.objects.git import GitObjects, write_pack
from imprint.store.objects.memory import MemoryObjects
from imprint.store.objects.ports import Commit, Identity, ObjectKind, TreeEntry
from imprint.store.types import HashAlgorithm, ObjectId

WHO = Identity("Ada", "ada@example.com", 1_700_000_000, 60)
SOME_ID = ObjectId("5" * 40)


def write_object(git, kind, content):
    return ObjectId.parse(git("hash-object", "-w", "--literally", "-t", kind, "--stdin", stdin=content))


@pytest.fixture
def bare(tmp_path, git_client):
    folder = tmp_path / "bare.git"
    folder.mkdir()
    git = git_client(folder)
    git("init", "-q", "--bare")
    return git


@pytest.fixture
def objects(bare):
    opened = GitObjects(bare.folder / "objects")
    yield opened
    opened.close()


def add_pack(git, *contents):
    """Put blobs in a pack of their own; their ids."""
    pack = io.BytesIO()
    write_pack([(ObjectKind.BLOB, content) for content in contents], pack)
    git("index-pack", "--stdin", "--strict", stdin=pack.getvalue())
    return [object_id(ObjectKind.BLOB, content) for content in contents]


# -- packs that come and go ------------------------------------------------------------------------------


def test_packs_and_loose_objects_that_come_after_opening_are_seen(bare, objects):
    absent = object_id(ObjectKind.BLOB, b"packed later")
    assert objects.find_kind(absent) is None
    assert add_pack(bare, b"packed later") == [absent]
    assert objects.read_blob(absent) == b"packed later"
    loose = write_object(bare, "blob", b"loose later")
    assert objects.read_blob(loose) == b"loose later"


def test_objects_survive_being_repacked_under_a_reader(bare, objects):
    ids = [write_object(bare, "blob", b"%d" % number) for number in range(20)]
    for number in range(20, 40):
        ids += add_pack(bare, b"%d" % number)
    for command in (("repack", "-adk"), ("unpack-objects-all",), ("repack", "-adkf"), ("prune-packed",)):
        assert [objects.read_blob(each) for each in ids] == [b"%d" % number for number in range(40)]
        if command == ("unpack-objects-all",):
            explode(bare)
        else:
            bare(*command)
    assert [objects.read_blob(each) for each in ids] == [b"%d" % number for number in range(40)]


def explode(git):
    """Turn every pack into loose objects, as `git gc` does with what is unreachable."""
    for pack in list((git.folder / "objects" / "pack").glob("*.pack")):
        content = pack.read_bytes()
        for part in pack.parent.glob(f"{pack.stem}.*"):
            part.unlink()
        git("unpack-objects", "-q", stdin=content)


def test_readers_in_many_threads_never_miss_an_object_while_packs_are_rewritten(bare):
    """Every object is in some pack or loose at every moment, so that no reading may fail."""
    ids = [write_object(bare, "blob", b"%d" % number * 50) for number in range(60)]
    objects = GitObjects(bare.folder / "objects")
    ended, failures, readings = threading.Event(), [], []

    def read():
        count = 0
        while not ended.is_set():
            for number, each in enumerate(ids):
                try:
                    assert objects.read_blob(each) == b"%d" % number * 50
                except Exception as error:  # noqa: BLE001 - whatever it is, it is told below
                    failures.append(error)
                    return
            count += 1
        readings.append(count)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(6):
        write_object(bare, "blob", b"more %d" % number)
        bare("repack", "-adfk", "--window=0")
        bare("prune-packed")
    ended.set()
    for thread in threads:
        thread.join()
    objects.close()
    assert failures == []
    assert min(readings) > 0


def test_a_pack_without_its_index_is_not_there_yet(bare, objects):
    [blob] = add_pack(bare, b"content")
    [index] = (bare.folder / "objects" / "pack").glob("*.idx")
    index.rename(index.with_suffix(".later"))
    assert objects.find_kind(blob) is None
    index.with_suffix(".later").rename(index)
    assert objects.read_blob(blob) == b"content"


def open_files():
    """How many descriptors of packs and indexes this process has; other tests' threads open other things."""
    count = 0
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, not paths
        with contextlib.suppress(FileNotFoundError):
            count += "/objects/pack/" in str(Path(f"/proc/self/fd/{name}").readlink())
    return count


def test_open_files_do_not_grow_with_the_number_of_pushes(bare, objects):
    """Each push leaves a pack; 100 of them, each large enough to be mapped, share 64 descriptors."""
    ids = []
    for _ in range(100):
        ids += add_pack(bare, os.urandom(70_000))
    before = open_files()
    for each in ids:
        objects.read_raw(each)
    assert open_files() - before <= 64
    objects.close()
    assert open_files() <= before


def test_a_large_pack_beside_small_ones_is_read(bare, objects):
    """More objects than share the table of small packs, and an index that is mapped."""
    contents = [b"%d" % number for number in range(2_500)]
    large = add_pack(bare, *contents)
    small = add_pack(bare, b"small")
    assert [objects.read_blob(each) for each in large] == contents
    assert objects.read_blob(small[0]) == b"small"
    assert {objects.find_kind(each) for each in large} == {ObjectKind.BLOB}


def test_a_multi_pack_index_changes_nothing(bare, objects):
    ids = [*add_pack(bare, b"one"), *add_pack(bare, b"two")]
    bare("multi-pack-index", "write")
    fresh = GitObjects(bare.folder / "objects")
    for opened in (objects, fresh):
        assert [opened.read_blob(each) for each in ids] == [b"one", b"two"]
    fresh.close()


def test_objects_that_nobody_closed_release_their_files(bare):
    """Warnings are errors here: a file that is left open to the collector would be one."""
    [blob] = add_pack(bare, os.urandom(100_000))
    gc.collect()  # what tests before this one left
    before = open_files()
    objects = GitObjects(bare.folder / "objects")
    objects.read_blob(blob)
    assert open_files() > before
    del objects
    gc.collect()
    assert open_files() == before


def test_a_use_after_closing_is_a_defect(bare, objects):
    [blob] = add_pack(bare, b"content")
    in_memory = MemoryObjects()
    in_memory.add(ObjectKind.BLOB, b"content")
    for opened in (objects, in_memory):
        assert opened.read_blob(blob) == b"content"
        opened.close()
        opened.close()
        with pytest.raises(AssertionError, match="after close"):
            opened.read_blob(blob)


def test_an_empty_or_absent_folder_holds_nothing(tmp_path):
    for folder in (tmp_path, tmp_path / "absent"):
        objects = GitObjects(folder)
        assert objects.find_kind(SOME_ID) is None
        objects.close()


def test_alternates_that_name_each_other_end(tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        (tmp_path / name / "info").mkdir(parents=True)
        (tmp_path / name / "info" / "alternates").write_text(f'"../{other}"\n../absent\n')
    objects = GitObjects(tmp_path / "a")
    assert objects.find_kind(SOME_ID) is None
    objects.close()


def test_an_alternate_with_an_odd_name_is_read(bare, tmp_path):
    [blob] = add_pack(bare, b"borrowed")
    for number, line in enumerate(
        (b'"../bare\\.git/objects', b'"../../../b\\141re.git/objects"', b"../../../bare.git/objects")
    ):
        info = tmp_path / f"borrower{number}" / "git" / "objects" / "info"
        info.mkdir(parents=True)
        (info / "alternates").write_bytes(line + b"\n")
        objects = GitObjects(info.parent)
        assert objects.find_kind(blob) is (ObjectKind.BLOB if number else None)
        objects.close()


# -- damage ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not zlib",
        zlib.compress(b"blob 5\0four"),
        zlib.compress(b"blob 3\0four"),
        zlib.compress(b"blob x\0four"),
        zlib.compress(b"glob 4\0four"),
        zlib.compress(b"no header"),
        zlib.compress(b"blob 4\0four")[:-6],
        zlib.compress(b"blob 4\0four") + b"more",
    ],
)
def test_a_damaged_loose_object_is_said_to_be_damaged(bare, objects, content):
    path = bare.folder / "objects" / SOME_ID[:2] / SOME_ID[2:]
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ObjectDamaged, match=SOME_ID):
        objects.read_raw(SOME_ID)


def damage_pack(git):
    [pack] = (git.folder / "objects" / "pack").glob("*.pack")
    raw = bytearray(pack.read_bytes())
    for at in range(14, len(raw) - 20):
        raw[at] ^= 0x5A
    pack.chmod(0o600)
    pack.write_bytes(raw)


def test_a_damaged_pack_is_said_to_be_damaged(bare, objects):
    [blob] = add_pack(bare, b"content of some length " * 10)
    damage_pack(bare)
    with pytest.raises(ObjectDamaged, match=blob):
        objects.read_raw(blob)


@pytest.mark.parametrize("distance", [b"\x00", b"\x0c", b"\x7f", b"\xff\x7f"], ids=repr)
def test_a_delta_without_a_base_is_damaged_and_not_followed_for_ever(bare, objects, distance):
    """The second object of the pack is turned into a delta whose base is itself, the header or outside."""
    first, second = add_pack(bare, b"a" * 20, os.urandom(40))
    [pack] = (bare.folder / "objects" / "pack").glob("*.pack")
    [index] = (bare.folder / "objects" / "pack").glob("*.idx")
    listed = bare("show-index", stdin=index.read_bytes()).splitlines()
    offset = {line.split()[1]: int(line.split()[0]) for line in listed}[second]
    raw = bytearray(pack.read_bytes())
    raw[offset : offset + 1 + len(distance)] = b"\x6a" + distance
    pack.chmod(0o600)
    pack.write_bytes(raw)
    assert objects.find_kind(first) is ObjectKind.BLOB
    for ask in (objects.find_kind, objects.read_raw):
        with pytest.raises(ObjectDamaged, match=second):
            ask(second)


def test_a_folder_in_the_place_of_an_object_is_a_failure_of_the_store(bare, objects):
    (bare.folder / "objects" / SOME_ID[:2] / SOME_ID[2:]).mkdir(parents=True)
    with pytest.raises(StorageFailed, match=SOME_ID[2:]):
        objects.read_raw(SOME_ID)


@pytest.mark.parametrize("place", ["pack", "file", "alternate"])
def test_a_good_copy_elsewhere_makes_up_for_a_damaged_one(bare, objects, tmp_path, place):
    """As with git: the copy in the damaged pack is passed over."""
    content = b"content of some length " * 10
    [blob] = add_pack(bare, content)
    good = [path.read_bytes() for path in sorted((bare.folder / "objects" / "pack").glob("*.[ip]*"))]
    damage_pack(bare)
    with pytest.raises(ObjectDamaged):
        objects.read_blob(blob)
    borrowed = tmp_path / "other" if place == "alternate" else bare.folder / "objects"
    if place == "pack":
        for suffix, part in zip((".idx", ".pack"), good, strict=True):
            (borrowed / "pack" / f"z{suffix}").write_bytes(part)
    else:
        path = borrowed / blob[:2] / blob[2:]
        path.parent.mkdir(parents=True)
        path.write_bytes(zlib.compress(b"blob %d\0" % len(content) + content))
    reader = GitObjects(bare.folder / "objects", alternates=[borrowed])
    assert reader.find_kind(SOME_ID) is None, "from here on it knows the damaged pack"
    assert reader.read_blob(blob) == content
    reader.close()


@pytest.mark.parametrize("known_before", [False, True])
def test_an_object_in_several_packs_is_there_until_the_last_goes(bare, objects, known_before):
    """Thin packs are completed with copies, so that a copy in a pack which is taken away says nothing."""
    shared = b"shared"
    for number in range(3):
        add_pack(bare, shared, b"%d" % number)
    blob = object_id(ObjectKind.BLOB, shared)
    if known_before:
        assert objects.read_blob(blob) == shared
    for index in sorted((bare.folder / "objects" / "pack").glob("*.idx")):
        assert objects.read_blob(blob) == shared
        index.unlink()
        index.with_suffix(".pack").unlink()
        add_pack(bare, os.urandom(20))  # a change that makes the folder be read anew
        objects.find_kind(SOME_ID)
    assert objects.find_kind(blob) is None


def test_a_pack_that_went_stays_open_for_whoever_reads_from_it(bare, objects):
    content = os.urandom(100_000)
    [blob] = add_pack(bare, content)
    assert objects.read_blob(blob) == content
    packs = objects._folders[0].packs

    def read_while_it_goes(pack, raw_id):
        for path in (bare.folder / "objects" / "pack").iterdir():
            path.unlink()
        packs.rescan()
        return pack.find(raw_id)

    before = open_files()
    assert packs.ask(blob, read_while_it_goes) == (ObjectKind.BLOB, content)
    assert open_files() < before, "and is closed when nobody does any more"
    assert objects.find_kind(blob) is None


@pytest.mark.parametrize("content", [b"", b"rubbish", b"\377tOc\0\0\0\2" + b"\0" * 100])
def test_an_index_that_does_not_parse_hides_only_its_own_pack(bare, objects, content, caplog):
    [blob] = add_pack(bare, b"good")
    [lost] = add_pack(bare, b"lost")
    for index in (bare.folder / "objects" / "pack").glob("*.idx"):
        if bytes.fromhex(lost) in index.read_bytes():
            index.chmod(0o600)
            index.write_bytes(content)
    assert objects.read_blob(blob) == b"good"
    assert objects.find_kind(lost) is None
    assert "pack ignored" in caplog.text


@given(st.binary(max_size=200), st.sampled_from(list(HashAlgorithm)))
def test_reading_takes_any_bytes(content, algorithm):
    """A value or `ObjectDamaged`, nothing else."""
    some_id = ObjectId("5" * algorithm.hex_length)
    for decode in (decode_tree, decode_commit, decode_tag):
        try:
            decode(some_id, content)
        except ObjectDamaged as damaged:
            assert some_id in damaged.message  # noqa: PT017 - either outcome is right


def test_a_tree_that_is_none_is_told_at_once():
    begin = time.thread_time()
    for content in (b"1" * 300_000, b"1 a" * 100_000, b"ab"):
        with pytest.raises(ObjectDamaged):
            decode_tree(ObjectId("5" * 40), content)
    assert time.thread_time() - begin < 1


# -- what old tools wrote ----------------------------------------------------------------------------------

HEAD = b"tree " + b"5" * 40 + b"\n"
AUTHOR = b"author A U Thor <author@example.com> 1700000000 +0100\n"
COMMITTER = b"committer C O Mitter <committer@example.com> 1700000001 -0230\n"
IDENTITIES = [
    b"A U Thor <author@example.com> 1700000000 +0100",
    b"A U Thor <author@example.com> 1700000000 -0000",
    b"A U Thor <author@example.com> 1 +1400",
    b"<author@example.com> 1700000000 +0100",
    b"A U Thor <> 1700000000 +0100",
    b"A U Thor <a@b> c@d> 1700000000 +0100",
    b"A U Thor <a b@c> 1700000000 +0100",
    b"A <U> Thor <a@b> 1700000000 +0100",
    b"A U Thor<author@example.com>1700000000 +0100",
    b"  A U Thor   <author@example.com>   1700000000   +0100",
    b"A U Thor <author@example.com>",
    b"A U Thor <author@example.com> 1700000000",
    b"A U Thor <author@example.com> yesterday",
    b"A U Thor <author@example.com",
    b"A U Thor author@example.com 1700000000 +0100",
    b"caf\xe9 <caf\xe9@example.com> 1700000000 +0100",
    "café <café@example.com> 1700000000 +0100".encode(),
    b"",
]


@pytest.mark.parametrize("identity", IDENTITIES, ids=repr)
def test_an_identity_is_read_as_git_log_reads_it(bare, objects, identity):
    raw = HEAD + b"author " + identity + b"\n" + COMMITTER + b"\nmessage\n"
    commit = write_object(bare, "commit", raw)
    shown = bare.run("log", "-1", "--encoding=UTF-8", "--format=%an%x00%ae%x00%at", commit).stdout
    name, email, at = shown.removesuffix(b"\n").decode("utf-8", "replace").split("\0")
    author = objects.read_commit(commit).author
    assert (author.name.strip(), author.email, author.at_s) == (name.strip(), email, int(at or 0))


@pytest.mark.parametrize(
    ("clock", "minutes"),
    [(b"+0530", 330), (b"-0330", -210), (b"+0000", 0), (b"+1400", 840), (b"+9999", 0), (b"+51800", 0)],
)
def test_an_offset_that_no_place_has_is_none(clock, minutes):
    raw = HEAD + b"author A <a> 1700000000 " + clock + b"\n\nmessage\n"
    assert decode_commit(SOME_ID, raw).author.offset_minutes == minutes


@pytest.mark.parametrize(
    ("encoding", "raw", "text"),
    [
        (b"", "grüße ☃".encode(), "grüße ☃"),
        (b"", b"gr\xfc\xdfe", "gr��e"),
        (b"ISO-8859-1", b"gr\xfc\xdfe", "grüße"),
        (b"latin1", b"gr\xfc\xdfe", "grüße"),
        (b"Windows-1252", b"\x93x\x94", "“x”"),
        (b"KOI8-R", "мир".encode("koi8-r"), "мир"),
        (b"SHIFT_JIS", "日本".encode("shift_jis"), "日本"),
        (b"EUC-JP", "日本".encode("euc_jp"), "日本"),
        (b"GB18030", "中文".encode("gb18030"), "中文"),
        (b"UTF-8", b"\xff", "�"),
        (b"klingon", b"plain", "plain"),
        (b"\xff\xfe", b"plain", "plain"),
        (b"hex", b"6162", "6162"),
        (b"rot13", b"abc", "abc"),
        (b"unicode_escape", b"\\d", "\\d"),
        (b"undefined", b"plain", "plain"),
        (b"idna", b"xn--80", "xn--80"),
        (b"x" * 5000, b"plain", "plain"),
    ],
)
def test_a_message_is_read_in_its_own_encoding(encoding, raw, text):
    header = b"encoding " + encoding + b"\n" if encoding else b""
    commit = decode_commit(SOME_ID, HEAD + AUTHOR + COMMITTER + header + b"\n" + raw + b"\n")
    assert commit.message == text + "\n"
    assert commit.subject == text


def test_an_identity_is_read_in_the_commits_encoding():
    raw = HEAD + b"author J\xfcrg <j> 1 +0000\n" + COMMITTER + b"encoding latin1\n\nx\n"
    assert decode_commit(SOME_ID, raw).author.name == "Jürg"


def test_signatures_and_headers_nobody_knows_are_passed_over():
    raw = (
        HEAD + b"parent " + b"6" * 40 + b"\n" + b"parent " + b"7" * 40 + b"\n" + AUTHOR + COMMITTER
        + b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n author Mallory <m> 1 +0000\n tree " + b"8" * 40
        + b"\n -----END PGP SIGNATURE-----\nmergetag object " + b"9" * 40 + b"\n type commit\n"
        + b"unknown header\n\nsubject\n\nauthor in the body\n"
    )  # fmt: skip
    commit = decode_commit(SOME_ID, raw)
    assert commit.tree == "5" * 40
    assert commit.parents == ("6" * 40, "7" * 40)
    assert commit.author.name == "A U Thor"
    assert commit.message == "subject\n\nauthor in the body\n"


@pytest.mark.parametrize("body", [b"", b"\n", b"\n\n", b"\nno newline at the end", b"\nnul \0 within\n"])
def test_a_message_is_kept_as_it_is(body):
    assert decode_commit(SOME_ID, HEAD + AUTHOR + COMMITTER + body).message.encode() == body[1:]


def test_a_commit_without_people_has_nobody():
    commit = decode_commit(SOME_ID, HEAD + b"\nmessage\n")
    assert commit.author == commit.committer == Identity("", "", 0, 0)


@pytest.mark.parametrize(
    "raw", [b"", b"\n\n", b"tree x\n\n", b"parent " + b"6" * 40 + b"\n\n", b"tree " + b"0" * 40]
)
def test_a_commit_without_a_tree_is_damaged(raw):
    with pytest.raises(ObjectDamaged):
        decode_commit(SOME_ID, raw)


def test_an_old_tag_without_a_tagger_is_read(bare, objects):
    blob = write_object(bare, "blob", b"x")
    tag = write_object(bare, "tag", b"object " + blob.encode() + b"\ntype blob\ntag v\xe9\n\nold\n")
    read = objects.read_tag(tag)
    assert (read.target, read.target_kind, read.name, read.message) == (blob, ObjectKind.BLOB, "v�", "old\n")


@pytest.mark.parametrize(
    ("mode", "meant"),
    [
        (b"100664", 0o100644),
        (b"100600", 0o100644),
        (b"100775", 0o100755),
        (b"100711", 0o100755),
        (b"120777", 0o120000),
        (b"040000", 0o40000),
        (b"40755", 0o40000),
        (b"160000", 0o160000),
        (b"644", 0o160000),
        (b"7" * 12, 0o160000),
        (b"1" * 5000 + b"100644", 0o100644),
        (b"200000000000040000", 0o40000),
    ],
)
def test_modes_of_old_tools_mean_what_git_takes_them_for(mode, meant):
    raw = mode + b" name\0" + b"\x55" * 20
    assert decode_tree(SOME_ID, raw) == (TreeEntry(b"name", meant, SOME_ID),)
    assert canonical_mode(meant) == meant


# -- writing -----------------------------------------------------------------------------------------------

NAMES = st.binary(min_size=1, max_size=8).filter(lambda name: b"/" not in name and b"\0" not in name)
MODES = st.sampled_from([0o100644, 0o100755, 0o120000, 0o40000, 0o160000])
ALGORITHMS = st.sampled_from(list(HashAlgorithm))


@given(st.dictionaries(NAMES, MODES, max_size=8), ALGORITHMS)
def test_a_tree_reads_back_as_it_was_written(modes, algorithm):
    target = ObjectId("a5" * (algorithm.hex_length // 2))
    entries = [TreeEntry(name, mode, target) for name, mode in modes.items()]
    decoded = decode_tree(target, encode_tree(entries))
    assert join_tree(reversed(split_tree(target, encode_tree(entries)))) == encode_tree(entries)
    assert sorted(decoded, key=lambda entry: entry.name) == sorted(entries, key=lambda entry: entry.name)
    assert encode_tree(decoded) == encode_tree(reversed(entries))


LINES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<>"), max_size=20)
WORDS = LINES.map(str.strip)
IDENTITY = st.builds(
    Identity, WORDS.filter(bool), WORDS, st.integers(0, 2**40), st.integers(-12 * 60, 14 * 60)
)
MESSAGES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(str.strip)


@given(st.lists(st.just(SOME_ID), max_size=3), IDENTITY, IDENTITY, MESSAGES)
def test_a_commit_reads_back_as_it_was_written(parents, author, committer, message):
    content = encode_commit(SOME_ID, parents, author, committer, message)
    expected = message.strip("\n") + "\n"
    assert decode_commit(SOME_ID, content) == Commit(
        SOME_ID, SOME_ID, tuple(parents), author, committer, expected
    )


@pytest.mark.parametrize("message", ["", " \n\t\n", "nul\0"])
def test_a_message_that_git_would_not_take_is_refused(message):
    with pytest.raises(BadInput):
        encode_commit(SOME_ID, [], WHO, WHO, message)


@pytest.mark.parametrize(
    "who", [Identity("", "a", 0, 0), Identity("a\nb", "a", 0, 0), Identity("a", "b>", 0, 0)]
)
def test_an_identity_that_git_would_not_take_is_refused(who):
    for author, committer in ((who, WHO), (WHO, who)):
        with pytest.raises(BadInput, match="Git identity"):
            encode_commit(SOME_ID, [], author, committer, "message")


@pytest.mark.parametrize("algorithm", list(HashAlgorithm))
def test_what_is_written_passes_the_strict_checks_of_git(tmp_path, git_client, algorithm):
    git = git_client(tmp_path)
    git("init", "-q", "--bare", f"--object-format={algorithm.value}")
    blob = b"content\n"
    entry = TreeEntry(b"file", 0o100644, object_id(ObjectKind.BLOB, blob, algorithm))
    tree = encode_tree([entry, TreeEntry(b"file.c", 0o100755, entry.id)])
    tree_id = object_id(ObjectKind.TREE, tree, algorithm)
    commit = encode_commit(tree_id, [], WHO, WHO, "message")
    commit_id = object_id(ObjectKind.COMMIT, commit, algorithm)
    tag = encode_tag(commit_id, ObjectKind.COMMIT, "v1", WHO, "tagged\n")
    pack = io.BytesIO()
    objects = [
        (ObjectKind.BLOB, blob), (ObjectKind.TREE, tree), (ObjectKind.COMMIT, commit), (ObjectKind.TAG, tag)
    ]  # fmt: skip
    assert write_pack(objects, pack, algorithm) == 4
    git("index-pack", "--stdin", "--strict", stdin=pack.getvalue())
    assert git(
        "cat-file", "--batch-all-objects", "--batch-check=%(objectname) %(objecttype)"
    ).splitlines() == sorted(
        f"{object_id(kind, content, algorithm)} {kind.value}" for kind, content in objects
    )
    git("fsck", "--full", "--strict")
    reader = GitObjects(tmp_path / "objects", algorithm)
    assert reader.read_commit(commit_id).message == "message\n"
    assert reader.read_tag(object_id(ObjectKind.TAG, tag, algorithm)).message == "tagged\n"
    reader.close()


def test_the_same_objects_make_the_same_pack():
    packs = [io.BytesIO(), io.BytesIO()]
    for pack in packs:
        write_pack([(ObjectKind.BLOB, b"a"), (ObjectKind.BLOB, b"b")], pack)
    assert packs[0].getvalue() == packs[1].getvalue()
