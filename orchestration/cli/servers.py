"""`orders servers`: the real brokers and PostgreSQL on this machine, for development and tests."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.output import AsJson, progress, say, show_json, show_rows
from orchestration.cli.parts import parts
from resources.errors import OrdersError, PermanentError, TransientError

if TYPE_CHECKING:
    from resources.servers.server import Server

app = typer.Typer(rich_markup_mode=None)

_NAMES = ("kafka", "rabbitmq", "activemq", "artemis", "postgres")
_SHOWN = ("server", "state", "pid", "urls")

Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME]...", help=f"{', '.join(_NAMES)}; default: all.")
]


@dataclass(frozen=True, slots=True)
class _Row:
    """One server as it is listed."""

    server: str
    state: str
    pid: int | None
    urls: Mapping[str, str]
    folder: str


@app.command()
def start(names: Names = None, as_json: AsJson = False) -> None:
    """Start servers on 127.0.0.1 and print the URLs to use; they go on when this command has ended.

    Jars are fetched by Maven the first time. What they store stays under ORDERS_HOME/servers.
    """

    def begin(server: "Server") -> None:
        server.kind.fetch()
        server.start()

    _each(names, "starting", begin, as_json=as_json)


@app.command()
def stop(names: Names = None, as_json: AsJson = False) -> None:
    """Stop servers with all of their processes; what they store stays."""
    _each(names, "stopping", lambda server: server.stop(), as_json=as_json)


@app.command()
def status(names: Names = None, as_json: AsJson = False) -> None:
    """List servers: whether they run, and their URLs."""
    _show(_servers(names), as_json=as_json)


@app.command()
def fetch(names: Names = None, as_json: AsJson = False) -> None:
    """Fetch the jars of servers without starting them, and say what else is missing."""

    def complete(server: "Server") -> None:
        server.kind.fetch()
        if reason := server.kind.missing():
            raise PermanentError(reason)

    _each(names, "fetching", complete, as_json=as_json)


def _servers(names: Sequence[str] | None) -> "Mapping[str, Server]":
    from resources.servers.kinds import KINDS
    from resources.servers.server import Server

    if unknown := [name for name in names or () if name not in KINDS]:
        raise typer.BadParameter(
            f"{unknown[0]!r} is not known: choose from {', '.join(KINDS)}", param_hint="'[NAME]...'"
        )
    home = parts().settings.servers_dir
    return {name: Server(KINDS[name], home / name) for name in KINDS if not names or name in names}


def _each(names: Sequence[str] | None, what: str, act: "Callable[[Server], None]", *, as_json: bool) -> None:
    """Do it to each server, show what came of it, and fail with the first reason if one failed."""
    servers = _servers(names)
    failures: list[OrdersError] = []
    with progress(f"{what} servers") as tell:
        for name, server in servers.items():
            tell(f"{what} {name}")
            try:
                act(server)
            except (PermanentError, TransientError) as error:
                failures.append(error)
    if failures and len(servers) == 1:
        raise failures[0]
    _show(servers, as_json=as_json)
    for failure in failures[1:]:
        say(f"error: {failure}")
    if failures:
        raise failures[0]


def _show(servers: "Mapping[str, Server]", *, as_json: bool) -> None:
    listed = [_described(server) for server in servers.values()]
    if as_json:
        show_json(listed)
        return
    # Several URLs in one cell are separated by blanks, as ORDERS_BROKER_URL wants them.
    show_rows(_SHOWN, [[row.server, row.state, row.pid, " ".join(row.urls.values())] for row in listed])


def _described(server: "Server") -> _Row:
    return _Row(
        server=server.kind.name,
        state=server.state(),
        pid=server.pid(),
        urls=server.urls() if server.ports else {},
        folder=str(server.folder),
    )
