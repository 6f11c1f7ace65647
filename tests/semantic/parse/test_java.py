"""Java: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable

JAVA = """\
/* Copyright 2020. */
package com.acme.queue;

import java.util.List;
import static java.util.Objects.*;

/**
 * A queue of {@link Job jobs}.
 *
 * @param <T> what
 */
@Deprecated
public class Queue<T> extends Base<T> implements Runnable, java.io.Closeable {
  public static final int LIMIT = 10;
  private final List<T> jobs = new ArrayList<>(), old;

  static final Comparator<Job> ORDER = new Comparator<Job>() {
    @Override
    public int compare(Job a, Job b) {
      return a.rank() - b.rank();
    }
  };

  /** Makes one. */
  public Queue(int size) {
    super(size);
    this.init();
  }

  @Override
  @SuppressWarnings("x")
  public void run() {
    jobs.forEach(this::step);
    List.<String>of("x");
  }

  interface Step { void step(Job job); }

  enum State {
    NEW, DONE {
      @Override boolean last() { return true; }
    };
    boolean last() { return false; }
  }

  record Point(int x, int y) {
    Point { check(x); }
  }

  @interface Marker { int value() default 0; }
}
"""


def test_java_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("A.java", JAVA) == [
        "class Queue 12-51",
        "constant Queue.LIMIT 14-14",
        "field Queue.jobs 15-15",
        "field Queue.old 15-15",
        "constant Queue.ORDER 17-22",
        "method Queue.ORDER.compare 18-21",
        "method Queue.Queue 25-28",
        "method Queue.run 30-35",
        "interface Queue.Step 37-37",
        "method Queue.Step.step 37-37",
        "enum Queue.State 39-44",
        "constant Queue.State.NEW 40-40",
        "constant Queue.State.DONE 40-42",
        "method Queue.State.DONE.last 41-41",
        "method Queue.State.last 43-43",
        "class Queue.Point 46-48",
        "method Queue.Point.Point 47-47",
        "interface Queue.Marker 50-50",
        "method Queue.Marker.value 50-50",
    ]


def test_java_calls_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("A.java", JAVA, ReferenceKind.CALL) == [
        "ArrayList 15 Queue",
        "Comparator 17 Queue.ORDER",
        "rank 20 Queue.ORDER.compare",
        "rank 20 Queue.ORDER.compare",
        "super 26 Queue.Queue",
        "init 27 Queue.Queue",
        "forEach 33 Queue.run",
        "of 34 Queue.run",
        "check 47 Queue.Point.Point",
    ]


def test_java_imports_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("A.java", JAVA, ReferenceKind.IMPORT) == [
        "java.util.List 4",
        "List 4",
        "java.util.Objects 5",
    ]


def test_java_ancestors_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("A.java", JAVA, ReferenceKind.INHERIT) == [
        "Base 13 Queue",
        "Runnable 13 Queue",
        "Closeable 13 Queue",
    ]


def test_java_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("A.java", JAVA) == {"Queue": "A queue of Job jobs.", "Queue.Queue": "Makes one."}


def test_java_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    found = signatures("A.java", JAVA)
    assert (
        found
        | {
            "Queue": "public class Queue<T> extends Base<T> implements Runnable, java.io.Closeable",
            "Queue.ORDER.compare": "public int compare(Job a, Job b)",
            "Queue.Queue": "public Queue(int size)",
            "Queue.run": "public void run()",
            "Queue.Step": "interface Step",
            "Queue.Step.step": "void step(Job job)",
        }
        == found
    )
