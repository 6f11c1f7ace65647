"""Protocol versions 0 and 1 byte by byte, beside git's own upload-pack on the same repository."""

import contextlib
import io
import os
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imprint.store.errors import BadInput, LimitExceeded, PlumbingFailed
from imprint.store.limits import Limits
from imprint.store.packing.request import PackRequest
from imprint.store.transport.connection import serve_upload_connection
from imprint.store.transport.packs.packer import stream_pack
from imprint.store.transport.pktline import FrameReader, Mark, render_frame
from imprint.store.transport.upload_pack import advertise_upload, serve_upload
from imprint.store.types import ObjectId

MAIN = "refs/heads/main"
FLUSH = b"0000"
DONE = render_frame("done\n")
GIT = (
    *("git", "-c", "uploadpack.allowReachableSHA1InWant=true", "-c", "uploadpack.allowFilter=true"),
    *("-c", "uploadpack.allowTipSHA1InWant=true", "upload-pack"),
)
MODES = ("", "multi_ack", "multi_ack_detailed", "multi_ack_detailed no-done")


def wants(*ids: str, capabilities: str = "", lines: tuple[str, ...] = ()) -> bytes:
    first, *others = ids
    content = render_frame(f"want {first} {capabilities}".rstrip() + "\n")
    return content + b"".join(render_frame(line) for line in (*(f"want {each}\n" for each in others), *lines))


def haves(*ids: str) -> bytes:
    return b"".join(render_frame(f"have {each}\n") for each in ids)


def frames_of(content: bytes) -> list[bytes | Mark]:
    reader = FrameReader(io.BytesIO(content), bytes_max=10**9, limit="")
    frames = []
    while (frame := reader.read()) is not None:
        frames.append(frame)
    return frames


def split(answer: bytes) -> tuple[list[str], bytes]:
    """The lines of an answer, and the pack behind them, whatever carries it."""
    stream = io.BytesIO(answer)
    lines, pack = [], b""
    while True:
        start = stream.tell()
        if stream.read(4) == b"PACK":
            return lines, answer[start:]
        stream.seek(start)
        frame = FrameReader(stream, bytes_max=10**9, limit="").read()
        if frame is None:
            return lines, pack
        if isinstance(frame, Mark):
            lines.append(frame.name)
        elif frame[0] == 1:
            pack += frame[1:]
        elif frame[0] != 2:
            lines.append(frame.decode().removesuffix("\n"))


@pytest.fixture
def pair(bench, work_tree, tmp_path):
    """A history with a merge, pushed; `ids` by name, and `unknown` ids that nobody has."""

    def commit(name: str, day: int) -> None:
        date = f"2026-01-{day:02d}T00:00:00Z"
        ids[name] = work_tree.commit_file(name, name * 30, committer_date=date, author_date=date)

    ids: dict[str, str] = {}
    for number in range(5):
        commit(f"m{number}", number + 1)
    work_tree("checkout", "-q", "-b", "side", "HEAD~2")
    for number in range(3):
        commit(f"s{number}", number + 10)
    work_tree("checkout", "-q", "main")
    work_tree("merge", "-q", "--no-ff", "--no-commit", "side")
    commit("merge", 19)
    commit("tip", 20)
    work_tree("tag", "-a", "v1", "-m", "one", "HEAD~1")
    ids["v1"] = work_tree("rev-parse", "v1")
    work_tree("checkout", "-q", "--orphan", "other")
    commit("o0", 21)
    work_tree("checkout", "-q", "main")
    refs = {MAIN: ids["tip"], "refs/heads/side": ids["s2"], "refs/heads/other": ids["o0"]}
    refs["refs/tags/v1"] = ids["v1"]
    bench.push({name: (None, each) for name, each in refs.items()}, bench.pack(work_tree.folder, *refs))
    bench.ids = ids
    bench.work_tree = work_tree
    (tmp_path / "index").mkdir()
    bench.scratch = tmp_path / "index"
    work_tree("init", "-q", "--bare", str(bench.scratch))
    return bench


