"""The history of symbols, in histories whose every commit is known."""

import random

import pytest

from imprint.semantic.lineage.history import Wanted, symbol_history
from imprint.semantic.lineage.model import ChangeKind
from imprint.semantic.lineage.tracing.contents import Contents
from imprint.semantic.lineage.tracing.steps import KeptSteps
from imprint.store.errors import Missing
from imprint.store.types import ObjectId

DELAY = """\
def next_delay(attempt, base):
    '''How long to wait before the next attempt.'''
    if attempt < 0:
        raise ValueError(attempt)
    delay = base * 2**attempt
    return min(delay, LONGEST)
"""


def refuse(path, content):
    raise AssertionError(f"{path!r} was parsed")


@pytest.fixture
def ask(library, index_head, read_past, open_contents):
    """Ask for a symbol's history at HEAD: commits' subjects with what they did, newest first.

    With the whole history indexed the answer is the same, and nothing is parsed for it.
    """

    def ask_one(work_tree, name="", steps=None, **wanted):
        view, past = read_past(work_tree)
        index_head(view)
        snapshot = library.snapshot(view)
        history = symbol_history(snapshot, past, open_contents(view), Wanted(name, **wanted), steps)
        assert [change.time for change in history.changes]
        if not history.missing:
            library.extend(view)
            indexed = Contents(view, refuse, library.contents())
            assert symbol_history(snapshot, past, indexed, Wanted(name, **wanted)) == history
        return [
            (change.subject, {kind.value for kind in change.kinds}) for change in history.changes
        ], history

    return ask_one


def test_every_kind_of_change_is_told_and_nothing_else(work_tree, ask):
    git = work_tree
    git.commit_file("retry.py", "LONGEST = 9\n\n\n" + DELAY, "introduce")
    git.commit_file("retry.py", "LONGEST = 10\n\n\n" + DELAY, "another symbol")
    git.commit_file("retry.py", "import time\n\nLONGEST = 10\n\n\n" + DELAY, "further down")
    text = "LONGEST = 10\n\n\n" + DELAY.replace("2**attempt", "3**attempt")
    git.commit_file("retry.py", text, "body")
    text = text.replace("attempt, base)", "attempt, base=1)")
    git.commit_file("retry.py", text, "signature")
    text = text.replace("How long to wait", "Seconds to wait")
    git.commit_file("retry.py", text, "documentation")
    text = text.replace("delay = base", "delay  =  base")
    git.commit_file("retry.py", text, "layout")
    text = text.replace("def next_delay", "def find_delay")
    git.commit_file("retry.py", text, "rename")
    git("mv", "retry.py", "waiting.py")
    git.commit_file("other.txt", "x\n", "move the file")
    git.commit_file("late.py", "import waiting\n", "elsewhere")
    told, history = ask(git, "find_delay")
    assert told == [
        ("move the file", {"moved"}),
        ("rename", {"renamed"}),
        ("layout", {"layout"}),
        ("documentation", {"documentation"}),
        ("signature", {"signature"}),
        ("body", {"body"}),
        ("introduce", {"introduced"}),
    ]
    assert history.missing == ()
    assert [change.name for change in history.changes[:2]] == ["find_delay", "find_delay"]
    assert history.changes[-1].name == "next_delay"
    assert history.changes[-1].path == b"retry.py"
    assert (history.changes[-1].start_line, history.changes[-1].end_line) == (4, 9)


def test_a_method_of_a_renamed_class_did_not_move_and_one_of_another_class_did(work_tree, ask):
    git = work_tree
    method = "".join(f"    {line}\n" for line in DELAY.splitlines())
    git.commit_file("a.py", f"class Retry:\n{method}", "introduce")
    git.commit_file("a.py", f"class Backoff:\n{method}", "rename the class")
    git.commit_file("a.py", f"class Backoff:\n    tries = 0\n\n\nclass Wait:\n{method}", "move the method")
    told, _ = ask(git, "next_delay")
    assert told == [("move the method", {"moved"}), ("introduce", {"introduced"})]


