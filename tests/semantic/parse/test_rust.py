"""Rust: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable

RUST = """\
//! Jobs and their queue.

use std::collections::{HashMap, hash_map::Entry as E};
use crate::base::*;
mod tests;

/// The most jobs.
pub const LIMIT: usize = 10;
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Work to do.
///
/// It runs once.
#[derive(Debug, Clone)]
pub struct Job<T> {
    pub name: String,
    data: T,
}

struct Unit;

pub enum State {
    /// Not begun.
    New,
    Running { since: Instant },
}

pub trait Run: Send + fmt::Debug {
    type Output;
    fn run(&self) -> Self::Output;
    fn twice(&self) {
        self.run();
    }
}

impl<T: Clone> Run for Job<T> {
    type Output = ();
    #[inline]
    fn run(&self) -> () {
        let each = |x| step(x);
        println!("{}", self.data.len());
        queue::push::<T>(Job { name: LIMIT });
    }
}

impl<T> Job<T> {
    pub async fn new(name: &str) -> Self {
        Self::build(name)
    }
}

mod inner {
    pub fn helper() {}
}

macro_rules! job {
    ($x:expr) => { Job::new($x) };
}
"""


def test_rust_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.rs", RUST) == [
        "constant LIMIT 8-8",
        "constant COUNT 9-9",
        "struct Job 14-18",
        "field Job.name 16-16",
        "field Job.data 17-17",
        "struct Unit 20-20",
        "enum State 22-26",
        "constant State.New 24-24",
        "constant State.Running 25-25",
        "field State.Running.since 25-25",
        "trait Run 28-34",
        "type Run.Output 29-29",
        "method Run.run 30-30",
        "method Run.twice 31-33",
        "type Job.Output 37-37",
        "method Job.run 38-43",
        "function Job.run.each 40-40",
        "method Job.new 47-49",
        "namespace inner 52-54",
        "function inner.helper 53-53",
        "macro job 56-58",
    ]


def test_rust_calls_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.rs", RUST, ReferenceKind.CALL) == [
        "new 9",
        "run 32 Run.twice",
        "step 40 Job.run.each",
        "println 41 Job.run",
        "len 41 Job.run",
        "push 42 Job.run",
        "Job 42 Job.run",
        "build 48 Job.new",
        "new 57",
    ]


def test_rust_imports_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.rs", RUST, ReferenceKind.IMPORT) == [
        "std::collections 3",
        "HashMap 3",
        "hash_map 3",
        "Entry 3",
        "crate::base 4",
        "tests 5",
    ]


def test_rust_ancestors_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.rs", RUST, ReferenceKind.INHERIT) == [
        "Send 28 Run",
        "Debug 28 Run",
        "Run 36 Job",
    ]


def test_rust_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.rs", RUST) == {
        "": "Jobs and their queue.",
        "LIMIT": "The most jobs.",
        "Job": "Work to do.",
        "State.New": "Not begun.",
    }


def test_rust_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    found = signatures("a.rs", RUST)
    assert (
        found
        | {
            "Job": "pub struct Job<T>",
            "Unit": "struct Unit",
            "Run": "pub trait Run: Send + fmt::Debug",
            "Run.run": "fn run(&self) -> Self::Output",
            "Run.twice": "fn twice(&self)",
            "Job.run": "fn run(&self) -> ()",
        }
        == found
    )


def test_items_that_a_macro_wraps_are_read(outline: Callable[[str, str], list[str]]) -> None:
    text = """\
        cfg_net! {
            /// Half of it.
            #[derive(Debug)]
            pub struct Half {
                inner: u8,
            }

            impl Half {
                fn work(&self) {}
            }
        }
        vec! {
            one, two
        }
        fn last() {}
        """
    assert outline("a.rs", text) == [
        "struct Half 3-6",
        "field Half.inner 5-5",
        "method Half.work 9-9",
        "function last 15-15",
    ]
