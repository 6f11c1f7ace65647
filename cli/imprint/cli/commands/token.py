"""`imprint token`: who may do what."""

import sys
from enum import Enum
from typing import Annotated, Final

import typer

from imprint.cli.call import Call, administers
from imprint.cli.errors import UsageProblem
from imprint.cli.output import render_time
from imprint.cli.ports import Document, TokenWish

app = typer.Typer(help="Create, list and revoke tokens.", rich_markup_mode=None)

_KEY_CHARACTERS_MAX: Final = 20_000
"""More than any key has: what is longer is refused for what it is."""


class Kind(Enum):
    """The choices of `--kind`."""

    AGENT = "agent"
    HUMAN = "human"
    SERVICE = "service"


@app.command()
@administers
def create(  # noqa: PLR0913 - an option each
    call: Call,
    *,
    actor: Annotated[str, typer.Option(metavar="NAME", help="Who will act with it.")],
    kind: Annotated[Kind, typer.Option(help="What the actor is.")],
    repo: Annotated[
        list[str], typer.Option(metavar="OWNER/NAME", help="A repository, or '*' for all. May be repeated.")
    ],
    can: Annotated[
        str, typer.Option(metavar="VERBS", help="Of read, write, transcripts, admin; with commas.")
    ],
    email: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS", help="An address of the actor's commits. May be repeated.", show_default=False
        ),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="DURATION", help="30m, 24h, 7d or never.", show_default=False)
    ] = None,
    session: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Open this session; what the token delivers belongs to it.", show_default=False
        ),
    ] = None,
    agent: Annotated[str | None, typer.Option(help="The session's tool.", show_default=False)] = None,
    model: Annotated[str | None, typer.Option(help="The session's model.", show_default=False)] = None,
    prompt: Annotated[
        str | None, typer.Option(help="The session's first prompt.", show_default=False)
    ] = None,
    ssh_key: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A public key for git over SSH, which is the credential then; '-' reads it from stdin.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Create a token. Its secret is shown once, now; with an SSH key there is none."""
    if session is None and (agent or model or prompt):
        raise UsageProblem("--agent, --model and --prompt describe a session", hint="add --session ID")
    wish = TokenWish(
        actor=actor,
        kind=kind.value,
        repositories=tuple(repo),
        verbs=tuple(verb.strip() for verb in can.split(",") if verb.strip()),
        emails=tuple(email or ()),
        expires=expires,
        session=session,
        agent=agent,
        model=model,
        prompt=prompt,
        ssh_key=None if ssh_key is None else _read_key(call, ssh_key),
    )
    with call.administration(create=True) as place:
        _tell(call, place.create_token(wish))


def _tell(call: Call, made: Document) -> None:
    if call.as_json:
        call.output.document(made)
    elif made["ssh_fingerprint"]:
        call.output.line(f"token {made['id']} of {made['actor']} is the key {made['ssh_fingerprint']}")
    else:
        call.output.line(made["token"])
        call.output.note(f"this is token {made['id']} of {made['actor']}; it is not shown again")
        call.output.note("with git: the password, any user name; with imprint: IMPRINT_TOKEN")


def _read_key(call: Call, name: str) -> str:
    try:
        if name == "-":
            return sys.stdin.read(_KEY_CHARACTERS_MAX)
        with (call.surroundings.directory / name).open(encoding="utf-8") as file:
            return file.read(_KEY_CHARACTERS_MAX)
    except (OSError, UnicodeDecodeError) as failure:
        raise UsageProblem(
            f"no key can be read from {name}", hint="'ssh-keygen -t ed25519' makes one; give its .pub file"
        ) from failure


@app.command("list")
@administers
def list_(call: Call) -> None:
    """List all tokens, without their secrets."""
    with call.administration() as place:
        found = place.list_tokens()
    if call.as_json:
        call.output.document({"tokens": found})
        return
    rows = [
        [
            one["id"],
            one["actor"],
            ",".join(one["repositories"]),
            ",".join(one["can"]),
            one.get("session"),
            one.get("ssh_fingerprint"),
            _state(one),
        ]
        for one in found
    ]
    call.output.table(["id", "actor", "repositories", "can", "session", "SSH key", "state"], rows)


def _state(token: Document) -> str:
    if token["revoked_at_ms"] is not None:
        return f"revoked {render_time(token['revoked_at_ms'])}"
    if token["expires_at_ms"] is not None:
        return f"until {render_time(token['expires_at_ms'])}"
    return "good"


@app.command()
@administers
def revoke(
    call: Call, token_id: Annotated[str, typer.Argument(metavar="ID", help="The token's id.")]
) -> None:
    """Withdraw a token, at once and for every process."""
    with call.administration() as place:
        gone = place.revoke_token(token_id)
    if call.as_json:
        call.output.document(gone)
    else:
        call.output.line(f"revoked {token_id}")