def test_a_definition_that_moves_to_another_file_keeps_its_history(work_tree, ask):
    git = work_tree
    git.commit_file("a.py", "def one():\n    return 1\n\n\n" + DELAY, "introduce")
    (git.folder / "a.py").write_text("def one():\n    return 1\n")
    git.commit_file("b.py", "def two():\n    return 2\n\n\n" + DELAY, "move the function")
    told, _ = ask(git, path=b"b.py", line=6)
    assert told == [("move the function", {"moved"}), ("introduce", {"introduced"})]


def test_what_was_removed_and_comes_back_is_restored(work_tree, ask):
    git = work_tree
    git.commit_file("a.py", "def one():\n    return 1\n\n\n" + DELAY, "introduce")
    git.commit_file("a.py", "def one():\n    return 1\n", "remove")
    git.commit_file("a.py", "def one():\n    return 2\n", "in between")
    git.commit_file("a.py", "def one():\n    return 2\n\n\n" + DELAY, "restore")
    told, _ = ask(git, "next_delay")
    assert told == [("restore", {"restored"}), ("remove", {"removed"}), ("introduce", {"introduced"})]


def test_both_branches_of_a_merge_count_and_a_merge_that_wrote_nothing_does_not(work_tree, ask):
    git = work_tree
    body = (
        "def one(a, b):\n    first = a\n    second = b\n    third = a + b\n    return first, second, third\n"
    )
    git.commit_file("a.py", body, "introduce")
    git("checkout", "-q", "-b", "side")
    git.commit_file("a.py", body.replace("first = a", "first = -a"), "on the side")
    git("checkout", "-q", "main")
    git.commit_file("a.py", body.replace("return first,", "return -first,"), "on main")
    git("merge", "-q", "--no-edit", "side")
    told, _ = ask(git, "one")
    assert {subject for subject, _ in told[:2]} == {"on the side", "on main"}
    assert told[2:] == [("introduce", {"introduced"})]


def test_what_a_merge_took_from_one_side_keeps_the_history_of_both(work_tree, ask):
    git = work_tree
    git.commit_file("a.py", DELAY, "introduce")
    git("checkout", "-q", "-b", "side")
    git.commit_file("a.py", DELAY.replace("2**", "3**"), "on the side")
    git("checkout", "-q", "main")
    git.commit_file("a.py", DELAY.replace("2**", "4**"), "on main")
    git.run("merge", "-q", "side", check=False)
    git.commit_file("a.py", "LONGEST = 9\n\n\n" + DELAY.replace("2**", "3**"), "take theirs")
    told, _ = ask(git, "next_delay")
    assert {subject for subject, _ in told[:-1]} == {"on the side", "on main"}
    assert told[-1] == ("introduce", {"introduced"})


def test_a_merge_that_resolves_a_conflict_counts(work_tree, ask):
    git = work_tree
    git.commit_file("a.py", DELAY, "introduce")
    git("checkout", "-q", "-b", "side")
    git.commit_file("a.py", DELAY.replace("2**", "3**"), "on the side")
    git("checkout", "-q", "main")
    git.commit_file("a.py", DELAY.replace("2**", "4**"), "on main")
    git.run("merge", "-q", "side", check=False)
    git.commit_file("a.py", DELAY.replace("2**", "5**"), "resolved")
    told, _ = ask(git, "next_delay")
    assert told[0] == ("resolved", {"body"})
    assert {subject for subject, _ in told[1:3]} == {"on the side", "on main"}
    assert told[3:] == [("introduce", {"introduced"})]


