"""`imprint init`: a data folder, made before a server opens it."""

from pathlib import Path
from typing import Annotated, Final

import typer

from imprint.cli.call import DEFAULT_DATA, KEY_FILE_HELP, Call, prints

_VARIABLE: Final = "IMPRINT_CATALOGUE"


@prints
def init(
    call: Call,
    *,
    folder: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="The data folder; made if it is not there.")
    ] = DEFAULT_DATA,
    key: Annotated[
        Path | None, typer.Option("--key-file", metavar="FILE", help=KEY_FILE_HELP, show_default=False)
    ] = None,
    catalogue: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Keep the catalogue in this PostgreSQL database instead of a file, as in "
            f"postgresql://user:password@host/name. {_VARIABLE} stands in for it, and does not show in lists "
            "of processes. For a folder that has its catalogue there: its new address.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Make a data folder with its key and the administrator's token, or say where its catalogue is now.

    'imprint serve' makes a folder by itself; this is for one whose catalogue is in PostgreSQL. The address is
    kept in the folder, in the file catalogue-url, which only its owner may read.
    """
    from imprint.store.hosting.data import DataFolder
    from imprint.store.hosting.repositories import Hosting

    root = call.surroundings.directory / folder
    key_path = None if key is None else call.surroundings.directory / key
    url = catalogue or call.surroundings.environment.get(_VARIABLE) or None
    hosting = Hosting.open(DataFolder.create_or_open(root, key_path, catalogue_url=url))
    try:
        made = hosting.ensure_admin_token() is not None
        where = hosting.folder.catalogue_place
    finally:
        hosting.close()
    if call.as_json:
        call.output.document({"data": str(root), "catalogue": where, "admin_token_made": made})
        return
    call.output.line(f"{folder} is a data folder; its catalogue is {where}")
    if made:
        call.output.line(
            f"The administrator's token is in {hosting.folder.admin_token_path} (this is said once)"
        )
