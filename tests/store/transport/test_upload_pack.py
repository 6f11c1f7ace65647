"""Fetch requests byte by byte: sections and their order, and what is refused."""

import contextlib
import io
import shutil
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imprint.store.errors import BadInput, LimitExceeded
from imprint.store.limits import Limits
from imprint.store.packing.request import PackRequest
from imprint.store.plumbing import Plumbing
from imprint.store.transport.packs.packer import stream_pack
from imprint.store.transport.pktline import BAND_BYTES_MAX, KEEP_ALIVE, Band, FrameReader, Mark, render_frame
from imprint.store.transport.recent import RECENT_MS, find_recent_tips
from imprint.store.transport.upload_pack import advertise_upload, serve_upload
from imprint.store.types import ObjectId

MAIN = "refs/heads/main"


def request(command: str, *arguments: str) -> bytes:
    frames = [render_frame(f"command={command}\n"), render_frame("agent=test/1"), Mark.DELIMITER.value]
    return b"".join([*frames, *(render_frame(f"{argument}\n") for argument in arguments)]) + Mark.FLUSH.value


def answer(bench, content: bytes, **limits) -> bytes:
    return b"".join(serve_upload(bench.repository, io.BytesIO(content), Limits(**limits)))


def frames_of(content: bytes) -> list:
    reader = FrameReader(io.BytesIO(content), bytes_max=10**9, limit="")
    frames = []
    while (frame := reader.read()) is not None:
        frames.append(frame)
    return frames


def lines_of(content: bytes) -> list[str]:
    return [
        frame.name if isinstance(frame, Mark) else frame.decode("utf-8", "replace").removesuffix("\n")
        for frame in frames_of(content)
        if isinstance(frame, Mark) or frame[0] not in (1, 2)
    ]


@pytest.fixture
def pushed(bench, work_tree):
    """Three commits on main, and a tag of the second."""
    work_tree.ids = [work_tree.commit_file("a", str(number)) for number in range(3)]
    work_tree("tag", "-a", "v1", "-m", "x", "HEAD~1")
    tag = work_tree("rev-parse", "v1")
    bench.push(
        {MAIN: (None, work_tree.ids[-1]), "refs/tags/v1": (None, tag)},
        bench.pack(work_tree.folder, "HEAD", "v1"),
    )
    return bench


def test_the_advertisement_says_what_is_served(bench) -> None:
    assert lines_of(advertise_upload(bench.repository, 2))[0] == "version 2"
    assert {"ls-refs=unborn", "object-format=sha1"} <= set(lines_of(advertise_upload(bench.repository, 2)))


def test_ls_refs_tells_of_an_unborn_head(bench) -> None:
    assert lines_of(answer(bench, request("ls-refs", "symrefs", "unborn"))) == [
        f"unborn HEAD symref-target:{MAIN}",
        "FLUSH",
    ]
    assert lines_of(answer(bench, request("ls-refs", "symrefs"))) == ["FLUSH"]


def test_ls_refs_peels_and_filters_by_prefix(pushed, work_tree) -> None:
    tag, head, below = work_tree("rev-parse", "v1"), work_tree.ids[2], work_tree.ids[1]
    assert lines_of(answer(pushed, request("ls-refs", "peel", "symrefs"))) == [
        f"{head} HEAD symref-target:{MAIN}",
        f"{head} {MAIN}",
        f"{tag} refs/tags/v1 peeled:{below}",
        "FLUSH",
    ]
    assert lines_of(answer(pushed, request("ls-refs", "ref-prefix refs/tags/"))) == [
        f"{tag} refs/tags/v1",
        "FLUSH",
    ]
    assert lines_of(answer(pushed, request("ls-refs", "ref-prefix refs/none"))) == ["FLUSH"]


def test_a_fetch_without_haves_is_a_pack_at_once(pushed, work_tree) -> None:
    assert lines_of(answer(pushed, request("fetch", f"want {work_tree.ids[2]}"))) == ["packfile", "FLUSH"]


