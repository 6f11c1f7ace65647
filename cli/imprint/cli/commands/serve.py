"""`imprint serve`: a server on one data folder."""

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from imprint.cli.call import DEFAULT_DATA, KEY_FILE_HELP, Call, plain
from imprint.cli.errors import describe
from imprint.cli.output import ReaderGone

if TYPE_CHECKING:
    from imprint.store.data import DataFolder

DEFAULT_PORT: Final = 8470
_LOOPBACK: Final = "127.0.0.1"
_WELCOME_SECONDS_MAX: Final = 10.0


@plain
def serve(
    call: Call,
    *,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="The data folder; made if it is not there.")
    ] = DEFAULT_DATA,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free port.")
    ] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen at.")] = _LOOPBACK,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help=KEY_FILE_HELP, show_default=False)
    ] = None,
    sample: Annotated[bool, typer.Option("--sample", help="Put a small sample repository in, once.")] = False,
) -> None:
    """Serve the repositories of a data folder: Git over HTTP, REST and pages.

    Ctrl-C ends it once the requests that run are done.
    """
    from imprint.api.server import serve as serve_api
    from imprint.store.data import DataFolder

    key_path = None if key_file is None else call.surroundings.directory / key_file
    folder = DataFolder.create_or_open(call.surroundings.directory / data, key_path)
    welcome = _Welcome(call, folder, shown=data, with_sample=sample)
    try:
        code = serve_api(folder.root, host=host, port=port, key_file=key_path, on_ready=welcome.greet)
    except KeyboardInterrupt:
        code = 0
    finally:
        welcome.finish()
        folder.close()
    raise typer.Exit(code)


class _Welcome:
    """What a server says when it is ready.

    It is said from a thread of its own, because the sample comes in through the server.
    """

    def __init__(self, call: Call, folder: "DataFolder", *, shown: Path, with_sample: bool) -> None:
        self._call = call
        self._folder = folder
        self._shown = shown
        self._with_sample = with_sample
        self._had_admin = folder.admin_token_path.exists()
        self._thread: threading.Thread | None = None

    def greet(self, address: str) -> None:
        """Start saying it, and return at once."""
        self._thread = threading.Thread(target=self._say, args=(address.rstrip("/"),), daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until all is said, or give up on a sample that the end of the server cut short."""
        if self._thread is not None:
            self._thread.join(_WELCOME_SECONDS_MAX)

    def _say(self, address: str) -> None:
        from imprint.cli.hosted import write_address

        output = self._call.output
        try:
            write_address(self._folder, address)
            output.line(f"Imprint serves {self._shown} at {address}")
            self._say_token()
            if self._with_sample:
                self._put_sample(address)
            self._say_examples(address)
        except ReaderGone:
            return
        except Exception as error:
            described = describe(error)
            if described is None:
                raise
            output.error(f"the sample is not whole: {described.message}", described.hint)

    def _say_token(self) -> None:
        path = self._folder.admin_token_path
        if not self._had_admin and path.exists():
            self._call.output.line(f"The administrator's token is in {path} (this is said once)")

    def _put_sample(self, address: str) -> None:
        from imprint.cli.client import Client
        from imprint.cli.sample.player import play
        from imprint.cli.sample.story import REPOSITORY

        token = self._folder.admin_token_path.read_text("ascii").strip()
        with Client(address, token) as client:
            is_new = play(client, self._call.surroundings.environment)
        said = "was pushed through the Git endpoint" if is_new else "is there"
        self._call.output.line(f"The sample repository {REPOSITORY} {said}")

    def _say_examples(self, address: str) -> None:
        from imprint.cli.sample.story import EXAMPLES, REPOSITORY

        output = self._call.output
        token_path = self._folder.admin_token_path
        output.line()
        output.line("Try, in another terminal:")
        output.line(f"  export IMPRINT_SERVER={address} IMPRINT_TOKEN=$(cat {token_path})")
        if not self._with_sample:
            output.line("  imprint repo create acme/app")
            output.line("  imprint import PATH_OR_URL acme/app")
            return
        authority = address.partition("://")[2]
        output.line(f"  git clone http://me:$IMPRINT_TOKEN@{authority}/{REPOSITORY}.git")
        for example in EXAMPLES:
            output.line(f"  imprint {example} --repo {REPOSITORY}")
        output.line(f"  open {address}/{REPOSITORY} in a browser: any name, the token as password")
        output.line("Ctrl-C ends the server.")
