"""Which language a file is in.

Invariants:
1. The first rule that applies decides: the whole file name, the longest suffix, the interpreter on the first
   line.
2. A language's name is stable: it is a key of the index and a filter of the search.
3. A language without a grammar is still text: it is cut into windows and can be searched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from imprint.semantic.parse.grammars.c import CPP, C
from imprint.semantic.parse.grammars.compiled.dart import DART
from imprint.semantic.parse.grammars.compiled.kotlin import KOTLIN
from imprint.semantic.parse.grammars.compiled.swift import SWIFT
from imprint.semantic.parse.grammars.compiled.zig import ZIG
from imprint.semantic.parse.grammars.csharp import CSHARP
from imprint.semantic.parse.grammars.functional.elixir import ELIXIR
from imprint.semantic.parse.grammars.functional.haskell import HASKELL
from imprint.semantic.parse.grammars.functional.ocaml import OCAML, OCAML_INTERFACE
from imprint.semantic.parse.grammars.functional.scala import SCALA
from imprint.semantic.parse.grammars.go import GO
from imprint.semantic.parse.grammars.java import JAVA
from imprint.semantic.parse.grammars.javascript import JAVASCRIPT, TSX, TYPESCRIPT
from imprint.semantic.parse.grammars.php import PHP
from imprint.semantic.parse.grammars.python import PYTHON
from imprint.semantic.parse.grammars.ruby import RUBY
from imprint.semantic.parse.grammars.rust import RUST
from imprint.semantic.parse.grammars.scripts.bash import BASH
from imprint.semantic.parse.grammars.scripts.hcl import HCL
from imprint.semantic.parse.grammars.scripts.julia import JULIA
from imprint.semantic.parse.grammars.scripts.lua import LUA
from imprint.store.errors import BadInput

if TYPE_CHECKING:
    from imprint.semantic.parse.grammar import Grammar

TEXT = "text"


@dataclass(frozen=True, slots=True)
class Language:
    """A language and how to recognise it.

    Attributes:
        name: its stable name, lower case.
        grammar: how to extract from it; None if it is only cut into windows.
        suffixes: the ends of its file names, after the last dot or dots, lower case.
        file_names: whole file names, as written.
        interpreters: programs on a `#!` line, without version numbers.
        skipped: why its files are never extracted; None if they are.
    """

    name: str
    grammar: Grammar | None = None
    suffixes: tuple[str, ...] = ()
    file_names: tuple[str, ...] = ()
    interpreters: tuple[str, ...] = ()
    skipped: str | None = None


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


LANGUAGES: tuple[Language, ...] = (
    Language(
        "python", PYTHON, _words("py pyi pyw"), _words("SConstruct SConscript wscript"), _words("python pypy")
    ),
    Language(
        "javascript", JAVASCRIPT, _words("js mjs cjs jsx"), _words("Jakefile"), _words("node nodejs bun")
    ),
    Language("typescript", TYPESCRIPT, _words("ts mts cts"), (), _words("deno ts-node tsx")),
    Language("tsx", TSX, _words("tsx")),
    Language("go", GO, _words("go")),
    Language("rust", RUST, _words("rs"), (), _words("rust-script")),
    Language("java", JAVA, _words("java")),
    Language("c", C, _words("c h")),
    Language("cpp", CPP, _words("cc cpp cxx c++ hh hpp hxx h++ ipp tpp txx inl cppm ixx cu cuh")),
    Language(
        "ruby",
        RUBY,
        _words("rb rake gemspec ru podspec jbuilder rabl thor"),
        _words("Rakefile Gemfile Guardfile Capfile Vagrantfile Podfile Brewfile Fastfile Dangerfile"),
        _words("ruby jruby"),
    ),
    Language("php", PHP, _words("php phtml php5 php7 phps"), (), _words("php")),
    Language("csharp", CSHARP, _words("cs csx cake")),
    Language("markdown", None, _words("md markdown mdx mdown")),
    Language("restructuredtext", None, _words("rst")),
    Language("asciidoc", None, _words("adoc asciidoc")),
    Language(
        "json",
        None,
        _words("json json5 jsonc jsonl ndjson geojson"),
        _words(".babelrc .eslintrc composer.json"),
    ),
    Language("yaml", None, _words("yaml yml"), _words(".clang-format .clang-tidy")),
    Language("toml", None, _words("toml"), _words("Pipfile")),
    Language("ini", None, _words("ini cfg conf properties"), _words(".editorconfig .gitconfig .flake8")),
    Language("xml", None, _words("xml xsd xsl xslt csproj vbproj fsproj props targets resx plist wsdl")),
    Language("html", None, _words("html htm xhtml erb ejs hbs jinja j2 twig mustache")),
    Language("css", None, _words("css scss sass less styl")),
    Language("vue", None, _words("vue")),
    Language("svelte", None, _words("svelte")),
    Language("svg", None, _words("svg")),
    Language(
        "shell",
        BASH,
        _words("sh bash zsh ksh bats"),
        _words(".bashrc .bash_profile .profile .zshrc .envrc"),
        _words("sh bash zsh ksh dash bats"),
    ),
    Language("fish", None, _words("fish"), (), _words("fish")),
    Language("powershell", None, _words("ps1 psm1 psd1"), (), _words("pwsh")),
    Language("batch", None, _words("bat cmd")),
    Language("sql", None, _words("sql")),
    Language("make", None, _words("mk mak"), _words("Makefile makefile GNUmakefile"), _words("make")),
    Language("cmake", None, _words("cmake"), _words("CMakeLists.txt")),
    Language("dockerfile", None, _words("dockerfile"), _words("Dockerfile Containerfile")),
    Language("protobuf", None, _words("proto")),
    Language("graphql", None, _words("graphql gql")),
    Language("hcl", HCL, _words("tf hcl tfvars tofu nomad")),
    Language("nix", None, _words("nix")),
    Language("bazel", None, _words("bzl bazel"), _words("BUILD WORKSPACE")),
    Language("gradle", None, _words("gradle")),
    Language("groovy", None, _words("groovy"), _words("Jenkinsfile"), _words("groovy")),
    Language("kotlin", KOTLIN, _words("kt kts")),
    Language("swift", SWIFT, _words("swift"), (), _words("swift")),
    Language("scala", SCALA, _words("scala sbt sc")),
    Language("objective-c", None, _words("m mm")),
    Language("dart", DART, _words("dart")),
    Language("lua", LUA, _words("lua"), (), _words("lua luajit")),
    Language("perl", None, _words("pl pm t"), (), _words("perl")),
    Language("r", None, _words("r"), (), _words("rscript")),
    Language("julia", JULIA, _words("jl"), (), _words("julia")),
    Language("elixir", ELIXIR, _words("ex exs"), (), _words("elixir")),
    Language("erlang", None, _words("erl hrl"), (), _words("escript")),
    Language("haskell", HASKELL, _words("hs hsc"), (), _words("runhaskell")),
    Language("ocaml", OCAML, _words("ml"), (), _words("ocaml")),
    Language("ocaml-interface", OCAML_INTERFACE, _words("mli")),
    Language("literate-haskell", None, _words("lhs")),
    Language("fsharp", None, _words("fs fsi fsx")),
    Language("clojure", None, _words("clj cljs cljc edn")),
    Language("zig", ZIG, _words("zig")),
    Language("nim", None, _words("nim")),
    Language("vim", None, _words("vim"), _words(".vimrc")),
    Language("emacs-lisp", None, _words("el")),
    Language("tcl", None, _words("tcl"), (), _words("tclsh wish expect")),
    Language("awk", None, _words("awk"), (), _words("awk gawk mawk")),
    Language("assembly", None, _words("s asm")),
    Language("tex", None, _words("tex sty bib")),
    Language(
        "lock",
        None,
        _words("lock lockb"),
        _words(
            "package-lock.json npm-shrinkwrap.json pnpm-lock.yaml go.sum packages.lock.json gradle.lockfile"
        ),
        skipped="lock file",
    ),
    Language("minified", None, _words("min.js min.css min.mjs js.map css.map"), skipped="minified"),
    Language(TEXT),
)

_CPP_SIGNS = re.compile(
    rb"^[ \t]*(?:class\s+\w[\w:]*\s*(?:final\s*)?[:{;]|class\s+[A-Z_]+\s+\w+|namespace\b|template\s*<|"
    rb"using\s+\w|(?:public|private|protected)\s*:|enum\s+class\b|"
    rb"(?:inline|static|constexpr|virtual|explicit)\b.*\boperator\b)|\bstd::|"
    rb"^[ \t]*#[ \t]*include[ \t]*<(?:algorithm|array|atomic|chrono|cstd\w+|functional|iostream|map|memory|"
    rb"mutex|optional|set|sstream|string|tuple|type_traits|unordered_\w+|utility|vector)>",
    re.MULTILINE,
)
_SHEBANG = re.compile(
    rb"#!\s*(?:\S*/)?env\s+(?:-\S+\s+|\w+=\S*\s+)*(?:\S*/)?([\w.+-]+)|#!\s*(?:\S*/)?([\w.+-]+)"
)
_VERSION = re.compile(r"[\d.]+$")
_HEADER_PROBE_BYTES = 64 * 1024


def _index(key: str) -> dict[str, Language]:
    return {each: language for language in LANGUAGES for each in getattr(language, key)}


_BY_NAME = {language.name: language for language in LANGUAGES}
_BY_SUFFIX = _index("suffixes")
_BY_FILE_NAME = _index("file_names")
_BY_INTERPRETER = _index("interpreters")


def language_named(name: str) -> Language:
    """Give the language of that name, or plain text if there is none."""
    return _BY_NAME.get(name) or _BY_NAME[TEXT]


def verify_language(name: str) -> None:
    """Check that a language of this name, in any letter case, can be in the index.

    Raises:
        BadInput: there is none; the likeliest that were meant are told.
    """
    wanted = name.casefold().removeprefix(".")
    if name.casefold() in _BY_NAME:
        return
    meant = [each.name for each in (_BY_SUFFIX.get(wanted), _BY_INTERPRETER.get(wanted)) if each]
    near = dict.fromkeys([*meant, *get_close_matches(wanted, _BY_NAME, 3, 0.5)])
    listed = ", ".join(near) or ", ".join(sorted(_BY_NAME))
    hint = f"perhaps {listed}" if near else f"there are {listed}"
    raise BadInput(f"there is no language {name[:40]!r}", hint=hint)


def detect(path: bytes, content: bytes) -> Language | None:
    """Tell the language of a file; None if no rule knows it."""
    name = path.rpartition(b"/")[2].decode("utf-8", "replace")
    found = _BY_FILE_NAME.get(name) or _by_suffix(name) or _by_interpreter(content)
    if found is None:
        return None
    if (
        found.name == "c"
        and name.lower().endswith(".h")
        and _CPP_SIGNS.search(content, 0, _HEADER_PROBE_BYTES)
    ):
        return _BY_NAME["cpp"]
    if found.name == "typescript" and content.lstrip()[:1] == b"<":
        # Qt keeps translations in XML under the same suffix.
        return _BY_NAME["xml"]
    return found


def _by_suffix(name: str) -> Language | None:
    """Look up the longest suffix that is known."""
    rest = name.lower()
    while "." in rest:
        rest = rest.partition(".")[2]
        if rest in _BY_SUFFIX:
            return _BY_SUFFIX[rest]
    return None


def _by_interpreter(content: bytes) -> Language | None:
    if not content.startswith(b"#!"):
        return None
    match = _SHEBANG.match(content[:200].partition(b"\n")[0])
    if match is None:
        return None
    program = (match.group(1) or match.group(2)).decode("ascii", "replace").lower()
    return _BY_INTERPRETER.get(program) or _BY_INTERPRETER.get(_VERSION.sub("", program))
