"""The promises of `imprint.semantic.index.ports.Index`, on every implementation."""

import threading
from dataclasses import replace

import pytest

from imprint.semantic.index.lance import LanceIndex
from imprint.semantic.index.layout import Layout
from imprint.semantic.index.memory import MemoryIndex
from imprint.semantic.index.passages.rows import join_facts
from imprint.semantic.index.ports import BlobKey, ExtractedBlob, IndexedCommit
from imprint.semantic.parse.model import (
    Binding,
    Chunk,
    Entity,
    EntityKind,
    Extraction,
    Import,
    Reference,
    ReferenceKind,
)
from imprint.store.types import ObjectId


def blob_id(number):
    return f"{number:040x}"


def extracted(  # noqa: PLR0917 - a maker of samples
    number, name="parse_header", text=None, flavour="*.py", skipped=None, tail=None, above=0
):
    if skipped:
        return ExtractedBlob(BlobKey(blob_id(number), flavour), Extraction("text", (), (), (), skipped))
    text = text or f"def {name}(line):\n    return split(line)\n"
    chunks = (
        Chunk(above + 1, above + 2, name, "function", text),
        Chunk(above + 3, above + 3, "", "module", tail or f"tail {number}"),
    )
    return ExtractedBlob(
        BlobKey(blob_id(number), flavour),
        Extraction(
            "python",
            (
                Entity(EntityKind.MODULE, "", "", 1, above + 3, 1, "", "", f"m{number}"),
                Entity(
                    EntityKind.FUNCTION,
                    name,
                    "",
                    above + 1,
                    above + 3,
                    above + 1,
                    f"def {name}(line)",
                    "Doc.",
                    "h",
                ),
            ),
            (Reference("split", ReferenceKind.CALL, above + 2, name),),
            ((Chunk(1, above, "", "module", "x" * above),) if above else ()) + chunks,
            None,
            (Import("os", "path", "", above + 2, name),),
            (Binding(name, "line", "type", "str", above + 1),),
        ),
    )


def commit(number, ids=()):
    return IndexedCommit(ObjectId(f"{number:040x}"), ObjectId(f"{number + 1000:040x}"), frozenset(ids))


@pytest.fixture(params=["lance", "memory"])
def index(request, tmp_path):
    made = LanceIndex(tmp_path / "index") if request.param == "lance" else MemoryIndex()
    yield made
    made.close()


def ids_of(index, *blobs):
    rows = index.find_rows([blob.key for blob in blobs])
    return [rows[blob.key].id for blob in blobs]


def find(index, string, what="words"):
    """Rows, by id, and first lines of the passages that have a string, over all segments."""
    layout = Layout(index.segments())
    passages = {
        int(segment.passage_ids[place])
        for segment in layout.segments
        for place in getattr(segment, what).find(string)[0].tolist()
    }
    return {
        (int(segment.blob_ids[row]), int(segment.list_lines[place]))
        for segment in layout.segments
        for row in range(len(segment.blob_ids))
        for place in range(*segment.list_starts[row : row + 2].tolist())
        if int(segment.list_passages[place]) in passages
    }


def facts(index, row):
    parts = index.find_parts(row)
    layout = Layout(index.segments())
    packed = [layout.facts(number) for number in parts.passages]
    return join_facts(parts.language, zip(packed, parts.first_lines, strict=True), parts.tail, parts.skipped)


def test_content_of_another_flavour_is_kin(index):
    blob, other = extracted(1), extracted(2)
    index.add([blob])
    key = BlobKey(blob.key.blob, "*.other")
    assert index.find_rows([key]) == {}
    assert index.find_kin([key, other.key]) == {key: index.find_rows([blob.key])[blob.key]}


