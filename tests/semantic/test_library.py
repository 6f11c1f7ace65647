"""What the layers above hold: index a commit, search it, ask for names, and know how far behind that is."""

import json
import subprocess
import sys
import threading

import pytest

from imprint.semantic.library import Library
from imprint.semantic.parse.extract import extract
from imprint.semantic.search.finding.place import TEXT_CHARACTERS_MAX
from imprint.semantic.search.query import LIMIT_MAX, Query
from imprint.semantic.search.render import answer_json, references_json, status_json, symbols_json
from imprint.store.errors import BadInput, BadRevision, RefMissing, StorageFailed
from imprint.store.types import ObjectId


def paths(answer):
    return [hit.path.decode() for hit in answer.hits]


def test_a_question_in_words_finds_the_code_before_its_test_and_its_readme(
    sample, open_view, library, index_head
):
    view = open_view(sample.folder)
    commit = index_head(view)
    answer = library.search(view, Query("where is the retry policy"))
    assert (answer.commit, answer.behind) == (commit, 0)
    found = paths(answer)
    assert found[0] == "src/http/retry.py"
    assert found.index("src/http/retry.py") < found.index("tests/test_retry.py")
    top = answer.hits[0]
    assert (top.repo, top.language) == (view.name, "python")
    lines = (sample.folder / "src/http/retry.py").read_text().split("\n")
    assert top.text == "\n".join(lines[top.start_line - 1 : top.end_line])
    assert [hit.score for hit in answer.hits] == sorted((hit.score for hit in answer.hits), reverse=True)


def test_a_symbol_finds_its_definition_first(sample, open_view, library, index_head):
    view = open_view(sample.folder)
    index_head(view)
    for asked in ("RetryPolicy", "retrypolicy", "retry_policy", "next_delay", "RetryPolicy.next_delay"):
        assert paths(library.search(view, Query(asked)))[0] == "src/http/retry.py", asked
    assert paths(library.search(view, Query("send_request")))[0] == "src/http/client.py"


def test_a_test_is_found_first_when_a_test_is_asked_for(sample, open_view, library, index_head):
    view = open_view(sample.folder)
    index_head(view)
    assert paths(library.search(view, Query("test that the retry delay grows")))[0] == "tests/test_retry.py"


def test_filters_bound_the_path_and_the_language(sample, open_view, library, index_head):
    view = open_view(sample.folder)
    index_head(view)
    assert set(paths(library.search(view, Query("retry policy", path_prefix=b"tests/")))) == {
        "tests/test_retry.py"
    }
    assert paths(library.search(view, Query("retry policy", language="Markdown"))) == ["README.md"]
    assert library.search(view, Query("retry policy", language="zig")).hits == ()
    assert library.search(view, Query("RetryPolicy", path_prefix=b"no/such/")).hits == ()
    assert len(library.search(view, Query("retry policy", limit=1)).hits) == 1


@pytest.mark.parametrize("text", ["", "   ", "=> ?!", "\n\t", "___"])
def test_a_query_without_a_word_is_refused(sample, open_view, library, index_head, text):
    view = open_view(sample.folder)
    index_head(view)
    with pytest.raises(BadInput, match="no word"):
        library.search(view, Query(text))


@pytest.mark.parametrize("limit", [0, -1, LIMIT_MAX + 1])
def test_a_limit_out_of_range_is_refused(sample, open_view, library, limit):
    with pytest.raises(BadInput, match="hits"):
        library.search(open_view(sample.folder), Query("retry", limit=limit))


def test_words_that_occur_nowhere_find_nothing(sample, open_view, library, index_head):
    view = open_view(sample.folder)
    commit = index_head(view)
    answer = library.search(view, Query("zygomorphic quetzalcoatl"))
    assert (answer.commit, answer.hits) == (commit, ())


def test_an_empty_repository_has_no_hits_and_an_unknown_ref_is_an_error(work_tree, open_view, library):
    view = open_view(work_tree.folder)
    answer = library.search(view, Query("anything"))
    assert (answer.commit, answer.behind, answer.hits) == (None, 0, ())
    assert library.symbols(view, "anything") == []
    status = library.status(view)
    assert (status.head, status.indexed, status.behind) == (None, None, 0)
    for ask in (
        lambda: library.search(view, Query("anything"), ref="nowhere"),
        lambda: library.symbols(view, "anything", ref="nowhere"),
        lambda: library.status(view, "nowhere"),
    ):
        with pytest.raises(RefMissing):
            ask()


def test_a_commit_with_an_empty_tree_is_indexed(work_tree, open_view, library, index_head):
    work_tree("commit", "-q", "--allow-empty", "-m", "nothing")
    view = open_view(work_tree.folder)
    commit = index_head(view)
    answer = library.search(view, Query("anything"))
    assert (answer.commit, answer.behind, answer.hits) == (commit, 0, ())


