"""C and C++ are read through the macros and conditional branches that no grammar knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imprint.semantic.parse.grammars.conditionals import settle_conditionals
from imprint.semantic.parse.grammars.macros import tame_preprocessor

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("path", "text", "found"),
    [
        ("a.h", "LIB_API int run(void);\n", "declaration run 1-1"),
        ("a.h", "LIB_API job_t* run(void);\n", "declaration run 1-1"),
        ("a.h", "LIB_EXPORT\nint run(void);\n", "declaration run 2-2"),
        ("a.h", "DWORD WINAPI run(int a);\n", "declaration run 1-1"),
        ("a.h", "int run(void) LIB_NONNULL;\n", "declaration run 1-1"),
        ("a.h", "typedef BOOL (CALLBACK *runner)(int);\n", "type runner 1-1"),
        ("a.c", "LIB_UNUSED(static int run(int a)) {\n  return a;\n}\n", "function run 1-3"),
        ("a.c", "TEST_CASE(run) {\n  go();\n}\n", "test run 1-3"),
        ("a.hpp", "class LIB_API Job : public Base {};\n", "class Job 1-1"),
        ("a.hpp", 'class LIB_VISIBLE("x") Job final {};\n', "class Job 1-1"),
        ("a.cpp", "LIB_BEGIN_NAMESPACE\nvoid run() {}\nLIB_END_NAMESPACE\n", "function run 2-2"),
        ("a.cpp", "template <class T> LIB_CONSTEXPR auto run(T t) -> T { return t; }\n", "function run 1-1"),
        ("a.cpp", "LIB_DEFINE_FOR(unsigned char, '0');\nclass Job {};\n", "class Job 2-2"),
        ("a.cpp", "TEST(Job, Runs) {\n  go();\n}\n", "test Job.Runs 1-3"),
        ("a.cpp", "bool run() const LIB_EXCLUDES_LOCK(mutex_) { return true; }\n", "function run 1-1"),
    ],
)
def test_a_macro_does_not_hide_what_it_decorates(
    path: str, text: str, found: str, outline: Callable[[str, str], list[str]]
) -> None:
    assert found in outline(path, text)


def test_members_and_elements_that_macros_make_do_not_hide_the_others(
    outline: Callable[[str, str], list[str]],
) -> None:
    text = """
struct job {
  JOB_FIELDS
  JOB_MORE_FIELDS
  int id;
};
typedef enum {
#define XX(a) JOB_##a,
  JOB_MAP(XX)
#undef XX
  JOB_MAX
} job_kind;
"""
    assert outline("a.h", text) == [
        "struct job 1-5",
        "field job.id 4-4",
        "enum job_kind 6-11",
        "constant job_kind.JOB_MAX 10-10",
    ]


def test_of_branches_that_are_half_a_statement_the_first_is_read(
    outline: Callable[[str, str], list[str]],
) -> None:
    text = """
#ifdef FAST
int run(int a) {
#else
int run_slowly(int a) {
#endif
  return a;
}
int next(void) { return 1; }
"""
    assert outline("a.c", text) == ["function run 2-7", "function next 8-8"]


def test_branches_that_are_whole_are_all_read(outline: Callable[[str, str], list[str]]) -> None:
    text = """
#ifdef WIN
int run(void) { return 1; }
#else
int walk(void) { return 2; }
#endif
"""
    assert outline("a.c", text) == ["function run 2-2", "function walk 4-4"]


def test_a_header_for_both_languages_is_read_in_either(outline: Callable[[str, str], list[str]]) -> None:
    text = '#ifdef __cplusplus\nextern "C" {\n#endif\nint run(void);\n#ifdef __cplusplus\n}\n#endif\n'
    assert outline("a.h", text) == ["declaration run 4-4"]


def test_a_comment_inside_of_a_macro_does_not_end_it(outline: Callable[[str, str], list[str]]) -> None:
    text = "#define FIELDS \\\n  /* the id */ \\\n  int id; \\\n  int size;\nint run(void);\n"
    assert outline("a.h", text) == ["macro FIELDS 1-4", "declaration run 5-5"]


PIECES = st.lists(
    st.sampled_from(
        [
            *(
                "#if A\n",
                "#ifdef B\n",
                "#else\n",
                "#elif C\n",
                "#endif\n",
                "#define X \\\n",
                "{",
                "}",
                "(",
                ")",
                ";\n",
            ),
            *(
                "LIB_API ",
                "int ",
                "run",
                "struct ",
                "enum ",
                ",\n",
                "\n",
                " ",
                '"',
                "/*",
                "*/",
                "//",
                "\\\n",
                "\r\n",
            ),
        ]
    ),
    max_size=60,
)


@given(PIECES)
def test_blanking_moves_nothing(pieces: list[str]) -> None:
    content = "".join(pieces).encode()
    for change in (settle_conditionals, tame_preprocessor):
        changed = change(content)
        assert len(changed) == len(content)
        assert [i for i, byte in enumerate(changed) if byte == 10] == [
            i for i, byte in enumerate(content) if byte == 10
        ]
        assert all(new in (old, ord(" ")) for new, old in zip(changed, content, strict=True))
