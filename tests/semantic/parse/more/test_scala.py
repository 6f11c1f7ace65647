"""Scala: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable


SCALA = """\
package acme
package jobs

import acme.base.{Work, Queue => Q}
import acme.clock._

/** Work to do.
  *
  * It runs once.
  */
@main
sealed abstract class Job[T](val name: String, size: Int) extends Work[T](size) with acme.Runnable {
  type Result
  val limit, most: Int = 10
  private var state = State.Waiting
  val twice = (x: Int) => double(x)

  // Runs one.
  def run[A](task: A)(implicit clock: Clock): Result = {
    def inner() = log()
    val local = 1
    client.send[A](task).map { each => each.ok() }
    new Watcher(1)
  }

  def abs: Int
  def +(other: Job): Job = merge(other)
}

case class Point(x: Int, y: Int)

object Job extends Factory {
  implicit def ordering: Ordering[Job] = new Ordering[Job] {
    def compare(a: Job, b: Job) = 0
  }
}

enum State(val code: Int) {
  case Waiting extends State(1)
  case Done, Failed
}

extension (text: String) def toJob: Job = parse(text)

given ordered: Ordering[Job] with {
  def less = true
}

class JobSuite extends munit.FunSuite {
  test("runs once") {
    check()
  }
}
"""


def test_scala_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.scala", SCALA) == [
        "class Job 11-28",
        "field Job.name 12-12",
        "type Job.Result 13-13",
        "field Job.limit 14-14",
        "field Job.most 14-14",
        "field Job.state 15-15",
        "method Job.twice 16-16",
        "method Job.run 19-24",
        "function Job.run.inner 20-20",
        "method Job.abs 26-26",
        "method Job.+ 27-27",
        "class Point 30-30",
        "field Point.x 30-30",
        "field Point.y 30-30",
        "class Job 32-36",
        "method Job.ordering 33-35",
        "method Job.ordering.compare 34-34",
        "enum State 38-41",
        "field State.code 38-38",
        "constant State.Waiting 39-39",
        "constant State.Done 40-40",
        "constant State.Failed 40-40",
        "method String.toJob 43-43",
        "class ordered 45-47",
        "method ordered.less 46-46",
        "class JobSuite 49-53",
        "test JobSuite.runs once 50-52",
    ]


def test_scala_references_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.scala", SCALA, ReferenceKind.CALL) == [
        "double 16 Job.twice",
        "log 20 Job.run.inner",
        "send 22 Job.run",
        "map 22 Job.run",
        "ok 22 Job.run",
        "Watcher 23 Job.run",
        "merge 27 Job.+",
        "Ordering 33 Job.ordering",
        "parse 43 String.toJob",
        "test 50 JobSuite",
        "check 51 JobSuite.runs once",
    ]
    assert mentions("a.scala", SCALA, ReferenceKind.IMPORT) == [
        "Work 4",
        "Queue 4",
    ]
    assert mentions("a.scala", SCALA, ReferenceKind.INHERIT) == [
        "Work 12 Job",
        "Runnable 12 Job",
        "Factory 32 Job",
        "State 39 State",
        "FunSuite 49 JobSuite",
    ]
    assert mentions("a.scala", SCALA, ReferenceKind.USE) == [
        "main 11",
        "Clock 19 Job.run",
        "Result 19 Job.run",
        "Job 27 Job.+",
        "Ordering 33 Job.ordering",
        "Job 33 Job.ordering",
        "Job 34 Job.ordering.compare",
        "Job 43 String.toJob",
        "Ordering 45 ordered",
        "Job 45 ordered",
    ]


def test_scala_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.scala", SCALA) == {
        "Job": "Work to do.",
        "Job.run": "Runs one.",
    }


def test_scala_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    assert signatures("a.scala", SCALA) == {
        "Job": "object Job extends Factory",
        "Job.name": "val name: String",
        "Job.Result": "type Result",
        "Job.limit": "val limit, most: Int = 10",
        "Job.most": "val limit, most: Int = 10",
        "Job.state": "private var state = State.Waiting",
        "Job.twice": "val twice = (x: Int) =>",
        "Job.run": "def run[A](task: A)(implicit clock: Clock): Result",
        "Job.run.inner": "def inner()",
        "Job.abs": "def abs: Int",
        "Job.+": "def +(other: Job): Job",
        "Point": "case class Point(x: Int, y: Int)",
        "Point.x": "x: Int",
        "Point.y": "y: Int",
        "Job.ordering": "implicit def ordering: Ordering[Job]",
        "Job.ordering.compare": "def compare(a: Job, b: Job)",
        "State": "enum State(val code: Int)",
        "State.code": "val code: Int",
        "State.Waiting": "Waiting extends State(1)",
        "State.Done": "Done",
        "State.Failed": "Failed",
        "String.toJob": "def toJob: Job",
        "ordered": "given ordered: Ordering[Job] with",
        "ordered.less": "def less",
        "JobSuite": "class JobSuite extends munit.FunSuite",
        "JobSuite.runs once": 'test("runs once")',
    }