def test_an_overload_that_takes_over_the_code_takes_over_the_history(work_tree, ask):
    git = work_tree
    code = (
        "        int sum = 0;\n        for (int i = from; i < 9; i++) {\n"
        "            sum += i * i;\n        }\n        return sum;\n"
    )
    one = f"class A {{\n    int sum(int from) {{\n{code}    }}\n}}\n"
    two = (
        "class A {\n    int sum(int from) {\n        return sum(from, 9);\n    }\n\n"
        f"    int sum(int from, int to) {{\n{code.replace('i < 9', 'i < to')}    }}\n}}\n"
    )
    git.commit_file("A.java", one, "introduce")
    git.commit_file("A.java", two, "overload")
    told, _ = ask(git, path=b"A.java", line=7)
    assert [subject for subject, _ in told] == ["overload", "introduce"]


def test_an_overload_that_came_out_of_another_one_begins_where_that_one_stays(work_tree, ask):
    git = work_tree
    loop = "        for (int i = from; i < 9; i++) {\n            sum += i * i;\n        }\n"
    head = "class A {\n    int sum(int from) {\n        int sum = from / 2;\n"
    git.commit_file("A.java", f"{head}{loop}        return sum;\n    }}\n}}\n", "introduce")
    parted = f"    int sum(int sum, int from) {{\n{loop}        return sum;\n    }}\n"
    git.commit_file("A.java", f"{head}        return sum(sum, from);\n    }}\n\n{parted}}}\n", "part")
    told, _ = ask(git, path=b"A.java", line=8)
    assert told == [("part", {"introduced"})]


def test_an_overload_that_moves_keeps_its_history_though_its_name_stays(work_tree, ask):
    git = work_tree
    plain = "    void set(String name) {\n        names.add(name);\n    }\n"
    code = "        if (token == null) {\n            throw new Bad(value);\n        }\n"
    long = f"    void set(Token token, int value) {{\n{code}        all.put(token, value);\n    }}\n"
    git.commit_file("Base.java", f"class Base {{\n{plain}{long}}}\n", "introduce")
    (git.folder / "Base.java").write_text(f"class Base {{\n{plain}}}\n")
    git.commit_file("Nested.java", f"class Nested extends Base {{\n{long}}}\n", "move the overload")
    told, _ = ask(git, path=b"Nested.java", line=3)
    assert told == [("move the overload", {"moved"}), ("introduce", {"introduced"})]


def test_what_two_branches_did_alike_is_told_of_the_first(work_tree, ask):
    git = work_tree
    git.commit_file("a.py", DELAY, "introduce")
    git("checkout", "-q", "-b", "side")
    git.commit_file("a.py", DELAY.replace("2**", "3**"), "on the side")
    git("checkout", "-q", "main")
    git.commit_file("a.py", DELAY.replace("2**", "3**"), "on main")
    git("merge", "-q", "--no-edit", "side")
    told, _ = ask(git, "next_delay")
    assert told == [("on main", {"body"}), ("introduce", {"introduced"})]


def test_a_branch_that_does_not_know_of_a_move_is_followed_through_its_merge(work_tree, ask):
    git = work_tree
    git.commit_file("a.py", DELAY, "introduce")
    git("checkout", "-q", "-b", "side")
    git.commit_file("a.py", DELAY.replace("2**", "3**"), "on the side")
    git("checkout", "-q", "main")
    git("mv", "a.py", "b.py")
    git("commit", "-qm", "move the file")
    git("merge", "-q", "--no-edit", "side")
    told, _ = ask(git, "next_delay")
    assert sorted(told[:2]) == [("move the file", {"moved"}), ("on the side", {"body"})]
    assert told[2:] == [("introduce", {"introduced"})]