def ask_git(pair, content: bytes, *options: str) -> bytes:
    done = subprocess.run(
        [*GIT, *options, str(pair.work_tree.folder)],
        input=content,
        capture_output=True,
        check=False,
        env={**os.environ, **pair.work_tree.environment},
    )
    return done.stdout


def ask_us(pair, content: bytes) -> bytes:
    return b"".join(serve_upload(pair.repository, io.BytesIO(content), Limits(), protocol=0))


def converse(pair, content: bytes, limits: Limits | None = None) -> bytes:
    told: list[bytes] = []
    with contextlib.suppress(BadInput, LimitExceeded):
        serve_upload_connection(pair.repository, 0, io.BytesIO(content), told.append, limits or Limits())
    return b"".join(told[1:])


def objects_in(pair, pack: bytes) -> list[str]:
    if not pack:
        return []
    name = pair.work_tree("-C", str(pair.scratch), "index-pack", "--stdin", "--fix-thin", stdin=pack).split()[
        1
    ]
    index = (pair.scratch / f"objects/pack/pack-{name}.idx").read_bytes()
    return sorted(line.split()[1] for line in pair.work_tree("show-index", stdin=index).splitlines())


def scenarios(ids: dict[str, str], capabilities: str) -> dict[str, bytes]:
    unknown = [f"{number:040x}" for number in range(1, 5)]
    want = wants(ids["tip"], capabilities=capabilities)
    both = wants(ids["tip"], ids["o0"], capabilities=capabilities)
    shallow = f"shallow {ids['m3']}"
    return {
        "a clone": want + FLUSH + DONE,
        "several wants": both + FLUSH + DONE,
        "a commit below a tip": wants(ids["m2"], capabilities=capabilities) + FLUSH + DONE,
        "tags along": wants(ids["tip"], capabilities=capabilities + " include-tag") + FLUSH + DONE,
        "nothing common": want + FLUSH + haves(*unknown) + FLUSH,
        "nothing common, done": want + FLUSH + haves(*unknown) + DONE,
        "all common": want + FLUSH + haves(ids["m4"], ids["m3"]) + FLUSH,
        "all common, done": want + FLUSH + haves(ids["m4"], ids["m3"]) + DONE,
        "twice the same": want + FLUSH + haves(ids["m4"], ids["m4"]) + DONE,
        "some common": want + FLUSH + haves(unknown[0], ids["s1"], unknown[1], unknown[2], ids["m1"]) + FLUSH,
        "some common, done": want + FLUSH + haves(unknown[0], ids["s1"], unknown[1], ids["m4"]) + DONE,
        "not enough": both + FLUSH + haves(ids["m4"], unknown[0]) + FLUSH,
        "not enough, all common": both + FLUSH + haves(ids["m4"]) + FLUSH,
        "deepen": wants(ids["tip"], capabilities=capabilities, lines=("deepen 2",)) + FLUSH + DONE,
        "deepen, with haves": wants(ids["tip"], capabilities=capabilities, lines=(shallow, "deepen 3"))
        + FLUSH + haves(ids["m4"]) + DONE,
        "deepen-since": wants(ids["tip"], capabilities=capabilities, lines=("deepen-since 1768003200",))
        + FLUSH + DONE,
        "deepen-not": wants(ids["tip"], capabilities=capabilities, lines=("deepen-not side",)) + FLUSH + DONE,
        "deepen-relative": wants(
            ids["tip"], capabilities=capabilities + " deepen-relative", lines=(shallow, "deepen 1")
        ) + FLUSH + haves(ids["m4"]) + DONE,
        "unshallow": wants(ids["tip"], capabilities=capabilities, lines=(shallow, "deepen 2147483647"))
        + FLUSH + haves(ids["m4"]) + DONE,
        "from a shallow clone": wants(ids["tip"], capabilities=capabilities, lines=(shallow,))
        + FLUSH + haves(ids["m3"]) + DONE,
        "a filter": wants(ids["tip"], capabilities=capabilities + " filter", lines=("filter blob:none",))
        + FLUSH + DONE,
        "an object that is nowhere": wants(unknown[0], capabilities=capabilities) + FLUSH + DONE,
    }  # fmt: skip


