"""Julia: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable


JULIA = '''\
module Acme

using Base: show, length
import LinearAlgebra
include("queue.jl")

"""
    Job{T}

Work to do.

It runs once.
"""
mutable struct Job{T} <: Work{T}
    name::String
    size
    Job{T}(name) where T = new{T}(name, 0)
end

abstract type Named end
const LIMIT = 10
const Jobs{T} = Vector{Job{T}}
state = :waiting

"Runs one."
function run(job::Job, times::Int=1)::Bool
    inner(x) = log(x)
    local y = 1
    push!(job.queue, times)
    map(job) do each
        each.check()
    end
end

stop(job) = close(job)
Base.length(job::Job) = job.size
twice(x::T) where {T<:Number} = double.(x)

@inline function fast(x)
    x
end

macro traced(block)
    esc(block)
end

@enum State waiting done

@testset "runs once" begin
    check()
end

end
'''


def test_julia_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.jl", JULIA) == [
        "namespace Acme 1-53",
        "struct Acme.Job 14-18",
        "field Acme.Job.name 15-15",
        "field Acme.Job.size 16-16",
        "method Acme.Job.Job 17-17",
        "type Acme.Named 20-20",
        "constant Acme.LIMIT 21-21",
        "type Acme.Jobs 22-22",
        "variable Acme.state 23-23",
        "function Acme.run 26-33",
        "function Acme.run.inner 27-27",
        "function Acme.stop 35-35",
        "method Acme.Base.length 36-36",
        "function Acme.twice 37-37",
        "function Acme.fast 39-41",
        "macro Acme.traced 43-45",
        "enum Acme.State 47-47",
        "constant Acme.State.waiting 47-47",
        "constant Acme.State.done 47-47",
        "test Acme.runs once 49-51",
    ]


def test_julia_references_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.jl", JULIA, ReferenceKind.CALL) == [
        "include 5 Acme",
        "new 17 Acme.Job.Job",
        "log 27 Acme.run.inner",
        "push! 29 Acme.run",
        "map 30 Acme.run",
        "check 31 Acme.run",
        "close 35 Acme.stop",
        "double 37 Acme.twice",
        "inline 39 Acme.fast",
        "esc 44 Acme",
        "enum 47 Acme.State",
        "testset 49 Acme",
        "check 50 Acme.runs once",
    ]
    assert mentions("a.jl", JULIA, ReferenceKind.IMPORT) == [
        "Base 3 Acme",
        "show 3 Acme",
        "length 3 Acme",
        "LinearAlgebra 4 Acme",
        "queue.jl 5 Acme",
    ]
    assert mentions("a.jl", JULIA, ReferenceKind.INHERIT) == [
        "Work 14 Acme.Job",
    ]
    assert mentions("a.jl", JULIA, ReferenceKind.USE) == [
        "Job 26 Acme.run",
        "Job 36 Acme.Base.length",
    ]


def test_julia_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.jl", JULIA) == {
        "Acme.Job": "Work to do.",
        "Acme.run": "Runs one.",
    }


def test_julia_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    assert signatures("a.jl", JULIA) == {
        "Acme": "module Acme",
        "Acme.Job": "mutable struct Job{T} <: Work{T}",
        "Acme.Job.name": "name::String",
        "Acme.Job.size": "size",
        "Acme.Job.Job": "Job{T}(name) where T",
        "Acme.Named": "abstract type Named end",
        "Acme.LIMIT": "const LIMIT = 10",
        "Acme.Jobs": "const Jobs{T} = Vector{Job{T}}",
        "Acme.state": "state = :waiting",
        "Acme.run": "function run(job::Job, times::Int=1)::Bool",
        "Acme.run.inner": "inner(x)",
        "Acme.stop": "stop(job)",
        "Acme.Base.length": "Base.length(job::Job)",
        "Acme.twice": "twice(x::T) where {T<:Number}",
        "Acme.fast": "@inline function fast(x)",
        "Acme.traced": "macro traced(block)",
        "Acme.State": "@enum State waiting done",
        "Acme.State.waiting": "@enum State waiting done",
        "Acme.State.done": "@enum State waiting done",
        "Acme.runs once": '@testset "runs once" begin',
    }