def test_an_annotation_and_documentation_above_belong_to_a_definition(work_tree, ask):
    git = work_tree
    plain = "class A {\n    int one() {\n        return 1;\n    }\n}\n"
    git.commit_file("A.java", plain, "introduce")
    git.commit_file("A.java", plain.replace("    int", "    @Old\n    int"), "annotate")
    documented = plain.replace("    int", "    /** One. */\n    @Old\n    int")
    git.commit_file("A.java", documented, "document")
    git.commit_file("A.java", documented.replace("    @Old\n", ""), "take the annotation away")
    told, _ = ask(git, "A.one")
    assert [subject for subject, _ in told] == [
        "take the annotation away",
        "document",
        "annotate",
        "introduce",
    ]
    assert told[1][1] == {"documentation"}


def test_kept_steps_give_the_same_answer_without_reading(
    work_tree, ask, tmp_path, open_contents, monkeypatch
):
    git = work_tree
    for number in range(4):
        git.commit_file("a.py", DELAY.replace("2**", f"{number}**"), f"change {number}")
    steps = KeptSteps.open(tmp_path / "steps")
    first, _ = ask(git, "next_delay", steps)
    steps.close()
    again = KeptSteps.open(tmp_path / "steps")
    second, _ = ask(git, "next_delay", again)
    again.close()
    assert first == second
    assert len(first) == 4
    damaged = next((tmp_path / "steps").glob("*.sqlite"))
    damaged.write_bytes(b"nonsense" * 1000)
    broken = KeptSteps.open(tmp_path / "steps")
    assert ask(git, "next_delay", broken)[0] == first
    broken.close()


def test_a_name_that_several_have_is_said_and_one_that_none_has_is_refused(work_tree, ask):
    git = work_tree
    git.commit_file("a.py", "def one():\n    return 1\n", "first")
    git.commit_file("b.py", "def one():\n    return 2\n", "second")
    told, history = ask(git, "one")
    assert told == [("first", {"introduced"})]
    assert [(path, entity.name) for path, entity in history.others] == [(b"b.py", "one")]
    assert ask(git, "one", path=b"b.py")[0] == [("second", {"introduced"})]
    assert ask(git, "b.py:one")[0] == [("second", {"introduced"})]
    for nobodys in ("nowhere", "b.py:nowhere", "c.py:one"):
        with pytest.raises(Missing, match="nothing is defined"):
            ask(git, nobodys)


def test_history_of_a_shallow_clone_says_that_it_is_not_whole(work_tree, ask, tmp_path, git_client):
    git = work_tree
    git.commit_file("a.py", DELAY, "introduce")
    for number in range(3):
        git.commit_file("a.py", DELAY.replace("2**", f"{number}**"), f"change {number}")
    folder = tmp_path / "shallow"
    git("clone", "-q", "--depth", "2", f"file://{git.folder}", str(folder))
    steps = KeptSteps.open(tmp_path / "steps")
    told, history = ask(git_client(folder), "next_delay", steps)
    assert told == [("change 2", {"body"})]
    assert "shallow" in history.missing[0]
    git_client(folder)("fetch", "-q", "--unshallow")
    assert len(ask(git_client(folder), "next_delay", steps)[0]) == 4
    steps.close()
    assert ChangeKind.INTRODUCED not in history.changes[-1].kinds


