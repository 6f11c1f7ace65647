"""Callers, callees, references and definitions over real commits, rung by rung."""

import pytest

from imprint.semantic.graph import questions
from imprint.semantic.graph.positions import find_definitions_at
from imprint.semantic.graph.questions import (
    find_callees,
    find_callers,
    find_definitions,
    find_module_callees,
    find_reachable,
    find_references,
)
from imprint.store.errors import BadInput

PACKAGE = {
    "pkg/__init__.py": "from .client import Client as Caller, connect\n",
    "pkg/base.py": """
        class Base:
            def close(self):
                self.flush()

            def flush(self):
                pass
        """,
    "pkg/client.py": """
        import socket

        from .base import Base


        class Client(Base):
            def __init__(self, retry: "Retry"):
                self.retry = retry

            def send(self):
                self.retry.wait()
                self.close()
                socket.create_connection()

            def flush(self):
                return helper()


        class Retry:
            def wait(self):
                pass


        def helper():
            def wait():
                pass
            wait()


        def connect():
            return Client(Retry())
        """,
    "use.py": """
        from pkg import Caller, connect


        def run():
            connect()
            Caller(None).send()
            unknown.wait()


        run()
        """,
}


def test_callers_come_with_the_rung_that_found_them(snapshot_of, shown):
    snapshot = snapshot_of(PACKAGE)

    assert shown(find_callers(snapshot, "connect")) == ["use.py:5 run -> connect pkg/client.py:30 (import)"]
    assert shown(find_callers(snapshot, "run")) == ["use.py:10 <module> -> run use.py:4 (same file)"]
    assert shown(find_callers(snapshot, "Client.send")) == [
        "use.py:6 run -> Client.send pkg/client.py:10 (receiver type)"
    ]
    assert shown(find_callers(snapshot, "close")) == [
        "pkg/client.py:12 Client.send -> Base.close pkg/base.py:2 (inherited)"
    ]
    # A constructor is called through its class, under any name that the class is given on with.
    assert shown(find_callers(snapshot, "Client.__init__")) == [
        "pkg/client.py:31 connect -> Client.__init__ pkg/client.py:7 (same file)",
        "use.py:6 run -> Client.__init__ pkg/client.py:7 (import)",
    ]
    # What is not known is said and counted.
    edges = find_callers(snapshot, "Retry.wait")
    assert shown(edges) == [
        "pkg/client.py:11 Client.send -> Retry.wait pkg/client.py:20 (receiver type)",
        "use.py:7 run -> ? type of the receiver is unknown",
    ]
    assert (edges.resolved, edges.considered) == (1, 2)
    reached = find_reachable(snapshot, "helper").reached
    assert [(each.definition.qualified_name, each.distance) for each in reached] == [("Client.flush", 1)]


def test_callees_references_and_definitions(snapshot_of, shown):
    snapshot = snapshot_of(PACKAGE)

    assert shown(find_callees(snapshot, "Client.send")) == [
        "pkg/client.py:11 Client.send -> Retry.wait pkg/client.py:20 (receiver type)",
        "pkg/client.py:12 Client.send -> Base.close pkg/base.py:2 (inherited)",
        "pkg/client.py:13 Client.send -> ? external: socket",
    ]
    # A function in a function is called only from there.
    assert shown(find_callees(snapshot, "helper")) == [
        "pkg/client.py:27 helper -> helper.wait pkg/client.py:25 (same file)"
    ]
    assert shown(find_references(snapshot, "connect")) == [
        "pkg/__init__.py:1 <module> -> connect pkg/client.py:30 (import)",
        "use.py:1 <module> -> connect pkg/client.py:30 (import)",
        "use.py:5 run -> connect pkg/client.py:30 (import)",
    ]
    assert [each.qualified_name for each in find_definitions(snapshot, "client::SEND")] == ["Client.send"]
    assert [each.qualified_name for each in find_definitions(snapshot, "flush")] == [
        "Base.flush",
        "Client.flush",
    ]
    with pytest.raises(BadInput):
        find_definitions(snapshot, " :: ")


def test_what_is_passed_and_returned_is_followed(snapshot_of, shown):
    snapshot = snapshot_of(
        {
            "flow.py": """
                def target():
                    pass


                def run(task):
                    task()


                def decorate(function):
                    return run


                table = {"key": target}
                table["key"]()
                run(target)
                """
        }
    )

    assert shown(find_callers(snapshot, "target")) == [
        "flow.py:6 run -> target flow.py:1 (flow of values)",
        "flow.py:14 <module> -> target flow.py:1 (flow of values)",
    ]
    assert "flow.py:15 <module> -> run flow.py:5 (same file)" in shown(
        find_module_callees(snapshot, b"flow.py")
    )