def compare(pair, name: str, ours: bytes, theirs: bytes) -> None:
    our_lines, our_pack = split(ours)
    their_lines, their_pack = split(theirs)
    assert sorted(our_lines) == sorted(their_lines), name
    acks = [line for line in our_lines if line.startswith(("ACK", "NAK"))]
    assert acks == [line for line in their_lines if line.startswith(("ACK", "NAK"))], name
    assert objects_in(pair, our_pack) == objects_in(pair, their_pack), name


@pytest.mark.parametrize("mode", MODES)
def test_every_answer_over_http_equals_that_of_upload_pack(pair, mode) -> None:
    for name, content in scenarios(pair.ids, f"{mode} side-band-64k ofs-delta no-progress".strip()).items():
        theirs = ask_git(pair, content, "--stateless-rpc")
        compare(pair, name, ask_us(pair, content), theirs)


@pytest.mark.parametrize("mode", MODES)
def test_every_answer_on_a_connection_equals_that_of_upload_pack(pair, mode) -> None:
    """With a second batch behind the first: here the server remembers what was said."""
    more = haves(pair.ids["m1"], "f" * 40) + FLUSH + haves(pair.ids["o0"]) + FLUSH + DONE
    for name, content in scenarios(pair.ids, f"{mode} no-progress".strip()).items():
        whole = content if content.endswith(DONE) else content + more
        theirs = ask_git(pair, whole)
        advertised = theirs.index(b"\n0000") + 5
        compare(pair, name, converse(pair, whole), theirs[advertised:])


def test_a_first_round_that_only_asks_where_history_ends_gets_that(pair) -> None:
    """Over HTTP a client that deepens asks for this first, and says nothing of what it has."""
    content = wants(pair.ids["tip"], capabilities="multi_ack_detailed", lines=("deepen 1",)) + FLUSH
    ours = ask_us(pair, content)
    assert ours == ask_git(pair, content, "--stateless-rpc")
    assert split(ours) == ([f"shallow {pair.ids['tip']}", "FLUSH"], b"")


def test_the_old_side_band_has_frames_of_a_thousand_bytes(pair) -> None:
    content = wants(pair.ids["tip"], capabilities="side-band") + FLUSH + DONE
    frames = [frame for frame in frames_of(ask_us(pair, content)) if isinstance(frame, bytes)]
    assert max(len(frame) + 4 for frame in frames) <= 1000
    assert len(frames) > 3
    assert frames_of(ask_us(pair, content))[-1] is Mark.FLUSH


def test_a_pack_without_side_band_that_cannot_be_made_breaks_off(bench) -> None:
    request = PackRequest((ObjectId("1" * 40),), band_bytes_max=0)
    with pytest.raises(PlumbingFailed):
        list(stream_pack(bench.repository.view.plumbing, request))


@pytest.mark.parametrize("protocol", [0, 1])
def test_the_advertisement_has_the_lines_of_upload_pack(pair, protocol) -> None:
    environment = {**os.environ, **pair.work_tree.environment, "GIT_PROTOCOL": f"version={protocol}"}
    theirs = subprocess.run(
        [*GIT, "--advertise-refs", str(pair.work_tree.folder)],
        env=environment,
        capture_output=True,
        check=True,
    ).stdout
    ours = advertise_upload(pair.repository, protocol, over_http=True)
    service = [b"# service=git-upload-pack\n", Mark.FLUSH]
    our_frames, their_frames = frames_of(ours), frames_of(theirs)
    assert our_frames[:2] == service
    if protocol == 1:
        assert our_frames.pop(2) == their_frames.pop(0) == b"version 1\n"
    our_first, their_first = our_frames[2].split(b"\0"), their_frames[0].split(b"\0")
    assert (our_first[0], our_frames[3:]) == (their_first[0], their_frames[1:])

    def of(capabilities: bytes) -> set[bytes]:
        return {each for each in capabilities.split() if not each.startswith(b"agent=")}

    assert of(our_first[1]) == of(their_first[1])
    assert b"no-done" not in advertise_upload(pair.repository, protocol, over_http=False)


