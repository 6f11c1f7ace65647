"""Several definitions of one name in one place: a use leads to those that it can mean, and to no others."""

from imprint.semantic.graph.questions import find_callees, find_callers, find_definitions
from imprint.semantic.lineage.history import Wanted
from imprint.semantic.lineage.history import find_definitions as find_wanted
from imprint.semantic.symbols import find_symbols

PYTHON = """
    import typing as t

    @t.overload
    def load(path: str) -> str: ...
    @t.overload
    def load(path: int) -> int: ...
    def load(path):
        return path

    def again():
        def step():
            return 1
        step()
        def step():
            return 2
        return step()

    def either(flag):
        if flag:
            def step():
                return 1
        else:
            def step():
                return 2
        return load(step())
"""
SCRIPT = """
    export function load(path: string): string;
    export function load(path: number): number;
    export function load(path: any) {
      return path;
    }
    interface Shape { side: number }
    const Shape = (side: number) => ({ side });
    const table = {
      load() {
        return load(1);
      },
      other: { load: () => load(2) },
    };
    run({
      load() {
        return Shape(load(3));
      },
    });
"""


def test_overloads_lead_to_what_is_run(snapshot_of, shown):
    snapshot = snapshot_of({"a.py": PYTHON, "a.ts": SCRIPT})
    assert shown(find_callers(snapshot, "load")) == [
        "a.py:25 either -> load a.py:7 (same file)",
        "a.ts:10 table.load -> load a.ts:3 (same file)",
        "a.ts:12 table.load -> load a.ts:3 (same file)",
        "a.ts:16 load -> load a.ts:3 (same file)",
    ]
    assert shown(find_callers(snapshot, "Shape")) == ["a.ts:16 load -> Shape a.ts:7 (same file)"]


def test_functions_of_one_name_in_a_function_are_told_apart_by_their_block(snapshot_of, shown):
    snapshot = snapshot_of({"a.py": PYTHON})
    assert shown(find_callees(snapshot, "again")) == [
        "a.py:13 again -> again.step a.py:11 (same file)",
        "a.py:16 again -> again.step a.py:14 (same file)",
    ]
    both = [edge for edge in shown(find_callees(snapshot, "either")) if "step" in edge]
    assert both == [
        "a.py:25 either -> either.step a.py:20 (same file)",
        "a.py:25 either -> either.step a.py:23 (same file)",
    ]


def test_routes_and_titles_of_tests_are_asked_for_as_they_are_told(snapshot_of):
    route = '@app.get("/pots/{name}.json")\ndef show(name):\n    return name\n'
    title = 'describe("tea", () => {\n  it("is hot. And strong", () => {});\n});\n'
    snapshot = snapshot_of({"app.py": route, "tea.test.js": title})
    for name, line in (("GET /pots/{name}.json", 1), ("is hot. And strong", 2)):
        assert [each.line for each in find_definitions(snapshot, name)] == [line], name
        assert [each.name for each in find_symbols(snapshot, name)] == [name]
        assert [each.line for _, each in find_wanted(snapshot, Wanted(name))] == [line]
    assert find_wanted(snapshot, Wanted(path=b"app.py", line=2))[0][1].name == "show", (
        "the handler has the code"
    )