def test_a_ref_that_names_no_commit_is_refused(sample, open_view, library):
    sample("tag", "blob", sample("rev-parse", "HEAD:README.md"))
    with pytest.raises(BadRevision):
        library.search(open_view(sample.folder), Query("retry"), ref="blob")


def test_a_commit_never_asked_for_is_answered_itself(sample, open_view, library, index_head):
    view = open_view(sample.folder)
    head = view.refs.snapshot().head_id
    answer = library.search(view, Query("RetryPolicy"))
    assert (answer.commit, answer.behind, paths(answer)[0]) == (head, 0, "src/http/retry.py")
    for number in range(3):
        head = sample.commit_file("src/new.py", f"def brand_new_{number}(): pass\n")
    answer = library.search(view, Query("brand_new_2"))
    assert (answer.commit, answer.behind, paths(answer)[0]) == (head, 0, "src/new.py")
    answer = library.search(view, Query("brand_new_1"), ref="HEAD~1")
    assert (answer.behind, paths(answer)[0]) == (0, "src/new.py")
    assert "brand_new_2" not in answer.hits[0].text


def test_behind_counts_commits_since_the_newest_indexed_ancestor(sample, open_view, tmp_path):
    view = open_view(sample.folder)
    library = Library.open(tmp_path / "patient", extract, at_once=0)
    answer = library.search(view, Query("retry"))
    assert (answer.commit, answer.behind, answer.hits) == (None, 1, ())
    first = view.refs.snapshot().head_id
    library.ensure(view, first)
    for number in range(3):
        head = sample.commit_file("src/new.py", f"def brand_new_{number}(): pass\n")
    answer = library.search(view, Query("retry"))
    assert (answer.commit, answer.behind) == (first, 3)
    assert "src/http/retry.py" in paths(answer)
    status = library.status(view)
    assert (status.head, status.indexed, status.behind) == (head, first, 3)
    assert library.count_waiting(view) == 1
    library.ensure(view, ObjectId(head))
    answer = library.search(view, Query("brand_new_2"))
    assert (answer.commit, answer.behind, paths(answer)[0]) == (head, 0, "src/new.py")
    library.close()


def test_behind_is_counted_across_a_merge_from_what_is_indexed(sample, open_view, tmp_path):
    view = open_view(sample.folder)
    library = Library.open(tmp_path / "patient", extract, at_once=0)
    first = view.refs.snapshot().head_id
    library.ensure(view, first)
    sample("checkout", "-q", "-b", "side")
    sample.commit_file("side.py", "def side(): pass\n")
    sample("checkout", "-q", "main")
    sample.commit_file("main.py", "def main(): pass\n")
    sample("merge", "-q", "--no-ff", "-m", "merge", "side")
    answer = library.search(view, Query("retry"))
    assert (answer.commit, answer.behind) == (first, 3)
    library.close()


def test_each_commit_is_answered_from_its_own_tree(sample, open_view, library, index_head):
    view = open_view(sample.folder)
    old = index_head(view)
    sample("rm", "-q", "src/config.py")
    sample("commit", "-q", "-m", "remove")
    sample.commit_file("src/http/retry.py", "def rewritten_policy(): pass\n")
    new = index_head(view)
    assert paths(library.search(view, Query("load_config"), ref=old)) == ["src/config.py"]
    assert library.search(view, Query("load_config"), ref=new).hits == ()
    assert paths(library.search(view, Query("rewritten_policy"), ref="main"))[0] == "src/http/retry.py"
    assert [hit.path for hit in library.symbols(view, "load_config", ref=old)] == [b"src/config.py"]
    assert library.symbols(view, "load_config", ref=new) == []


def test_a_small_commit_adds_only_what_changed(sample, open_view, library, index_head):
    view = open_view(sample.folder)
    index_head(view)
    before = len(library.rows()["blobs"])
    sample("mv", "src/config.py", "src/settings.py")
    sample.commit_file("src/one.py", "def one(): pass\n")
    seen = []
    library.ensure(view, index_head(view), lambda done, total: seen.append((done, total)))
    assert len(library.rows()["blobs"]) == before + 1
    assert seen == []
    assert paths(library.search(view, Query("load_config"))) == ["src/settings.py"]


