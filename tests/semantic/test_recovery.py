"""Killed at any moment, or with files lost: going on gives the rows of a run that nothing disturbed."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from imprint.semantic.library import Library
from imprint.semantic.parse.extract import extract
from imprint.semantic.search.query import Query
from imprint.store.errors import StorageFailed
from imprint.store.types import ObjectId

FILES = 60

# Indexes a clone in batches of a few files and kills itself at a moment that the arguments choose: before the
# n-th file is opened or renamed by Python, which falls between every two steps of writing a batch, or when
# the n-th file is extracted.
CHILD = """
import os, pathlib, signal, sys
from imprint.semantic.library import Library
from imprint.semantic.parse.extract import extract
from imprint.store.clone import Clone

view = Clone.discover(pathlib.Path(sys.argv[1])).view
what, last = sys.argv[3], int(sys.argv[4])
seen = {"step": 0, "file": 0}

def count(kind):
    seen[kind] += 1
    if what == kind and seen[kind] == last:
        os.kill(os.getpid(), signal.SIGKILL)

def extractor(path, content):
    count("file")
    return extract(path, content)

library = Library.open(pathlib.Path(sys.argv[2]), extractor, batch_blobs=7)
sys.addaudithook(lambda event, arguments: event in WRITES and ours(arguments) and count("step"))
WRITES = {"open", "os.rename", "os.remove", "sqlite3.connect"}
ours = lambda arguments: sys.argv[2] in str(arguments[0])
if sys.argv[5:]:
    library.extend(view)
else:
    library.ensure(view, view.refs.snapshot().head_id)
print(seen["step"])
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    path = tmp_path_factory.mktemp("child") / "child.py"
    path.write_text(CHILD)
    return path


@pytest.fixture
def many(sample):
    for number in range(FILES):
        (sample.folder / f"src/module_{number}.py").write_text(
            f"def function_{number}(value):\n    return function_{number - 1}(value) + {number}\n"
        )
    sample("add", "-A")
    sample("commit", "-q", "-m", "many")
    return sample


