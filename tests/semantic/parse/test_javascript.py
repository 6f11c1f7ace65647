"""JavaScript with JSX, and TypeScript: what is read out of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imprint.semantic.parse import ReferenceKind

if TYPE_CHECKING:
    from collections.abc import Callable

JAVASCRIPT = """\
/** Sends things. */
'use strict';

import fs, { readFile as read } from "node:fs";
import * as path from "./path.js";
const http = require("http");

/**
 * A queue of jobs.
 *
 * More about it.
 */
export class Queue extends events.Emitter {
  #jobs = [];
  static limit = 10;

  constructor(size) {
    super();
    this.size = size;
  }

  async push(job) {
    await this.#store(job);
  }

  #store(job) {
    return read(path.join(job.id));
  }

  onDone = (job) => {
    report(job);
  };
}

export const report = (job) => log?.(job);

export default function main() {
  const retry = async () => {
    new Queue(3).push(1);
  };
  function inner() {}
  retry();
}

const settings = {
  depth: 3,
  load() {
    return fs.readFileSync("x");
  },
  save: function () {},
};

Queue.prototype.clear = function clear() {};
exports.helper = helper;
module.exports.make = function make() {
  return <Panel title="x"><b>{render()}</b></Panel>;
};

let count = 0, LIMIT = 5;
main();
"""


def test_javascript_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.js", JAVASCRIPT) == [
        "variable http 6-6",
        "class Queue 13-33",
        "field Queue.jobs 14-14",
        "field Queue.limit 15-15",
        "method Queue.constructor 17-20",
        "method Queue.push 22-24",
        "method Queue.store 26-28",
        "method Queue.onDone 30-32",
        "function report 35-35",
        "function main 37-43",
        "function main.retry 38-40",
        "function main.inner 41-41",
        "variable settings 45-51",
        "method settings.load 47-49",
        "method settings.save 50-50",
        "method Queue.clear 53-53",
        "function make 55-57",
        "variable count 59-59",
        "constant LIMIT 59-59",
    ]


def test_javascript_calls_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.js", JAVASCRIPT, ReferenceKind.CALL) == [
        "require 6",
        "store 23 Queue.push",
        "read 27 Queue.store",
        "join 27 Queue.store",
        "report 31 Queue.onDone",
        "log 35 report",
        "Queue 39 main.retry",
        "push 39 main.retry",
        "retry 42 main",
        "readFileSync 48 settings.load",
        "render 56 make",
        "main 60",
    ]


def test_javascript_imports_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.js", JAVASCRIPT, ReferenceKind.IMPORT) == [
        "fs 4",
        "readFile 4",
        "node:fs 4",
        "path 5",
        "./path.js 5",
        "http 6",
    ]


def test_javascript_ancestors_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.js", JAVASCRIPT, ReferenceKind.INHERIT) == [
        "Emitter 13 Queue",
    ]


def test_javascript_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.js", JAVASCRIPT) == {"": "Sends things.", "Queue": "A queue of jobs."}


def test_javascript_signatures_are_one_line_without_body(
    signatures: Callable[[str, str], dict[str, str]],
) -> None:
    found = signatures("a.js", JAVASCRIPT)
    assert (
        found
        | {
            "Queue": "export class Queue extends events.Emitter",
            "Queue.constructor": "constructor(size)",
            "Queue.push": "async push(job)",
            "Queue.store": "#store(job)",
            "Queue.onDone": "onDone = (job) =>",
            "report": "export const report = (job) =>",
        }
        == found
    )


TYPESCRIPT = """\
import type { Base } from "./base";
import { Thing, type Other as O } from "../thing";
export { x } from "./reexport";

export interface Shape<T> extends Base, ns.Named<T> {
  readonly area: number;
  scale(by: number): Shape<T>;
}

export type Id = string | Other;

export enum Colour {
  Red,
  Green = "g",
}

@Injectable()
export abstract class Service<T> extends Thing<T> implements Shape<T>, OnInit {
  private readonly cache: Map<string, Id> = new Map();

  @Input() name?: string;

  constructor(private api: Api) {
    super(api);
  }

  abstract run(input: T): Promise<void>;

