"""PHP: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable

PHP = r"""
<?php
/* Copyright 2020. */

declare(strict_types=1);

namespace Acme\Queue;

use Acme\Base\Work;
use Psr\Log\{LoggerInterface, NullLogger as Quiet};
use function strlen;
require_once __DIR__ . '/x.php';
require 'bootstrap.php';

const LIMIT = 10;

/**
 * Work to do.
 *
 * @internal
 */
#[Final]
abstract class Job extends Work implements \Countable, Named
{
    use Loggable;

    public const MAX = 5;
    private ?string $name = null;

    public function __construct(private int $size, LoggerInterface $log)
    {
        parent::__construct($log);
    }

    /** Runs it. */
    public static function run(array $items): self
    {
        $each = fn ($x) => step($x);
        $job = new Job(1);
        $job->load()?->save();
        return static::make(\strlen('x'));
    }

    abstract protected function step(int $x): void;
}

interface Named
{
    public function name(): string;
}

trait Loggable
{
    public function log(): void {}
}

enum State: string
{
    case New = 'new';

    public function label(): string
    {
        return ucfirst($this->value);
    }
}

function helper(): void
{
    Job::run([]);
}
"""


def test_php_entities_have_their_kinds_containers_and_lines(outline: Callable[[str, str], list[str]]) -> None:
    assert outline("a.php", PHP) == [
        "constant Acme.Queue.LIMIT 14-14",
        "class Acme.Queue.Job 21-44",
        "constant Acme.Queue.Job.MAX 26-26",
        "field Acme.Queue.Job.name 27-27",
        "method Acme.Queue.Job.__construct 29-32",
        "method Acme.Queue.Job.run 35-41",
        "method Acme.Queue.Job.step 43-43",
        "interface Acme.Queue.Named 46-49",
        "method Acme.Queue.Named.name 48-48",
        "trait Acme.Queue.Loggable 51-54",
        "method Acme.Queue.Loggable.log 53-53",
        "enum Acme.Queue.State 56-64",
        "constant Acme.Queue.State.New 58-58",
        "method Acme.Queue.State.label 60-63",
        "method Acme.Queue.helper 66-69",
    ]


def test_php_calls_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.php", PHP, ReferenceKind.CALL) == [
        "__construct 31 Acme.Queue.Job.__construct",
        "step 37 Acme.Queue.Job.run",
        "Job 38 Acme.Queue.Job.run",
        "load 39 Acme.Queue.Job.run",
        "save 39 Acme.Queue.Job.run",
        "make 40 Acme.Queue.Job.run",
        "strlen 40 Acme.Queue.Job.run",
        "ucfirst 62 Acme.Queue.State.label",
        "run 68 Acme.Queue.helper",
    ]


def test_php_imports_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.php", PHP, ReferenceKind.IMPORT) == [
        "Acme\\Base\\Work 8",
        "Work 8",
        "Psr\\Log 9",
        "LoggerInterface 9",
        "NullLogger 9",
        "strlen 10",
        "/x.php 11",
        "bootstrap.php 12",
    ]


def test_php_ancestors_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.php", PHP, ReferenceKind.INHERIT) == [
        "Work 22 Acme.Queue.Job",
        "Countable 22 Acme.Queue.Job",
        "Named 22 Acme.Queue.Job",
        "Loggable 24 Acme.Queue.Job",
    ]


def test_php_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.php", PHP) == {"Acme.Queue.Job": "Work to do.", "Acme.Queue.Job.run": "Runs it."}


def test_php_signatures_are_one_line_without_body(signatures: Callable[[str, str], dict[str, str]]) -> None:
    found = signatures("a.php", PHP)
    assert (
        found
        | {
            "Acme.Queue.Job": "abstract class Job extends Work implements \\Countable, Named",
            "Acme.Queue.Job.run": "public static function run(array $items): self",
            "Acme.Queue.Job.step": "abstract protected function step(int $x): void",
            "Acme.Queue.Named": "interface Named",
            "Acme.Queue.Named.name": "public function name(): string",
            "Acme.Queue.Loggable": "trait Loggable",
        }
        == found
    )
