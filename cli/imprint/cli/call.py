"""One call of a command: the options that every command of its sort has, and the place they lead to.

A command is a function whose first parameter is a `Call`; a decorator gives it the shared options:

    administers     --data --key-file --server --token --json
    reads           --data --key-file --server --token --repo --ref --json
    operates        --data --key-file --json
    prints          --json
    plain           none

Where a command works, first match:
    1. `--data DIR` or `--server URL`, never both;
    2. the server in IMPRINT_SERVER; for a reader without `--repo` only if a remote of the clone at hand is a
       repository of that server;
    3. for a reader without `--repo`: the clone that the current directory is in;
    4. a data folder at hand: the current directory, or `data` in it.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, ParamSpec

import typer

from imprint.cli.errors import NothingFound, UsageProblem
from imprint.cli.output import Output

if TYPE_CHECKING:
    from imprint.cli.client import Client
    from imprint.cli.ports import Administration, Reading

DEFAULT_DATA: Final = Path("data")
"""The data folder of `imprint serve` where none is named, below the current directory."""

P = ParamSpec("P")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a command takes from the process that runs it.

    Attributes:
        directory: the current directory.
        environment: the environment, handed on to the user's own git and to nothing else.
        server: IMPRINT_SERVER, None if unset or empty.
        token: IMPRINT_TOKEN, None if unset or empty.
        program: how to call this program from a shell.
    """

    directory: Path
    environment: Mapping[str, str]
    server: str | None = None
    token: str | None = None
    program: str = "imprint"


@dataclass(frozen=True, slots=True)
class Call:
    """A command being carried out.

    Attributes:
        surroundings: what came with the process.
        data: the folder of `--data`.
        key_file: of `--key-file`; None for the one beside the data folder.
        server: the address of `--server`.
        token: the secret of `--token`.
        repo: the name of `--repo`.
        ref: the revision of `--ref`.
        as_json: whether `--json` was given.
    """

    surroundings: Surroundings
    data: Path | None = None
    key_file: Path | None = None
    server: str | None = None
    token: str | None = None
    repo: str | None = None
    ref: str = "HEAD"
    as_json: bool = False

    def at(self, ref: str) -> "Call":
        """The same call about another revision."""
        return replace(self, ref=ref)

    @property
    def output(self) -> Output:
        """Where the command writes."""
        return Output.standard()

    @contextmanager
    def administration(self, *, create: bool = False) -> Iterator["Administration"]:
        """The data folder or server to administer.

        Args:
            create: make the data folder of `--data` if it is not there.

        Raises:
            UsageProblem: no place is named and none is at hand.
        """
        server = self.chosen_server()
        if server is not None:
            from imprint.cli.client import ServerAdministration

            with self.client(server) as client:
                yield ServerAdministration(client)
            return
        from imprint.cli.hosted import open_administration

        with open_administration(self.data_folder(create=create), self.key_path) as administration:
            yield administration

    @contextmanager
    def reading(self) -> Iterator["Reading"]:
        """The repository to read: in a data folder, on a server, or the clone at hand.

        Raises:
            UsageProblem: no place is named and none is at hand, or the repository is not named.
        """
        server = self.chosen_server()
        name = self._repository_on(server) if server is not None else None
        if server is not None and name is not None:
            from imprint.cli.client import ServerReading

            with self.client(server) as client:
                yield ServerReading(client, name)
        elif self.data is not None or self.repo is not None:
            from imprint.cli.hosted import open_reading

            name = self._required_repo()
            with open_reading(self.data_folder(), self.key_path, name, self.output) as reading:
                yield reading
        else:
            from imprint.cli.cloned import open_clone

            with open_clone(self.surroundings.directory, self.output) as reading:
                yield reading

    def path(self, text: str) -> bytes:
        """A path argument, from the root of the tree that is asked about.

        In a clone it is taken from the current directory, as git does; elsewhere from the root. A path in
        double quotes is read as the output of commands writes it.

        Raises:
            UsageProblem: the path is empty or outside the work tree.
        """
        from imprint.cli.cloned import path_argument

        in_clone = self.data is None and self.repo is None
        return path_argument(text, self.surroundings.directory if in_clone else None)

    def data_folder(self, *, create: bool = False) -> Path:
        """The data folder that is named or at hand.

        Raises:
            UsageProblem: none is.
            NothingFound: the named one is not there and is not to be created.
        """
        if self.data is not None:
            folder = self.surroundings.directory / self.data
            if not create and not is_data_folder(folder):
                raise NothingFound(
                    f"{self.data} is not a data folder of Imprint",
                    hint=f"'imprint serve --data {self.data}' or 'imprint repo create' makes one",
                )
            return folder
        for folder in (self.surroundings.directory, self.surroundings.directory / DEFAULT_DATA):
            if is_data_folder(folder):
                return folder
        raise UsageProblem(
            "say where: --data DIR or --server URL",
            hint="IMPRINT_SERVER and IMPRINT_TOKEN stand in for --server",
        )

    def chosen_server(self) -> str | None:
        """The server to work on; None for a data folder or clone.

        Raises:
            UsageProblem: a data folder is named too.
        """
        if self.data is not None and self.server is not None:
            raise UsageProblem("--data and --server exclude each other", hint="name one place")
        if self.server is not None:
            return self.server
        return None if self.data is not None else self.surroundings.server

    def _required_repo(self) -> str:
        if self.repo is None:
            raise UsageProblem(
                "say which repository: --repo owner/name", hint="'imprint repo list' shows them"
            )
        return self.repo

    @property
    def key_path(self) -> Path | None:
        """The master key of `--key-file`; None for the one beside the data folder."""
        return None if self.key_file is None else self.surroundings.directory / self.key_file

    def client(self, server: str) -> "Client":
        """A server, presenting the token of `--token` or of IMPRINT_TOKEN."""
        from imprint.cli.client import Client

        return Client(server, self.token or self.surroundings.token, waiting=self.output.waiting)

    def _repository_on(self, server: str) -> str | None:
        """The repository to ask the server about; None where the clone at hand is none of the server's.

        Raises:
            UsageProblem: no repository is named, and there is no clone, or `--server` was given.
        """
        from imprint.cli.cloned import find_remote_repository, is_in_clone

        if self.repo is not None:
            return self.repo
        directory = self.surroundings.directory
        found = find_remote_repository(directory, server)
        if found is None and self.server is None and is_in_clone(directory):
            return None
        return found if found is not None else self._required_repo()


