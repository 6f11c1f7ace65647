"""OCaml: what is read out of a file, and of an interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable


OCAML = """\
(** Jobs and their queue. *)

open Acme.Base
module Clock = Acme.Clock

(** Work to do.

    It runs once. *)
type job = {
  name : string;
  mutable size : int;
}

type state = Waiting | Failed of reason
type handler = job -> unit
exception Closed of string

let limit = 10

(* Runs one. *)
let rec run job times =
  let inner x = log x in
  let local = 1 in
  inner local |> Queue.push job;
  stop job
and stop job = Clock.now () |> ignore

let map = fun f -> f 1
let ( >>= ) x f = bind x f
let () = run shared 1

module Make (Base : Work) : Runner = struct
  let start job = Base.start job
  external now : unit -> float = "now"
end

module type Runner = sig
  type t
  val start : job -> t
end

class queue size = object (self)
  inherit base size
  val mutable jobs = []
  method push job = self#check job
end

let%test "runs once" = check ()
"""


def test_ocaml_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.ml", OCAML) == [
        "namespace Clock 4-4",
        "struct job 9-12",
        "field job.name 10-10",
        "field job.size 11-11",
        "enum state 14-14",
        "constant state.Waiting 14-14",
        "constant state.Failed 14-14",
        "type handler 15-15",
        "type Closed 16-16",
        "constant limit 18-18",
        "function run 21-25",
        "function run.inner 22-22",
        "function stop 26-26",
        "function map 28-28",
        "function >>= 29-29",
        "namespace Make 32-35",
        "function Make.start 33-33",
        "function Make.now 34-34",
        "interface Runner 37-40",
        "type Runner.t 38-38",
        "declaration Runner.start 39-39",
        "class queue 42-46",
        "field queue.jobs 44-44",
        "method queue.push 45-45",
        "test runs once 48-48",
    ]


def test_ocaml_references_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.ml", OCAML, ReferenceKind.CALL) == [
        "log 22 run.inner",
        "inner 24 run",
        "push 24 run",
        "stop 25 run",
        "now 26 stop",
        "ignore 26 stop",
        "f 28 map",
        "bind 29 >>=",
        "run 30",
        "start 33 Make.start",
        "check 45 queue.push",
        "check 48 runs once",
    ]
    assert mentions("a.ml", OCAML, ReferenceKind.IMPORT) == [
        "Acme.Base 3",
        "Acme.Clock 4 Clock",
    ]
    assert mentions("a.ml", OCAML, ReferenceKind.INHERIT) == [
        "Runner 32 Make",
    ]
    assert mentions("a.ml", OCAML, ReferenceKind.USE) == [
        "reason 14 state",
        "job 15",
        "local 24 run",
        "job 24 run",
        "job 25 run",
        "shared 30",
        "job 33 Make.start",
        "job 39 Runner",
        "size 43 queue",
        "self 45 queue.push",
        "job 45 queue.push",
    ]


def test_ocaml_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.ml", OCAML) == {
        "": "Jobs and their queue.",
        "job": "Work to do.",
    }


def test_ocaml_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    assert signatures("a.ml", OCAML) == {
        "Clock": "module Clock = Acme.Clock",
        "job": "type job",
        "job.name": "name : string",
        "job.size": "mutable size : int",
        "state": "type state",
        "state.Waiting": "Waiting",
        "state.Failed": "Failed of reason",
        "handler": "type handler = job -> unit",
        "Closed": "exception Closed of string",
        "limit": "let limit = 10",
        "run": "run job times",
        "run.inner": "let inner x",
        "stop": "stop job",
        "map": "let map = fun f ->",
        ">>=": "let (>>=) x f",
        "Make": "module Make (Base : Work) : Runner",
        "Make.start": "let start job",
        "Make.now": 'external now : unit -> float = "now"',
        "Runner": "module type Runner",
        "Runner.t": "type t",
        "Runner.start": "val start : job -> t",
        "queue": "class queue size",
        "queue.jobs": "val mutable jobs = []",
        "queue.push": "method push job",
        "runs once": 'let%test "runs once" = check ()',
    }


OCAML_INTERFACE = """\
(** Runs one. *)
val run : job -> int -> unit

module Make (Base : Work) : sig
  type t
  val start : t -> unit
end

exception Closed
"""


def test_ocaml_interface_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.mli", OCAML_INTERFACE) == [
        "declaration run 2-2",
        "namespace Make 4-7",
        "type Make.t 5-5",
        "declaration Make.start 6-6",
        "type Closed 9-9",
    ]


def test_ocaml_interface_references_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.mli", OCAML_INTERFACE, ReferenceKind.USE) == [
        "job 2",
    ]


def test_ocaml_interface_documentation_is_its_first_paragraph(
    docs: Callable[[str, str], dict[str, str]],
) -> None:
    assert docs("a.mli", OCAML_INTERFACE) == {
        "run": "Runs one.",
    }


def test_ocaml_interface_signatures_are_one_line_without_body(
    signatures: Callable[[str, str], dict[str, str]],
) -> None:
    assert signatures("a.mli", OCAML_INTERFACE) == {
        "run": "val run : job -> int -> unit",
        "Make": "module Make (Base : Work)",
        "Make.t": "type t",
        "Make.start": "val start : t -> unit",
        "Closed": "exception Closed",
    }
