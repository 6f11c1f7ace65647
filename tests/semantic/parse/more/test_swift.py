"""Swift: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable


SWIFT = """\
// Jobs and their queue.

import Foundation
@testable import struct Acme.Queue

/// Work to do.
///
/// It runs once.
@MainActor
public final class Job<T>: Base, Runnable {
    static let limit = 10
    private var queue: [Task] = []
    var isEmpty: Bool {
        queue.isEmpty
    }

    init(name: String) {
        super.init()
        self.name = makeName(name)
    }

    deinit {
        close()
    }

    subscript(index: Int) -> Task {
        queue[index]
    }

    /** Runs one. */
    func run(_ task: Task, at time: Date) async throws -> Result {
        func inner() { log() }
        let local = 1
        return try await client.send(task).first { $0.ok() }
    }

    static func == (left: Job, right: Job) -> Bool { left.id == right.id }

    enum State: String {
        case waiting, done
        indirect case failed(Error)
    }
}

extension Acme.Job: Codable {
    func encode() {}
}

protocol Runnable: Sendable {
    associatedtype Task
    var name: String { get }
    func run()
}

typealias Handler = (Job) -> Void

actor Pool {}

let shared = Pool()

class JobTests: XCTestCase {
    func testRuns() { check() }
}

@Test("title") func runsTwice() { #expect(run()) }
"""


def test_swift_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.swift", SWIFT) == [
        "class Job 9-43",
        "property Job.limit 11-11",
        "property Job.queue 12-12",
        "property Job.isEmpty 13-15",
        "method Job.init 17-20",
        "method Job.deinit 22-24",
        "method Job.subscript 26-28",
        "method Job.run 31-35",
        "function Job.run.inner 32-32",
        "method Job.== 37-37",
        "enum Job.State 39-42",
        "constant Job.State.waiting 40-40",
        "constant Job.State.done 40-40",
        "constant Job.State.failed 41-41",
        "method Acme.Job.encode 46-46",
        "interface Runnable 49-53",
        "type Runnable.Task 50-50",
        "property Runnable.name 51-51",
        "method Runnable.run 52-52",
        "type Handler 55-55",
        "class Pool 57-57",
        "variable shared 59-59",
        "class JobTests 61-63",
        "test JobTests.testRuns 62-62",
        "test runsTwice 65-65",
    ]


def test_swift_references_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.swift", SWIFT, ReferenceKind.CALL) == [
        "init 18 Job.init",
        "makeName 19 Job.init",
        "close 23 Job.deinit",
        "queue 27 Job.subscript",
        "log 32 Job.run.inner",
        "send 34 Job.run",
        "first 34 Job.run",
        "ok 34 Job.run",
        "Pool 59",
        "check 62 JobTests.testRuns",
        "expect 65 runsTwice",
        "run 65 runsTwice",
    ]
    assert mentions("a.swift", SWIFT, ReferenceKind.IMPORT) == [
        "Foundation 3",
        "Acme.Queue 4",
    ]
    assert mentions("a.swift", SWIFT, ReferenceKind.INHERIT) == [
        "Base 10 Job",
        "Runnable 10 Job",
        "String 39 Job.State",
        "Codable 45 Acme.Job",
        "Sendable 49 Runnable",
        "XCTestCase 61 JobTests",
    ]
    assert mentions("a.swift", SWIFT, ReferenceKind.USE) == [
        "Task 12 Job",
        "Task 26 Job.subscript",
        "Task 31 Job.run",
        "Date 31 Job.run",
        "Result 31 Job.run",
        "Job 37 Job.==",
        "Error 41 Job.State",
        "Job 45 Acme.Job",
        "Job 55",
    ]


def test_swift_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.swift", SWIFT) == {
        "": "Jobs and their queue.",
        "Job": "Work to do.",
        "Job.run": "Runs one.",
    }


def test_swift_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    assert signatures("a.swift", SWIFT) == {
        "Job": "public final class Job<T>: Base, Runnable",
        "Job.limit": "static let limit = 10",
        "Job.queue": "private var queue: [Task] = []",
        "Job.isEmpty": "var isEmpty: Bool",
        "Job.init": "init(name: String)",
        "Job.deinit": "deinit",
        "Job.subscript": "subscript(index: Int) -> Task",
        "Job.run": "func run(_ task: Task, at time: Date) async throws -> Result",
        "Job.run.inner": "func inner()",
        "Job.==": "static func == (left: Job, right: Job) -> Bool",
        "Job.State": "enum State: String",
        "Job.State.waiting": "case waiting, done",
        "Job.State.done": "case waiting, done",
        "Job.State.failed": "indirect case failed(Error)",
        "Acme.Job.encode": "func encode()",
        "Runnable": "protocol Runnable: Sendable",
        "Runnable.Task": "associatedtype Task",
        "Runnable.name": "var name: String { get }",
        "Runnable.run": "func run()",
        "Handler": "typealias Handler = (Job) -> Void",
        "Pool": "actor Pool",
        "shared": "let shared = Pool()",
        "JobTests": "class JobTests: XCTestCase",
        "JobTests.testRuns": "func testRuns()",
        "runsTwice": "func runsTwice()",
    }
