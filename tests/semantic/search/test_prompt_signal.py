"""What asked for commits ranks their files as messages do, for those who may read it, and for nobody else."""

from types import SimpleNamespace

import pytest

from imprint.semantic.lineage.changes import ChangeLog
from imprint.semantic.search.background import Background
from imprint.semantic.search.signals import history
from imprint.semantic.search.signals import prompts as signal
from imprint.semantic.search.signals.history import score_files
from imprint.store.errors import StorageFailed
from imprint.store.types import ObjectId


class Told:
    """A past of three commits, the middle one of which was asked for."""

    def __init__(self, work_tree, open_view, folder) -> None:
        work_tree.commit_file("old.py", "".join(f"line {n}\n" for n in range(9)), "first things")
        self.asked_for = ObjectId(
            work_tree.commit_file("old.py", "".join(f"l {n}\n" for n in range(9)), "tidy")
        )
        work_tree("mv", "old.py", "new.py")
        self.head = ObjectId(work_tree.commit_file("other.py", "pass\n", "more"))
        view, log = open_view(work_tree.folder), ChangeLog.open(folder)
        log.ensure(view)
        self.past = log.seen(view)
        self.files = {b"new.py": 0, b"other.py": 1}
        self.read: list[tuple[str, str]] = []
        self.address: str | None = None

    def background(self, text: str | None) -> Background:
        def claims(commits):
            claim = SimpleNamespace(session="s1", prompt=self.address or f"made from {text}")
            return {each: [claim] for each in commits if each == self.asked_for}

        def prompts(session: str, address: str) -> str | None:
            self.read.append((session, address))
            return text

        return Background(self.past, claims, prompts)

    def score(self, text: str | None, *words: str, likely=(b"new.py", b"other.py")) -> dict[int, float]:
        return score_files(self.background(text), self.head, words, self.files, likely)


@pytest.fixture
def told(work_tree, open_view, tmp_path) -> Told:
    return Told(work_tree, open_view, tmp_path / "changes")


def test_what_was_asked_for_speaks_for_the_files_through_renames(told) -> None:
    assert told.score("Let the retry budget shrink", "retry", "budget").keys() == {0}
    assert told.score("Let the retry budget shrink", "unsaid") == {}


def test_of_old_commits_those_are_read_that_something_leads_to(told, monkeypatch) -> None:
    monkeypatch.setattr(history, "NEWEST_MAX", 0)
    monkeypatch.setattr(history, "_SEARCHED", history._Commits())
    assert told.score("Let the retry budget shrink", "retry").keys() == {0}
    assert told.score("Let the retry budget shrink", "retry", likely=()) == {}


def test_a_prompt_counts_where_the_message_led_to_the_commit(told) -> None:
    by_message = told.score(None, "tidy", likely=())
    assert told.score("tidy up the retry budget", "tidy", "retry", likely=())[0] > by_message[0]


def test_what_message_and_prompt_both_say_counts_once(told) -> None:
    alone = told.score(None, "tidy")
    both = told.score("tidy", "tidy")
    assert alone.keys() == both.keys() == {0}
    assert both[0] == pytest.approx(max(alone[0], both[0]))
    assert both[0] < 1.5 * alone[0]


def test_what_the_reader_does_not_give_changes_nothing(told) -> None:
    without = score_files(Background(told.past), told.head, ("tidy", "retry"), told.files)
    told.address = "kept"
    assert told.score("retry retry", "retry").keys() == {0}, "its words are remembered now"
    told.read.clear()
    assert told.score(None, "tidy", "retry") == without
    assert told.read, "the reader was asked again"


def test_what_cannot_count_is_not_read_again(told) -> None:
    assert told.score("spend the budget tidy", "budget").keys() == {0}
    told.read.clear()
    without = score_files(Background(told.past), told.head, ("unsaid", "tidy"), told.files)
    assert told.score("spend the budget tidy", "unsaid", "tidy") == without, "the shorter message fits better"
    assert not told.read
    assert told.score("spend the budget tidy", "budget").keys() == {0}
    assert told.read == [("s1", "made from spend the budget tidy")]


def test_claims_that_cannot_be_read_just_now_rank_nothing(told) -> None:
    def fail(_commits):
        raise StorageFailed("locked")

    background = Background(told.past, fail, lambda *_: "retry")
    assert score_files(background, told.head, ("retry",), told.files, [b"new.py"]) == {}


def test_what_is_read_and_kept_is_bounded(told, monkeypatch) -> None:
    kept = signal._KeptWords()
    monkeypatch.setattr(signal, "_WORDS", kept)
    monkeypatch.setattr(signal, "_KEPT", 3)
    for number in range(9):
        told.score(f"retry {number}", "retry")
    assert len(kept._kept) == 3
    assert told.score("x " * signal.CHARACTERS_MAX + "retry", "retry") == {}


def test_prompts_that_are_not_given_take_no_place(told, monkeypatch) -> None:
    """Claims of a hidden session stand before the one that may be read."""
    monkeypatch.setattr(signal, "PROMPTS_MAX", 1)
    many = [SimpleNamespace(session=f"s{number}", prompt="p") for number in range(5)]
    background = Background(
        told.past,
        lambda commits: {each: many for each in commits if each == told.asked_for},
        lambda session, _: "retry" if session == "s3" else None,
    )
    assert score_files(background, told.head, ("retry",), told.files).keys() == {0}