def is_data_folder(folder: Path) -> bool:
    """Whether the folder looks like a data folder of Imprint, of whatever version."""
    try:
        return b"imprint data folder" in (folder / "format").read_bytes()
    except OSError:
        return False


_CONTEXT: Final = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)


def _option(name: str, default: object, kind: type, *declarations: str, **facts: Any) -> inspect.Parameter:
    annotation = Annotated[kind, typer.Option(*declarations, **facts)]  # type: ignore[valid-type]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


_DATA: Final = _option(
    "data", None, Path, "--data", metavar="DIR", help="Work on this data folder.", show_default=False
)
KEY_FILE_HELP: Final = "The data folder's master key. Without it: DIR.key, beside the folder."
_KEY_FILE: Final = _option(
    "key_file", None, Path, "--key-file", metavar="FILE", help=KEY_FILE_HELP, show_default=False
)
_SERVER: Final = _option(
    "server",
    None,
    str,
    "--server",
    metavar="URL",
    help="Work on this server. IMPRINT_SERVER stands in for it.",
    show_default=False,
)
_ASKED_SERVER: Final = _option(
    "server",
    None,
    str,
    "--server",
    metavar="URL",
    help="Ask this server. IMPRINT_SERVER stands in for it where --repo or a remote of the clone at hand "
    "names a repository there; any other clone is read itself.",
    show_default=False,
)
_TOKEN: Final = _option(
    "token",
    None,
    str,
    "--token",
    metavar="SECRET",
    help="The token for the server. IMPRINT_TOKEN stands in for it, and does not show in lists of processes.",
    show_default=False,
)
_REPO: Final = _option(
    "repo",
    None,
    str,
    "--repo",
    metavar="OWNER/NAME",
    help="The repository there. Without it: the clone at hand, or what its remote is on the server.",
    show_default=False,
)
_REF: Final = _option(
    "ref", "HEAD", str, "--ref", "--at", metavar="REV", help="A branch, tag, ref or commit id."
)
_JSON: Final = _option("as_json", False, bool, "--json", help="Print one JSON document, for programs.")  # noqa: FBT003


def administers(function: Callable[Concatenate[Call, P], None]) -> Callable[..., None]:
    """Give a command that works on a data folder or server the options that say which."""
    return _with_options(function, (_DATA, _KEY_FILE, _SERVER, _TOKEN, _JSON))


def reads(function: Callable[Concatenate[Call, P], None]) -> Callable[..., None]:
    """Give a command that reads a repository the options that say which, and at which commit."""
    return _with_options(function, (_DATA, _KEY_FILE, _ASKED_SERVER, _TOKEN, _REPO, _REF, _JSON))


def operates(function: Callable[Concatenate[Call, P], None]) -> Callable[..., None]:
    """Give a command that needs the data folder itself the options that say which."""
    return _with_options(function, (_DATA, _KEY_FILE, _JSON))


def prints(function: Callable[Concatenate[Call, P], None]) -> Callable[..., None]:
    """Give a command that works on none of these places its `Call`, and `--json`."""
    return _with_options(function, (_JSON,))


def plain(function: Callable[Concatenate[Call, P], None]) -> Callable[..., None]:
    """Give a command its `Call` and no option."""
    return _with_options(function, ())


def _with_options(
    function: Callable[..., None], shared: tuple[inspect.Parameter, ...]
) -> Callable[..., None]:
    """A function with the command's own parameters and the shared ones, which it gathers in a `Call`."""
    _, *own = inspect.signature(function).parameters.values()

    def command(**arguments: Any) -> None:
        surroundings: Surroundings = arguments.pop("context").obj
        options = {option.name: arguments.pop(option.name) for option in shared}
        function(Call(surroundings, **options), **arguments)

    command.__name__ = function.__name__
    command.__doc__ = function.__doc__
    command.__module__ = function.__module__
    parameters = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    command.__signature__ = inspect.Signature([_CONTEXT, *parameters, *shared])  # type: ignore[attr-defined]
    command.__annotations__ = {}
    return command