def test_unknown_haves_are_not_acknowledged(pushed, work_tree) -> None:
    got = answer(pushed, request("fetch", f"want {work_tree.ids[2]}", f"have {'1' * 40}"))
    assert lines_of(got) == ["acknowledgments", "NAK", "FLUSH"]


def test_common_haves_are_acknowledged_and_end_the_negotiation(pushed, work_tree) -> None:
    arguments = [f"want {work_tree.ids[2]}", f"have {'1' * 40}", f"have {work_tree.ids[0]}"]
    got = lines_of(answer(pushed, request("fetch", *arguments)))
    assert got == ["acknowledgments", f"ACK {work_tree.ids[0]}", "ready", "DELIMITER", "packfile", "FLUSH"]
    waiting = lines_of(answer(pushed, request("fetch", *arguments, "wait-for-done")))
    assert waiting == ["acknowledgments", f"ACK {work_tree.ids[0]}", "FLUSH"]
    done = lines_of(answer(pushed, request("fetch", *arguments, "done")))
    assert done == ["packfile", "FLUSH"]


def test_not_ready_while_a_want_reaches_nothing_common(pushed, work_tree) -> None:
    work_tree("checkout", "-q", "--orphan", "other")
    orphan = work_tree.commit_file("b", "b")
    pushed.push({"refs/heads/other": (None, orphan)}, pushed.pack(work_tree.folder, "other"))
    arguments = [f"want {work_tree.ids[2]}", f"want {orphan}", f"have {work_tree.ids[1]}"]
    assert lines_of(answer(pushed, request("fetch", *arguments))) == [
        "acknowledgments",
        f"ACK {work_tree.ids[1]}",
        "FLUSH",
    ]


def test_the_sections_come_in_order(pushed, work_tree) -> None:
    got = lines_of(
        answer(
            pushed,
            request(
                "fetch",
                f"want-ref {MAIN}",
                f"have {work_tree.ids[0]}",
                f"shallow {work_tree.ids[0]}",
                "deepen 2",
            ),
        )
    )
    assert got == [
        "acknowledgments",
        f"ACK {work_tree.ids[0]}",
        "ready",
        "DELIMITER",
        "shallow-info",
        f"shallow {work_tree.ids[1]}",
        "DELIMITER",
        "wanted-refs",
        f"{work_tree.ids[2]} {MAIN}",
        "DELIMITER",
        "packfile",
        "FLUSH",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["want " + "1" * 40], "not our ref"),
        (["want-ref refs/heads/none"], "unknown ref"),
        (["want-ref refs/imprint/x"], "unknown ref"),
        (["want-ref HEAD", "deepen-not refs/heads/none"], "no ref"),
        (["want-ref HEAD", "deepen-since 99999999999"], "no commits selected"),
    ],
)
def test_what_cannot_be_given_is_an_error_line(pushed, arguments, words) -> None:
    got = answer(pushed, request("fetch", *arguments))
    assert words in lines_of(got)[-1]
    assert lines_of(got)[-1].startswith("ERR upload-pack: ")


@pytest.mark.parametrize(
    "content",
    [
        request("fetch", "want nonsense"),
        request("fetch", "want"),
        request("fetch", "deepen 0"),
        request("fetch", "deepen -1"),
        request("fetch", "deepen x"),
        request("fetch", "deepen 1", "deepen-since 1"),
        request("fetch", "filter sparse:path=x"),
        request("fetch", "filter blob:none --upload-pack=x"),
        request("fetch", "filter blob:none", "filter blob:none"),
        request("fetch", "filter combine:blob:none+sparse:path=x"),
        request("fetch", "filter combine:" + "+".join(["blob:none"] * 101)),
        request("fetch", "packfile-uris https"),
        request("fetch", "hello"),
        request("bundle-uri"),
        render_frame("command=fetch") + b"0000",
        render_frame("command=ls-refs") + render_frame("command=fetch") + b"0000",
        render_frame("command=ls-refs") + render_frame("object-format=sha256") + b"0000",
        render_frame("command=ls-refs"),
        render_frame("want " + "1" * 40) + b"0000",
        b"0003",
    ],
)
def test_a_malformed_request_is_refused_at_once(pushed, content) -> None:
    with pytest.raises(BadInput):
        serve_upload(pushed.repository, io.BytesIO(content), Limits())


