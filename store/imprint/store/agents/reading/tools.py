"""What tools write, by the names and fields that agents have for them.

Agents call the same few tools by many names: a file is written whole, some text takes another's place, a
patch is applied, a command is run. A tool of an MCP server, `mcp__files__write_file`, is known by its last
part.

Invariants:
    1. A tool that is not in the tables makes no edits: reading is never mistaken for writing.
    2. What ran in a shell and failed may have written before it failed: `judge_call` then says None, not
       False.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from imprint.store.agents.model import Edit, EditKind, ToolCall
from imprint.store.agents.reading.patches import compare_texts, read_patch
from imprint.store.agents.reading.places import join
from imprint.store.agents.reading.shell import find_shell_edits
from imprint.store.agents.reading.values import as_map, as_maps, as_path, as_text, split_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PATHS: Final = (
    "file_path",
    "filePath",
    "path",
    "notebook_path",
    "target_file",
    "absolute_path",
    "filename",
    "file",
)
_CONTENTS: Final = ("content", "contents", "file_text", "fileText", "text")
_OLD: Final = ("old_string", "oldString", "old_str", "old_text", "oldText", "search")
_NEW: Final = ("new_string", "newString", "new_str", "new_text", "newText", "replace", "insert_text")
_PATCHES: Final = ("input", "patch", "patchText", "patch_text", "diff")
_COMMANDS: Final = ("command", "cmd", "script")
_FOLDERS: Final = ("workdir", "cwd", "directory", "dir_path", "working_directory")


def read_call(call: ToolCall, given: object, cwd: str = "") -> ToolCall:
    """The call with the paths and edits that its input says.

    Args:
        call: has the tool's name.
        given: the input: an object, or the text of a patch or a command.
        cwd: the folder in which commands run where the input names none.
    """
    fields = as_map(given)
    reading = _READERS.get(_fold(call.name))
    path = _first_path(fields)
    edits: tuple[Edit, ...] = ()
    if reading is not None:
        if isinstance(given, str):
            fields = {"input": given, "command": given}
        elif isinstance(given, list):
            fields = {"command": given}
        edits = reading(fields, path, cwd)
    return replace(call, paths=paths_of(edits, path), edits=edits)


def judge_call(call: ToolCall, *, failed: bool) -> bool | None:
    """Whether a call that ran succeeded; None where it failed and may yet have written something."""
    if not failed:
        return True
    return None if any(edit.kind is EditKind.SHELL for edit in call.edits) or _is_shell(call) else False


def paths_of(edits: tuple[Edit, ...], *others: str) -> tuple[str, ...]:
    """Files that a call names, each once: these and those of its edits."""
    found: dict[str, None] = dict.fromkeys(path for path in others if path)
    for edit in edits:
        found.update(dict.fromkeys(path for path in (edit.path, edit.old_path) if path))
    return tuple(found)


def _is_shell(call: ToolCall) -> bool:
    return bool(call.edits) and _READERS.get(_fold(call.name)) is _read_shell


def _fold(name: str) -> str:
    return name.rsplit("__", 1)[-1].rsplit(".", 1)[-1].lower().replace("_", "").replace("-", "")


def _first(fields: Mapping[str, object], names: tuple[str, ...]) -> str:
    return next((as_text(fields[name]) for name in names if isinstance(fields.get(name), str)), "")


def _first_path(fields: Mapping[str, object]) -> str:
    return as_path(_first(fields, _PATHS))


def _read_write(fields: Mapping[str, object], path: str, _cwd: str) -> tuple[Edit, ...]:
    return (Edit(path, EditKind.WRITE, split_text(_first(fields, _CONTENTS))),)


def _read_replace(fields: Mapping[str, object], path: str, _cwd: str) -> tuple[Edit, ...]:
    parts = as_maps(fields.get("edits")) or as_maps(fields.get("replacements")) or [fields]
    return tuple(
        compare_texts(_first_path(part) or path, _first(part, _OLD), _first(part, _NEW)) for part in parts
    )


def _read_edit(fields: Mapping[str, object], path: str, cwd: str) -> tuple[Edit, ...]:
    whole = any(isinstance(fields.get(name), str) for name in _CONTENTS)
    replaced = any(name in fields for name in (*_OLD, *_NEW, "edits", "replacements"))
    if whole and not replaced:
        return _read_write(fields, path, cwd)
    if not replaced and _first(fields, _PATCHES):
        return _read_patch(fields, path, cwd)
    return _read_replace(fields, path, cwd)


def _read_notebook(fields: Mapping[str, object], path: str, _cwd: str) -> tuple[Edit, ...]:
    if fields.get("edit_mode") == "delete":
        return (Edit(path, EditKind.REPLACE),)
    new = _first(fields, ("new_source", *_NEW))
    return (compare_texts(path, _first(fields, _OLD), new),)


def _read_patch(fields: Mapping[str, object], path: str, _cwd: str) -> tuple[Edit, ...]:
    edits = read_patch(_first(fields, _PATCHES))
    return tuple(replace(edit, path=edit.path or path) for edit in edits)


def _read_delete(_fields: Mapping[str, object], path: str, _cwd: str) -> tuple[Edit, ...]:
    return (Edit(path, EditKind.DELETE),) if path else ()


def _read_shell(fields: Mapping[str, object], _path: str, cwd: str) -> tuple[Edit, ...]:
    command = next((fields[name] for name in _COMMANDS if fields.get(name)), None)
    return find_shell_edits(command, join(cwd, as_path(_first(fields, _FOLDERS))) or cwd)


def _read_editor(fields: Mapping[str, object], path: str, cwd: str) -> tuple[Edit, ...]:
    action = as_text(fields.get("command"))
    if action == "create":
        return _read_write(fields, path, cwd)
    return _read_replace(fields, path, cwd) if action in {"str_replace", "insert"} else ()


_READERS: Final[dict[str, Callable[[Mapping[str, object], str, str], tuple[Edit, ...]]]] = {
    **dict.fromkeys(("write", "writefile", "createfile", "create", "savefile", "newfile"), _read_write),
    **dict.fromkeys(
        ("edit", "editfile", "replace", "strreplace", "searchreplace", "multiedit", "insert", "insertedit"),
        _read_edit,
    ),
    **dict.fromkeys(("notebookedit", "editnotebook"), _read_notebook),
    **dict.fromkeys(("applypatch", "patch"), _read_patch),
    **dict.fromkeys(("delete", "deletefile", "removefile"), _read_delete),
    **dict.fromkeys(
        (
            "bash",
            "shell",
            "shellcommand",
            "localshell",
            "exec",
            "execcommand",
            "powershell",
            "runshellcommand",
            "runterminalcmd",
            "runcommand",
            "executebash",
            "terminal",
        ),
        _read_shell,
    ),
    **dict.fromkeys(("strreplaceeditor", "fswrite"), _read_editor),
}