def test_progress_counts_contents(sample, open_view, library):
    view = open_view(sample.folder)
    seen = []
    library.ensure(view, view.refs.snapshot().head_id, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (5, 5)


def test_one_content_at_two_paths_is_found_at_both(sample, open_view, library, index_head):
    sample.commit_file("copy/of_config.py", (sample.folder / "src/config.py").read_bytes())
    view = open_view(sample.folder)
    index_head(view)
    assert sorted(paths(library.search(view, Query("load_config")))) == ["copy/of_config.py", "src/config.py"]
    assert [hit.path for hit in library.symbols(view, "load_config")] == [
        b"copy/of_config.py",
        b"src/config.py",
    ]
    assert paths(library.search(view, Query("of_config copy")))[0] == "copy/of_config.py"


def test_one_content_in_two_languages_is_read_as_both(work_tree, open_view, library, index_head):
    content = "def twice(): pass\n"
    work_tree.commit_file("a.py", content)
    work_tree.commit_file("a.txt", content)
    view = open_view(work_tree.folder)
    index_head(view)
    answer = library.search(view, Query("twice"))
    assert {(hit.path, hit.language) for hit in answer.hits} == {(b"a.py", "python"), (b"a.txt", "text")}
    assert [hit.path for hit in library.symbols(view, "twice")] == [b"a.py"]


def test_what_is_not_worth_reading_is_counted_with_reasons(sample, open_view, library, index_head):
    sample.commit_file("logo.png", b"\x89PNG\0\0binary")
    sample.commit_file("package-lock.json", '{"lockfileVersion": 3}\n')
    sample.commit_file("big.txt", "word " * 600_000)
    sample.commit_file("empty.py", "")
    view = open_view(sample.folder)
    index_head(view)
    status = library.status(view)
    assert status.blobs == 9
    assert status.skipped == {"binary": 1, "lock file": 1, "too large": 1}
    assert status.chunks >= 5


def test_links_and_submodules_are_no_files_of_the_tree(sample, open_view, library, index_head):
    (sample.folder / "link.py").symlink_to("src/config.py")
    sample("add", "link.py")
    sample("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},module")
    sample("commit", "-q", "-m", "link and submodule")
    view = open_view(sample.folder)
    index_head(view)
    assert library.status(view).blobs == 5
    assert paths(library.search(view, Query("load_config"))) == ["src/config.py"]


def test_paths_and_content_that_are_not_utf8_are_found_and_shown(work_tree, open_view, library, index_head):
    blob = work_tree("hash-object", "-w", "--stdin", stdin=b"def strange_caf\xe9():\n    pass\n")
    tree = work_tree("mktree", "-z", stdin=b"100644 blob " + blob.encode() + b"\tcaf\xe9 one.py\0")
    work_tree("update-ref", "HEAD", work_tree("commit-tree", tree, "-m", "strange"))
    view = open_view(work_tree.folder)
    index_head(view)
    (hit,) = library.search(view, Query("strange")).hits
    assert hit.path == b"caf\xe9 one.py"
    assert "strange_caf\ufffd" in hit.text
    (shown,) = answer_json(library.search(view, Query("strange")))["hits"]
    assert shown["path"] == '"caf\\351 one.py"'


def test_a_huge_line_is_cut_when_shown(work_tree, open_view, library, index_head):
    work_tree.commit_file("data.txt", "needle " + "hay " * 20_000 + "\n" + "short\n" * 20_000)
    view = open_view(work_tree.folder)
    index_head(view)
    assert len(library.search(view, Query("needle")).hits[0].text) == TEXT_CHARACTERS_MAX


def test_names_are_found_qualified_and_in_other_letter_case(sample, open_view, library, index_head):
    sample.commit_file(
        "src/other.py", "class Other:\n    def next_delay(self): pass\n\ndef NEXT_DELAY(): pass\n"
    )
    view = open_view(sample.folder)
    index_head(view)
    hits = library.symbols(view, "next_delay")
    assert [(hit.path, hit.container, hit.name) for hit in hits] == [
        (b"src/http/retry.py", "RetryPolicy", "next_delay"),
        (b"src/other.py", "Other", "next_delay"),
        (b"src/other.py", "", "NEXT_DELAY"),
    ]
    for asked in ("RetryPolicy.next_delay", "RetryPolicy::next_delay()", "retrypolicy#next_delay"):
        (hit,) = library.symbols(view, asked)
        assert (hit.kind, hit.start_line, hit.container) == ("method", 7, "RetryPolicy"), asked
    assert library.symbols(view, "Policy.next_delay") == []
    assert library.symbols(view, "absent") == []
    with pytest.raises(BadInput):
        library.symbols(view, "::")


def test_uses_are_listed_by_place(sample, open_view, library, index_head):
    view = open_view(sample.folder)
    index_head(view)
    uses = library.references(view, "next_delay")
    assert [(use.path, use.line, use.container) for use in uses] == [
        (b"src/http/client.py", 6, "send_request"),
        (b"tests/test_retry.py", 5, "test_next_delay_grows"),
        (b"tests/test_retry.py", 5, "test_next_delay_grows"),
    ]


def test_the_json_shapes_hold_what_other_tools_count_on(sample, open_view, library, index_head):
    view = open_view(sample.folder)
    commit = index_head(view)
    shown = answer_json(library.search(view, Query("RetryPolicy")))
    assert set(shown) == {"commit", "behind", "complete", "mode", "notes", "hits"}
    assert shown["commit"] == commit
    assert {"repo", "path", "start_line", "end_line", "symbol", "score"} <= set(shown["hits"][0])
    assert symbols_json(library.symbols(view, "load_config"))[0]["path"] == "src/config.py"
    assert references_json(library.references(view, "next_delay"))[0]["line"] == 6
    assert status_json(library.status(view), library.count_waiting(view))["waiting"] == 0


def test_a_library_opened_again_answers_the_same_without_lancedb(
    sample, open_view, library, index_head, tmp_path
):
    view = open_view(sample.folder)
    index_head(view)
    expected = answer_json(library.search(view, Query("retry policy")))
    program = (
        "import sys, json, pathlib\n"
        "from imprint.store.clone import Clone\n"
        "from imprint.semantic.library import Library\n"
        "from imprint.semantic.search.query import Query\n"
        "from imprint.semantic.search.render import answer_json\n"
        "view = Clone.discover(pathlib.Path(sys.argv[1])).view\n"
        "library = Library.open(pathlib.Path(sys.argv[2]))\n"
        "library.ensure(view, view.refs.snapshot().head_id)\n"
        "answer = library.search(view, Query('retry policy'))\n"
        "library.symbols(view, 'RetryPolicy'), library.references(view, 'next_delay'), library.status(view)\n"
        "assert not {'lancedb', 'pyarrow', 'fastapi'} & set(sys.modules)\n"
        "print(json.dumps(answer_json(answer)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(sample.folder), str(tmp_path / "library")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == json.dumps(expected)


def test_another_version_of_the_index_is_thrown_away(tmp_path):
    old = tmp_path / "library" / "index-0.0"
    old.mkdir(parents=True)
    (old / "semantic.db").write_text("of long ago")
    Library.open(tmp_path / "library").close()
    assert not old.exists()


def test_an_index_of_an_earlier_version_answers_until_this_one_can(sample, open_view, tmp_path):
    view = open_view(sample.folder)
    head = view.refs.snapshot().head_id
    earlier = Library.open(tmp_path / "library", extract)
    earlier.ensure(view, head)
    expected = earlier.search(view, Query("retry policy"))
    earlier.close()
    (own,) = (tmp_path / "library").glob("index-*")
    old = own.rename(own.with_name(f"{own.name.rpartition('.')[0]}.0"))
    library = Library.open(tmp_path / "library", extract, at_once=0)
    assert library.search(view, Query("retry policy")) == expected
    assert library.symbols(view, "load_config")[0].path == b"src/config.py"
    assert old.exists()
    library.ensure(view, head)
    assert not old.exists()
    assert library.search(view, Query("retry policy")) == expected
    library.close()


def test_threads_search_while_another_indexes(sample, open_view, library, index_head):
    view = open_view(sample.folder)
    index_head(view)
    commits = [sample.commit_file(f"src/n{n}.py", f"def name_{n}(): return {n}\n") for n in range(12)]
    stop, wrong = threading.Event(), []

    def ask():
        while not stop.is_set():
            answer = library.search(view, Query("retry policy"))
            if not answer.hits or answer.hits[0].path != b"src/http/retry.py":
                wrong.append(answer)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    try:
        for commit in commits:
            library.ensure(view, ObjectId(commit))
    finally:
        stop.set()
        for asker in askers:
            asker.join()
    assert wrong == []
    assert library.search(view, Query("name_11")).behind == 0


def test_content_that_a_partial_clone_lacks_is_counted(sample, open_view, library, git_client, tmp_path):
    sample("config", "uploadpack.allowFilter", "true")
    git_client(tmp_path)(
        "clone", "-q", "--no-checkout", "--filter=blob:none", sample.folder.as_uri(), "partial"
    )
    view = open_view(tmp_path / "partial")
    library.ensure(view, view.refs.snapshot().head_id)
    status = library.status(view)
    assert (status.behind, status.blobs, status.skipped) == (0, 0, {"not in this clone": 5})
    assert library.search(view, Query("retry policy")).hits == ()


def test_a_folder_that_cannot_be_made_is_said_to_be(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageFailed, match="cannot make"):
        Library.open(tmp_path / "file")
