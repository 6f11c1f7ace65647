"""The structural hash: the same when code is moved, renamed or laid out anew, and not when it does more."""

from __future__ import annotations

import pytest

from imprint.semantic.parse import extract


def shape(path: str, text: str, name: str) -> str:
    [found] = [
        entity.structural_hash
        for entity in extract(path.encode(), text.encode()).entities
        if entity.qualified_name == name
    ]
    return found


SAME = [
    ("a.py", "def a(x):\n    return x+1\n", "def a( x ):\n\n    return x + 1\n", "a", "a"),
    (
        "a.py",
        "def a(x):\n    return x\n",
        'def a(x):\n    """Doc."""\n    # why\n    return x  # because\n',
        "a",
        "a",
    ),
    (
        "a.py",
        "def a(x):\n    return a(x - 1)\n",
        "def renamed(x):\n    return renamed(x - 1)\n",
        "a",
        "renamed",
    ),
    ("a.py", "def a(x):\n    return x\n", "class B:\n    def a(x):\n        return x\n", "a", "B.a"),
    ("a.java", "class A { A() { b(); } }", "class Z {\n  // makes\n  Z() {\n    b();\n  }\n}\n", "A", "Z"),
    (
        "a.go",
        "package p\nfunc A(x int) int { return x }\n",
        "package p\n\n// A is.\nfunc A(x int) int {\n\treturn x\n}\n",
        "A",
        "A",
    ),
    ("a.js", "const a = (x) => { return x; }", "const b = (x) => {\n  /* c */ return x;\n}", "a", "b"),
    ("a.c", "int a(int x) { return x; }", "int\r\nb(int x)\r\n{\r\n\treturn x;\r\n}\r\n", "a", "b"),
    ("a.rb", "def a(x)\n  x\nend", "  # doc\n  def b(x)\n\n    x\n  end", "a", "b"),
    ("a.rs", "fn a() -> u8 { 1 }", "/// Doc.\nfn b() -> u8 {\n    1\n}", "a", "b"),
    (
        "a.php",
        "<?php function a() { return 1; }",
        "<?php\n/** Doc. */\nfunction b()\n{\n  return 1;\n}",
        "a",
        "b",
    ),
    (
        "a.cs",
        "class A { int B() { return 1; } }",
        "class A\n{\n  int C()\n  {\n    return 1;\n  }\n}",
        "A.B",
        "A.C",
    ),
]
DIFFERENT = [
    ("a.py", "def a(x):\n    return x\n", "def a(y):\n    return y\n"),
    ("a.py", "def a():\n    return 'b c'\n", "def a():\n    return 'b  c'\n"),
    (
        "a.py",
        "def a(x):\n    if x:\n        b()\n    c()\n",
        "def a(x):\n    if x:\n        b()\n        c()\n",
    ),
    ("a.py", "def a(x):\n    return x\n", "@cached\ndef a(x):\n    return x\n"),
    ("a.py", "def a():\n    return '# b'\n", "def a():\n    return '# c'\n"),
    ("a.py", "def a(x):\n    return ab\n", "def a(x):\n    return a_b\n"),
    ("a.js", "function a() { return `b\n c`; }", "function a() { return `b\nc`; }"),
    ("a.go", 'package p\nfunc a() { b("//") }\n', 'package p\nfunc a() { b("/*") }\n'),
]


@pytest.mark.parametrize(("path", "before", "after", "name", "new_name"), SAME)
def test_layout_comments_place_and_own_name_do_not_change_the_shape(
    path: str, before: str, after: str, name: str, new_name: str
) -> None:
    assert shape(path, before, name) == shape(path, after, new_name)


@pytest.mark.parametrize(("path", "before", "after"), DIFFERENT)
def test_a_change_of_meaning_changes_the_shape(path: str, before: str, after: str) -> None:
    assert shape(path, before, "a") != shape(path, after, "a")


def test_the_module_has_a_shape_of_all_its_code() -> None:
    assert shape("a.py", "x = 1\n", "") == shape("a.py", '"""Doc."""\n\nx=1\n', "")
    assert shape("a.py", "x = 1\n", "") != shape("a.py", "x = 2\n", "")
