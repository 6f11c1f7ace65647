"""What can be asked of a search beside words: exact text, patterns, filters, commits, prompts, a budget."""

import pytest

from imprint.semantic.asking.code import SEARCH, read_query
from imprint.semantic.asking.model import Standpoint
from imprint.semantic.asking.table import ask
from imprint.semantic.library import Library
from imprint.semantic.parse.extract import extract
from imprint.semantic.search.background import Background
from imprint.semantic.search.finding.budget import count_tokens
from imprint.semantic.search.query import Mode, Query, What
from imprint.store.errors import BadInput, RefMissing
from imprint.store.evidence.claims import Claim, Evidence
from imprint.store.view import resolve_commit


def paths(answer):
    return [hit.path.decode() for hit in answer.hits]


def subjects(answer):
    return [hit.subject for hit in answer.hits]


def test_exact_text_is_found_where_it_stands_code_before_tests(told):
    answer = told.search("next_delay(", mode=Mode.EXACT)
    assert [(hit.path, hit.start_line) for hit in answer.hits] == [
        (b"src/retry.py", 2),
        (b"tests/test_retry.py", 2),
    ]
    assert answer.hits[0].text == "    def next_delay(self, attempt):"
    assert answer.hits[0].symbol.startswith("RetryPolicy")
    assert answer.is_complete
    assert answer.mode == "exact"
    assert told.search("Next_delay(", mode=Mode.EXACT).hits == ()


def test_a_part_of_a_word_is_found_exactly(told):
    assert paths(told.search("tryPol", mode=Mode.EXACT)) == ["src/retry.py", "tests/test_retry.py"]


def test_quotes_ask_for_exact_text_and_slashes_for_a_pattern(told):
    assert told.search('"listen(port)"').mode == "exact"
    answer = told.search(r"/min\(2\*\*\w+, \d+\)/")
    assert (answer.mode, paths(answer)) == ("regex", ["src/retry.py"])
    assert told.search("/api/retry/").mode == "words"
    assert told.search('say "retry" or "wait"').mode == "words"


def test_a_pattern_may_span_lines_and_its_ends_are_those_of_lines(told):
    (hit,) = told.search(r"^class \w+:\n.*next_delay", mode=Mode.REGEX).hits
    assert (hit.start_line, hit.end_line) == (1, 2)
    assert paths(told.search(r"^def test_\w+", mode=Mode.REGEX)) == ["tests/test_retry.py"]


@pytest.mark.parametrize("text", ["(", r"(a)\1", "(?=x)", "x*", "", "x" * 2_000])
def test_an_expression_that_cannot_be_searched_is_refused(told, text):
    with pytest.raises(BadInput):
        told.search(text, mode=Mode.REGEX)


def test_an_expression_that_makes_others_run_for_ever_ends(told):
    assert told.search("(a+)+$", mode=Mode.REGEX).is_complete


def test_filters_of_paths_kinds_and_languages(told):
    assert set(paths(told.search("retry delay", path_glob="*.py", path_prefix=b"tests/"))) == {
        "tests/test_retry.py"
    }
    assert paths(told.search("return", path_glob="**/*.js")) == ["web/app.js"]
    assert paths(told.search("port", path_glob="src/**")) == []
    assert {hit.kind for hit in told.search("retry delay", kind="class").hits} == {"class"}
    assert paths(told.search("return", mode=Mode.EXACT, language="javascript")) == ["web/app.js"]


def test_a_file_has_the_authors_and_dates_of_the_commits_that_touched_it(told):
    everything = "load config retry delay start server"
    assert paths(told.search(everything, author="grace")) == ["src/settings.py"]
    assert paths(told.search(everything, since=1_775_000_000)) == ["src/retry.py"]
    assert paths(told.search("load config", until=1_767_400_000)) == [
        "src/settings.py"
    ]  # before it was moved
    assert told.search(everything, author="ada", since=1_775_000_000, until=1_775_000_001).hits == ()
    assert paths(told.search("open(", mode=Mode.EXACT, author="Grace")) == ["src/settings.py"]