def run_child(program, clone, folder, what="step", last=0, *more):
    return subprocess.Popen(
        [sys.executable, str(program), str(clone), str(folder), what, str(last), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_at_any_step_and_run_again_it_equals_an_undisturbed_run(many, open_view, program, tmp_path):
    view = open_view(many.folder)
    head = view.refs.snapshot().head_id
    undisturbed = run_child(program, many.folder, tmp_path / "undisturbed")
    out, err = undisturbed.communicate(timeout=60)
    assert undisturbed.returncode == 0, err
    steps = int(out)
    expected = Library.open(tmp_path / "undisturbed").rows()
    assert len(expected["chunks"]) >= FILES
    moments = [("step", step) for step in random.Random(20).sample(range(2, steps), 3)] + [("file", 40)]
    folders = [tmp_path / f"{what}-{last}" for what, last in moments]
    children = [
        run_child(program, many.folder, folder, *moment)
        for moment, folder in zip(moments, folders, strict=True)
    ]
    for child, folder, moment in zip(children, folders, moments, strict=True):
        _, err = child.communicate(timeout=60)
        assert child.returncode == -signal.SIGKILL, err
        library = Library.open(folder, at_once=0)
        assert library.search(view, Query("function_3")).commit is None, "half an index is not shown"
        library.ensure(view, head)
        assert library.rows() == expected, moment
        assert library.search(view, Query("function_3")).hits[0].path == b"src/module_3.py"
        assert not list(folder.glob("index-*/segments/*.new")), "what the dead one left is gone"
        library.close()


def test_killed_at_any_time_and_run_again_it_equals_an_undisturbed_run(many, open_view, program, tmp_path):
    view = open_view(many.folder)
    head = view.refs.snapshot().head_id
    whole = Library.open(tmp_path / "whole")
    whole.ensure(view, head)
    folder = tmp_path / "disturbed"
    delays = random.Random(7)
    for _ in range(3):
        child = run_child(program, many.folder, folder)
        deadline = time.monotonic() + 30
        while not list(folder.glob("index-*/segments/*")) and child.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(delays.random() * 0.2)
        child.kill()
        child.communicate()
    library = Library.open(folder)
    library.ensure(view, head)
    assert library.rows() == whole.rows()
    library.close()
    whole.close()


@pytest.mark.slow
def test_a_history_whose_indexing_was_killed_goes_on_and_answers_as_a_fresh_one(
    many, open_view, program, tmp_path
):
    many("rm", "-q", "src/module_7.py")
    many("commit", "-q", "-m", "one less")
    view = open_view(many.folder)
    child = run_child(program, many.folder, tmp_path / "killed", "file", 40, "history")
    fresh = Library.open(tmp_path / "fresh", extract)
    fresh.extend(view)
    _, err = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL, err
    library = Library.open(tmp_path / "killed", extract)
    done = library.extended(view.id)
    assert done is None or not done.is_complete
    before = len(library.rows()["blobs"])
    assert 0 < before < len(fresh.rows()["blobs"])
    assert library.extend(view) == fresh.extend(view)
    assert library.rows() == fresh.rows()
    for one in (library, fresh):
        corpus = one.history(view)
        (gone,) = corpus.find_definition("function7")
        assert corpus.listing.paths[corpus.passage(gone).file] == b"src/module_7.py"
        one.close()


def test_two_processes_that_index_the_same_commit_make_one_index(many, open_view, program, tmp_path):
    view = open_view(many.folder)
    whole = Library.open(tmp_path / "whole")
    whole.ensure(view, view.refs.snapshot().head_id)
    children = [run_child(program, many.folder, tmp_path / "shared") for _ in range(2)]
    for child in children:
        _, err = child.communicate(timeout=60)
        assert child.returncode == 0, err
    shared = Library.open(tmp_path / "shared")
    assert shared.rows() == whole.rows()
    shared.close()
    whole.close()


@pytest.mark.parametrize("writing_first", [False, True])
@pytest.mark.parametrize("harm", ["lose", "cut", "scribble"])
def test_a_segment_that_is_lost_or_damaged_is_built_again(many, open_view, tmp_path, harm, writing_first):
    view = open_view(many.folder)
    library = Library.open(tmp_path / "library")
    library.ensure(view, view.refs.snapshot().head_id)
    expected = library.rows(), library.search(view, Query("function_3"))
    library.close()
    for path in tmp_path.glob("library/index-*/segments/*"):
        if harm == "lose":
            path.unlink()
        elif harm == "cut":
            os.truncate(path, path.stat().st_size - 64)
        else:
            path.write_bytes(b"scribble" * 100)
    library = Library.open(tmp_path / "library")
    if writing_first:
        library.ensure(view, ObjectId(many.commit_file("src/late.py", "def much_later(): pass\n")))
        assert library.search(view, Query("much_later")).hits[0].path == b"src/late.py"
        assert library.search(view, Query("function_3")).hits[0].path == b"src/module_3.py"
    else:
        assert library.search(view, Query("function_3")) == expected[1]
        assert library.rows() == expected[0]
    library.close()


def test_a_damaged_database_is_said_with_what_to_do(tmp_path):
    Library.open(tmp_path / "library", extract).close()
    (path,) = tmp_path.glob("library/index-*/semantic.db")
    path.write_bytes(b"scribble" * 1024)
    with pytest.raises(StorageFailed) as refused:
        Library.open(tmp_path / "library", extract)
    assert f"delete {path.parent}" in refused.value.hint


def test_a_damaged_listing_is_made_again(many, open_view, tmp_path):
    view = open_view(many.folder)
    library = Library.open(tmp_path / "library")
    library.ensure(view, view.refs.snapshot().head_id)
    expected = library.search(view, Query("function_3"))
    library.close()
    listings = list(tmp_path.glob("library/index-*/listings/*"))
    assert listings
    for path in listings:
        path.write_bytes(b"scribble")
    library = Library.open(tmp_path / "library")
    assert library.search(view, Query("function_3")) == expected
    library.close()


def test_chunks_that_lancedb_has_lost_are_extracted_anew(many, open_view, tmp_path):
    view = open_view(many.folder)
    head = view.refs.snapshot().head_id
    library = Library.open(tmp_path / "library")
    library.ensure(view, head)
    expected = library.rows()
    library.close()
    for folder in [*tmp_path.glob("library/index-*/chunks"), *tmp_path.glob("library/index-*/segments")]:
        shutil.rmtree(folder)
    library = Library.open(tmp_path / "library", at_once=0)
    assert library.search(view, Query("function_3")).hits == ()
    assert library.status(view).indexed is None
    library.ensure(view, head)
    assert library.rows() == expected
    assert library.search(view, Query("function_3")).hits[0].path == b"src/module_3.py"
    library.close()


def test_deleted_and_built_again_it_answers_the_same(many, open_view, tmp_path):
    view = open_view(many.folder)
    head = view.refs.snapshot().head_id
    answers = []
    for _ in range(2):
        library = Library.open(tmp_path / "library")
        library.ensure(view, head)
        answers.append((library.rows(), library.search(view, Query("function_3"))))
        library.close()
        shutil.rmtree(tmp_path / "library")
    assert answers[0] == answers[1]
