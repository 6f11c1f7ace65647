"""Git is asked for ids; whatever it does not confirm is not taken."""

import os
import random
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imprint.store.objects.codec import object_id
from imprint.store.objects.ports import ObjectKind
from imprint.store.receive.small.hashing import AT_ONCE, Hashing, _Question
from imprint.store.types import HashAlgorithm, ObjectId

SHA1 = HashAlgorithm.SHA1


@pytest.fixture
def hashing():
    made = Hashing()
    yield made
    for asked in made._asked.values():
        asked.close()


def some(count: int) -> dict[ObjectId, tuple[ObjectKind, bytes]]:
    chance, kinds = random.Random(3), (ObjectKind.BLOB, ObjectKind.TREE, ObjectKind.COMMIT)
    objects = [
        (chance.choice(kinds), chance.randbytes(chance.choice([0, 1, 64, 5000]))) for _ in range(count)
    ]
    return {object_id(*each): each for each in objects}


def test_git_confirms_ids_of_every_kind_and_length(hashing) -> None:
    for count in (0, 1, 3 * AT_ONCE + 1):
        assert hashing.agrees(some(count), SHA1)
    big = (ObjectKind.BLOB, bytes(3_000_000))
    assert hashing.agrees({object_id(*big): big}, SHA1)
    small = (ObjectKind.BLOB, b"what was longer before leaves nothing")
    assert hashing.agrees({object_id(*small): small}, SHA1)


def test_large_contents_are_not_kept(hashing) -> None:
    for count in (3, 2, 1):
        objects = {object_id(ObjectKind.BLOB, each): (ObjectKind.BLOB, each) for each in [bytes(10**6)]}
        objects |= {each: (ObjectKind.BLOB, raw) for each, raw in numbered(count)}
        assert hashing.agrees(dict(reversed(objects.items())), SHA1)
    memory = hashing._asked[ObjectKind.BLOB]._memory
    assert sum(os.fstat(each).st_size for each in memory) < 1000


def numbered(count: int) -> list[tuple[ObjectId, bytes]]:
    return [(object_id(ObjectKind.BLOB, b"%d" % number), b"%d" % number) for number in range(count)]


def test_another_id_is_not_confirmed_and_the_next_question_is_answered(hashing) -> None:
    objects = some(5)
    wrong = dict(objects)
    wrong[ObjectId("1" * 40)] = wrong.pop(next(iter(wrong)))
    assert not hashing.agrees(wrong, SHA1)
    assert hashing.agrees(objects, SHA1)


def test_a_process_that_died_confirms_nothing(hashing) -> None:
    """As it does by itself when it finds content that was made to collide."""
    objects = some(9)
    assert hashing.agrees(objects, SHA1)
    for asked in hashing._asked.values():
        os.kill(asked._process.pid, signal.SIGKILL)
        asked._process.wait()
    kinds = {kind for kind, _ in objects.values()}
    assert not any(hashing.agrees({each: raw}, SHA1) for each, raw in first_of_each(objects, kinds).items())
    assert hashing.agrees(objects, SHA1)


def first_of_each(objects, kinds):
    return dict(next((each, raw) for each, raw in objects.items() if raw[0] is kind) for kind in kinds)


def test_questions_that_wait_together_are_answered_each(hashing) -> None:
    objects = some(40)
    wrong = {ObjectId("1" * 40): next(iter(objects.values()))}
    other = {next(iter(objects)): (ObjectKind.BLOB, b"made to have the id of another")}
    asked = [objects, wrong, some(3), other, objects]
    questions = [_Question(each) for each in asked]
    hashing._answer(questions)
    assert [question.outcome.result() for question in questions] == [True, False, True, False, True]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda each: hashing.agrees(each, SHA1), asked * 10))
    assert answers == [True, False, True, False, True] * 10


def test_without_git_nothing_is_confirmed(tmp_path: Path) -> None:
    assert not Hashing(str(tmp_path)).agrees(some(2), SHA1)


def test_sha256_needs_no_confirmation(tmp_path: Path) -> None:
    assert Hashing(str(tmp_path)).agrees(some(2), HashAlgorithm.SHA256)


def test_a_push_is_left_to_git_where_the_ids_are_not_confirmed(bench, work_tree, monkeypatch) -> None:
    monkeypatch.setattr(bench.receiver._hashing, "agrees", lambda *_: False)
    head = work_tree.commit_file("a", "1")
    receipt = bench.push({"refs/heads/main": (None, head)}, bench.pack(work_tree.folder, "HEAD"))
    assert receipt.event
    assert bench.repository.view.plumbing.children.list_uses()["index-pack"].runs == 1
