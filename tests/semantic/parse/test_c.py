"""C and C++: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable

C = """\
/* A queue.
 * Of jobs. */
#include <stdio.h>
#include "queue.h"

#define LIMIT 10
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#ifndef GUARD
#define GUARD
#endif

typedef struct job job_t;

/* Work. */
struct job {
  int id;
  char *name, *title;
  void (*run)(struct job *);
  QUEUE_FIELDS
};

typedef struct {
  int x;
} point_t;

typedef enum state { NEW, DONE = 2 } state_t;

typedef int (*compare_fn)(const void *, const void *);

extern int counter;
static const char *names[] = {"a", "b"};

API_EXPORT int job_run(struct job *job);

// Runs it.
static inline char **
job_names(struct job *job, int n)
{
  int local = n;
  job->run(job);
  return split(names[0], MAX(n, 1));
}

TEST_CASE(adds) {
  assert(job_run(0));
}

#ifdef FAST
int fast(void) {
#else
int slow(void) {
#endif
  return 1;
}
"""


def test_c_entities_have_their_kinds_containers_and_lines(outline: Callable[[str, str], list[str]]) -> None:
    assert outline("a.c", C) == [
        "macro LIMIT 6-6",
        "macro MAX 7-7",
        "type job_t 12-12",
        "struct job 15-20",
        "field job.id 16-16",
        "field job.name 17-17",
        "field job.title 17-17",
        "field job.run 18-18",
        "struct point_t 22-24",
        "field point_t.x 23-23",
        "type state_t 26-26",
        "enum state 26-26",
        "constant state.NEW 26-26",
        "constant state.DONE 26-26",
        "type compare_fn 28-28",
        "variable counter 30-30",
        "declaration job_run 33-33",
        "function job_names 36-42",
        "test adds 44-46",
        "function fast 49-54",
    ]


def test_c_calls_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.c", C, ReferenceKind.CALL) == [
        "run 40 job_names",
        "split 41 job_names",
        "MAX 41 job_names",
        "assert 45 adds",
        "job_run 45 adds",
    ]


def test_c_imports_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.c", C, ReferenceKind.IMPORT) == [
        "stdio.h 3",
        "queue.h 4",
    ]


def test_c_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.c", C) == {"": "A queue. Of jobs.", "job": "Work.", "job_names": "Runs it."}


def test_c_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    found = signatures("a.c", C)
    assert (
        found
        | {
            "job": "struct job",
            "point_t": "typedef struct { int x; } point_t",
            "job_names": "static inline char ** job_names(struct job *job, int n)",
            "adds": "TEST_CASE(adds)",
            "fast": "int fast(void)",
        }
        == found
    )


CPP = """\
#include <vector>
#include "queue.hpp"
using std::vector;

namespace acme::queue {

ACME_BEGIN_NAMESPACE

/// Work to do.
template <typename T>
class ACME_API Job final : public Base<T>, private detail::Named {
 public:
  explicit Job(T data) : data_(data) {}
  ~Job();
  Job& operator=(const Job& other) = delete;
  operator bool() const { return true; }
  virtual void run() = 0;
  static std::vector<T> all(int n);
  ACME_NODISCARD auto size() const noexcept -> size_t { return data_.size(); }

 private:
  T data_;
  enum class State { New, Done };
};

struct Point {
  int x, y;
};

using Ids = std::vector<int>;

template <typename T>
std::vector<T> Job<T>::all(int n) {
  auto each = [](T x) { return step(x); };
  Job<T> job(make<T>(n));
  std::sort(begin(n), end(n));
  auto p = new Point();
  return detail::collect<T>(job.run(), p->x);
}

bool operator==(const Point& a, const Point& b) { return a.x == b.x; }

constexpr int kLimit = 10;

}  // namespace acme::queue

TEST(JobTest, Runs) {
  EXPECT_EQ(1, acme::run());
}
"""


def test_cpp_entities_have_their_kinds_containers_and_lines(outline: Callable[[str, str], list[str]]) -> None:
    assert outline("a.cpp", CPP) == [
        "namespace acme.queue 5-45",
        "class acme.queue.Job 10-24",
        "method acme.queue.Job.Job 13-13",
        "declaration acme.queue.Job.~Job 14-14",
        "method acme.queue.Job.operator= 15-15",
        "method acme.queue.Job.operator bool 16-16",
        "declaration acme.queue.Job.run 17-17",
        "declaration acme.queue.Job.all 18-18",
        "method acme.queue.Job.size 19-19",
        "field acme.queue.Job.data_ 22-22",
        "enum acme.queue.Job.State 23-23",
        "constant acme.queue.Job.State.New 23-23",
        "constant acme.queue.Job.State.Done 23-23",
        "struct acme.queue.Point 26-28",
        "field acme.queue.Point.x 27-27",
        "field acme.queue.Point.y 27-27",
        "type acme.queue.Ids 30-30",
        "method acme.queue.Job.all 32-39",
        "function acme.queue.Job.all.each 34-34",
        "function acme.queue.operator== 41-41",
        "variable acme.queue.kLimit 43-43",
        "test JobTest.Runs 47-49",
    ]


def test_cpp_calls_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.cpp", CPP, ReferenceKind.CALL) == [
        "size 19 acme.queue.Job.size",
        "step 34 acme.queue.Job.all.each",
        "sort 36 acme.queue.Job.all",
        "begin 36 acme.queue.Job.all",
        "end 36 acme.queue.Job.all",
        "Point 37 acme.queue.Job.all",
        "collect 38 acme.queue.Job.all",
        "run 38 acme.queue.Job.all",
        "EXPECT_EQ 48 JobTest.Runs",
        "run 48 JobTest.Runs",
    ]


def test_cpp_imports_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.cpp", CPP, ReferenceKind.IMPORT) == [
        "vector 1",
        "queue.hpp 2",
        "std::vector 3",
    ]


def test_cpp_ancestors_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.cpp", CPP, ReferenceKind.INHERIT) == [
        "Base 11 acme.queue.Job",
        "Named 11 acme.queue.Job",
    ]


def test_cpp_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.cpp", CPP) == {"acme.queue.Job": "Work to do."}


def test_cpp_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    found = signatures("a.cpp", CPP)
    assert (
        found
        | {
            "acme.queue.Job.Job": "explicit Job(T data) : data_(data)",
            "acme.queue.Job.operator=": "Job& operator=(const Job& other) = delete",
            "acme.queue.Job.operator bool": "operator bool() const",
            "acme.queue.Job.size": "auto size() const noexcept -> size_t",
            "acme.queue.Point": "struct Point",
            "acme.queue.Job.all": "template <typename T> std::vector<T> Job<T>::all(int n)",
        }
        == found
    )