def test_an_empty_repository_still_says_what_it_can_do(bench) -> None:
    first, end = frames_of(advertise_upload(bench.repository, 0, over_http=False))
    assert first.startswith(b"0" * 40 + b" capabilities^{}\0multi_ack ")
    assert end is Mark.FLUSH


@pytest.mark.parametrize("content", [b"", b"0000"])
def test_a_client_that_wants_nothing_gets_nothing(pair, content) -> None:
    assert ask_us(pair, content) == b""
    assert converse(pair, content) == b""


def test_a_long_negotiation_is_bounded_round_by_round(pair) -> None:
    """What a client has in vain may be much; what is kept of it is what both have."""
    ids = [f"{number:040x}" for number in range(1, 9)]
    first = wants(pair.ids["tip"], capabilities="multi_ack_detailed") + FLUSH
    in_vain = b"".join(haves(*ids) + FLUSH for _ in range(10))
    assert split(converse(pair, first + in_vain, limits=Limits(haves_max=8))) == (["NAK"] * 10, b"")
    common = haves(pair.ids["m0"], pair.ids["m1"], pair.ids["m2"]) + FLUSH
    told = converse(pair, first + common + common + DONE, limits=Limits(haves_max=3))
    assert split(told)[0][-1] == "ERR upload-pack: more than 3 common objects"


def test_a_client_that_hangs_up_while_it_negotiates_ends_the_conversation(pair) -> None:
    content = wants(pair.ids["tip"], capabilities="multi_ack_detailed") + FLUSH
    assert converse(pair, content) == b""
    assert split(converse(pair, content + haves("1" * 40) + FLUSH)) == (["NAK"], b"")


ONE = "1" * 40


MALFORMED = [
    render_frame("want nonsense") + FLUSH,
    render_frame(f"have {ONE}") + FLUSH,
    render_frame("hello") + FLUSH,
    wants(ONE),
    wants(ONE) + b"0001",
    wants("1" * 64) + FLUSH,
    wants(ONE, capabilities="object-format=sha256") + FLUSH,
    wants(ONE, lines=("filter blob:none",)) + FLUSH,
    wants(ONE, capabilities="filter", lines=("filter sparse:path=x",)) + FLUSH,
    wants(ONE, lines=("deepen 0",)) + FLUSH,
    wants(ONE, lines=("deepen 1", "deepen-since 5")) + FLUSH,
    wants(ONE, lines=("shallow nonsense",)) + FLUSH,
    wants(ONE) + FLUSH + render_frame("have nonsense") + DONE,
    wants(ONE) + FLUSH + render_frame("hello") + DONE,
    wants(ONE) + FLUSH + haves(ONE),
    wants(ONE) + FLUSH + haves(ONE) + b"0001",
]


def test_a_malformed_request_is_refused_at_once(bench) -> None:
    for content in MALFORMED:
        with pytest.raises(BadInput):
            serve_upload(bench.repository, io.BytesIO(content), Limits(), protocol=0)


def test_wants_and_haves_are_bounded(bench) -> None:
    ids = [f"{number:040x}" for number in range(1, 30)]
    for content, limit in (
        (wants(*ids) + FLUSH, "wants_max"),
        (wants(ONE) + FLUSH + haves(*ids), "haves_max"),
    ):
        with pytest.raises(LimitExceeded) as bound:
            serve_upload(bench.repository, io.BytesIO(content), Limits(wants_max=5, haves_max=5), protocol=0)
        assert bound.value.limit == limit


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_line_surprises_the_parser(bench, lines) -> None:
    with contextlib.suppress(BadInput):
        ask_us(bench, b"".join(map(render_frame, lines)) + FLUSH + DONE)
