"""Refs that a repository hides: `transfer.hideRefs`, with git's own reading of the patterns beside ours."""

import io

import pytest

from imprint.store.events import Admission, EventKind
from imprint.store.limits import Limits
from imprint.store.refs.hidden import HIDE_REFS, HiddenRefs
from imprint.store.transport.pktline import render_frame
from imprint.store.transport.receive_pack import advertise_receive
from imprint.store.transport.upload_pack import advertise_upload, serve_upload

REFS = (
    "refs/heads/main",
    "refs/heads/secret",
    "refs/heads/secret-not",
    "refs/pull/1/head",
    "refs/pull/2/head",
)


def hide(bench, *patterns: str) -> None:
    record = bench.repository.record
    settings = {HIDE_REFS: "\n".join(patterns)}
    bench.hosting.catalogue.admit(
        Admission(
            record.id,
            f"evt_{patterns}",
            EventKind.SETTINGS,
            0,
            "x",
            None,
            "",
            details=settings,
            settings=settings,
        )
    )
    bench.repository = bench.hosting.get(record.name)


@pytest.fixture
def pushed(bench, work_tree):
    """One commit per ref, so that each id tells its ref."""
    work_tree.ids = {}
    for ref in REFS:
        work_tree("checkout", "-q", "--orphan", ref.replace("/", "-"))
        work_tree.ids[ref] = work_tree.commit_file("a", ref)
        work_tree("update-ref", ref, "HEAD")
    bench.push(
        {ref: (None, each) for ref, each in work_tree.ids.items()}, bench.pack(work_tree.folder, *REFS)
    )
    return bench


@pytest.mark.parametrize(
    "patterns",
    [
        ("refs/pull",),
        ("refs/pull/",),
        ("refs/heads/secret",),
        ("refs/pull", "!refs/pull/1"),
        ("!refs/pull/1", "refs/pull"),
        ("^refs/pull", "refs/heads/secret-not"),
        ("refs/pull", "!^refs/pull/2"),
        ("refs",),
        ("refs", "!refs/heads"),
    ],
)
def test_a_pattern_hides_what_it_hides_in_git(pushed, work_tree, patterns) -> None:
    hide(pushed, *patterns)
    options = [word for pattern in patterns for word in ("-c", f"transfer.hideRefs={pattern}")]
    listed = work_tree(*options, "upload-pack", "--advertise-refs", ".")
    shown = [
        ref
        for ref in REFS
        if any(
            f" {ref}" in line.split("\0")[0]
            for line in listed.splitlines()
            if line.split("\0")[0].endswith(f" {ref}")
        )
    ]
    hidden = HiddenRefs.of(pushed.repository.record)
    assert [ref for ref in REFS if not hidden.hides(ref.encode())] == shown
    for advertisement in (
        advertise_upload(pushed.repository, 0),
        advertise_receive(pushed.repository, Limits()),
        b"".join(
            serve_upload(pushed.repository, io.BytesIO(render_frame("command=ls-refs") + b"0000"), Limits())
        ),
    ):
        names = [line.partition(b"\0")[0].strip().decode() for line in advertisement.splitlines()]
        assert [ref for ref in REFS if any(name.endswith(f" {ref}") for name in names)] == shown


def test_no_pattern_shows_what_is_the_stores_own() -> None:
    assert HiddenRefs((b"!refs/imprint",)).hides(b"refs/imprint/x")


def test_what_only_hidden_refs_reach_is_not_given(pushed, work_tree) -> None:
    """Also not by its id, by a short name, as HEAD, or as the place where a history ends."""
    hide(pushed, "refs/pull", "refs/heads/main")
    hidden = work_tree.ids["refs/pull/1/head"]
    for arguments in (
        (f"want {hidden}",),
        ("want-ref refs/pull/1/head",),
        ("want-ref HEAD",),
        (f"want {work_tree.ids['refs/heads/secret']}", "deepen-not main"),
        (f"want {work_tree.ids['refs/heads/secret']}", "filter sparse:oid=main:a"),
    ):
        lines = b"".join(render_frame(line) for line in (*arguments, "done"))
        content = render_frame("command=fetch") + b"0001" + lines + b"0000"
        answer = b"".join(serve_upload(pushed.repository, io.BytesIO(content), Limits()))
        assert b"ERR upload-pack: " in answer, arguments
        assert b"PACK" not in answer
    assert b" HEAD" not in advertise_upload(pushed.repository, 0)


def test_a_hidden_tag_does_not_come_along(pushed, work_tree) -> None:
    main = work_tree.ids["refs/heads/main"]
    for name in ("shown", "kept"):
        work_tree("tag", "-a", name, "-m", name, main)
        tag = work_tree("rev-parse", name)
        pushed.push({f"refs/tags/{name}": (None, tag)}, pushed.pack(work_tree.folder, name, exclude=(main,)))
    hide(pushed, "refs/tags/kept")
    lines = b"".join(render_frame(line) for line in (f"want {main}", "include-tag", "no-progress", "done"))
    content = render_frame("command=fetch") + b"0001" + lines + b"0000"
    answer = b"".join(serve_upload(pushed.repository, io.BytesIO(content), Limits()))
    pack = answer[answer.index(b"PACK") : -4]
    assert int.from_bytes(pack[8:12]) == 4, "a commit, a tree, a blob and one tag"


def test_a_push_to_a_hidden_ref_is_refused(pushed, work_tree) -> None:
    hide(pushed, "refs/pull")
    main = work_tree.ids["refs/heads/main"]
    before = pushed.refs
    receipt = pushed.push({"refs/pull/3/head": (None, main), "refs/pull/1/head": (main, None)}, None)
    assert [result.error for result in receipt.results] == ["deny updating a hidden ref"] * 2
    assert pushed.refs == before
    assert pushed.push({"refs/heads/new": (None, main)}, None).results[0].error is None


def test_whoever_knows_the_id_may_push_a_visible_branch_to_it(pushed, work_tree) -> None:
    """As in git: a push is held to what is stored, not to what is shown."""
    hide(pushed, "refs/heads/secret")
    known = work_tree.ids["refs/heads/secret"]
    assert pushed.push({"refs/heads/open": (None, known)}, None).results[0].error is None
