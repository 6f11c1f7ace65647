"""Which turn wrote a line: exact text first, then what formatters, people and runs of lines leave of it."""

from hypothesis import given
from hypothesis import strategies as st

from imprint.store.agents.model import Edit, EditKind, ParsedSession, ParsedTurn, ToolCall
from imprint.store.observe.match import match_lines
from imprint.store.observe.model import AddedFile, Candidate, Likeness, Tier
from imprint.store.observe.payloads import collect_edits

PATH = "src/app.py"


def replaced(old: str, new: str, path: str = PATH) -> Edit:
    return Edit(path, EditKind.REPLACE, tuple(new.split("\n")), tuple(old.split("\n")))


def written(text: str, path: str = PATH) -> Edit:
    return Edit(path, EditKind.WRITE, tuple(text.split("\n")))


def session(*turns: Edit | list[Edit] | ToolCall, name: str = "s1", cwd: str | None = "/srv/ada/app"):
    """A session with one turn for each argument, ten lines of transcript and one second each."""
    parsed = []
    for number, turn in enumerate(turns, 1):
        if isinstance(turn, ToolCall):
            calls = (turn,)
        else:
            edits = tuple(turn) if isinstance(turn, list) else (turn,)
            calls = (ToolCall(f"c{number}", "Edit", number * 1000, edits=edits, ok=True),)
        parsed.append(
            ParsedTurn(number, "do", first_line=10 * (number - 1), end_line=10 * number, calls=calls)
        )
    return collect_edits(ParsedSession("claude-code", name, tuple(parsed), cwd=cwd))


def added(text: str, *ranges: tuple[int, int], path: str = PATH, **more) -> AddedFile:
    lines = tuple(text.split("\n"))
    return AddedFile(path, lines, ranges or ((1, len(lines)),), **more)


def turns(file: AddedFile, *candidates) -> dict[int, int]:
    given = [it if isinstance(it, Candidate) else Candidate(it) for it in candidates]
    return {match.line: match.turn for match in match_lines(file, given)}


def test_a_line_is_tied_to_the_turn_whose_edit_holds_it() -> None:
    edits = session(replaced("pass", "total = price * count"), replaced("x", "name = read_name()"))
    file = added("total = price * count\nname = read_name()\nby_hand = 1000")
    matches = match_lines(file, [Candidate(edits)])
    assert [(it.line, it.turn, it.score, it.candidates) for it in matches] == [(1, 1, 1.0, 1), (2, 2, 1.0, 1)]
    assert {it.likeness for it in matches} == {Likeness.EXACT}


def test_only_added_lines_are_matched() -> None:
    edits = session(written("first = 1111\nsecond = 2222"))
    assert turns(added("first = 1111\nsecond = 2222", (2, 2)), edits) == {2: 1}


def test_a_later_edit_that_takes_a_line_out_and_puts_it_back_has_it() -> None:
    edits = session(
        written("value = compute()\nother = 3333"),
        replaced("value = compute()", "value = guess()"),
        replaced("value = guess()", "value = compute()"),
    )
    assert turns(added("value = compute()\nother = 3333"), edits) == {1: 3, 2: 1}


def test_what_an_edit_only_shows_around_its_change_is_not_its_own() -> None:
    edits = session(
        written("def total(prices):\n    return sum(prices)"),
        replaced("def total(prices):\n    return sum(prices)", "def total(prices):\n    return max(prices)"),
    )
    assert turns(added("def total(prices):\n    return max(prices)"), edits) == {1: 1, 2: 2}


def test_a_file_written_whole_again_owns_only_what_changed() -> None:
    edits = session(
        written("alpha = 1000\nbeta = 2000\ngamma = 3000"),
        replaced("beta = 2000", "beta = 2001"),
        written("alpha = 1000\nbeta = 2001\ngamma = 3000\ndelta = 4000"),
    )
    found = turns(added("alpha = 1000\nbeta = 2001\ngamma = 3000\ndelta = 4000"), edits)
    assert found == {1: 1, 2: 2, 3: 1, 4: 3}


