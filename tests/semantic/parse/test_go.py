"""Go: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable

GO = """\
// Copyright 2020 The Authors.
// Licensed under MIT.

// Package queue holds jobs.
package queue

import (
	"fmt"
	log "github.com/sirupsen/logrus"
)

// Limit is the most jobs.
const Limit = 10

const (
	a = iota
	b
)

var registry = map[string]Job{}

type (
	// ID names a job.
	ID string
	alias = ID
)

// Job is work.
//
// It runs once.
type Job struct {
	sync.Mutex
	*Base
	Name, Title string `json:"name"`
}

type Runner interface {
	io.Closer
	Run(ctx context.Context) error
}

// Run does it.
func (j *Job) Run(ctx context.Context) error {
	defer j.Unlock()
	helper := func(x int) int { return compute(x) }
	fmt.Println(helper(1), Map[int](2))
	return nil
}

func (s Set[T]) Add(v T) { s.add(v) }

//go:noinline
func New(name string) *Job {
	return &Job{Name: name}
}
"""


def test_go_entities_have_their_kinds_containers_and_lines(outline: Callable[[str, str], list[str]]) -> None:
    assert outline("a.go", GO) == [
        "constant Limit 13-13",
        "constant a 16-16",
        "constant b 17-17",
        "variable registry 20-20",
        "type ID 24-24",
        "type alias 25-25",
        "struct Job 31-35",
        "field Job.Name 34-34",
        "field Job.Title 34-34",
        "interface Runner 37-40",
        "method Runner.Run 39-39",
        "method Job.Run 43-48",
        "function Job.Run.helper 45-45",
        "method Set.Add 50-50",
        "function New 53-55",
    ]


def test_go_calls_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.go", GO, ReferenceKind.CALL) == [
        "Unlock 44 Job.Run",
        "compute 45 Job.Run.helper",
        "Println 46 Job.Run",
        "helper 46 Job.Run",
        "Map 46 Job.Run",
        "add 50 Set.Add",
    ]


def test_go_imports_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.go", GO, ReferenceKind.IMPORT) == [
        "fmt 8",
        "github.com/sirupsen/logrus 9",
    ]


def test_go_ancestors_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.go", GO, ReferenceKind.INHERIT) == [
        "Mutex 32 Job",
        "Base 33 Job",
        "Closer 38 Runner",
    ]


def test_go_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.go", GO) == {
        "": "Package queue holds jobs.",
        "Limit": "Limit is the most jobs.",
        "ID": "ID names a job.",
        "Job": "Job is work.",
        "Job.Run": "Run does it.",
    }


def test_go_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    found = signatures("a.go", GO)
    assert (
        found
        | {
            "Job": "type Job struct",
            "Runner": "type Runner interface",
            "Runner.Run": "Run(ctx context.Context) error",
            "Job.Run": "func (j *Job) Run(ctx context.Context) error",
            "Job.Run.helper": "helper := func(x int) int",
            "Set.Add": "func (s Set[T]) Add(v T)",
        }
        == found
    )
