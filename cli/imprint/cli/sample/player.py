"""Plays the story of the sample against a running server, with a stock git client and the REST interface.

Invariants:
    1. Everything goes through the server's public addresses, as a newcomer's own work would.
    2. A story that was cut short is taken up where it ended; one that is whole is left alone.
    3. The tokens made for it are revoked at its end; they expire soon where the server ended first.
"""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imprint.cli.client import ServerAdministration
from imprint.cli.errors import ServerRefused
from imprint.cli.gitclient import GitClient
from imprint.cli.ports import TokenWish
from imprint.cli.sample.story import ADA, BRANCH, REPOSITORY, STORY, TAG, Person, Step, Way, Work

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imprint.cli.client import Client

_NOT_FOUND: Final = 404
_TOKEN_LIFE: Final = "1h"  # noqa: S105 - a duration
_NOTES: Final = "refs/notes/ai"
_SERVER: Final = "refs/server/"
"""Below it, in the work tree, are the server's refs."""


def play(client: Client, environment: Mapping[str, str]) -> bool:
    """Make the sample repository what the story says; False if it already was.

    Args:
        client: the server, with an administrator's token.
        environment: in which git runs; its configuration is shut off.

    Raises:
        CommandError: the server refused a step, or git failed.
    """
    refs = _find_refs(client)
    if f"refs/tags/{TAG}" in refs:
        return False
    administration = ServerAdministration(client)
    if not refs:
        _create(administration)
    with tempfile.TemporaryDirectory(prefix="imprint-sample-") as folder:
        player = _Player(client, administration, GitClient.shut_off(environment, Path(folder)), Path(folder))
        try:
            player.play()
        finally:
            player.revoke_tokens()
    return True


def _find_refs(client: Client) -> set[str]:
    try:
        return {ref["name"] for ref in client.get(f"/api/repos/{REPOSITORY}/refs")["refs"]}
    except ServerRefused as refused:
        if refused.status != _NOT_FOUND:
            raise
        return set()


def _create(administration: ServerAdministration) -> None:
    try:
        administration.create_repository(REPOSITORY, BRANCH)
    except ServerRefused as refused:
        if refused.code != "repository_exists":
            raise


def _identity(person: Person, at: str) -> dict[str, str]:
    """The environment that makes a person the author and committer."""
    facts = {"NAME": person.name, "EMAIL": person.email, "DATE": at}
    return {f"GIT_{role}_{fact}": value for role in ("AUTHOR", "COMMITTER") for fact, value in facts.items()}


class _Player:
    """Carries out steps from a work tree that knows what the server has."""

    def __init__(
        self, client: Client, administration: ServerAdministration, git: GitClient, folder: Path
    ) -> None:
        self._client = client
        self._administration = administration
        self._git = git
        self._folder = folder
        self._url = f"{client.address}/{REPOSITORY}.git"
        self._tokens: dict[tuple[str, str | None], tuple[str, str]] = {}

    def play(self) -> None:
        """Every step that the server does not have, then the tag."""
        self._git.run("init", "-q", "-b", BRANCH)
        self._as(ADA, None).run("fetch", "-q", self._url, f"+refs/*:{_SERVER}*")
        for step in STORY:
            if step.subject not in self._check_out(step):
                self._carry_out(step)
        last = next(step for step in reversed(STORY) if step.way is not Way.API)
        self._check_out(last)
        commit = self._git.run("log", "-1", "--format=%H", "--fixed-strings", f"--grep={last.subject}")
        tag = ("tag", "-f", "-a", "-m", "The first shop runs on it", TAG, commit)
        self._git.run(*tag, more=_identity(last.person, last.at))
        self._push(last.person, None, f"refs/tags/{TAG}")

    def revoke_tokens(self) -> None:
        """Withdraw every token that was made here."""
        for token_id, _ in self._tokens.values():
            self._administration.revoke_token(token_id)

    def _check_out(self, step: Step) -> set[str]:
        """Put the work tree on the step's branch as the server has it; the subjects of its commits."""
        for branch in (step.branch, BRANCH):
            start = f"{_SERVER}heads/{branch}"
            if self._git.run("for-each-ref", start):
                self._git.run("checkout", "-q", "-f", "-B", step.branch, start)
                return set(self._git.run("log", "--format=%s").splitlines())
        return set()

    def _carry_out(self, step: Step) -> None:
        match step.way:
            case Way.API:
                self._commit_by_api(step)
            case Way.SQUASH:
                branch = STORY[STORY.index(step) - 1].branch
                self._git.run("merge", "-q", "--squash", f"{_SERVER}heads/{branch}")
                self._commit_and_push(step)
            case Way.PUSH:
                for path, content in step.files().items():
                    target = self._folder / path
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content)
                self._git.run("add", "-A")
                self._commit_and_push(step)

    def _commit_and_push(self, step: Step) -> None:
        refs = [f"HEAD:refs/heads/{step.branch}"]
        identity = _identity(step.person, step.at)
        self._git.run("commit", "-q", "-F", "-", stdin=step.message, more=identity)
        if step.note:
            note = step.note.replace("{commit}", self._git.run("rev-parse", "HEAD"))
            self._git.run(
                "notes", f"--ref={_NOTES}", "add", "-f", "-F", "-", "HEAD", stdin=note, more=identity
            )
            refs.append(_NOTES)
        self._push(step.person, step.work, *refs)
        self._git.run("update-ref", f"{_SERVER}heads/{step.branch}", "HEAD")

    def _push(self, person: Person, work: Work | None, *refs: str) -> None:
        self._as(person, work).run("push", "-q", "--atomic", self._url, *refs)

    def _as(self, person: Person, work: Work | None) -> GitClient:
        return self._git.presenting(self._client.address, self._token(person, work))

    def _commit_by_api(self, step: Step) -> None:
        work = step.work
        with self._client.presenting(self._token(step.person, None)) as client:
            client.post(
                f"/api/repos/{REPOSITORY}/commits",
                {
                    "target_branch": step.branch,
                    "commit_message": step.message,
                    "expected_head_sha": self._git.run("rev-parse", "HEAD"),
                    "files": [
                        {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}
                        for path, content in step.files().items()
                    ],
                    "author": {"name": step.person.name, "email": step.person.email},
                }
                | ({} if work is None else _render_work(work)),
            )

    def _token(self, person: Person, work: Work | None) -> str:
        """A token of the person for the session, made when it is first needed."""
        key = (person.actor, work.session if work else None)
        if key not in self._tokens:
            made = self._administration.create_token(
                TokenWish(
                    actor=person.actor,
                    kind=person.kind,
                    repositories=(REPOSITORY,),
                    verbs=("read", "write"),
                    emails=(person.email,),
                    expires=_TOKEN_LIFE,
                    session=work.session if work else None,
                    agent=work.agent if work else None,
                    model=work.model if work else None,
                    prompt=work.prompt if work else None,
                )
            )
            self._tokens[key] = (made["id"], made["token"])
        return self._tokens[key][1]


def _render_work(work: Work) -> dict[str, str]:
    return {"session": work.session, "agent": work.agent, "model": work.model, "prompt": work.prompt}
