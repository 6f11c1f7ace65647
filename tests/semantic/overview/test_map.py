"""The budgeted map of a commit, and the ranking behind it."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imprint.semantic.overview.map import TOKENS_MAX, draw_map
from imprint.semantic.overview.ranking import rank_files
from imprint.semantic.tokens import count_tokens
from imprint.store.errors import BadInput

FILES = {
    "core/engine.py": """
        class Engine:
            def start(self):
                return ignite()

            def _prime(self):
                pass


        def ignite():
            return 1
        """,
    "app/first.py": """
        from core.engine import Engine, ignite

        def run_first():
            ignite()
            return Engine().start()
        """,
    "app/second.py": """
        from core.engine import ignite

        def run_second():
            return ignite()
        """,
    "tests/test_engine.py": """
        from app.first import run_first
        from app.second import run_second

        def test_all():
            run_first()
            run_second()
        """,
    "notes/plain.txt": "nothing is defined here\n",
}


def test_what_the_rest_leans_on_comes_first(snapshot_of) -> None:
    drawn = draw_map(snapshot_of(FILES))
    paths = [file.path for file in drawn.files]
    assert paths[0] == b"core/engine.py"
    assert paths[-1] == b"tests/test_engine.py"
    assert b"notes/plain.txt" not in paths
    assert (drawn.files_in_all, drawn.left_out) == (4, 0)


def test_definitions_stand_in_order_with_line_and_nesting(snapshot_of) -> None:
    lines = draw_map(snapshot_of(FILES)).text.splitlines()
    begin = lines.index("core/engine.py")
    assert lines[begin + 1] == "  1: class Engine"
    assert lines[begin + 2].startswith("    2: def start(self)")
    assert lines[begin + 4].startswith("  9: def ignite()")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tokens=st.integers(50, 200))
def test_text_never_takes_more_than_asked_for(tokens, snapshot_of, request) -> None:
    if not hasattr(request, "drawn_from"):
        request.drawn_from = snapshot_of(FILES)
    drawn = draw_map(request.drawn_from, tokens)
    assert drawn.tokens == count_tokens(drawn.text) <= tokens
    whole = draw_map(request.drawn_from, TOKENS_MAX)
    assert [file.path for file in whole.files[: len(drawn.files)]] == [file.path for file in drawn.files]


def test_budget_that_fits_nothing_gives_an_empty_map(snapshot_of) -> None:
    drawn = draw_map(snapshot_of({f"{'long/' * 45}deep.py": "def f():\n    pass\n"}), 50)
    assert (drawn.text, drawn.tokens, drawn.files) == ("", 0, ())


def test_what_others_use_most_is_kept_when_a_file_defines_too_much(snapshot_of) -> None:
    many = "".join(f"def tool_{number}():\n    pass\n\n\n" for number in range(40))
    snapshot = snapshot_of({"tools.py": many, "use.py": "from tools import tool_37\n\ntool_37()\n"})
    (tools,) = [file for file in draw_map(snapshot).files if file.path == b"tools.py"]
    names = [entity.name for entity in tools.entities]
    assert len(names) == 12
    assert "tool_37" in names
    assert [entity.line for entity in tools.entities] == sorted(entity.line for entity in tools.entities)


@pytest.mark.parametrize("focus", ["app/second.py", "second", "app/second.py/"])
def test_focus_puts_a_file_and_what_it_leans_on_first(snapshot_of, focus) -> None:
    paths = [file.path for file in draw_map(snapshot_of(FILES), focus=focus).files]
    assert set(paths[:2]) == {b"app/second.py", b"core/engine.py"}


def test_names_that_everybody_defines_lead_nowhere(snapshot_of) -> None:
    files = {f"part_{letter}.py": "def main():\n    pass\n" for letter in "abcdefgh"}
    ranking = rank_files(snapshot_of({**files, "use.py": "import part_a\n\npart_a.main()\n"}))
    assert ranking.uses["main"] == 1
    assert list(ranking.files) == sorted(ranking.files)


@pytest.mark.parametrize("tokens", [49, TOKENS_MAX + 1, 0, -1])
def test_budget_out_of_bounds_is_refused(snapshot_of, tokens) -> None:
    with pytest.raises(BadInput, match="tokens"):
        draw_map(snapshot_of({"a.py": "A = 1\n"}), tokens)


def test_focus_that_no_path_fits_is_refused(snapshot_of) -> None:
    with pytest.raises(BadInput, match="no path fits"):
        draw_map(snapshot_of({"a.py": "A = 1\n"}), focus="nowhere")