def test_what_was_looked_up_in_vain_is_found_once_it_is_there(index):
    blob = extracted(1)
    early, late, asked = (BlobKey(blob.key.blob, flavour) for flavour in ("*.a", "*.b", "*.c"))
    for _ in range(2):
        assert index.find_rows([early, asked]) == index.find_kin([asked]) == {}
    for key in (late, early):
        index.add([ExtractedBlob(key, blob.extraction)])
        for _ in range(2):
            rows = index.find_rows([early, late, asked])
            assert key in rows
            assert index.find_kin([asked]) == {asked: rows[key]}


def test_parts_of_several_contents_are_found_at_once_by_key(index):
    blobs = [extracted(number, f"parse_{number}") for number in range(1, 4)]
    index.add(blobs)
    ids = ids_of(index, *blobs)
    others = {BlobKey(blobs[0].key.blob, "*.other"), extracted(9).key}
    found = index.find_all_parts({blob.key for blob in blobs} | others)
    assert found == {blob.key: index.find_parts(row) for blob, row in zip(blobs, ids, strict=True)}


def test_what_was_added_is_found_by_key_name_use_and_word(index):
    blob = extracted(1)
    assert index.find_missing([blob.key]) == {blob.key}
    index.add([blob])
    assert index.find_missing([blob.key]) == set()
    (row,) = ids_of(index, blob)
    assert index.find_rows([blob.key])[blob.key].chunks == 2
    assert facts(index, row) == replace(blob.extraction, chunks=())
    assert find(index, "parseheader", "names") == {(row, 1)}
    assert find(index, "split", "uses") == {(row, 1)}
    assert find(index, "SPLIT", "uses") == set()
    assert find(index, "header") == {(row, 1)}
    assert find(index, "tail") == {(row, 3)}
    assert find(index, "absent") == set()


def test_versions_of_a_content_share_the_passages_that_did_not_change(index):
    index.add([extracted(1), extracted(2, tail="tail 1"), extracted(3, tail="tail 1", above=7)])
    assert len(index.rows()["chunks"]) == 3
    rows = ids_of(index, extracted(1), extracted(2), extracted(3))
    assert find(index, "header") == {(rows[0], 1), (rows[1], 1), (rows[2], 8)}
    assert facts(index, rows[2]) == replace(extracted(3, tail="tail 1", above=7).extraction, chunks=())


def test_adding_again_changes_nothing(index):
    blobs = [extracted(1), extracted(2, name="other")]
    index.add(blobs)
    before, ids = index.rows(), ids_of(index, *blobs)
    index.add(blobs)
    index.add([blobs[1]])
    assert index.rows() == before
    assert ids_of(index, *blobs) == ids


def test_a_key_listed_twice_in_one_call_is_one_row(index):
    index.add([extracted(1), extracted(1)])
    assert len(index.rows()["blobs"]) == 1
    assert len(index.rows()["chunks"]) == 2


def test_one_blob_under_two_flavours_is_two_rows(index):
    index.add([extracted(1), extracted(1, flavour="*.txt")])
    assert len(index.rows()["blobs"]) == 2


def test_rows_do_not_depend_on_order_or_batches(index, tmp_path):
    blobs = [extracted(number, name=f"name_{number}") for number in range(30)]
    for blob in blobs:
        index.add([blob])
    other = LanceIndex(tmp_path / "other")
    other.add(blobs[::-1])
    assert index.rows() == other.rows()
    other.close()


def test_what_was_skipped_has_a_row_with_the_reason_and_no_chunks(index):
    blob = extracted(1, skipped="binary")
    index.add([blob])
    row = index.find_rows([blob.key])[blob.key]
    assert (row.skipped, row.chunks) == ("binary", 0)
    assert index.find_missing([blob.key]) == set()


def test_nothing_added_is_nothing_changed(index):
    index.add([])
    assert all(table == [] for table in index.rows().values())
    assert index.mark("r", [commit(1)])


