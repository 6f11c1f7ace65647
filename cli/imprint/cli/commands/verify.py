"""`imprint verify`: whether exported statements are what the holder of a key signed."""

import json
from pathlib import Path
from typing import Annotated

import typer

from imprint.cli.call import Call, prints
from imprint.cli.errors import CommandError, UsageProblem
from imprint.cli.output import counted
from imprint.cli.ports import Document


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

    Exit code 1 when one is not the signer's, was changed, or is there twice, and when there is none. Lines
    that were taken away are not missed: keep the count.
    """
    from imprint.store.errors import BadInput
    from imprint.store.export.dsse import key_id, read_public_key
    from imprint.store.export.dsse import verify as verify_envelope
    from imprint.store.export.intoto import read_statement

    directory = call.surroundings.directory
    key = read_public_key(_read(directory / public_key))
    claims = statements = 0
    seen: set[str] = set()
    for number, line in enumerate(_read(directory / file).splitlines(), 1):
        try:
            statement = verify_envelope(_parse(line), key)
            claims += len(read_statement(statement))
        except (BadInput, ValueError) as bad:
            raise CommandError(
                f"{file}:{number}: {bad}", hint="nothing in this file should be relied on"
            ) from bad
        commit = str(statement["subject"][0]["digest"]["gitCommit"])
        if commit in seen:
            raise CommandError(f"{file}:{number}: a second statement about {commit}", hint="it was added to")
        seen.add(commit)
        statements += 1
    if not statements:
        raise CommandError(f"{file} holds no statement", hint="'imprint export in-toto --key' writes them")
    if call.as_json:
        call.output.document({"statements": statements, "claims": claims, "key": key_id(key)})
    else:
        call.output.line(
            f"{counted(statements, 'statement')} with {counted(claims, 'claim')}, all signed by {key_id(key)}"
        )


def _parse(line: bytes) -> Document:
    """One line as an envelope.

    Raises:
        BadInput: it is none, or a statement that nobody signed.
    """
    from imprint.store.errors import BadInput

    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as bad:
        raise BadInput("the line is no JSON document") from bad
    if not isinstance(document, dict):
        raise BadInput("the line is no JSON object")
    if "payload" not in document and "_type" in document:
        raise BadInput("the statement is not signed: 'imprint export in-toto --key FILE' signs it")
    return document


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as failed:
        raise UsageProblem(f"{path}: {failed.strerror}", hint="name a file that can be read") from failed