def test_languages_with_packages(snapshot_of, shown):
    snapshot = snapshot_of(
        {
            "go.mod": "module example.org/tool\n",
            "main.go": """
                package main

                import "example.org/tool/store"

                func main() {
                    s := store.Open()
                    s.Put()
                    local()
                }
                """,
            "other.go": "package main\n\nfunc local() {}\n",
            "store/store.go": """
                package store

                type Store struct{}

                func Open() *Store { return &Store{} }

                func (s *Store) Put() {}
                """,
            "src/a/Gson.java": """
                package a;

                public class Gson {
                    private Writer writer;
                    String toJson() { return writer.write(); }
                }
                """,
            "src/a/Writer.java": "package a;\n\npublic class Writer {\n    String write() { return 1; }\n}\n",
            "lib.h": "int compute(int x);\n",
            "lib.c": '#include "lib.h"\nint compute(int x) { return x; }\n',
            "tool.c": '#include "lib.h"\nint main(void) { return compute(1) + twice(1); }\n',
            "a.c": "int twice(int x) { return x; }\n",
            "b.c": "int twice(int x) { return x + x; }\n",
        }
    )

    assert shown(find_callers(snapshot, "Open")) == ["main.go:6 main -> Open store/store.go:5 (import)"]
    assert shown(find_callers(snapshot, "Put")) == [
        "main.go:7 main -> Store.Put store/store.go:7 (receiver type)"
    ]
    assert shown(find_callers(snapshot, "local")) == ["main.go:8 main -> local other.go:3 (package)"]
    assert shown(find_callers(snapshot, "Writer.write")) == [
        "src/a/Gson.java:5 Gson.toJson -> Writer.write src/a/Writer.java:4 (receiver type)"
    ]
    assert shown(find_callers(snapshot, "compute")) == ["tool.c:2 main -> compute lib.c:2 (import)"]
    # Several candidates are no edge.
    assert shown(find_callers(snapshot, "twice")) == ["tool.c:2 main -> ? several candidates"]


def test_a_place_gives_locals_parameters_and_what_is_imported(snapshot_of, shown):
    snapshot = snapshot_of(
        {
            "lib.ts": """
                export interface Options { depth: number }
                export function read(o: Options) { return o; }
                """,
            "index.ts": "export * from './lib';\n",
            "main.ts": """
                import { read, Options } from "./index";

                export function go(input: Options) {
                  const found = read(input);
                  return found.depth;
                }
                """,
            "plain.go": "package main\n\nfunc f(count int) int {\n\treturn count\n}\n",
        }
    )

    assert shown(find_definitions_at(snapshot, b"main.ts", 4, 16)) == [
        "main.ts:4 go -> read main.ts:1 (same file)",
        "main.ts:4 go -> read lib.ts:2 (import)",
    ]
    assert shown(find_definitions_at(snapshot, b"main.ts", 5, 15)) == [
        "main.ts:5 go -> Options.depth lib.ts:1 (import)"
    ]
    assert shown(find_definitions_at(snapshot, b"main.ts", 4, 21)) == [
        "main.ts:4 go -> go.input main.ts:3 (same file)"
    ]
    assert shown(find_definitions_at(snapshot, b"plain.go", 4, 9)) == [
        "plain.go:4 f -> f.count plain.go:3 (same file)"
    ]
    with pytest.raises(BadInput):
        find_definitions_at(snapshot, b"main.ts", 99)
    with pytest.raises(BadInput):
        find_definitions_at(snapshot, b"none.ts", 1)


def test_source_of_any_depth_is_answered(snapshot_of, shown):
    deep = "def f():\n    pass\n\n\nf()\nx = (a\n" + "    .b\n" * 3000 + ")\n"
    circles = "class A(B):\n    pass\n\n\nclass B(A):\n    pass\n\n\nA().go()\nq = w\nw = q\nq()\n"
    snapshot = snapshot_of({"deep.py": deep, "circles.py": circles})

    assert shown(find_callers(snapshot, "f")) == ["deep.py:5 <module> -> f deep.py:1 (same file)"]
    assert find_definitions_at(snapshot, b"deep.py", 900).resolved == 0
    assert find_module_callees(snapshot, b"circles.py").considered == 3


def test_what_is_reachable_is_looked_for_in_a_bounded_number_of_files(snapshot_of, monkeypatch):
    files = {
        f"m{n}.py": f"from m{n - 1} import f{n - 1}\n\ndef f{n}():\n    f{n - 1}()\n" for n in range(1, 8)
    }
    snapshot = snapshot_of(files | {"m0.py": "def f0(): pass\n"})
    every = find_reachable(snapshot, "f0", distance=7)
    assert (len(every.reached), every.is_whole) == (7, True)
    some = find_reachable(snapshot, "f0", distance=7, limit=2)
    assert (len(some.reached), some.is_whole) == (2, False)
    monkeypatch.setattr(questions, "LOOKS_MAX", 6)
    fewer = find_reachable(snapshot, "f0", distance=7)
    assert (len(fewer.reached), fewer.is_whole) == (3, False)
