"""Push requests byte by byte: what is read, and what the report says."""

import contextlib
import io
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.store.errors import BadInput, LimitExceeded, ProtocolError
from imprint.store.limits import Limits
from imprint.store.receive.policy import Verdict
from imprint.store.transport.pktline import FrameReader, Mark, render_frame
from imprint.store.transport.receive_pack import advertise_receive, parse_receive, serve_receive
from imprint.store.types import HashAlgorithm

MAIN = "refs/heads/main"
ZERO, ONE, TWO = "0" * 40, "1" * 40, "2" * 40


def request(*commands: str, capabilities: str = "report-status", after: bytes = b"") -> bytes:
    first, *others = commands
    frames = [render_frame(f"{first}\0 {capabilities}"), *(render_frame(other + "\n") for other in others)]
    return b"".join(frames) + b"0000" + after


def parse(content: bytes, **limits):
    return parse_receive(io.BytesIO(content), Limits(**limits), HashAlgorithm.SHA1)


def report_of(answer: bytes) -> list[str]:
    frames = list(FrameReader(io.BytesIO(answer), bytes_max=10**9, limit="").iter_section())
    return [frame.decode() for frame in frames]


def band(answer: bytes, number: int) -> bytes:
    frames = FrameReader(io.BytesIO(answer), bytes_max=10**9, limit="")
    pieces = []
    while isinstance(frame := frames.read(), bytes):
        if frame[0] == number:
            pieces.append(frame[1:])
    return b"".join(pieces)


def answer(bench, content: bytes, **options) -> bytes:
    pieces = serve_receive(bench.repository, bench.principal, io.BytesIO(content), bench.receiver, **options)
    return b"".join(pieces)


def test_an_empty_repository_advertises_its_capabilities(bench) -> None:
    lines = advertise_receive(bench.repository, Limits())
    frames = FrameReader(io.BytesIO(lines), bytes_max=10**6, limit="")
    assert frames.read() == b"# service=git-receive-pack\n"
    assert frames.read() is Mark.FLUSH
    first = frames.read()
    assert first.startswith(b"0" * 40 + b" capabilities^{}\0")
    offered = first.partition(b"\0")[2].split()
    assert {b"report-status", b"report-status-v2", b"delete-refs", b"side-band-64k"} <= set(offered)
    assert {b"atomic", b"ofs-delta", b"push-options", b"quiet", b"object-format=sha1"} <= set(offered)
    assert frames.read() is Mark.FLUSH


def test_commands_capabilities_shallow_lines_and_options_are_read() -> None:
    content = render_frame(f"shallow {TWO}") + request(
        f"{ZERO} {ONE} {MAIN}",
        f"{ONE} {ZERO} refs/heads/été",
        capabilities="report-status push-options",
        after=render_frame("a=b\n") + render_frame("c") + b"0000PACK",
    )
    stream = io.BytesIO(content)
    got = parse_receive(stream, Limits(), HashAlgorithm.SHA1)
    assert [(each.name.decode(), each.old, each.new) for each in got.commands] == [
        (MAIN, None, ONE),
        ("refs/heads/été", ONE, None),
    ]
    assert (got.shallow, got.options, got.has_pack) == ((TWO,), ("a=b", "c"), True)
    assert stream.read() == b"PACK"


@pytest.mark.parametrize("content", [b"0000", b""])
def test_a_request_for_nothing_is_answered_with_nothing(bench, content) -> None:
    assert answer(bench, content) == b""


