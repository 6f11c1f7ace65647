"""Zig: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable


ZIG = """\
//! Jobs and their queue.

const std = @import("std");
const Queue = @import("queue.zig").Queue;

/// Work to do.
pub const Job = struct {
    name: []const u8,
    inner: struct { code: u8 },

    const limit = 10;

    /// Runs one.
    pub fn run(self: *Job, queue: Queue) !void {
        const local = 1;
        try self.client.send(queue);
        log();
    }
};

pub const State = enum(u8) { waiting, done, _ };

const Value = union(enum) { none, text: []const u8 };

const Failure = error{ Closed, Full };

var shared: ?Job = null;

extern fn sleep(seconds: u32) void;

fn List(comptime T: type) type {
    return struct {
        items: []T,

        fn first(self: @This()) T {
            return self.items[0];
        }
    };
}

test "runs once" {
    check();
}

test Job {}
"""


def test_zig_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.zig", ZIG) == [
        "constant std 3-3",
        "constant Queue 4-4",
        "struct Job 7-19",
        "field Job.name 8-8",
        "field Job.inner 9-9",
        "field Job.inner.code 9-9",
        "constant Job.limit 11-11",
        "method Job.run 14-18",
        "enum State 21-21",
        "constant State.waiting 21-21",
        "constant State.done 21-21",
        "struct Value 23-23",
        "field Value.none 23-23",
        "field Value.text 23-23",
        "enum Failure 25-25",
        "constant Failure.Closed 25-25",
        "constant Failure.Full 25-25",
        "variable shared 27-27",
        "function sleep 29-29",
        "struct List 31-39",
        "field List.items 33-33",
        "method List.first 35-37",
        "test runs once 41-43",
        "test Job 45-45",
    ]


def test_zig_references_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.zig", ZIG, ReferenceKind.CALL) == [
        "send 16 Job.run",
        "log 17 Job.run",
        "check 42 runs once",
    ]
    assert mentions("a.zig", ZIG, ReferenceKind.IMPORT) == [
        "std 3",
        "queue.zig 4",
    ]
    assert mentions("a.zig", ZIG, ReferenceKind.USE) == [
        "Job 14 Job.run",
        "Queue 14 Job.run",
        "Job 27",
    ]


def test_zig_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.zig", ZIG) == {
        "": "Jobs and their queue.",
        "Job": "Work to do.",
        "Job.run": "Runs one.",
    }


def test_zig_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    assert signatures("a.zig", ZIG) == {
        "std": 'const std = @import("std")',
        "Queue": 'const Queue = @import("queue.zig").Queue',
        "Job": "test Job",
        "Job.name": "name: []const u8",
        "Job.inner": "inner: struct { code: u8 }",
        "Job.inner.code": "code: u8",
        "Job.limit": "const limit = 10",
        "Job.run": "pub fn run(self: *Job, queue: Queue) !void",
        "State": "pub const State = enum(u8)",
        "State.waiting": "waiting",
        "State.done": "done",
        "Value": "const Value = union(enum)",
        "Value.none": "none",
        "Value.text": "text: []const u8",
        "Failure": "const Failure = error",
        "Failure.Closed": "Closed",
        "Failure.Full": "Full",
        "shared": "var shared: ?Job = null",
        "sleep": "extern fn sleep(seconds: u32) void",
        "List": "fn List(comptime T: type) type { return struct",
        "List.items": "items: []T",
        "List.first": "fn first(self: @This()) T",
        "runs once": 'test "runs once"',
    }
