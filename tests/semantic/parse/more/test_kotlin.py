"""Kotlin: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable


KOTLIN = """\
package acme.jobs

import acme.base.Work as Base
import acme.queue.*

/**
 * Work to do.
 *
 * It runs once.
 */
@Serializable
open class Job<T>(private val name: String, size: Int) : Base<T>(size), Runnable by runner {
    override val empty: Boolean
        get() = check(name)
    var state = State.WAITING

    constructor(size: Int) : this("", size)

    // Runs one.
    fun run(task: Task): Result {
        fun inner() = log()
        val local = 1
        return client.send<Task>(task) ?: task.next!!.let { it.run() }
    }

    enum class State(val code: Int) {
        WAITING(1),
        DONE(2);

        fun next() = DONE
    }

    companion object {
        const val LIMIT = 10
        fun make() = Job(1)
    }
}

object Registry : Base()

fun interface Handler {
    fun handle(job: Job)
}

typealias Handlers = List<Handler>

data class Point(val x: Int, val y: Int)

fun String.toJob(): Job = object : Job(this) {
    override fun close() {}
}

val shared = Registry.find()

fun describe(value: Any) = when (value) {
    is String if value.isEmpty() -> empty()
    else -> where?.text(value)
}

class JobTest {
    @Test
    fun `runs once`() { check() }
}
"""


def test_kotlin_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.kt", KOTLIN) == [
        "class Job 11-37",
        "property Job.name 12-12",
        "property Job.empty 13-14",
        "property Job.state 15-15",
        "method Job.constructor 17-17",
        "method Job.run 20-24",
        "function Job.run.inner 21-21",
        "enum Job.State 26-31",
        "property Job.State.code 26-26",
        "constant Job.State.WAITING 27-27",
        "constant Job.State.DONE 28-28",
        "method Job.State.next 30-30",
        "constant Job.LIMIT 34-34",
        "method Job.make 35-35",
        "class Registry 39-39",
        "interface Handler 41-43",
        "method Handler.handle 42-42",
        "type Handlers 45-45",
        "class Point 47-47",
        "property Point.x 47-47",
        "property Point.y 47-47",
        "method String.toJob 49-51",
        "method String.toJob.close 50-50",
        "variable shared 53-53",
        "function describe 55-58",
        "class JobTest 60-63",
        "test JobTest.runs once 61-62",
    ]


def test_kotlin_references_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.kt", KOTLIN, ReferenceKind.CALL) == [
        "check 14 Job.empty",
        "log 21 Job.run.inner",
        "send 23 Job.run",
        "let 23 Job.run",
        "run 23 Job.run",
        "Job 35 Job.make",
        "find 53",
        "empty 56 describe",
        "text 57 describe",
        "check 62 JobTest.runs once",
    ]
    assert mentions("a.kt", KOTLIN, ReferenceKind.IMPORT) == [
        "acme.base.Work 3",
        "Work 3",
        "acme.queue 4",
        "queue 4",
    ]
    assert mentions("a.kt", KOTLIN, ReferenceKind.INHERIT) == [
        "Base 12 Job",
        "Runnable 12 Job",
        "Base 39 Registry",
        "Job 49 String.toJob",
    ]
    assert mentions("a.kt", KOTLIN, ReferenceKind.USE) == [
        "Serializable 11",
        "Task 20 Job.run",
        "Result 20 Job.run",
        "Task 23 Job.run",
        "Job 42 Handler.handle",
        "List 45",
        "Handler 45",
        "Job 49 String.toJob",
        "Test 61 JobTest",
    ]


def test_kotlin_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.kt", KOTLIN) == {
        "Job": "Work to do.",
        "Job.run": "Runs one.",
    }


def test_kotlin_signatures_are_one_line_without_body(
    signatures: Callable[[str, str], dict[str, str]],
) -> None:
    assert signatures("a.kt", KOTLIN) == {
        "Job": "open class Job<T>(private val name: String, size: Int) : Base<T>(size), Runnable by runner",
        "Job.name": "private val name: String",
        "Job.empty": "override val empty: Boolean",
        "Job.state": "var state = State.WAITING",
        "Job.constructor": 'constructor(size: Int) : this("", size)',
        "Job.run": "fun run(task: Task): Result",
        "Job.run.inner": "fun inner()",
        "Job.State": "enum class State(val code: Int)",
        "Job.State.code": "val code: Int",
        "Job.State.WAITING": "WAITING(1)",
        "Job.State.DONE": "DONE(2)",
        "Job.State.next": "fun next()",
        "Job.LIMIT": "const val LIMIT = 10",
        "Job.make": "fun make()",
        "Registry": "object Registry : Base()",
        "Handler": "fun interface Handler",
        "Handler.handle": "fun handle(job: Job)",
        "Handlers": "typealias Handlers = List<Handler>",
        "Point": "data class Point(val x: Int, val y: Int)",
        "Point.x": "val x: Int",
        "Point.y": "val y: Int",
        "String.toJob": "fun String.toJob(): Job",
        "String.toJob.close": "override fun close()",
        "shared": "val shared = Registry.find()",
        "describe": "fun describe(value: Any)",
        "JobTest": "class JobTest",
        "JobTest.runs once": "fun `runs once`() { check() }",
    }
