"""Dart: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable


DART = """\
// Jobs and their queue.

import 'package:acme/base.dart' as base show Work;
export 'src/queue.dart';

typedef Handler = void Function(Job);
const limit = 10;
final _shared = Job.empty();

/// Work to do.
///
/// It runs once.
@immutable
abstract class Job<T> extends Work<T> with Timed implements Runnable {
  static const size = 1;
  final String name;
  int? _code;

  Job(this.name) : super(name) {
    start();
  }
  Job.empty() : this('');
  factory Job.of(Map json) => Job.empty();

  bool get isEmpty => name.isEmpty;
  set code(int value) => _code = value;

  /// Runs one.
  Future<void> run<X>(int times) async {
    void inner() {
      log();
    }
    var local = 1;
    await client.post(inner)..close();
    return new Result();
  }

  int abs();

  operator ==(Object other) => true;
}

mixin Timed on Base {}

enum State implements Named {
  waiting(1),
  done;

  void next() {}
}

extension Names on String {
  int size() => length;
}

void main() {
  group('job', () {
    test('runs once', () async {
      check();
    });
  });
}
"""


def test_dart_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.dart", DART) == [
        "type Handler 6-6",
        "constant limit 7-7",
        "variable _shared 8-8",
        "class Job 13-41",
        "field Job.size 15-15",
        "field Job.name 16-16",
        "field Job._code 17-17",
        "method Job.Job 19-21",
        "method Job.empty 22-22",
        "method Job.of 23-23",
        "property Job.isEmpty 25-25",
        "property Job.code 26-26",
        "method Job.run 29-36",
        "function Job.run.inner 30-32",
        "method Job.abs 38-38",
        "method Job.== 40-40",
        "trait Timed 43-43",
        "enum State 45-50",
        "constant State.waiting 46-46",
        "constant State.done 47-47",
        "method State.next 49-49",
        "method String.size 53-53",
        "function main 56-62",
        "test main.job 57-61",
        "test main.job.runs once 58-60",
    ]


def test_dart_references_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.dart", DART, ReferenceKind.CALL) == [
        "empty 8",
        "start 20 Job.Job",
        "empty 23 Job.of",
        "log 31 Job.run.inner",
        "post 34 Job.run",
        "close 34 Job.run",
        "Result 35 Job.run",
        "group 57 main",
        "test 58 main.job",
        "check 59 main.job.runs once",
    ]
    assert mentions("a.dart", DART, ReferenceKind.IMPORT) == [
        "package:acme/base.dart 3",
        "Work 3",
        "src/queue.dart 4",
    ]
    assert mentions("a.dart", DART, ReferenceKind.INHERIT) == [
        "Work 14 Job",
        "Timed 14 Job",
        "Runnable 14 Job",
        "Base 43 Timed",
        "Named 45 State",
    ]
    assert mentions("a.dart", DART, ReferenceKind.USE) == [
        "Job 6",
        "Map 23 Job.of",
        "Future 29 Job.run",
    ]


def test_dart_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.dart", DART) == {
        "": "Jobs and their queue.",
        "Job": "Work to do.",
        "Job.run": "Runs one.",
    }


def test_dart_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    assert signatures("a.dart", DART) == {
        "Handler": "typedef Handler = void Function(Job)",
        "limit": "limit = 10",
        "_shared": "_shared = Job.empty()",
        "Job": "abstract class Job<T> extends Work<T> with Timed implements Runnable",
        "Job.size": "static const size = 1",
        "Job.name": "final String name",
        "Job._code": "int? _code",
        "Job.Job": "Job(this.name) : super(name)",
        "Job.empty": "Job.empty() : this('')",
        "Job.of": "factory Job.of(Map json)",
        "Job.isEmpty": "bool get isEmpty",
        "Job.code": "set code(int value)",
        "Job.run": "Future<void> run<X>(int times)",
        "Job.run.inner": "void inner()",
        "Job.abs": "int abs()",
        "Job.==": "operator ==(Object other)",
        "Timed": "mixin Timed on Base",
        "State": "enum State implements Named",
        "State.waiting": "waiting(1)",
        "State.done": "done",
        "State.next": "void next()",
        "String.size": "int size()",
        "main": "void main()",
        "main.job": "group('job', ()",
        "main.job.runs once": "test('runs once', () async",
    }
