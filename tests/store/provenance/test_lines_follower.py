"""After a push the files asked about lately are at the new head already; destroyed repositories go."""

from imprint.store.history.kept import Lines
from imprint.store.history.kept_follow import LinesFollower
from imprint.store.types import ObjectId


def test_a_file_asked_for_lately_is_followed_to_the_new_head(bench, work_tree, tmp_path):
    lines = Lines.open(tmp_path / "derived")
    follower = LinesFollower(lines, lambda: False)
    view, repository_id = bench.repository.view, bench.repository.record.id
    first = work_tree.commit_file("a.txt", "1\n")
    work_tree.commit_file("b.txt", "1\n")
    second = work_tree.commit_file("b.txt", "2\n")
    bench.push({"refs/heads/main": (None, second)}, bench.pack(work_tree.folder, second))
    lines.origins(view, ObjectId(second), b"a.txt")
    third = work_tree.commit_file("a.txt", "1\n2\n")
    bench.push({"refs/heads/main": (second, third)}, bench.pack(work_tree.folder, third, exclude=(second,)))
    events = bench.hosting.catalogue.list_events(repository_id)
    assert follower.position(repository_id) == 0
    follower.follow(bench.repository, events)
    assert follower.position(repository_id) == events[-1].sequence
    before = sum(use.runs for use in bench.hosting.children.list_uses().values())
    found = lines.origins(view, ObjectId(third), b"a.txt")
    assert [origin.commit for origin in found] == [first, third]
    assert sum(use.runs for use in bench.hosting.children.list_uses().values()) == before
    assert lines.list_lately_used(view, 5) == [b"a.txt"], "nobody asked about the other file"
    follower.forget(repository_id)
    assert (follower.position(repository_id), lines.list_lately_used(view, 5)) == (0, [])
    assert not list((tmp_path / "derived" / "blame").iterdir())
    lines.close()


def test_a_file_that_is_gone_stops_nothing(bench, work_tree, tmp_path):
    lines = Lines.open(tmp_path / "derived")
    first = work_tree.commit_file("a.txt", "1\n")
    bench.push({"refs/heads/main": (None, first)}, bench.pack(work_tree.folder, first))
    lines.origins(bench.repository.view, ObjectId(first), b"a.txt")
    work_tree("rm", "-q", "a.txt")
    second = work_tree.commit_file("b.txt", "1\n")
    bench.push({"refs/heads/main": (first, second)}, bench.pack(work_tree.folder, second, exclude=(first,)))
    follower = LinesFollower(lines, lambda: False)
    events = bench.hosting.catalogue.list_events(bench.repository.record.id)
    follower.follow(bench.repository, events)
    assert follower.position(bench.repository.record.id) == events[-1].sequence
    lines.close()
