"""`imprint verify`: whether exported statements are what the holder of a key signed."""

import json
from pathlib import Path
from typing import Annotated

import typer

from imprint.cli.call import Call, prints
from imprint.cli.errors import CommandError, UsageProblem
from imprint.cli.output import counted


@prints
def verify(
    call: Call,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Envelopes, one a line, of 'imprint export in-toto'.")
    ],
    *,
    public_key: Annotated[
        Path, typer.Option("--public-key", metavar="FILE", help="The signer's Ed25519 public key, in PEM.")
    ],
) -> None:
    """Check the signature of every statement in a file, with nothing but the public key.

    Exit code 1 when one is not the signer's, or was changed.
    """
    from imprint.store.errors import BadInput
    from imprint.store.export.dsse import key_id, read_public_key
    from imprint.store.export.dsse import verify as verify_envelope
    from imprint.store.export.intoto import read_statement

    directory = call.surroundings.directory
    key = read_public_key(_read(directory / public_key))
    claims = statements = 0
    for number, line in enumerate(_read(directory / file).splitlines(), 1):
        try:
            statement = verify_envelope(json.loads(line), key)
            claims += len(read_statement(statement))
        except (BadInput, ValueError) as bad:
            raise CommandError(
                f"{file}:{number}: {bad}", hint="nothing in this file should be relied on"
            ) from bad
        statements += 1
    if call.as_json:
        call.output.document({"statements": statements, "claims": claims, "key": key_id(key)})
    else:
        call.output.line(
            f"{counted(statements, 'statement')} with {counted(claims, 'claim')}, all signed by {key_id(key)}"
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as failed:
        raise UsageProblem(f"{path}: {failed.strerror}", hint="name a file that can be read") from failed