def test_a_request_for_nothing_is_answered_with_nothing(pushed) -> None:
    assert answer(pushed, b"0000") == b""
    assert answer(pushed, b"") == b""
    assert answer(pushed, request("fetch", "done")) == b""


def test_wants_and_haves_are_bounded(pushed) -> None:
    ids = [f"{number:040x}" for number in range(1, 30)]
    with pytest.raises(LimitExceeded) as bound:
        answer(pushed, request("fetch", *(f"want {each}" for each in ids)), wants_max=10)
    assert bound.value.limit == "wants_max"
    with pytest.raises(LimitExceeded) as bound:
        answer(pushed, request("fetch", *(f"have {each}" for each in ids)), haves_max=10)
    assert bound.value.limit == "haves_max"


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_argument_surprises_the_parser(pushed, arguments) -> None:
    content = render_frame("command=fetch") + b"0001" + b"".join(map(render_frame, arguments)) + b"0000"
    with contextlib.suppress(BadInput):
        answer(pushed, content)


def test_a_client_that_hangs_up_stops_the_packer(pushed, work_tree) -> None:
    pieces = serve_upload(
        pushed.repository, io.BytesIO(request("fetch", f"want {work_tree.ids[2]}", "done")), Limits()
    )
    assert b"packfile" in next(piece for piece in pieces if piece)
    pieces.close()


def test_a_pack_that_cannot_be_made_ends_on_the_fatal_band(pushed) -> None:
    """As when the disk fails between the checks and the packing."""
    frames = frames_of(
        b"".join(
            stream_pack(
                pushed.repository.view.plumbing,
                PackRequest((ObjectId("1" * 40),), band_bytes_max=BAND_BYTES_MAX),
            )
        )
    )
    assert [frame[0] for frame in frames] == [Band.FATAL]
    assert b"could not be finished" in frames[0]


def test_signs_of_life_are_given_while_git_is_silent(pushed, work_tree, tmp_path) -> None:
    """A git that thinks for a while before it speaks."""
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\nsleep 0.3\nexec {shutil.which("git")} "$@"\n')
    slow.chmod(0o755)
    plumbing = Plumbing(pushed.repository.git_dir, search_path=f"{slow.parent}:/usr/local/bin:/usr/bin:/bin")
    wants = PackRequest((ObjectId(work_tree.ids[2]),), band_bytes_max=BAND_BYTES_MAX)
    assert list(stream_pack(plumbing, wants, 0.05)).count(KEEP_ALIVE) >= 3
    talkative = replace(wants, progress=True)
    assert b"still preparing the pack" in b"".join(stream_pack(plumbing, talkative, 0.05))


def test_a_branch_rewritten_between_two_requests_can_still_be_fetched(pushed, work_tree) -> None:
    """For a while: a client that listed the refs just before asks for what it saw."""
    old = work_tree.ids[2]
    work_tree("reset", "-q", "--hard", "HEAD~1")
    new = work_tree.commit_file("a", "other")
    pushed.push({MAIN: (old, new)}, pushed.pack(work_tree.folder, new, exclude=(old,)))
    recent = partial(find_recent_tips, pushed.hosting, pushed.repository)
    content = request("fetch", f"want {old}", "done")

    def ask() -> list[str]:
        return lines_of(b"".join(serve_upload(pushed.repository, io.BytesIO(content), Limits(), recent)))

    assert ask() == ["packfile", "FLUSH"]
    pushed.hosting.clock.advance(RECENT_MS + 1)
    assert "not our ref" in ask()[0]
