"""What version 2 has beyond a plain fetch, beside git's upload-pack: object-info, sideband-all, filters."""

import io
import os
import subprocess

import pytest

from imprint.store.errors import BadInput, LimitExceeded
from imprint.store.limits import Limits
from imprint.store.transport.packs.filters import parse_filter, resolve_filter
from imprint.store.transport.pktline import FrameReader, Mark, render_frame
from imprint.store.transport.upload_pack import serve_upload

MAIN = "refs/heads/main"
GIT = ("git", "-c", "uploadpack.allowFilter=true", "-c", "uploadpack.allowSidebandAll=true",
       "-c", "uploadpack.allowRefInWant=true", "upload-pack", "--stateless-rpc")  # fmt: skip


def command(name: str, *arguments: str) -> bytes:
    lines = b"".join(render_frame(argument) for argument in arguments)
    return render_frame(f"command={name}") + b"0001" + lines + b"0000"


def ask_us(bench, content: bytes) -> bytes:
    return b"".join(serve_upload(bench.repository, io.BytesIO(content), Limits()))


def ask_git(folder, content: bytes) -> bytes:
    environment = {**os.environ, "GIT_PROTOCOL": "version=2"}
    return subprocess.run(
        [*GIT, str(folder)], input=content, env=environment, capture_output=True, check=False
    ).stdout


def frames_of(content: bytes) -> list[bytes | Mark]:
    reader = FrameReader(io.BytesIO(content), bytes_max=10**9, limit="")
    frames = []
    while (frame := reader.read()) is not None:
        frames.append(frame)
    return frames


@pytest.fixture
def pushed(bench, work_tree):
    work_tree.ids = [work_tree.commit_file(f"d/{number}", str(number) * 500) for number in range(3)]
    work_tree("tag", "-a", "v1", "-m", "one")
    tag = work_tree("rev-parse", "v1")
    refs = {MAIN: (None, work_tree.ids[-1]), "refs/tags/v1": (None, tag)}
    bench.push(refs, bench.pack(work_tree.folder, "HEAD", "v1"))
    return bench


def test_object_info_is_that_of_upload_pack(pushed, work_tree) -> None:
    names = ("HEAD", "HEAD~2", "v1", "HEAD^{tree}", "HEAD:d/1")
    ids = [*(work_tree("rev-parse", name) for name in names), "1" * 40]
    asked = [f"oid {each}" for each in ids]
    content = command("object-info", "size", *asked)
    assert ask_us(pushed, content) == ask_git(work_tree.folder, content)
    without = [frame for frame in frames_of(ask_us(pushed, command("object-info", *asked))) if frame]
    assert without == [*(each.encode() for each in ids), Mark.FLUSH]


def test_object_info_tells_nothing_of_what_no_ref_reaches(pushed, work_tree) -> None:
    old = work_tree.ids[2]
    blob = work_tree("rev-parse", "HEAD:d/2")
    work_tree("reset", "-q", "--hard", "HEAD~1")
    new = work_tree.commit_file("d/other", "other")
    pushed.push({MAIN: (old, new)}, pushed.pack(work_tree.folder, new, exclude=(old,)))
    pushed.push({"refs/tags/v1": (work_tree("rev-parse", "v1"), None)}, None)
    content = command("object-info", "size", f"oid {old}", f"oid {blob}", f"oid {new}")
    lines = [frame for frame in frames_of(ask_us(pushed, content)) if isinstance(frame, bytes)]
    assert lines[:3] == [b"size", f"{old} ".encode(), f"{blob} ".encode()]
    assert len(lines[3].split()) == 2


@pytest.mark.parametrize(
    "content",
    [
        command("object-info", "oid x"),
        command("object-info", "type"),
        render_frame("command=object-info") + b"0000",
    ],
)
def test_a_malformed_object_info_is_refused(pushed, content) -> None:
    with pytest.raises(BadInput):
        ask_us(pushed, content)


def test_object_info_is_bounded(pushed) -> None:
    content = command("object-info", *(f"oid {number:040x}" for number in range(1, 9)))
    with pytest.raises(LimitExceeded):
        serve_upload(pushed.repository, io.BytesIO(content), Limits(wants_max=5))