def test_filters_of_agents_and_sessions_ask_claims(told):
    claim = Claim(told.commits["last"], Evidence.DECLARED, agent="codex", session="s-1")

    def claims(commits):
        return {claim.commit: [claim]} if claim.commit in commits else {}

    assert paths(told.search("delay port", claims=claims, agent="codex")) == ["src/retry.py"]
    assert paths(told.search("delay port", claims=claims, session="s-1")) == ["src/retry.py"]
    assert told.search("delay port", claims=claims, agent="codex", session="s-2").hits == ()
    with pytest.raises(BadInput, match="agents"):
        told.search("delay", agent="codex")


def test_messages_are_found_by_words_and_patterns(told):
    answer = told.search("why is there no cache", what=What.MESSAGES)
    assert subjects(answer)[0] == "Drop the cache, it leaked memory"
    assert (answer.hits[0].commit, answer.hits[0].author) == (told.commits["removed"], "Grace Hopper")
    assert subjects(told.search("/thundering h[a-z]+d/", what=What.MESSAGES)) == ["Waiting is bounded"]
    assert (
        subjects(told.search("cache", what=What.MESSAGES, author="Grace", path_prefix=b"src/settings")) == []
    )


def test_differences_are_found_with_the_commit_that_made_them(told):
    (hit,) = told.search('"min(2**attempt, 60)"', what=What.DIFFS).hits
    assert (hit.commit, hit.path, hit.kind) == (told.commits["last"], b"src/retry.py", "diff")
    assert hit.text == "+        return min(2**attempt, 60)"
    assert subjects(told.search("evict entries", what=What.DIFFS)) == [
        "Drop the cache, it leaked memory",
        "Begin",
    ]


def test_what_hidden_refs_hold_is_never_told(told):
    for wish in ({"what": What.MESSAGES}, {"what": What.DIFFS}, {}):
        assert told.search("zanzibar launch_code", **wish).hits == ()
    assert told.search("zanzibar|launch", mode=Mode.REGEX, what=What.MESSAGES).hits == ()


def test_an_earlier_commit_knows_nothing_of_later_ones(told):
    told.library.ensure(told.view, told.commits["first"])
    found = told.search("cache", what=What.MESSAGES, ref=told.commits["first"])
    assert subjects(found) == ["Begin"]


def test_prompts_are_found_through_the_callers_reader_alone(told):
    claim = Claim(told.commits["last"], Evidence.OBSERVED, session="s-1", prompt="turn-1")

    def claims(commits):
        return {claim.commit: [claim]} if claim.commit in commits else {}

    def read(session, address):
        return "please stop the stampede" if (session, address) == ("s-1", "turn-1") else None

    (hit,) = told.search("stampede", what=What.PROMPTS, claims=claims, prompts=read).hits
    assert (hit.session, hit.commit, hit.kind) == ("s-1", told.commits["last"], "prompt")
    assert told.search("/st[a-z]+pede/", what=What.PROMPTS, claims=claims, prompts=read).hits
    assert told.search("stampede", what=What.PROMPTS, claims=claims, prompts=lambda *_: None).hits == ()
    assert told.search("stampede", what=What.PROMPTS, claims=claims, prompts=read, agent="x").hits == ()
    with pytest.raises(BadInput, match="prompts"):
        told.search("stampede", what=What.PROMPTS)


def test_a_commit_that_speaks_of_it_lifts_a_file(told):
    asked = "thundering herd"
    assert told.search(asked, past=False).hits == ()
    (hit,) = told.search(asked, explain=True).hits
    assert hit.path == b"src/retry.py"
    assert set(hit.parts) >= {"history"}


def test_the_parts_of_a_score_make_it(told):
    for hit in told.search("retry policy delay", explain=True).hits:
        factors = [worth for name, worth in hit.parts.items() if name.startswith("times_")]
        total = sum(worth for name, worth in hit.parts.items() if not name.startswith("times_"))
        for factor in factors:
            total *= factor
        assert total == pytest.approx(hit.score)
    assert not told.search("retry").hits[0].parts


def test_an_answer_keeps_to_its_tokens_and_says_so(told):
    whole = told.search("retry delay config port attempt")
    assert len(whole.hits) > 2
    for tokens in (60, 100, 200):
        answer = told.search("retry delay config port attempt", tokens=tokens)
        assert 0 < sum(map(count_tokens, answer.hits)) <= tokens
        assert answer.hits[0].path == whole.hits[0].path
        assert len(answer.hits) == len(whole.hits) or "left out" in answer.notes[-1]
    assert told.search("retry delay config port attempt", tokens=100_000).hits == whole.hits
    with pytest.raises(BadInput, match="tokens"):
        told.search("retry", tokens=10)


