"""Ruby: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable

RUBY = """\
# frozen_string_literal: true

# Jobs and their queue.

require 'set'
require_relative 'base'

module Acme
  LIMIT = 10

  # Work to do.
  #
  # It runs once.
  class Job < Base::Work
    include Comparable
    extend Forwardable
    attr_reader :name, :size

    Point = Struct.new(:x, :y) do
      def length
        Math.sqrt(x)
      end
    end

    def initialize(name)
      super
      @name = name
    end

    # Makes one.
    def self.build(*args, &block)
      new(*args).tap { |job| job.run(&block) }
    end

    class << self
      def default; end
    end

    def valid?
      name.empty? && check(name)
    end

    def <=>(other)
      name <=> other.name
    end

    private

    def secret = 42
  end
end

class Acme::Other; end

def helper
  Acme::Job.build("x")
end

get '/' do
  helper()
end
"""


def test_ruby_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.rb", RUBY) == [
        "namespace Acme 8-51",
        "constant Acme.LIMIT 9-9",
        "class Acme.Job 14-50",
        "property Acme.Job.name 17-17",
        "property Acme.Job.size 17-17",
        "class Acme.Job.Point 19-23",
        "method Acme.Job.Point.length 20-22",
        "method Acme.Job.initialize 25-28",
        "method Acme.Job.build 31-33",
        "method Acme.Job.default 36-36",
        "method Acme.Job.valid? 39-41",
        "method Acme.Job.<=> 43-45",
        "method Acme.Job.secret 49-49",
        "class Acme.Other 53-53",
        "function helper 55-57",
        "route GET / 59-61",
    ]


def test_ruby_calls_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.rb", RUBY, ReferenceKind.CALL) == [
        "require 5",
        "require_relative 6",
        "include 15 Acme.Job",
        "extend 16 Acme.Job",
        "attr_reader 17 Acme.Job",
        "new 19 Acme.Job.Point",
        "sqrt 21 Acme.Job.Point.length",
        "new 32 Acme.Job.build",
        "tap 32 Acme.Job.build",
        "run 32 Acme.Job.build",
        "empty? 40 Acme.Job.valid?",
        "check 40 Acme.Job.valid?",
        "name 44 Acme.Job.<=>",
        "build 56 helper",
        "get 59",
        "helper 60 GET /",
    ]


def test_ruby_imports_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.rb", RUBY, ReferenceKind.IMPORT) == [
        "set 5",
        "base 6",
    ]


def test_ruby_ancestors_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.rb", RUBY, ReferenceKind.INHERIT) == [
        "Work 14 Acme.Job",
        "Comparable 15 Acme.Job",
        "Forwardable 16 Acme.Job",
    ]


def test_ruby_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.rb", RUBY) == {
        "": "Jobs and their queue.",
        "Acme.Job": "Work to do.",
        "Acme.Job.build": "Makes one.",
    }


def test_ruby_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    found = signatures("a.rb", RUBY)
    assert (
        found
        | {
            "Acme.Job": "class Job < Base::Work",
            "Acme.Job.Point": "Point = Struct.new(:x, :y) do",
            "Acme.Job.Point.length": "def length",
            "Acme.Job.initialize": "def initialize(name)",
            "Acme.Job.build": "def self.build(*args, &block)",
            "Acme.Job.default": "def default; end",
        }
        == found
    )