def test_a_failed_call_wrote_nothing() -> None:
    failed = ToolCall("c", "Edit", 1, edits=(written("total = price * count"),), ok=False)
    assert turns(added("total = price * count"), session(failed)) == {}


def test_white_space_and_quotes_may_differ_for_a_lower_score() -> None:
    edits = session(written("\tname = 'Ada Lovelace',"))
    (spaced,) = match_lines(added("    name = 'Ada Lovelace',"), [Candidate(edits)])
    (loose,) = match_lines(added('  name = "Ada Lovelace"'), [Candidate(edits)])
    assert (spaced.likeness, loose.likeness) == (Likeness.SPACED, Likeness.LOOSE)
    assert 1 > spaced.score > loose.score > 0


def test_a_plain_line_takes_the_turn_of_its_run_and_is_never_matched_alone() -> None:
    edits = session(written("if ready:\n    start_engine()\n\nelse:\n    pass"))
    text = "if ready:\n    start_engine()\n\nelse:\n    pass"
    assert set(turns(added(text), edits).values()) == {1}
    assert turns(added("before()\n\n\nafter()", (2, 2)), edits) == {}


def test_a_plain_line_among_old_ones_is_matched_where_the_edit_shows_its_neighbours() -> None:
    edits = session(replaced("start_engine()\nstop_engine()", "start_engine()\n\nstop_engine()"))
    assert turns(added("start_engine()\n\nstop_engine()", (2, 2)), edits) == {2: 1}


def test_a_line_changed_by_hand_between_two_of_an_edit_is_its_with_a_lower_score() -> None:
    edits = session(written("open_file(path)\nrows = read_rows(limit=100)\nclose_file(path)"))
    file = added("open_file(path)\nrows = read_rows(limit=250)\nclose_file(path)")
    matches = match_lines(file, [Candidate(edits)])
    assert [it.likeness for it in matches] == [Likeness.EXACT, Likeness.SIMILAR, Likeness.EXACT]
    assert matches[1].score < matches[0].score


def test_a_piece_of_a_line_is_enough_where_the_rest_was_there_before() -> None:
    edits = session(replaced("old_name", "new_name"))
    file = added("result = new_name(1, 2)", before=frozenset({"result = old_name(1, 2)"}))
    (match,) = match_lines(file, [Candidate(edits)])
    assert match.likeness is Likeness.FRAGMENT
    assert turns(added("other = new_name(3)", before=frozenset({"something else"})), edits) == {}


def test_the_same_line_from_two_turns_is_a_tie_that_the_later_wins_and_the_score_says() -> None:
    edits = session(written("retry = Retry(attempts=5)", "a/x.py"), written("retry = Retry(attempts=5)"))
    twice = session(
        written("retry = Retry(attempts=5)"), written("retry = Retry(attempts=5)", PATH), cwd=None
    )
    assert turns(added("retry = Retry(attempts=5)"), edits) == {1: 2}
    assert turns(added("retry = Retry(attempts=5)"), twice) == {1: 1}  # written again, nothing was new
    one, two = (
        session(written("retry = Retry(attempts=5)")),
        session(replaced("y", "x = 1"), written("retry = Retry(attempts=5)"), name="s2"),
    )
    (match,) = match_lines(added("retry = Retry(attempts=5)"), [Candidate(one), Candidate(two)])
    assert (match.session, match.turn, match.candidates, match.score) == ("s2", 2, 2, 0.5)


def test_neighbouring_lines_decide_between_equal_ones() -> None:
    edits = session(
        written("def first():\n    return load(cache)", "src/app.py"),
        replaced("x", "def second():\n    return load(cache)"),
    )
    file = added("def second():\n    return load(cache)\n\ndef first():\n    return load(cache)")
    assert turns(file, edits) == {1: 2, 2: 2, 3: 2, 4: 1, 5: 1}