@pytest.mark.parametrize(
    "content",
    [
        render_frame("hello") + b"0000",
        render_frame(f"{ZERO} {ONE}") + b"0000",
        render_frame(f"{ZERO} {ONE} ") + b"0000",
        render_frame(f"{ZERO} {'x' * 40} {MAIN}") + b"0000",
        render_frame(f"{ZERO} {'1' * 64} {MAIN}") + b"0000",
        render_frame(f"{ZERO} {ONE} {MAIN}\0object-format=sha256") + b"0000",
        render_frame("push-cert\0report-status") + b"0000",
        render_frame("shallow nonsense") + b"0000",
        render_frame(f"{ZERO} {ONE} {MAIN}"),
        b"0003",
        b"zzzz",
        b"0100too short",
        render_frame(f"{ZERO} {ONE} refs/heads/{'x' * 40_000}") + b"0000",
    ],
)
def test_a_malformed_request_is_a_protocol_error_at_once(bench, content) -> None:
    with pytest.raises(BadInput):
        serve_receive(bench.repository, bench.principal, io.BytesIO(content), bench.receiver)
    assert bench.refs == {}


@given(st.binary(max_size=120), st.booleans())
def test_no_bytes_surprise_the_parser(content, framed) -> None:
    with contextlib.suppress(BadInput, LimitExceeded):
        parse(render_frame(content) + b"0000" if framed else content)


def test_commands_and_options_are_bounded() -> None:
    many = [f"{ZERO} {ONE} refs/heads/{number}" for number in range(20)]
    with pytest.raises(LimitExceeded) as bound:
        parse(request(*many), commands_max=10)
    assert bound.value.limit == "commands_max"
    with pytest.raises(LimitExceeded) as bound:
        parse(request(*many), command_bytes_max=500)
    assert bound.value.limit == "command_bytes_max"
    options = b"".join(render_frame(str(number)) for number in range(20)) + b"0000"
    with pytest.raises(LimitExceeded) as bound:
        parse(request(many[0], capabilities="push-options", after=options), push_options_max=5)
    assert bound.value.limit == "push_options_max"


