"""Every grammar that is installed loads, fits its queries, and reads its own language."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tree_sitter import Parser

from imprint.semantic.parse import LANGUAGES, EntityKind, Language, extract_as, language_named
from imprint.semantic.parse.grammar import compile_grammar

if TYPE_CHECKING:
    from tree_sitter import Node

# A function or method named `work` that calls `step`, in each language that has a grammar.
SAMPLES = {
    "python": "def work():\n    step()\n",
    "javascript": "function work() { return <b>{step()}</b>; }\n",
    "typescript": "function work(a: number): void { step<number>(a); }\n",
    "tsx": "function work(a: number) { return <b>{step(a)}</b>; }\n",
    "go": "package a\n\nfunc work() { step() }\n",
    "rust": "fn work() { step(); }\n",
    "java": "class A { void work() { step(); } }\n",
    "c": "void work(void) { step(); }\n",
    "cpp": "namespace a { void work() { b::step(); } }\n",
    "ruby": "def work\n  step()\nend\n",
    "php": "<?php function work() { step(); }\n",
    "csharp": "class A { void work() { step(); } }\n",
    "shell": "work() {\n  step 1\n}\n",
    "dart": "void work() { step(); }\n",
    "elixir": "defmodule A do\n  def work, do: step()\nend\n",
    "haskell": "module A where\n\nwork :: Int\nwork = step 1\n",
    "hcl": 'output "work" {\n  value = step()\n}\n',
    "julia": "work() = step()\n",
    "kotlin": "fun work() { step() }\n",
    "lua": "local function work() step() end\n",
    "ocaml": "let work () = step ()\n",
    "ocaml-interface": "val work : unit -> unit\n",
    "scala": "object A {\n  def work() = step()\n}\n",
    "swift": "func work() { step() }\n",
    "zig": "fn work() void { step(); }\n",
}
# What has no functions, or only announces them.
DECLARATIVE = {"hcl", "ocaml-interface"}
PARSED = [language for language in LANGUAGES if language.grammar is not None]


def test_there_is_a_sample_for_each_grammar() -> None:
    assert set(SAMPLES) == {language.name for language in PARSED}


@pytest.mark.parametrize("language", PARSED, ids=lambda language: language.name)
def test_a_grammar_loads_and_parses_its_sample_without_error(language: Language) -> None:
    assert language.grammar is not None
    root = Parser(compile_grammar(language.grammar).language).parse(SAMPLES[language.name].encode()).root_node
    assert not root.has_error, sexp(root)


@pytest.mark.parametrize(
    "language",
    [language for language in PARSED if language.name not in DECLARATIVE],
    ids=lambda language: language.name,
)
def test_a_function_and_its_call_are_found_in_every_language(language: Language) -> None:
    found = extract_as(language, SAMPLES[language.name].encode())
    [work] = [entity for entity in found.entities if entity.name == "work"]
    [call] = [reference for reference in found.references if reference.name == "step"]
    assert work.kind in {EntityKind.FUNCTION, EntityKind.METHOD}
    assert call.container == work.qualified_name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("python", "step()\n"),
        ("javascript", "step();\n"),
        ("typescript", "step();\n"),
        ("tsx", "step();\n"),
        ("ruby", "step()\n"),
        ("php", "<?php step();\n"),
        ("csharp", "step();\n"),
        ("go", "package a\n\nvar x = step()\n"),
        ("rust", "static X: u8 = step();\n"),
        ("c", "int x = STEP(step(1));\n"),
        ("cpp", "int x = step();\n"),
        ("shell", "step 1\n"),
        ("dart", "final x = step();\n"),
        ("elixir", "step()\n"),
        ("hcl", "x = step()\n"),
        ("julia", "step()\n"),
        ("kotlin", "val x = step()\n"),
        ("lua", "step()\n"),
        ("ocaml", "let () = step ()\n"),
        ("scala", "val x = step()\n"),
        ("swift", "step()\n"),
        ("zig", "const x = step();\n"),
    ],
)
def test_a_call_outside_of_everything_belongs_to_the_module(name: str, text: str) -> None:
    found = extract_as(language_named(name), text.encode())
    assert (found.entities[0].kind, found.entities[0].qualified_name) == (EntityKind.MODULE, "")
    assert [reference.container for reference in found.references if reference.name == "step"] == [""]


def test_an_unknown_name_is_plain_text() -> None:
    assert language_named("brainfuck").name == "text"


def sexp(node: Node) -> str:
    return str(node)


def test_every_query_for_routes_fits_its_grammar() -> None:
    for language in PARSED:
        assert language.grammar is not None
        routes = compile_grammar(language.grammar).routes
        assert (routes is not None) == bool(language.grammar.routes)
        assert routes is None or routes().pattern_count > 0
