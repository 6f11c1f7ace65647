"""Calls an external agent: one method for each sub-command of the protocol.

The protocol is Entire's external-agent protocol, version 1: the program is called with a sub-command, reads
JSON or a transcript on its standard input, and prints JSON or a transcript. A plug-in is foreign code that a
person put on the PATH: it runs as that person, with the environment that is given here.

Invariants:
    1. Every answer is checked: a field of another type, or no JSON at all, is `PluginFailed`, which says
       which program and which sub-command.
    2. No argument is taken for an option: each is given as `--name=value`.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imprint.store.agents.external.running import Bounds, run_program
from imprint.store.agents.model import Usage
from imprint.store.agents.reading.values import as_count, as_map, as_name, as_optional, as_text, as_time
from imprint.store.errors import PluginFailed

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

PROTOCOL_VERSION: Final = 1
PREFIX: Final = "entire-agent-"

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class AgentInfo:
    """What a plug-in says of itself.

    Attributes:
        name: how it calls itself; `kind`: the agent's display name; `description`: a sentence.
        is_preview: whether its maker calls it unfinished.
        protected_dirs: folders of the repository that belong to it.
        hook_names: hooks that `parse_hook` understands.
        capabilities: names of what it can do, such as `compact_transcript`.
    """

    name: str
    kind: str = ""
    description: str = ""
    is_preview: bool = False
    protected_dirs: tuple[str, ...] = ()
    hook_names: tuple[str, ...] = ()
    capabilities: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class AgentSession:
    """A session as the plug-in reads it.

    Attributes:
        id: the agent's own id. `session_ref`: where its transcript lies.
        started_at_ms: None if not said.
        content: the transcript in the agent's own format.
        modified, new, deleted: files.
    """

    id: str
    session_ref: str
    started_at_ms: int | None = None
    content: bytes = b""
    modified: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HookEvent:
    """What a hook's input means.

    Attributes:
        type: 1 a session starts, 2 a turn starts, 3 a turn ends; others are the plug-in's.
        session_id, session_ref, prompt, model: empty if not said.
        at_ms: None if not said.
        extra: everything else, as it was.
    """

    type: int
    session_id: str
    session_ref: str = ""
    prompt: str = ""
    model: str = ""
    at_ms: int | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


class ExternalAgent:
    """One plug-in, called within one repository.

    Any method may raise `PluginFailed`.
    """

    def __init__(
        self,
        program: Path,
        *,
        repository: Path,
        environment: Mapping[str, str],
        bounds: Bounds | None = None,
    ) -> None:
        self.program = program
        self._repository = repository
        self._environment = {
            **environment,
            "ENTIRE_REPO_ROOT": str(repository),
            "ENTIRE_PROTOCOL_VERSION": str(PROTOCOL_VERSION),
        }
        self._bounds = bounds or Bounds()

    def info(self) -> AgentInfo:
        """What it is; also refuses a plug-in of another version of the protocol."""
        answer = self._ask("info")
        version = answer.get("protocol_version")
        if version != PROTOCOL_VERSION:
            raise PluginFailed(
                self.program, "info", f"speaks version {version!r}, not {PROTOCOL_VERSION}, of the protocol"
            )
        return AgentInfo(
            name=self._text(answer, "info", "name"),
            kind=as_name(answer.get("type")),
            description=as_text(answer.get("description"))[:1000],
            is_preview=answer.get("is_preview") is True,
            protected_dirs=_texts(answer.get("protected_dirs")),
            hook_names=_texts(answer.get("hook_names")),
            capabilities=frozenset(
                name for name, has in as_map(answer.get("capabilities")).items() if has is True
            ),
        )

    def detect(self) -> bool:
        """Whether the agent is used in this repository."""
        return self._flag(self._ask("detect"), "detect", "present")

    def find_session_id(self, hook_input: Mapping[str, object]) -> str:
        """The session of which a hook speaks; empty if it cannot tell."""
        answer = self._ask("get-session-id", stdin=_encode(hook_input))
        return self._text(answer, "get-session-id", "session_id")

    def find_session_folder(self) -> str:
        """Where the agent keeps this repository's sessions."""
        answer = self._ask("get-session-dir", f"--repo-path={self._repository}")
        return self._text(answer, "get-session-dir", "session_dir")

    def find_session_file(self, folder: str, session_id: str) -> str:
        """Where the transcript of a session lies, whether it exists or not."""
        command = "resolve-session-file"
        answer = self._ask(command, f"--session-dir={folder}", f"--session-id={session_id}")
        return self._text(answer, command, "session_file")

    def read_session(self, hook_input: Mapping[str, object]) -> AgentSession:
        """The session of which a hook speaks."""
        command = "read-session"
        answer = self._ask(command, stdin=_encode(hook_input))
        return AgentSession(
            id=self._text(answer, command, "session_id"),
            session_ref=as_text(answer.get("session_ref")),
            started_at_ms=as_time(answer.get("start_time")),
            content=self._decode(command, answer.get("native_data")),
            modified=_texts(answer.get("modified_files")),
            new=_texts(answer.get("new_files")),
            deleted=_texts(answer.get("deleted_files")),
        )

    def write_session(self, session: Mapping[str, object]) -> None:
        """Put a session back where the agent finds it; `session` as `read-session` prints it."""
        self._run("write-session", stdin=_encode(session))

    def read_transcript(self, session_ref: str) -> bytes:
        """The transcript, in the agent's own format."""
        return self._run("read-transcript", f"--session-ref={session_ref}")

    def chunk_transcript(self, content: bytes, max_size: int) -> list[bytes]:
        """A transcript in pieces of at most `max_size` bytes."""
        command = "chunk-transcript"
        answer = self._ask(command, f"--max-size={max_size}", stdin=content)
        return [self._decode(command, piece) for piece in self._list(answer, command, "chunks")]

    def reassemble_transcript(self, chunks: Iterable[bytes]) -> bytes:
        """What `chunk_transcript` took apart."""
        pieces = [base64.b64encode(chunk).decode() for chunk in chunks]
        return self._run("reassemble-transcript", stdin=_encode({"chunks": pieces}))

    def compact_transcript(self, session_ref: str) -> bytes:
        """The transcript in Entire's compact form; see `imprint.store.agents.compact`."""
        command = "compact-transcript"
        answer = self._ask(command, f"--session-ref={session_ref}")
        return self._decode(command, answer.get("transcript"))

    def find_position(self, path: str) -> int:
        """How far a transcript goes, in the plug-in's own count, mostly lines."""
        command = "get-transcript-position"
        return self._count(self._ask(command, f"--path={path}"), command, "position")

    def list_modified_files(self, path: str, offset: int = 0) -> tuple[tuple[str, ...], int]:
        """Files changed since a position of the transcript, and its position now."""
        command = "extract-modified-files"
        answer = self._ask(command, f"--path={path}", f"--offset={offset}")
        return _texts(self._list(answer, command, "files")), self._count(answer, command, "current_position")

    def list_prompts(self, session_ref: str, offset: int = 0) -> tuple[str, ...]:
        """Prompts since a position of the transcript."""
        command = "extract-prompts"
        answer = self._ask(command, f"--session-ref={session_ref}", f"--offset={offset}")
        return _texts(self._list(answer, command, "prompts"))

    def find_summary(self, session_ref: str) -> str | None:
        """The agent's own summary of the session; None if it has none."""
        answer = self._ask("extract-summary", f"--session-ref={session_ref}")
        return as_text(answer.get("summary")) if answer.get("has_summary") is True else None

    def count_tokens(self, content: bytes, offset: int = 0) -> Usage:
        """What the part of a transcript from a position on took."""
        answer = self._ask("calculate-tokens", f"--offset={offset}", stdin=content)
        return Usage(
            model=as_optional(answer.get("model")),
            input_tokens=as_count(answer.get("input_tokens")),
            output_tokens=as_count(answer.get("output_tokens")),
            cache_read_tokens=as_count(answer.get("cache_read_tokens")),
            cache_write_tokens=as_count(answer.get("cache_creation_tokens")),
            reasoning_tokens=as_count(answer.get("thinking_tokens")),
        )

    def parse_hook(self, hook: str, payload: bytes) -> HookEvent | None:
        """What a hook's input means; None if it means nothing for the session."""
        printed = self._run("parse-hook", f"--hook={hook}", stdin=payload)
        if printed.strip() in {b"", b"null"}:
            return None
        answer = self._object("parse-hook", printed)
        number = answer.get("type")
        if isinstance(number, bool) or not isinstance(number, int):
            raise PluginFailed(self.program, "parse-hook", f"'type' is {number!r}, no number")
        known = {"type", "session_id", "session_ref", "prompt", "model", "timestamp"}
        return HookEvent(
            type=number,
            session_id=as_name(answer.get("session_id")),
            session_ref=as_text(answer.get("session_ref")),
            prompt=as_text(answer.get("prompt")),
            model=as_name(answer.get("model")),
            at_ms=as_time(answer.get("timestamp")),
            extra={name: value for name, value in answer.items() if name not in known},
        )

    def install_hooks(self, *, local_dev: bool = False, force: bool = False) -> int:
        """Install the agent's hooks in the repository; how many there are now."""
        flags = [name for name, wished in (("--local-dev", local_dev), ("--force", force)) if wished]
        return self._count(self._ask("install-hooks", *flags), "install-hooks", "hooks_installed")

    def uninstall_hooks(self) -> None:
        """Take the agent's hooks out of the repository."""
        self._run("uninstall-hooks")

    def has_hooks(self) -> bool:
        """Whether its hooks are installed."""
        return self._flag(self._ask("are-hooks-installed"), "are-hooks-installed", "installed")

    def format_resume_command(self, session_id: str) -> str:
        """What a person types to go on with a session."""
        command = "format-resume-command"
        return self._text(self._ask(command, f"--session-id={session_id}"), command, "command")

    def _run(self, command: str, *arguments: str, stdin: bytes = b"") -> bytes:
        return run_program(
            [str(self.program), command, *arguments],
            stdin,
            folder=self._repository,
            environment=self._environment,
            bounds=self._bounds,
        )

    def _ask(self, command: str, *arguments: str, stdin: bytes = b"") -> Mapping[str, object]:
        return self._object(command, self._run(command, *arguments, stdin=stdin))

    def _object(self, command: str, printed: bytes) -> Mapping[str, object]:
        try:
            value = json.loads(printed)
        except (ValueError, RecursionError) as error:
            shown = printed[:60].decode("utf-8", "backslashreplace")
            raise PluginFailed(self.program, command, f"printed no JSON but {shown!r}") from error
        if not isinstance(value, dict):
            raise PluginFailed(self.program, command, f"printed {type(value).__name__}, no object")
        return value

    def _text(self, answer: Mapping[str, object], command: str, name: str) -> str:
        value = answer.get(name)
        if not isinstance(value, str):
            raise PluginFailed(self.program, command, f"{name!r} is {value!r:.60}, no text")
        return as_text(value)

    def _flag(self, answer: Mapping[str, object], command: str, name: str) -> bool:
        value = answer.get(name)
        if not isinstance(value, bool):
            raise PluginFailed(self.program, command, f"{name!r} is {value!r:.60}, neither true nor false")
        return value

    def _list(self, answer: Mapping[str, object], command: str, name: str) -> list[object]:
        value = answer.get(name)
        if value is None:  # how the protocol's programs in Go print an empty list
            return []
        if not isinstance(value, list):
            raise PluginFailed(self.program, command, f"{name!r} is {value!r:.60}, no list")
        return value

    def _count(self, answer: Mapping[str, object], command: str, name: str) -> int:
        value = answer.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise PluginFailed(self.program, command, f"{name!r} is {value!r:.60}, no count")
        return value

    def _decode(self, command: str, value: object) -> bytes:
        try:
            return base64.b64decode(as_text(value), validate=True)
        except (binascii.Error, ValueError) as error:
            raise PluginFailed(self.program, command, f"no base64: {error}") from error


def find_agents(search_path: str) -> dict[str, Path]:
    """The plug-ins on a PATH, by name; of several of one name, the first.

    Args:
        search_path: folders as in the environment variable `PATH`.
    """
    found: dict[str, Path] = {}
    for folder in map(Path, search_path.split(os.pathsep)):
        try:
            paths = sorted(folder.iterdir()) if folder.is_absolute() else []
        except OSError:
            continue
        for path in paths:
            name = path.name.removeprefix(PREFIX).removesuffix(".exe")
            usable = path.name.startswith(PREFIX) and _NAME.fullmatch(name) is not None
            if usable and path.is_file() and os.access(path, os.X_OK):
                found.setdefault(name, path)
    return found


def _encode(value: Mapping[str, object]) -> bytes:
    return json.dumps(value).encode()


def _texts(value: object) -> tuple[str, ...]:
    items: Sequence[object] = value if isinstance(value, list) else ()
    return tuple(as_text(item) for item in items if isinstance(item, str))