def test_the_report_has_a_line_per_command_in_order(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    commands = [f"{ZERO} {head} refs/heads/b", f"{ZERO} {head} refs/imprint/x", f"{ONE} {head} {MAIN}"]
    lines = report_of(answer(bench, request(*commands, after=bench.pack(work_tree.folder, "HEAD"))))
    assert lines == [
        "unpack ok",
        "ok refs/heads/b",
        "ng refs/imprint/x deny updating a hidden ref",
        f"ng {MAIN} stale: it is at nothing, not at {ONE}; fetch first",
    ]


def test_a_side_band_wraps_the_whole_report(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    content = request(
        f"{ZERO} {head} {MAIN}",
        capabilities="report-status-v2 side-band-64k",
        after=bench.pack(work_tree.folder, "HEAD"),
    )
    got = answer(bench, content)
    assert got.endswith(b"0000")
    assert report_of(band(got, 1)) == ["unpack ok", f"ok {MAIN}"]
    assert b"admitted as event 2" in band(got, 2)


def test_without_report_status_nothing_is_said(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    pack = bench.pack(work_tree.folder, "HEAD")
    assert answer(bench, request(f"{ZERO} {head} {MAIN}", capabilities="", after=pack)) == b""
    assert bench.refs == {MAIN: head}


@pytest.mark.parametrize("damage", [b"", b"PACK", b"garbage"])
def test_a_broken_pack_is_an_unpack_error_for_every_command(bench, work_tree, damage) -> None:
    commands = [f"{ZERO} {ONE} {MAIN}", f"{ZERO} {ONE} refs/heads/b"]
    lines = report_of(answer(bench, request(*commands, after=damage)))
    assert lines[0].startswith("unpack ")
    assert lines[0] != "unpack ok"
    assert lines[1:] == [f"ng {MAIN} unpacker error", "ng refs/heads/b unpacker error"]


def test_bytes_after_a_deletion_are_not_looked_at(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    bench.push({"refs/tags/x": (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    deletion = f"{head} {ZERO} refs/tags/x"
    assert report_of(answer(bench, request(deletion, after=b"PACK"))) == ["unpack ok", "ok refs/tags/x"]
    assert bench.refs == {}


def test_a_pack_over_the_limit_is_told_in_the_report(make_bench, work_tree) -> None:
    bench = make_bench(Limits(pack_bytes_max=100))
    head = work_tree.commit_file("a", "1")
    lines = report_of(
        answer(bench, request(f"{ZERO} {head} {MAIN}", after=bench.pack(work_tree.folder, "HEAD")))
    )
    assert lines == ["unpack the pack is larger than 100 bytes", f"ng {MAIN} unpacker error"]


def test_what_the_machine_cannot_is_told_without_its_folders(make_bench, work_tree, caplog) -> None:
    bench = make_bench(Limits(quarantine_bytes_free_min=2**62))
    head = work_tree.commit_file("a", "1")
    lines = report_of(
        answer(bench, request(f"{ZERO} {head} {MAIN}", after=bench.pack(work_tree.folder, "HEAD")))
    )
    assert lines[0].startswith("unpack only ")
    assert lines[0].endswith(" bytes are free on the disk of a folder of the server")
    assert str(bench.repository.git_dir) in caplog.text


def test_what_the_judge_says_is_told_per_command(make_bench, work_tree) -> None:
    class Never:
        def judge(self, push, repository):
            return Verdict(allowed=False, rule="never", text="not\ntoday\x1b[31m")

    bench = make_bench(judge=Never())
    head = work_tree.commit_file("a", "1")
    lines = report_of(
        answer(bench, request(f"{ZERO} {head} {MAIN}", after=bench.pack(work_tree.folder, "HEAD")))
    )
    assert lines == ["unpack ok", f"ng {MAIN} not today [31m"]


@pytest.mark.parametrize(("quiet", "sign"), [("", b"still checking the push"), (" quiet", b"0005\x01")])
def test_signs_of_life_are_given_while_a_push_is_checked(make_bench, work_tree, quiet, sign) -> None:
    def dawdle(step: str) -> None:
        if step == "unpacked":
            time.sleep(0.2)

    bench = make_bench(step=dawdle)
    head = work_tree.commit_file("a", "1")
    content = request(
        f"{ZERO} {head} {MAIN}",
        capabilities="report-status side-band-64k" + quiet,
        after=bench.pack(work_tree.folder, "HEAD"),
    )
    got = answer(bench, content, keep_alive_seconds=0.05)
    assert got.count(sign) >= 2
    assert report_of(band(got, 1)) == ["unpack ok", f"ok {MAIN}"]


def test_a_push_whose_client_hangs_up_after_sending_is_admitted_all_the_same(bench, work_tree) -> None:
    head = work_tree.commit_file("a", "1")
    content = request(f"{ZERO} {head} {MAIN}", after=bench.pack(work_tree.folder, "HEAD"))
    pieces = serve_receive(
        bench.repository, bench.principal, io.BytesIO(content), bench.receiver, keep_alive_seconds=0.001
    )
    next(pieces, None)
    pieces.close()
    deadline = time.monotonic() + 10
    while bench.refs != {MAIN: head}:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_client_that_breaks_off_while_sending_leaves_nothing(bench, work_tree) -> None:
    class Broken(io.BytesIO):
        def read(self, size=-1):
            if self.tell() > 300:
                raise ConnectionResetError
            return super().read(min(size, 200))

    head = work_tree.commit_file("a", "x" * 4000)
    before = bench.files
    content = request(f"{ZERO} {head} {MAIN}", after=bench.pack(work_tree.folder, "HEAD"))
    pieces = serve_receive(bench.repository, bench.principal, Broken(content), bench.receiver)
    with pytest.raises(ConnectionResetError):
        b"".join(pieces)
    assert (bench.files, bench.refs) == (before, {})


def test_a_protocol_error_names_what_was_not_understood() -> None:
    with pytest.raises(ProtocolError, match="signed push"):
        parse(render_frame("push-cert\0report-status") + b"0000")