def test_a_commit_is_marked_for_its_repository_alone_together_with_the_position(index):
    blob = extracted(1)
    index.add([blob])
    assert index.position("r") == 0
    assert index.mark("r", [commit(1, ids_of(index, blob))], position=7)
    assert index.find_tree("r", commit(1).commit) == commit(1).tree
    assert index.find_tree("other", commit(1).commit) is None
    assert index.list_commits("r") == {commit(1).commit}
    assert (index.position("r"), index.position("other")) == (7, 0)
    assert index.mark("r", [commit(2, ids_of(index, blob))])
    assert index.position("r") == 7


def test_what_is_held_stays_when_another_repository_is_forgotten(index):
    blob = extracted(1)
    index.add([blob])
    assert index.hold("a", ids_of(index, blob))
    assert index.hold("b", ids_of(index, blob))
    index.forget("a")
    assert index.find_missing([blob.key]) == set()
    assert not index.hold("b", [4711])
    index.forget("b")
    assert all(table == [] for table in index.rows().values())


def test_a_commit_with_a_row_that_is_not_there_is_not_marked(index):
    assert not index.mark("r", [commit(1, [4711])], position=3)
    assert index.find_tree("r", commit(1).commit) is None
    assert index.position("r") == 0


def test_forgetting_takes_only_what_nobody_else_holds(index):
    shared, own = extracted(1, name="shared_one"), extracted(2, name="own_one")
    index.add([shared, own])
    shared_id, own_id = ids_of(index, shared, own)
    index.mark("a", [commit(1, [shared_id, own_id])], position=4)
    index.mark("b", [commit(2, [shared_id])], position=5)
    incarnation = index.incarnation()
    index.forget("a")
    assert index.incarnation() != incarnation
    assert index.find_missing([shared.key, own.key]) == {own.key}
    assert index.find_tree("a", commit(1).commit) is None
    assert (index.position("a"), index.position("b")) == (0, 5)
    assert index.find_tree("b", commit(2).commit) == commit(2).tree
    assert find(index, "own") == set()
    assert find(index, "shared") == {(shared_id, 1)}
    assert find(index, "ownone", "names") == set()
    assert index.find_parts(own_id) is None
    assert len(index.rows()["chunks"]) == 2


def test_forgotten_content_can_come_back_under_a_new_id(index):
    blob = extracted(1)
    index.add([blob])
    (old,) = ids_of(index, blob)
    index.mark("a", [commit(1, [old])])
    before = index.rows()
    index.forget("a")
    index.forget("a")
    assert all(table == [] for table in index.rows().values())
    index.add([blob])
    (new,) = ids_of(index, blob)
    assert new != old
    index.mark("a", [commit(1, [new])])
    assert index.rows() == before


def test_text_that_no_encoding_takes_is_kept_with_replacements(index):
    index.add([extracted(1, name="bad\udc80name", text="lone \ud800 surrogate")])
    assert find(index, "surrogate") != set()
    assert find(index, "bad?name".replace("_", ""), "names") != set()


def test_a_segment_never_changes_once_given(index):
    index.add([extracted(1)])
    (before,) = index.segments()
    chunks, found = before.words.find("header")
    for number in range(2, 15):
        index.add([extracted(number)])
    assert (len(before.blob_ids), chunks.tolist(), found.tolist()) == (1, [0], [1])
    assert len(find(index, "header")) == 14


def test_threads_that_add_and_read_see_whole_calls_only(index):
    stop, wrong = threading.Event(), []

    def look():
        while not stop.is_set():
            ids = {row for row, _ in find(index, "split")}
            if len(ids) % 2 or any(index.find_parts(row) is None for row in ids):
                wrong.append(ids)

    reader = threading.Thread(target=look)
    reader.start()
    writers = [
        threading.Thread(
            target=lambda start=start: [
                index.add([extracted(number), extracted(number + 1)])
                for number in range(start, start + 20, 2)
            ]
        )
        for start in (0, 100)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stop.set()
    reader.join()
    assert wrong == []
    assert len(index.rows()["blobs"]) == 40
