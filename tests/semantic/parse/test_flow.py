"""What files take from elsewhere, what their names stand for, and what stands before a name."""

import pytest

from imprint.semantic.parse import ReferenceKind, extract
from imprint.semantic.parse.flow.statements import read_statement

IMPORTS = [
    (
        "a.py",
        "import a.b\nimport c as d\nfrom .x import y as z, w\nfrom q import *\n",
        ["a.b::", "c::d", ".x:y:z", ".x:w:", "q:*:"],
    ),
    (
        "a.ts",
        (
            'import D, {a, b as c} from "./x";\nimport * as N from "n";\nexport {q as r} from "./z";\n'
            'export * from "./w";\nconst p = require("pp");\n'
        ),
        ["./x:default:D", "./x:a:", "./x:b:c", "n::N", "./z:q:r", "./w:*:", "pp::p"],
    ),
    ("a.go", 'package m\nimport ("fmt"; q "a/b"; . "dot")\n', ["fmt::", "a/b::q", "dot:*:"]),
    (
        "A.java",
        "package a.b;\nimport x.y.Z;\nimport x.*;\nimport static x.Y.f;\n",
        ["a.b:*:", "x.y:Z:", "x:*:", "x.Y:f:"],
    ),
    ("a.rs", "use a::{b, c as d, e::*};\nmod f;\n", ["a:b:", "a:c:d", "a::e:*:", "self:f:"]),
    ("a.c", '#include "x.h"\n#include <stdio.h>\n', ["x.h:*:", "stdio.h:*:"]),
    ("a.rb", 'require "a"\nrequire_relative "b"\n', ["a:*:", "./b:*:"]),
    ("a.php", "<?php\nuse C\\D as E;\nuse F\\{G, H as I};\n", ["C:D:E", "F:G:", "F:H:I"]),
    ("a.cs", "using A.B;\nusing X = C.D;\n", ["A.B:*:", "C:D:X"]),
    ("a.lua", 'local m = require("a.b")\n', ["a.b::m"]),
    ("a.sh", "source ./lib.sh\n", ["./lib.sh:*:"]),
    ("a.zig", 'const std = @import("std");\n', ["std::std"]),
    ("a.tf", 'module "net" {\n  source = "./net"\n}\n', ["./net::net"]),
    ("a.ml", "open Foo.Bar\nmodule X = Y.Z\n", ["Foo.Bar:*:", "Y.Z::X"]),
]
STATEMENTS = [
    ("tree_sitter_kotlin", "import x.Q as R", ["x:Q:R"]),
    ("tree_sitter_scala", "import x.y.{A, B => C}", ["x.y:A:", "x.y:B:C"]),
    ("tree_sitter_swift", "import class A.B", ["A:B:"]),
    ("tree_sitter_dart", "import 'a.dart' as p show X;", ["a.dart::p"]),
    ("tree_sitter_haskell", "import qualified Data.Map as M", ["Data.Map::M"]),
    ("tree_sitter_haskell", "import Data.List (sort, Maybe(..))", ["Data.List:sort:", "Data.List:Maybe:"]),
    ("tree_sitter_julia", "using C: d, e", ["C:d:", "C:e:"]),
    ("tree_sitter_elixir", "alias Foo.{Baz, Q}", ["Foo.Baz::", "Foo.Q::"]),
    ("tree_sitter_unknown", "import x", []),
]
QUALIFIERS = [
    ("a.py", "self.b.send(x).then()\n", [("send", "self.b"), ("then", "self.b.send(x)")]),
    ("a.ts", "this.s?.go(1);\nnew a.B();\n", [("go", "this.s"), ("B", "a")]),
    ("a.c", "int f(void) { return p->q.go(1) + g(); }\n", [("go", "p->q"), ("g", "")]),
    ("a.rs", "fn f() { a::b::c(); (0..len()).x(); }\n", [("c", "a::b"), ("len", ""), ("x", "(0..len())")]),
    ("a.php", "<?php\n$this->f->go();\nE::st();\n", [("go", "$this->f"), ("st", "E")]),
    ("A.java", "class A { void f() { xs.map(() -> g()); } }\n", [("map", "xs"), ("g", "")]),
]


@pytest.mark.parametrize(("path", "text", "expected"), IMPORTS, ids=[each[0] for each in IMPORTS])
def test_imports_say_module_name_and_alias(path, text, expected):
    found = extract(path.encode(), text.encode())

    taken = [f"{each.module}:{each.name}:{each.alias}" for each in found.imports]
    assert taken == expected


@pytest.mark.parametrize(("package", "text", "expected"), STATEMENTS)
def test_statements_are_read_as_text(package, text, expected):
    assert [":".join(each) for each in read_statement(package, text)] == expected


@pytest.mark.parametrize(("path", "text", "expected"), QUALIFIERS, ids=[each[0] for each in QUALIFIERS])
def test_a_call_says_what_stands_before_its_name(path, text, expected):
    found = extract(path.encode(), text.encode())

    calls = [each for each in found.references if each.kind is ReferenceKind.CALL]
    assert [(each.name, each.qualifier) for each in calls] == expected


def test_bindings_say_calls_annotations_and_what_is_returned():
    found = extract(
        b"a.py",
        b"class A:\n"
        b"    def __init__(self, p: 'Foo | None', q: list[Bar]):\n"
        b"        self.p = p\n"
        b"        self.b = mk.Baz(1)\n"
        b"    def get(self) -> Foo:\n"
        b"        with open(1) as f:\n"
        b"            return self.b.get()\n",
    )

    assert [f"{each.container} {each.target} {each.kind} {each.value}" for each in found.bindings] == [
        "A.__init__ p type Foo",
        "A.__init__ q type Bar",
        "A.__init__ self.p name p",
        "A.__init__ self.b call mk.Baz",
        "A.get <return> type Foo",
        "A.get f call open",
        "A.get <return> call self.b.get",
    ]


def test_an_import_in_a_function_belongs_to_it():
    found = extract(b"a.py", b"def f():\n    import x\n")

    assert [(each.container, each.module, each.line) for each in found.imports] == [("f", "x", 2)]