@pytest.mark.parametrize(
    "arguments",
    [
        ("want {2}", "have {0}", "done"),
        ("want {2}", "have {0}"),
        ("want {2}", "have " + "1" * 40),
        ("want-ref refs/heads/main", "deepen 2", "done"),
        ("want {2}", "have {0}", "shallow {0}", "deepen 5", "done"),
    ],
)
def test_with_sideband_all_every_line_is_on_a_band(pushed, work_tree, arguments) -> None:
    filled = [argument.format(*work_tree.ids) for argument in arguments]
    content = command("fetch", "sideband-all", "no-progress", "ofs-delta", *filled)
    ours = frames_of(ask_us(pushed, content))
    theirs = frames_of(ask_git(work_tree.folder, content))

    def sections(frames: list[bytes | Mark]) -> list[str]:
        told = [frame for frame in frames if isinstance(frame, Mark) or frame[0] != 2]
        end = told.index(b"\1packfile\n") + 1 if b"\1packfile\n" in told else len(told)
        return [str(frame) for frame in told[:end]]

    assert sorted(sections(ours)) == sorted(sections(theirs))
    assert all(isinstance(frame, Mark) or frame[0] in {1, 2} for frame in ours)


def test_with_sideband_all_a_refusal_is_on_the_fatal_band(pushed) -> None:
    (frame,) = frames_of(ask_us(pushed, command("fetch", "sideband-all", "want " + "1" * 40, "done")))
    assert frame.startswith(b"\3upload-pack: not our ref")


@pytest.mark.parametrize(
    ("specification", "parts"),
    [
        ("blob:none", ("blob:none",)),
        ("blob:limit=0", ("blob:limit=0",)),
        ("blob:limit=1K", ("blob:limit=1K",)),
        ("blob:limit=10m", ("blob:limit=10m",)),
        ("tree:0", ("tree:0",)),
        ("object:type=commit", ("object:type=commit",)),
        ("combine:blob:none+tree:3", ("blob:none", "tree:3")),
        (
            "combine:combine%3Ablob:none%2Btree:3+object:type=blob",
            ("blob:none", "tree:3", "object:type=blob"),
        ),
        ("sparse:oid=main:.gitignore", ("sparse:oid=main:.gitignore",)),
    ],
)
def test_a_filter_is_taken_apart(specification, parts) -> None:
    assert parse_filter(specification) == parts


@pytest.mark.parametrize(
    "specification",
    ["", "blob", "blob:limit=", "blob:limit=1x", "blob:limit=-1", "tree:", "tree:x", "object:type=x",
     "sparse:path=x", "sparse:oid=", "sparse:oid=a\nb", "combine:",
     "combine:blob:none+", "blob:none --all", "combine:" * 3, "blob:limit=999999999999999999g",
     "combine:" * 2000 + "%25" * 16000, "combine:" * 9 + "blob:none", "sparse:oid=" + "%25" * 9000],
)  # fmt: skip
def test_a_filter_that_is_none_is_refused(specification) -> None:
    with pytest.raises(BadInput):
        parse_filter(specification)


@pytest.mark.parametrize(
    "specification",
    ["blob:none", "blob:limit=400", "blob:limit=1K", "tree:1", "object:type=tree",
     "combine:tree:2+blob:limit=400", "combine:combine%3Ablob:none%2Btree:3+object:type=commit"],
)  # fmt: skip
def test_git_gets_a_filter_that_means_the_same(pushed, work_tree, specification) -> None:
    snapshot = pushed.repository.view.refs.snapshot()
    resolved = resolve_filter(pushed.repository, snapshot, specification)
    listed = [
        sorted(work_tree("rev-list", "--objects", "--no-object-names", f"--filter={each}", "HEAD").split())
        for each in (specification, resolved)
    ]
    assert listed[0] == listed[1]


def test_a_sparse_filter_inside_of_another_becomes_an_id(pushed, work_tree) -> None:
    snapshot = pushed.repository.view.refs.snapshot()
    blob = work_tree("rev-parse", "v1:d/1")
    for name in ("v1:d/1", "HEAD:d/1", blob, f"{work_tree.ids[1]}:d/1"):
        specification = f"combine:tree:4+sparse:oid={name}"
        assert (
            resolve_filter(pushed.repository, snapshot, specification) == f"combine:tree:4+sparse:oid={blob}"
        )