  @Debounce(100)
  get area(): number {
    return this.compute();
  }

  handler = async (event: Event): Promise<void> => {
    await emit<Event>(event);
  };
}

declare function external(a: number): string;

namespace Util.Text {
  export function trim(s: string): string {
    return s.trim();
  }
}

export function overload(a: string): string;
export function overload(a: any) {
  return a;
}

export const VERSION = "1.0" as const;
"""


def test_typescript_entities_have_their_kinds_containers_and_lines(
    outline: Callable[[str, str], list[str]],
) -> None:
    assert outline("a.ts", TYPESCRIPT) == [
        "interface Shape 5-8",
        "field Shape.area 6-6",
        "method Shape.scale 7-7",
        "type Id 10-10",
        "enum Colour 12-15",
        "constant Colour.Red 13-13",
        "constant Colour.Green 14-14",
        "class Service 17-37",
        "field Service.cache 19-19",
        "field Service.name 21-21",
        "method Service.constructor 23-25",
        "method Service.run 27-27",
        "method Service.area 29-32",
        "method Service.handler 34-36",
        "function external 39-39",
        "namespace Util.Text 41-45",
        "function Util.Text.trim 42-44",
        "function overload 47-47",
        "function overload 48-50",
        "constant VERSION 52-52",
    ]


def test_typescript_calls_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.ts", TYPESCRIPT, ReferenceKind.CALL) == [
        "Injectable 17",
        "Map 19 Service",
        "Input 21 Service",
        "Debounce 29 Service",
        "compute 31 Service.area",
        "emit 35 Service.handler",
        "trim 43 Util.Text.trim",
    ]


def test_typescript_imports_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.ts", TYPESCRIPT, ReferenceKind.IMPORT) == [
        "Base 1",
        "./base 1",
        "Thing 2",
        "Other 2",
        "../thing 2",
        "./reexport 3",
    ]


def test_typescript_ancestors_are_found_with_their_place(mentions: Callable[..., list[str]]) -> None:
    assert mentions("a.ts", TYPESCRIPT, ReferenceKind.INHERIT) == [
        "Base 5 Shape",
        "Named 5 Shape",
        "Thing 18 Service",
        "Shape 18 Service",
        "OnInit 18 Service",
    ]


def test_typescript_documentation_is_its_first_paragraph(docs: Callable[[str, str], dict[str, str]]) -> None:
    assert docs("a.ts", TYPESCRIPT) == {}


def test_typescript_signatures_are_one_line_without_body(
    signatures: Callable[[str, str], dict[str, str]],
) -> None:
    found = signatures("a.ts", TYPESCRIPT)
    assert (
        found
        | {
            "Shape": "export interface Shape<T> extends Base, ns.Named<T>",
            "Shape.scale": "scale(by: number): Shape<T>",
            "Service": "export abstract class Service<T> extends Thing<T> implements Shape<T>, OnInit",
            "Service.constructor": "constructor(private api: Api)",
            "Service.run": "abstract run(input: T): Promise<void>",
            "Service.area": "get area(): number",
        }
        == found
    )


def test_what_a_module_exports_is_a_variable_and_each_name_of_a_function_one_of_its_own(
    outline: Callable[[str, str], list[str]],
) -> None:
    text = """\
        exports.etag = make({ weak: true });
        exports.limit = 5;
        exports.again = make;
        request.get =
        request.header = function header(name) {
          return name;
        };
        """
    assert outline("a.js", text) == [
        "variable etag 1-1",
        "variable limit 2-2",
        "method request.get 4-4",
        "method request.header 5-7",
    ]


def test_modules_named_by_strings_and_objects_of_a_stated_type_are_containers(
    outline: Callable[[str, str], list[str]],
) -> None:
    text = """\
        declare module 'my/lib.js' {
          interface Options { deep: boolean }
        }
        const settings = { load() {} } satisfies Settings;
        """
    assert outline("a.ts", text) == [
        "namespace my/lib.js 1-3",
        "interface my/lib.js.Options 2-2",
        "field my/lib.js.Options.deep 2-2",
        "variable settings 4-4",
        "method settings.load 4-4",
    ]
