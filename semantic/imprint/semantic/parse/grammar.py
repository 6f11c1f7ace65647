"""A language as data, and its compiled form.

A language is two tree-sitter queries, and a third where routes are declared in it
(`imprint.semantic.parse.roles.routes` lists its captures). The engine (`imprint.semantic.parse.structure`)
gives their captures meaning:

`definitions`, one match for each thing defined:
    @class @function ... (any value of `EntityKind`)   the node of the entity
    @scope       a named region that is no entity of its own (Rust's impl, a JavaScript object)
    @rest        like @scope, but it reaches to the end of the file (a namespace declared without braces)
    @name        its name; a dotted or `::` name puts the parts before the last into the container
    @body        where its signature ends; two matches that share a body are one entity, the earlier pattern's
    @container   a name for its container that nesting does not show (a Go receiver)
    @wrapped     a definition inside of a node that gives it a longer span, its @wrapper, in a match of their
    own
`marks`, single nodes:
    @call @import @inherit @use     references
    @comment     a comment          @string   a literal whose white space matters
    @docstring   documentation inside of the innermost entity around it
    @prefix      a decorator, attribute or annotation; one that stands before an entity belongs to its span
    @ignored     a region whose references do not count
    @block       an indented block, where indentation is the syntax

Invariants:
1. A grammar compiles once in a process, on first use; its compiled form is immutable and shared by all
   threads.
2. Only this module imports the grammars' packages.
"""

from __future__ import annotations

import functools
import importlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tree_sitter import Language, Query

from imprint.semantic.parse.flow.queries import FLOW_QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Grammar:
    """What the engine must know of a language.

    Attributes:
        package: the module of the tree-sitter grammar.
        definitions: the query for what the language defines.
        marks: the query for references, comments and the like.
        factory: the function of the package that gives the grammar.
        routes: the query for HTTP routes; empty where none are looked for.
        route_signs: a pattern of which every file with routes has a match, so that others save the query.
        silent_parts: parts of a dotted name that say nothing about the container (`prototype`, `exports`).
        builtins: names of types that every file uses and none defines; no reference is kept for them.
        clauses: whether definitions of one name that follow each other are one entity.
        prepare: what to do to the bytes before they are parsed; keeps their number and their line feeds.
    """

    package: str
    definitions: str
    marks: str
    factory: str = "language"
    routes: str = ""
    route_signs: str = ""
    silent_parts: frozenset[str] = frozenset()
    builtins: frozenset[str] = frozenset()
    clauses: bool = False
    prepare: Callable[[bytes], bytes] | None = None


@dataclass(frozen=True, slots=True)
class CompiledGrammar:
    """A grammar that is ready to parse with. `flow` is its query for imports and bindings.

    `routes` gives the query for routes, compiled when it is first asked for: few files need it.
    """

    package: str
    language: Language
    flow: Query
    definitions: Query
    marks: Query
    routes: Callable[[], Query] | None
    route_signs: re.Pattern[bytes]
    silent_parts: frozenset[str]
    builtins: frozenset[str]
    clauses: bool
    prepare: Callable[[bytes], bytes] | None


@functools.cache
def compile_grammar(grammar: Grammar) -> CompiledGrammar:
    """Load the grammar's package and compile its queries.

    Raises:
        ImportError: the package is not installed.
        tree_sitter.QueryError: a query does not fit the grammar's version.
    """
    package = importlib.import_module(grammar.package)
    language = Language(getattr(package, grammar.factory)())
    return CompiledGrammar(
        package=grammar.package,
        language=language,
        flow=Query(language, FLOW_QUERIES.get(grammar.package, "")),
        definitions=Query(language, grammar.definitions),
        marks=Query(language, grammar.marks),
        routes=functools.cache(lambda: Query(language, grammar.routes)) if grammar.routes else None,
        route_signs=re.compile(grammar.route_signs.encode(), re.MULTILINE),
        silent_parts=grammar.silent_parts,
        builtins=grammar.builtins,
        clauses=grammar.clauses,
        prepare=grammar.prepare,
    )