def test_history_says_where_a_content_is_not_here(work_tree, ask):
    git = work_tree
    git.commit_file("a.py", DELAY, "introduce")
    git.commit_file("a.py", DELAY.replace("2**", "3**"), "change")
    blob = git("rev-parse", "HEAD~1:a.py")
    (git.folder / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    _, history = ask(git, "next_delay")
    assert history.missing == ("contents of files are not in this repository",)


def spread(count, end="\n"):
    """Functions of so many lines that each is a passage of its own."""
    bodies = (f"    value = value * {n} + step  # step {n}\n" * 22 for n in range(count))
    return "\n\n".join(f"def work_{n}(value, step):\n{body}" for n, body in enumerate(bodies)).replace(
        "\n", end
    )


def test_other_line_ends_are_told_where_passages_are_the_same(work_tree, ask):
    git = work_tree
    git.commit_file("work.py", spread(4), "introduce")
    git.commit_file("work.py", spread(4).replace("* 3", "* 5"), "another")
    git.commit_file("work.py", spread(4, "\r\n").replace("* 3", "* 7"), "other ends, and another")
    git.commit_file("work.py", spread(4, "\r\n").replace("* 3", "* 9"), "another again")
    told, _ = ask(git, "work_1")
    assert told == [("other ends, and another", {"layout"}), ("introduce", {"introduced"})]


def test_a_content_whose_definition_is_the_same_is_not_read(work_tree, library, index_head, read_past):
    git = work_tree
    texts = [spread(6).replace("* 5", f"* {n}") for n in range(10, 18)]
    for text in texts:
        git.commit_file("work.py", text, "another")
    view, past = read_past(git)
    index_head(view)
    library.extend(view)
    contents = Contents(view, refuse, library.contents())
    found = symbol_history(library.snapshot(view), past, contents, Wanted("work_1"))
    assert [change.kinds for change in found.changes] == [(ChangeKind.INTRODUCED,)]
    blobs = [git("rev-parse", f"HEAD~{n}:work.py").strip() for n in range(8)]
    assert [contents.has(blob) for blob in blobs] == [True] + 6 * [False] + [True]


def test_older_contents_that_by_the_index_never_had_a_name_are_not_read(
    work_tree, library, index_head, read_past
):
    for count in (5, 6):
        work_tree.commit_file("work.py", spread(count) + "\n\nwork_9(1, 2)\n", f"{count} others")
    added = spread(1).replace("work_0", "work_9") + "    return value\n"
    work_tree.commit_file("work.py", f"{spread(6)}\n\n{added}", "introduce")
    view, past = read_past(work_tree)
    index_head(view)
    library.extend(view)
    contents = Contents(view, refuse, library.contents())
    found = symbol_history(library.snapshot(view), past, contents, Wanted("work_9"))
    assert [(change.subject, change.kinds) for change in found.changes] == [
        ("introduce", (ChangeKind.INTRODUCED,))
    ]
    assert not contents.has(ObjectId(work_tree("rev-parse", "HEAD~2:work.py").strip()))


def test_what_has_a_name_is_that_of_all_that_is_defined(work_tree, library, index_head, read_past):
    inner = "".join(f"    def work_{n}(self):\n" + f"        self.step({n})\n" * 60 for n in range(4))
    text = f"class Work:\n{inner}\n\n{spread(4)}\n\ndef Work():\n    return 1\n"
    work_tree.commit_file("work.py", text, "introduce")
    view, _ = read_past(work_tree)
    index_head(view)
    blob = ObjectId(work_tree("rev-parse", "HEAD:work.py").strip())
    every = library.contents().entities(b"work.py", blob)
    assert len(every) > len({entity.name for entity in every})
    for name in ("Work", "work_0", "work_3", "WORK_3", "step"):
        named = library.contents().named(b"work.py", blob, name)
        assert named == tuple(entity for entity in every if entity.name == name)


def test_histories_by_passages_are_those_by_text(work_tree, ask):
    chance = random.Random(7)
    parts = [spread(1).replace("work_0", f"work_{n}") for n in range(7)]
    for number in range(14):
        at = chance.randrange(len(parts))
        done = chance.randrange(5)
        if done == 0:
            parts[at] = parts[at].replace("step 0", f"step {number}", chance.randrange(1, 20))
        elif done == 1:
            parts.insert(at, parts.pop())
        elif done == 2:
            parts[at] = f"# note {number}\n{parts[at]}"
        elif done == 3:
            parts[at] = parts[at] + "    return value\n"
        else:
            parts.insert(at, f"LIMIT_{number} = {number}\n" * chance.randrange(1, 30))
        work_tree.commit_file("work.py", "\n\n".join(parts), f"{number}")
    for name in ("work_1", "work_4"):
        ask(work_tree, name)
