"""Elixir: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable


ELIXIR = '''\
defmodule Acme.Job do
  @moduledoc """
  Jobs and their queue.

  More.
  """

  use GenServer, restart: :temporary
  alias Acme.{Queue, Clock}
  import Acme.Helper, only: [check: 1]
  @behaviour Acme.Work

  @limit 10
  @type t :: %Acme.Job{}
  @callback done(t) :: boolean

  defstruct [:name, size: 1]

  @doc """
  Runs one.

  It runs once.
  """
  @spec run(t, integer) :: t
  def run(job, times \\\\ 1)

  def run(job, 0), do: stop(job)

  def run(%{name: name} = job, times) when is_integer(times) do
    name |> Queue.push(times) |> log()
    run(job, times - 1)
  end

  @doc "Stops."
  @impl true
  def stop(_job), do: :ok

  defp ready?, do: @limit > 1

  defmacro traced(block) do
    quote do: unquote(block)
  end

  defguard is_done(job) when job.size > 1

  defimpl Enumerable, for: Acme.Queue do
    def count(queue), do: length(queue)
  end
end

defprotocol Acme.Named do
  def name(value)
end

defmodule Acme.JobTest do
  use ExUnit.Case

  describe "run/2" do
    test "runs once", %{job: job} do
      check(job)
    end
  end
end

defmodule Acme.Router do
  scope "/api", Acme do
    get "/jobs/:id", JobController, :show
  end
end
'''


def test_elixir_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.ex", ELIXIR) == [
        "namespace Acme.Job 1-49",
        "constant Acme.Job.limit 13-13",
        "type Acme.Job.t 14-14",
        "declaration Acme.Job.done 15-15",
        "field Acme.Job.name 17-17",
        "field Acme.Job.size 17-17",
        "function Acme.Job.run 24-32",
        "function Acme.Job.stop 35-36",
        "function Acme.Job.ready? 38-38",
        "macro Acme.Job.traced 40-42",
        "macro Acme.Job.is_done 44-44",
        "method Acme.Job.Acme.Queue.count 47-47",
        "interface Acme.Named 51-53",
        "method Acme.Named.name 52-52",
        "namespace Acme.JobTest 55-63",
        "test Acme.JobTest.run/2 58-62",
        "test Acme.JobTest.run/2.runs once 59-61",
        "namespace Acme.Router 65-69",
        "route Acme.Router.GET /api/jobs/:id 67-67",
    ]


def test_elixir_references_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.ex", ELIXIR, ReferenceKind.CALL) == [
        "run 24 Acme.Job",
        "stop 27 Acme.Job.run",
        "is_integer 29 Acme.Job.run",
        "push 30 Acme.Job.run",
        "log 30 Acme.Job.run",
        "run 31 Acme.Job.run",
        "length 47 Acme.Job.Acme.Queue.count",
        "describe 58 Acme.JobTest",
        "test 59 Acme.JobTest.run/2",
        "check 60 Acme.JobTest.run/2.runs once",
        "scope 66 Acme.Router",
        "get 67 Acme.Router",
    ]
    assert mentions("a.ex", ELIXIR, ReferenceKind.IMPORT) == [
        "Acme 9 Acme.Job",
        "Queue 9 Acme.Job",
        "Clock 9 Acme.Job",
        "Acme.Helper 10 Acme.Job",
    ]
    assert mentions("a.ex", ELIXIR, ReferenceKind.INHERIT) == [
        "GenServer 8 Acme.Job",
        "Acme.Work 11 Acme.Job",
        "Enumerable 46 Acme.Job.Acme.Queue",
        "ExUnit.Case 56 Acme.JobTest",
    ]
    assert mentions("a.ex", ELIXIR, ReferenceKind.USE) == [
        "Acme 9 Acme.Job",
        "Queue 9 Acme.Job",
        "Clock 9 Acme.Job",
        "Acme.Helper 10 Acme.Job",
        "Acme.Job 14 Acme.Job",
        "Queue 30 Acme.Job.run",
        "Acme 66 Acme.Router",
        "JobController 67 Acme.Router.GET /api/jobs/:id",
    ]


def test_elixir_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.ex", ELIXIR) == {
        "Acme.Job": "Jobs and their queue.",
        "Acme.Job.run": "Runs one.",
        "Acme.Job.stop": "Stops.",
    }


def test_elixir_signatures_are_one_line_without_body(
    signatures: Callable[[str, str], dict[str, str]],
) -> None:
    assert signatures("a.ex", ELIXIR) == {
        "Acme.Job": "defmodule Acme.Job",
        "Acme.Job.limit": "@limit 10",
        "Acme.Job.t": "@type t :: %Acme.Job{}",
        "Acme.Job.done": "@callback done(t) :: boolean",
        "Acme.Job.name": ":name",
        "Acme.Job.size": "size: 1",
        "Acme.Job.run": "def run(job, times \\\\ 1)",
        "Acme.Job.stop": "def stop(_job)",
        "Acme.Job.ready?": "defp ready?",
        "Acme.Job.traced": "defmacro traced(block)",
        "Acme.Job.is_done": "defguard is_done(job) when job.size > 1",
        "Acme.Job.Acme.Queue.count": "def count(queue)",
        "Acme.Named": "defprotocol Acme.Named",
        "Acme.Named.name": "def name(value)",
        "Acme.JobTest": "defmodule Acme.JobTest",
        "Acme.JobTest.run/2": 'describe "run/2" do',
        "Acme.JobTest.run/2.runs once": 'test "runs once", %{job: job} do',
        "Acme.Router": "defmodule Acme.Router",
        "Acme.Router.GET /api/jobs/:id": 'get "/jobs/:id", JobController, :show',
    }
