"""What bounds leave out is told."""

from imprint.semantic.graph import questions
from imprint.semantic.graph.questions import find_references
from imprint.semantic.overview.impact import find_impact

FILES = {f"m{n}.py": "from core import run\n\nrun()\n" for n in range(5)} | {"core.py": "def run(): pass\n"}


def test_files_that_are_passed_over_are_counted(snapshot_of, monkeypatch) -> None:
    snapshot = snapshot_of(FILES)
    assert find_references(snapshot, "run").passed_over == 0
    assert find_impact(snapshot, None, "run").is_whole
    monkeypatch.setattr(questions, "FILES_MAX", 3)
    assert find_references(snapshot, "run").passed_over == 2
    assert not find_impact(snapshot, None, "run").is_whole


def test_a_limit_on_callers_is_told(snapshot_of) -> None:
    files = FILES | {
        "more.py": "from core import run\n\ndef first():\n    run()\n\ndef second():\n    run()\n"
    }
    snapshot = snapshot_of(files)
    assert not find_impact(snapshot, None, "run", limit=1).is_whole
    assert find_impact(snapshot, None, "run", limit=100).is_whole
