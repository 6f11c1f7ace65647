"""Lua: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable


LUA = """\
-- Jobs and their queue.

local base = require("acme.base")
local Job = {}
local LIMIT <const> = 10
State = "waiting"

--- Runs one.
---
--- It runs once.
function Job.run(times)
  local inner = function() log() end
  local x = 1
  return Job.client:send(times):first()
end

function Job:stop() self:close() end

Job.name = "job"
Job.twice = function(n) return double(n) end

local function helper() end

function global() end

local handlers = {
  start = function() begin() end,
  ["stop"] = function() end,
  size = 1,
}

setmetatable(Job, { __index = base })

describe("job", function()
  it("runs once", function() check() end)
end)

return Job
"""


def test_lua_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.lua", LUA) == [
        "variable base 3-3",
        "variable Job 4-4",
        "constant LIMIT 5-5",
        "variable State 6-6",
        "method Job.run 11-15",
        "function Job.run.inner 12-12",
        "method Job.stop 17-17",
        "field Job.name 19-19",
        "method Job.twice 20-20",
        "function helper 22-22",
        "function global 24-24",
        "variable handlers 26-30",
        "method handlers.start 27-27",
        "method handlers.stop 28-28",
        "test job 34-36",
        "test job.runs once 35-35",
    ]


def test_lua_references_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.lua", LUA, ReferenceKind.CALL) == [
        "require 3",
        "log 12 Job.run.inner",
        "send 14 Job.run",
        "first 14 Job.run",
        "close 17 Job.stop",
        "double 20 Job.twice",
        "begin 27 handlers.start",
        "setmetatable 32",
        "describe 34",
        "it 35 job",
        "check 35 job.runs once",
    ]
    assert mentions("a.lua", LUA, ReferenceKind.IMPORT) == [
        "acme.base 3",
    ]
    assert mentions("a.lua", LUA, ReferenceKind.INHERIT) == [
        "base 32",
    ]


def test_lua_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.lua", LUA) == {
        "": "Jobs and their queue.",
        "Job.run": "Runs one.",
    }


def test_lua_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    assert signatures("a.lua", LUA) == {
        "base": 'local base = require("acme.base")',
        "Job": "local Job = {}",
        "LIMIT": "local LIMIT <const> = 10",
        "State": 'State = "waiting"',
        "Job.run": "function Job.run(times)",
        "Job.run.inner": "local inner = function()",
        "Job.stop": "function Job:stop()",
        "Job.name": 'Job.name = "job"',
        "Job.twice": "Job.twice = function(n)",
        "helper": "local function helper() end",
        "global": "function global() end",
        "handlers": "local handlers",
        "handlers.start": "start = function()",
        "handlers.stop": '["stop"] = function() end',
        "job": 'describe("job", function()',
        "job.runs once": 'it("runs once", function() check() end)',
    }
