"""`imprint serve`: a server on one data folder."""

import ipaddress
import shlex
import threading
from pathlib import Path
from typing import Annotated, Final, Self

import typer

from imprint.cli.call import DEFAULT_DATA, KEY_FILE_HELP, Call, plain
from imprint.cli.errors import describe
from imprint.cli.output import Output, ReaderGone

DEFAULT_PORT: Final = 8470
_QUIET_START_SECONDS: Final = 1.0
_LOOPBACK: Final = "127.0.0.1"
_DAILY_COMMAND: Final = "token create --actor NAME --kind human --can read,write"
_WELCOME_SECONDS_MAX: Final = 10.0
_END_SECONDS_MAX: Final = 2.0
"""Between the moment when a server stops to answer and the moment when it has ended."""


SshPort = Annotated[
    int | None,
    typer.Option(
        min=0, max=65535, help="Serve git over SSH there too; 0 takes a free port.", show_default=False
    ),
]
TlsCertificate = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Serve HTTPS with this certificate and its chain, in PEM.", show_default=False
    ),
]
TlsKey = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The certificate's key, in PEM.", show_default=False)
]
TrustedProxies = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ADDRESS",
        help="Believe the X-Forwarded headers of this proxy or network; may be repeated.",
        show_default=False,
    ),
]

MirrorPrivate = Annotated[
    bool,
    typer.Option(
        "--mirror-private", help="Let mirrors made over REST come from private addresses, and over http."
    ),
]
KeyFile = Annotated[Path | None, typer.Option(metavar="FILE", help=KEY_FILE_HELP, show_default=False)]


@plain
def serve(  # noqa: PLR0913 - an option each
    call: Call,
    *,
    data: Annotated[
        Path, typer.Option(metavar="DIR", help="The data folder; made if it is not there.")
    ] = DEFAULT_DATA,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Where to listen; 0 takes a free port.")
    ] = DEFAULT_PORT,
    ssh_port: SshPort = None,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="The address to listen at.")] = _LOOPBACK,
    tls_cert: TlsCertificate = None,
    tls_key: TlsKey = None,
    public_url: Annotated[
        str, typer.Option(metavar="URL", help="How clients reach the server.", show_default=False)
    ] = "",
    trusted_proxy: TrustedProxies = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="How many processes serve.")] = 1,
    mirror_private: MirrorPrivate = False,
    key_file: KeyFile = None,
    sample: Annotated[bool, typer.Option("--sample", help="Put a small sample repository in, once.")] = False,
) -> None:
    """Serve the repositories of a data folder: Git over HTTP and SSH, REST and pages.

    Ctrl-C ends it when running requests are done, ten seconds later at most; another one ends it at once.
    """
    here = call.surroundings.directory
    tls = _check(here, tls_cert, tls_key, public_url, with_sample=sample)
    root, key_path = here / data, None if key_file is None else here / key_file
    _warn_of_clear_tokens(call.output, host, is_covered=bool(tls) or public_url.startswith("https://"))
    with _Starting(call.output) as starting:
        from imprint.api.running.tls import TlsFiles
        from imprint.api.server import serve as serve_api
        from imprint.api.settings import ApiSettings

        welcome = _Welcome(call, root, key_path, shown=data, with_sample=sample)

        def greet(address: str) -> None:
            starting.end()
            welcome.greet(address)

        code = serve_api(
            root,
            host=host,
            port=port,
            ssh_port=ssh_port,
            key_file=key_path,
            settings=ApiSettings(
                public_url=public_url.rstrip("/"),
                trusted_proxies=",".join(trusted_proxy or ()),
                mirror_private=mirror_private,
            ),
            tls=TlsFiles(*tls) if tls else None,
            workers=workers,
            on_ready=greet,
            on_ssh_ready=welcome.note_ssh,
            on_wait=lambda rest: call.output.note(f"waiting for {rest}; Ctrl-C again ends at once"),
        )
    welcome.finish()
    raise typer.Exit(code)


def _warn_of_clear_tokens(output: Output, host: str, *, is_covered: bool) -> None:
    """Say what plain HTTP means where other machines reach it."""
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback and not is_covered:
        output.note(
            f"warning: at {host} without TLS, tokens travel in the clear: give --tls-cert and --tls-key, or "
            "--public-url https://... of a proxy with TLS in front"
        )


def _check(
    here: Path, certificate: Path | None, key: Path | None, public_url: str, *, with_sample: bool
) -> tuple[Path, Path] | None:
    """The certificate and its key, if HTTPS is to be served.

    Raises:
        BadParameter: options do not go together, or the address is none.
    """
    scheme, _, authority = public_url.partition("://")
    if public_url and (scheme not in {"http", "https"} or not authority or "/" in authority.rstrip("/")):
        raise typer.BadParameter(
            f"{public_url} is no address of a server: it is like https://git.example.com, without a path"
        )
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise typer.BadParameter("--tls-cert and --tls-key go together")
    if with_sample:
        raise typer.BadParameter("--sample needs plain HTTP: put it in first, then serve with --tls-cert")
    return here / certificate, here / key