def test_paths_lead_through_work_trees_and_folders_but_not_to_another_file_of_the_name() -> None:
    line = "connection = open_database(url)"
    assert turns(added(line), session(written(line, "/srv/ada/app/src/app.py"))) == {1: 1}
    assert turns(added(line), session(written(line, "/tmp/trees/fix-1/src/app.py"))) == {1: 1}
    assert turns(added(line), session(written(line, "app.py"), cwd="/srv/ada/app/src")) == {1: 1}
    assert turns(added(line, path="README.md"), session(written(line, "docs/README.md"))) == {}
    assert turns(added(line), session(written(line, "lib/app.py"))) == {}


def test_a_renamed_file_keeps_its_turns() -> None:
    line = "connection = open_database(url)"
    assert turns(added(line, path="src/store.py", old_path=PATH), session(written(line))) == {1: 1}
    moved = Edit("src/store.py", EditKind.MOVE, old_path=PATH)
    assert turns(added(line, path="src/store.py"), session(written(line), moved)) == {1: 1}


def test_text_moved_to_another_file_is_recognised_by_its_run() -> None:
    text = "\n".join(f"step_{number}(state, {number})" for number in range(6))
    assert set(turns(added(text, path="other/place.py"), session(written(text))).values()) == {1}


def test_an_editing_tool_beats_a_shell_command() -> None:
    text = "first = 1111\nsecond = 2222\nthird = 3333"
    shell = Edit(PATH, EditKind.SHELL, tuple(text.split("\n")))
    both = session(written(text), shell)
    assert set(turns(added(text), both).values()) == {1}
    (match, *_) = match_lines(added(text), [Candidate(session(shell))])
    assert match.is_shell
    assert match.score < 1


def test_edits_after_the_part_count_only_when_they_are_known_to_come_before_the_commit() -> None:
    edits = session(written("alpha = 1000"), replaced("alpha = 1000", "beta = 2000"))
    file = added("beta = 2000")
    assert turns(file, Candidate(edits, part=(0, 10))) == {}
    assert turns(file, Candidate(edits, part=(0, 10), until_ms=1500)) == {}
    (match,) = match_lines(file, [Candidate(edits, part=(0, 10), until_ms=5000)])
    assert (match.turn, match.tier) == (2, Tier.SESSION)


def test_a_session_nearby_needs_the_same_file_and_lines_around() -> None:
    text = "\n".join(f"step_{number}(state, {number})" for number in range(6))
    edits = session(written(text))
    near = Candidate(edits, Tier.NEARBY, from_ms=0, until_ms=9000)
    assert len(turns(added(text), near)) == 6
    assert turns(added("step_1(state, 1)"), near) == {}
    assert turns(added(text, path="other/app.py"), near) == {}
    assert turns(added(text), Candidate(edits, Tier.NEARBY, from_ms=5000, until_ms=9000)) == {}
    own = session(written("step_1(state, 1)"), name="own")
    assert {it.session for it in match_lines(added(text, (2, 2)), [near, Candidate(own)])} == {"own"}


WORDS = st.sampled_from(
    ["", "}", "return x", "alpha = 1", "beta(2, 3)", "gamma = delta", "    pass", "if a:"]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=12).map("\n".join)


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=5), TEXTS, st.data())
def test_any_edits_and_any_file_give_each_added_line_at_most_one_turn(edits, text, data) -> None:
    count = len(text.split("\n"))
    first = data.draw(st.integers(1, count))
    last = data.draw(st.integers(first, count))
    candidate = Candidate(session(*(replaced(old, new) for old, new in edits)))
    matches = match_lines(added(text, (first, last)), [candidate])
    lines = [match.line for match in matches]
    assert lines == sorted(set(lines))
    assert all(first <= line <= last for line in lines)
    assert all(0 < match.score <= 1 and match.candidates >= 1 for match in matches)
    assert all(1 <= match.turn <= len(edits) for match in matches)
    assert match_lines(added(text, (first, last)), [candidate]) == matches