@pytest.mark.parametrize("wish", [{"what": What.MESSAGES}, {"author": "ada"}, {"what": What.DIFFS}])
def test_without_a_past_what_needs_one_is_refused_with_a_hint(told, wish):
    with pytest.raises(BadInput, match="log") as refused:
        told.search("retry", past=False, **wish)
    assert refused.value.hint


def test_code_that_is_gone_is_found_with_the_commit_that_took_it_away(told):
    told.library.extend(told.view)
    answer = told.search("evict entries of a cache", removed=True)
    assert (answer.is_complete, answer.notes) == (True, ())
    (hit,) = answer.hits
    assert (hit.path, hit.commit, hit.is_removed) == (b"src/old_cache.py", told.commits["removed"], True)
    assert hit.text.startswith("def evict_entries")
    assert hit.subject == "Drop the cache, it leaked memory"
    assert told.search("evict entries", removed=True, author="ada").hits == ()
    assert told.search("launch_code", removed=True).hits == ()


def test_while_the_history_is_being_indexed_a_search_for_what_is_gone_says_so(told, tmp_path):
    library = Library.open(tmp_path / "library", extract)
    library.ensure(told.view, resolve_commit(told.view, "main"))
    assert not library.extend(told.view, seconds=0).is_complete
    background = Background(told.log.seen(told.view), None, None)
    answer = library.search(told.view, Query("evict entries", removed=True), background=background)
    assert not answer.is_complete
    assert "still being indexed" in answer.notes[0]
    library.close()


def test_an_issue_leads_to_files_by_its_first_line_its_text_and_the_paths_that_it_names(told):
    issue = "Waiting between attempts never ends\n\nAs seen in production:\n  File src/settings.py, line 2\n"
    found = paths(told.search(issue, what=What.FILES, explain=True))
    assert found[0] == "src/retry.py"
    assert "src/settings.py" in found
    assert len(found) == len(set(found))
    assert paths(told.search("evict_entries", what=What.FILES)) == []
    assert paths(told.search(issue, what=What.FILES, path_glob="web/*")) == []
    with pytest.raises(BadInput, match="words"):
        told.search('"exact"', what=What.FILES)


@pytest.mark.parametrize(
    ("issue", "part", "first"),
    [
        (
            "Nothing happens\n\nSince `startServer` is called, port and path are wrong.",
            "defines",
            "web/app.js",
        ),
        ("The settings are wrong", "stem", "src/settings.py"),
        (
            """It fails

  File "/srv/x/src/retry.py", line 2, in next_delay
    attempt
  File "/srv/x/src/settings.py", line 2, in load
    open
OSError: none""",
            "frames",
            "src/settings.py",
        ),
    ],
)
def test_an_issue_leads_to_what_it_names_and_to_where_its_trace_ends(told, issue, part, first):
    hit = told.search(issue, what=What.FILES, explain=True).hits[0]
    assert hit.path.decode() == first
    assert hit.parts[part] > 0


def test_a_long_issue_may_be_given_whole_and_its_trace_is_read_to_the_end(told):
    def find(text, **more):
        query = read_query(SEARCH.read_values({"q": text, **more}))
        return paths(told.library.search(told.view, query))

    log = "It fails\n\n" + "a line of output\n" * 300
    trace = 'Traceback\n  File "/srv/x/src/settings.py", line 2, in load\nOSError: none\n'
    assert find(log + trace, what="files")[0] == "src/settings.py"
    assert find(log + "next_delay") == find(log)
    with pytest.raises(BadInput, match="q is out of bounds"):
        find("word " * 8_001, what="files")


def test_a_commit_that_only_a_hidden_ref_reaches_is_not_there(told):
    secret = told.commits["secret"]
    with pytest.raises(RefMissing):
        told.search("launch", ref=secret)
    with pytest.raises(RefMissing):
        told.library.snapshot(told.view, secret)
    for question, given in (
        ("diff", {"base": secret}),
        ("outline", {"path": "src/secret.py", "ref": secret}),
    ):
        here = Standpoint(told.view, told.library, lambda: told.log.seen(told.view), None, lambda *_: None)
        with pytest.raises(RefMissing):
            ask(here, question, given)