class _Starting:
    """Says that a server is starting, unless it has started or failed within a second."""

    def __init__(self, output: Output, quiet_seconds: float = _QUIET_START_SECONDS) -> None:
        self._output = output
        self._lock = threading.Lock()
        self._is_over = False
        self._timer = threading.Timer(quiet_seconds, self._say)
        self._timer.daemon = True
        self._timer.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def end(self) -> None:
        """From here on it is not said."""
        self._timer.cancel()
        with self._lock:
            self._is_over = True

    def wait(self) -> None:
        """Until it is said, or will not be."""
        self._timer.join()

    def _say(self) -> None:
        with self._lock:
            if not self._is_over:
                self._output.note("starting ...")


class _Welcome:
    """What a server says when it is ready.

    It is said from a thread of its own, because the sample comes in through the server.
    """

    def __init__(
        self, call: Call, root: Path, key_path: Path | None, *, shown: Path, with_sample: bool
    ) -> None:
        self._call = call
        self._root = root
        self._key_path = key_path
        self._shown = shown
        self._with_sample = with_sample
        self._token_path = root / "admin-token"  # as imprint.store.hosting.data lays the folder out
        self._had_token = self._token_path.exists()
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._ssh_address: str | None = None

    def note_ssh(self, address: str) -> None:
        """Have the address of SSH said too."""
        self._ssh_address = address

    def greet(self, address: str) -> None:
        """Start saying it, and return at once."""
        self._thread = threading.Thread(target=self._say, args=(address.rstrip("/"),), daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until all is said, or give up on a sample that the end of the server cut short."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join(_WELCOME_SECONDS_MAX)

    def _say(self, address: str) -> None:
        output = self._call.output
        try:
            self._remember(address)
            output.line(f"Imprint serves {self._shown} at {address}")
            if self._ssh_address is not None:
                output.line(f"and git over SSH at {self._ssh_address}")
            if not self._had_token and self._token_path.exists():
                output.line(f"The administrator's token is in {self._token_path} (this is said once)")
            if self._with_sample:
                self._put_sample(address)
            self._say_examples(address)
        except ReaderGone:
            return
        except Exception as error:
            if self._ended.wait(_END_SECONDS_MAX):
                return  # cut short by the end of the server: the next start goes on with it
            described = describe(error)
            if described is None:
                raise
            output.error(f"the sample is not whole: {described.message}", described.hint)

    def _remember(self, address: str) -> None:
        """Leave the address in the data folder, for the clone URLs that commands on the folder show."""
        from imprint.cli.hosted import write_address, write_ssh_address
        from imprint.store.hosting.data import DataFolder

        folder = DataFolder.create_or_open(self._root, self._key_path)
        try:
            write_address(folder, address)
            write_ssh_address(folder, self._ssh_address)
        finally:
            folder.close()

    def _put_sample(self, address: str) -> None:
        from imprint.cli.client import Client
        from imprint.cli.sample.player import play
        from imprint.cli.sample.story import REPOSITORY

        token = self._token_path.read_text("ascii").strip()
        with Client(address, token) as client:
            is_new = play(client, self._call.surroundings.environment)
        said = "was pushed through the Git endpoint" if is_new else "is there"
        self._call.output.line(f"The sample repository {REPOSITORY} {said}")

    def _say_examples(self, address: str) -> None:
        from imprint.cli.sample.story import EXAMPLES, REPOSITORY

        program = self._call.surroundings.program
        token_file = shlex.quote(str(self._token_path))
        lines = [f"export IMPRINT_SERVER={address} IMPRINT_TOKEN=$(cat {token_file})"]
        if self._with_sample:
            authority = address.partition("://")[2]
            lines += [
                f"git clone http://me:$IMPRINT_TOKEN@{authority}/{REPOSITORY}.git",
                f"# it keeps that token; for daily use: {program} {_DAILY_COMMAND} --repo {REPOSITORY}",
                *(f"{program} {example} --repo {REPOSITORY}" for example in EXAMPLES),
            ]
        else:
            lines += [f"{program} repo create acme/app", f"{program} import PATH_OR_URL acme/app"]
        output = self._call.output
        output.line()
        output.line("Try, in another terminal:")
        for line in lines:
            output.line(f"  {line}")
        output.line()
        where = f"{address}/{REPOSITORY}" if self._with_sample else address
        output.line(f"In a browser: {where} (any name, the token as password). Ctrl-C ends the server.")
