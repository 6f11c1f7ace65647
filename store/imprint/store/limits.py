"""Every bound of the store, with its default. docs/limits.md lists them; a test compares the two."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a caller can make the store do.

    Attributes:
        pack_bytes_max: a pushed pack, compressed.
        pack_objects_max: objects in a pushed pack.
        unpack_seconds_max: git on a pack that came whole, and a second more for each MiB of it.
        object_bytes_max: one object, inflated.
        commands_max: ref updates in one push.
        refs_max: refs of one repository.
        command_bytes_max: the command part of a push.
        push_options_max: push options of one push.
        wants_max: objects asked for in one fetch.
        haves_max: objects that a client may offer in one request.
        commit_files_max: files in one commit by API.
        commit_bytes_max: content of one commit by API.
        note_bytes_max: one git note by API.
        prompt_bytes_max: one prompt.
        transcript_bytes_max: the whole transcript of one session.
        transcript_line_bytes_max: one line of a transcript.
        transcript_lines_max: lines of one transcript.
        transcript_parse_bytes_max: the part of a transcript, from its start, that turns are read from.
        turns_max: turns that are noted of one session; what is said after them is in its transcript.
        setting_bytes_max: the value of one setting of a repository.
        lfs_object_bytes_max: one large object.
        lfs_batch_objects_max: large objects asked for in one request.
        plumbing_seconds_max: one run of git that answers a request.
        plumbing_memory_bytes_max: memory of one git process, mapped files not counted; 0 for no bound.
        quarantine_bytes_free_min: free disk below which a push or a large object is refused at once.
        maintain_packs_min: packs that have to be joined before maintenance does so by itself.
        maintain_bytes_max: a larger pack is rewritten only when somebody asks for it.
        mirror_refs_per_step: refs that a mirror fetches and admits at once.
        retired_seconds_min: how long each step of removing a retired pack waits for its readers; at least
            `plumbing_seconds_max` in any case.
        ready_packs_bytes_max: memory for packs that one process keeps to be sent again.
        pack_tables_bytes_max: memory for tables of the packs on disk, in one process.
    """

    pack_bytes_max: int = 4 * 1024**3
    pack_objects_max: int = 20_000_000
    unpack_seconds_max: int = 600
    object_bytes_max: int = 2 * 1024**3
    commands_max: int = 100_000
    refs_max: int = 1_000_000
    command_bytes_max: int = 64 * 1024**2
    push_options_max: int = 64
    wants_max: int = 100_000
    haves_max: int = 100_000
    commit_files_max: int = 10_000
    commit_bytes_max: int = 256 * 1024**2
    note_bytes_max: int = 16 * 1024**2
    prompt_bytes_max: int = 1024**2
    transcript_bytes_max: int = 1024**3
    transcript_line_bytes_max: int = 32 * 1024**2
    transcript_lines_max: int = 2_000_000
    transcript_parse_bytes_max: int = 256 * 1024**2
    turns_max: int = 20_000
    setting_bytes_max: int = 1024**2
    lfs_object_bytes_max: int = 5 * 1024**3
    lfs_batch_objects_max: int = 1000
    plumbing_seconds_max: int = 3600
    plumbing_memory_bytes_max: int = 2 * 1024**3
    quarantine_bytes_free_min: int = 64 * 1024**2
    maintain_packs_min: int = 32
    maintain_bytes_max: int = 2 * 1024**3
    mirror_refs_per_step: int = 500
    retired_seconds_min: int = 3600
    ready_packs_bytes_max: int = 64 * 1024**2
    pack_tables_bytes_max: int = 256 * 1024**2
