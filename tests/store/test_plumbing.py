"""Git as an engine: what a run may take, and what is known of it afterwards."""

import io
import os
import threading
import time

import pytest

from imprint.store.errors import LimitExceeded, PlumbingFailed
from imprint.store.limits import Limits
from imprint.store.plumbing import CHILD_NICENESS, ChildBounds, Children, Plumbing
from imprint.store.receive.quarantine import open_quarantine
from imprint.store.types import HashAlgorithm


@pytest.fixture
def make_plumbing(work_tree):
    def make(**bounds: int) -> Plumbing:
        return Plumbing(work_tree.folder / ".git", bounds=ChildBounds(**bounds), children=Children())

    return make


def make_slow_git(folder, seconds: int = 60) -> str:
    """A folder for the PATH in which git takes its time."""
    program = folder / "bin" / "git"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\nsleep {seconds}\n")
    program.chmod(0o755)
    return f"{program.parent}:/usr/bin:/bin"


def test_large_input_and_large_output_do_not_block_each_other(make_plumbing, work_tree) -> None:
    commit = work_tree.commit_file("a", "a")
    asked = f"{commit}\n".encode() * 50_000
    answer = make_plumbing().run("cat-file", "--batch-check", stdin=asked)
    assert answer.count(b"\n") == 50_000


def test_a_git_that_reads_nothing_of_its_input_fails_as_git(make_plumbing) -> None:
    with pytest.raises(PlumbingFailed, match="usage"):
        make_plumbing().run("cat-file", "--no-such-option", stdin=b"x" * 1_000_000)


@pytest.mark.parametrize("stdin", [b"", b"x" * 1_000_000])
def test_a_run_ends_at_its_time_limit(tmp_path, stdin: bytes) -> None:
    children = Children()
    plumbing = Plumbing(
        tmp_path, search_path=make_slow_git(tmp_path), bounds=ChildBounds(seconds_max=1), children=children
    )
    begun = time.monotonic()
    with pytest.raises(PlumbingFailed, match="no end after 1 s"):
        plumbing.run("status", stdin=stdin)
    assert time.monotonic() - begun < 10
    assert children.list_uses()["status"].killed == 1


def test_a_run_that_needs_more_memory_than_it_may_have_says_so(make_plumbing) -> None:
    content = bytes(8_000_000)
    plumbing = make_plumbing(memory_bytes_max=6_000_000)
    with pytest.raises(PlumbingFailed, match=r"(?i)out of memory|cannot allocate") as failed:
        plumbing.run("hash-object", "--stdin", stdin=content)
    assert failed.value.status
    use = plumbing.children.list_uses()["hash-object"]
    assert (use.runs, use.failures) == (1, 1)
    assert make_plumbing(memory_bytes_max=64_000_000).run("hash-object", "--stdin", stdin=content)


def test_what_runs_took_is_known_by_command(make_plumbing, work_tree) -> None:
    commit = work_tree.commit_file("a", "a")
    plumbing = make_plumbing()
    for _ in range(3):
        plumbing.in_quarantine(work_tree.folder).at(plumbing.git_dir).run("cat-file", "commit", commit)
    with pytest.raises(PlumbingFailed):
        plumbing.run("rev-parse", "--verify", "no-such-ref")
    uses = plumbing.children.list_uses()
    assert (uses["cat-file"].runs, uses["cat-file"].failures) == (3, 0)
    assert (uses["rev-parse"].runs, uses["rev-parse"].failures) == (1, 1)
    assert 0 < uses["cat-file"].cpu_seconds < 5
    assert 1_000_000 < uses["cat-file"].peak_bytes < 1_000_000_000


def test_a_command_is_known_by_its_name_whatever_precedes_it(make_plumbing) -> None:
    plumbing = make_plumbing()
    plumbing.run("-c", "core.abbrev=8", "--shallow-file", "", "rev-parse", "--is-bare-repository")
    assert list(plumbing.children.list_uses()) == ["rev-parse"]


def test_what_runs_is_counted_until_it_ends(make_plumbing) -> None:
    plumbing = make_plumbing()
    with plumbing.stream("cat-file", "--batch") as process:
        assert plumbing.children.count_running() == {"cat-file": 1}
        process.finish()
    assert plumbing.children.count_running() == {}


def test_processes_stand_back_as_far_as_they_are_told(make_plumbing) -> None:
    plumbing = make_plumbing()
    found = []

    def look(niceness: int) -> None:
        CHILD_NICENESS.set(niceness)
        with plumbing.stream("cat-file", "--batch") as process:
            found.append(os.getpriority(os.PRIO_PROCESS, process._child.process.pid))

    own = os.getpriority(os.PRIO_PROCESS, 0)
    for niceness in (own, 19):
        thread = threading.Thread(target=look, args=(niceness,))
        thread.start()
        thread.join()
    assert found == [own, 19]


def test_an_interrupt_at_the_terminal_is_not_for_git(make_plumbing) -> None:
    """Ctrl-C goes to the foreground group; a push that runs is finished first."""
    with make_plumbing().stream("cat-file", "--batch") as process:
        assert os.getpgid(process._child.process.pid) != os.getpgid(0)


def test_a_pack_that_takes_too_much_memory_to_check_is_refused_by_the_name_of_the_limit(
    work_tree, tmp_path
) -> None:
    """And nothing of it stays."""
    work_tree.commit_file("zeros", bytes(12_000_000))
    pack = work_tree.run("pack-objects", "--all", "--stdout", "-q").stdout
    bare = tmp_path / "bare.git"
    work_tree("init", "-q", "--bare", str(bare))
    for memory_bytes, refused in ((8_000_000, True), (0, False)):
        plumbing = Plumbing(bare, bounds=ChildBounds(memory_bytes_max=memory_bytes))
        with open_quarantine(bare, "q", plumbing, HashAlgorithm.SHA1) as quarantine:
            if refused:
                with pytest.raises(LimitExceeded) as failed:
                    quarantine.unpack(io.BytesIO(pack), Limits())
                assert failed.value.limit == "plumbing_memory_bytes_max"
            else:
                assert quarantine.unpack(io.BytesIO(pack), Limits())
    assert list((bare / "imprint" / "quarantine").iterdir()) == []
