"""Haskell: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable


HASKELL = """\
{-# LANGUAGE OverloadedStrings #-}
-- | Jobs and their queue.
module Acme.Job (run, Job(..)) where

import qualified Data.Map as Map
import Acme.Base (Work(..), check)

-- | Work to do.
--
-- It runs once.
data Job a = Job
  { name :: String
  , size :: Int
  } deriving (Show, Eq)

data State = Waiting | Failed Reason

newtype Queue = Queue { jobs :: [Job] }

type Handler = Job -> IO ()

class Monad m => Runner m where
  type Clock m
  start, stop :: Job -> m ()
  start job = log job

instance Runner (StateT Job m) where
  stop job = finish job

-- | Runs one.
run :: Job -> Int -> IO ()
run job 0 = return ()
run job times
  | times > 1 = again times
  | otherwise = Map.lookup job table
  where
    again :: Int -> IO ()
    again n = log n
    local = 1

shared :: Job
shared = check "x"

infixl 4 <+>
(<+>) :: Job -> Job -> Job
a <+> b = merge a $ b
"""


def test_haskell_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.hs", HASKELL) == [
        "struct Job 11-14",
        "constant Job.Job 11-14",
        "field Job.name 12-12",
        "field Job.size 13-13",
        "enum State 16-16",
        "constant State.Waiting 16-16",
        "constant State.Failed 16-16",
        "struct Queue 18-18",
        "constant Queue.Queue 18-18",
        "field Queue.jobs 18-18",
        "type Handler 20-20",
        "trait Runner 22-25",
        "type Runner.Clock 23-23",
        "method Runner.start 24-24",
        "method Runner.stop 24-24",
        "method Runner.start 25-25",
        "method StateT.stop 28-28",
        "function run 31-39",
        "function run.again 37-38",
        "function shared 41-42",
        "function <+> 45-46",
    ]


def test_haskell_references_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.hs", HASKELL, ReferenceKind.CALL) == [
        "log 25 Runner.start",
        "finish 28 StateT.stop",
        "return 32 run",
        "again 34 run",
        "lookup 35 run",
        "log 38 run.again",
        "check 42 shared",
        "merge 46 <+>",
    ]
    assert mentions("a.hs", HASKELL, ReferenceKind.IMPORT) == [
        "Data.Map 5",
        "Acme.Base 6",
        "Work 6",
        "check 6",
    ]
    assert mentions("a.hs", HASKELL, ReferenceKind.INHERIT) == [
        "Show 14 Job",
        "Eq 14 Job",
        "Runner 27 StateT",
    ]
    assert mentions("a.hs", HASKELL, ReferenceKind.USE) == [
        "Job 3",
        "Work 6",
        "Reason 16 State",
        "Job 18 Queue",
        "Job 20",
        "Monad 22 Runner",
        "Job 24 Runner.stop",
        "Job 27 StateT",
        "Job 31 run",
        "times 34 run",
        "Job 41 shared",
        "Job 45 <+>",
    ]


def test_haskell_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.hs", HASKELL) == {
        "": "Jobs and their queue.",
        "Job": "Work to do.",
        "run": "Runs one.",
    }


def test_haskell_signatures_are_one_line_without_body(
    signatures: Callable[[str, str], dict[str, str]],
) -> None:
    assert signatures("a.hs", HASKELL) == {
        "Job": "data Job a",
        "Job.Job": "Job",
        "Job.name": "name :: String",
        "Job.size": "size :: Int",
        "State": "data State",
        "State.Waiting": "Waiting",
        "State.Failed": "Failed Reason",
        "Queue": "newtype Queue",
        "Queue.Queue": "Queue { jobs :: [Job] }",
        "Queue.jobs": "jobs :: [Job]",
        "Handler": "type Handler = Job -> IO ()",
        "Runner": "class Monad m => Runner m where",
        "Runner.Clock": "type Clock m",
        "Runner.start": "start job",
        "Runner.stop": "start, stop :: Job -> m ()",
        "StateT.stop": "stop job",
        "run": "run :: Job -> Int -> IO ()",
        "run.again": "again :: Int -> IO ()",
        "shared": "shared :: Job",
        "<+>": "(<+>) :: Job -> Job -> Job",
    }
