"""C#: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable

CSHARP = """\
// Copyright 2020.
using System;
using System.Collections.Generic;
using Text = System.Text;

namespace Acme.Queue;

/// <summary>
/// Work to do with <see cref="Runner"/>.
/// </summary>
[Serializable]
public abstract class Job<T> : Base<T>, IDisposable where T : class
{
    public const int Limit = 10;
    private readonly List<T> items = new List<T>();

    public string Name { get; set; }

    public int Size => items.Count;

    public event EventHandler Done;

    public Job(string name) : base(name)
    {
        Name = nameof(name);
    }

    [Obsolete("x")]
    public async Task<int> RunAsync(T item)
    {
        int Local(int x) => Step(x);
        await this.Save<T>(item)?.Flush();
        return Local(new Point(1).X);
    }

    protected abstract void Step(int x);

    void IDisposable.Dispose() { }

    public static bool operator ==(Job<T> a, Job<T> b) => a.Equals(b);

    private enum State { New, Done }

    public delegate void Handler(object sender);
}

public record Point(int X);

public interface INamed { string Name { get; } }

public struct Pair { public int A; }
"""


def test_csharp_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.cs", CSHARP) == [
        "class Acme.Queue.Job 11-45",
        "constant Acme.Queue.Job.Limit 14-14",
        "field Acme.Queue.Job.items 15-15",
        "property Acme.Queue.Job.Name 17-17",
        "property Acme.Queue.Job.Size 19-19",
        "field Acme.Queue.Job.Done 21-21",
        "method Acme.Queue.Job.Job 23-26",
        "method Acme.Queue.Job.RunAsync 28-34",
        "function Acme.Queue.Job.RunAsync.Local 31-31",
        "method Acme.Queue.Job.Step 36-36",
        "method Acme.Queue.Job.Dispose 38-38",
        "method Acme.Queue.Job.== 40-40",
        "enum Acme.Queue.Job.State 42-42",
        "constant Acme.Queue.Job.State.New 42-42",
        "constant Acme.Queue.Job.State.Done 42-42",
        "type Acme.Queue.Job.Handler 44-44",
        "class Acme.Queue.Point 47-47",
        "interface Acme.Queue.INamed 49-49",
        "property Acme.Queue.INamed.Name 49-49",
        "struct Acme.Queue.Pair 51-51",
        "field Acme.Queue.Pair.A 51-51",
    ]


def test_csharp_calls_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.cs", CSHARP, ReferenceKind.CALL) == [
        "List 15 Acme.Queue.Job",
        "nameof 25 Acme.Queue.Job.Job",
        "Step 31 Acme.Queue.Job.RunAsync.Local",
        "Save 32 Acme.Queue.Job.RunAsync",
        "Flush 32 Acme.Queue.Job.RunAsync",
        "Local 33 Acme.Queue.Job.RunAsync",
        "Point 33 Acme.Queue.Job.RunAsync",
        "Equals 40 Acme.Queue.Job.==",
    ]


def test_csharp_imports_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.cs", CSHARP, ReferenceKind.IMPORT) == [
        "System 2",
        "System.Collections.Generic 3",
        "System.Text 4",
    ]


def test_csharp_ancestors_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.cs", CSHARP, ReferenceKind.INHERIT) == [
        "Base 12 Acme.Queue.Job",
        "IDisposable 12 Acme.Queue.Job",
    ]


def test_csharp_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.cs", CSHARP) == {"Acme.Queue.Job": "Work to do with Runner."}


def test_csharp_signatures_are_one_line_without_body(
    signatures: Callable[[str, str], dict[str, str]],
) -> None:
    found = signatures("a.cs", CSHARP)
    assert (
        found
        | {
            "Acme.Queue.Job": "public abstract class Job<T> : Base<T>, IDisposable where T : class",
            "Acme.Queue.Job.Job": "public Job(string name) : base(name)",
            "Acme.Queue.Job.RunAsync": "public async Task<int> RunAsync(T item)",
            "Acme.Queue.Job.RunAsync.Local": "int Local(int x)",
            "Acme.Queue.Job.Step": "protected abstract void Step(int x)",
            "Acme.Queue.Job.Dispose": "void IDisposable.Dispose()",
        }
        == found
    )
