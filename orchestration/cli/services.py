"""`orders up`: web UI, daemon, dispatcher and stream together, as the Procfile names them."""

import os
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.output import say
from orchestration.cli.parts import parts
from resources.errors import PermanentError

if TYPE_CHECKING:
    from orchestration.settings import Settings

_STOPPED_BY_SIGNAL = (130, 143)


def up(
    host: Annotated[
        str, typer.Option(help="Address that the web UI listens on; it has no login.")
    ] = "127.0.0.1",
) -> None:
    """Run web UI, daemon, dispatcher and stream together, until stopped."""
    from honcho.environ import parse_procfile
    from honcho.manager import Manager
    from honcho.printer import Printer

    from orchestration.instance import create_instance
    from orchestration.settings import PROJECT

    settings = parts().settings
    _demand_free(host, settings.ui_port)
    home = create_instance(settings)
    environment = _environment(settings, host) | {"ORDERS_WORKSPACE": str(PROJECT / "workspace.yaml")}
    manager = Manager(Printer(sys.stdout))
    for name, command in parse_procfile((PROJECT / "Procfile").read_text()).processes.items():
        # Dagster lets an `.env` of its current folder win over the environment, and the project's names
        # the default instance: with ORDERS_HOME elsewhere, UI and daemon would show an empty one.
        manager.add_process(name, command, env=environment, cwd=str(home))
    say(f"web UI on http://{host}:{settings.ui_port} in a few seconds; Ctrl-C stops everything")
    manager.loop()
    if manager.returncode not in _STOPPED_BY_SIGNAL:
        raise PermanentError("one of the processes ended, so the others were stopped: its last lines say why")


def dispatch() -> None:
    """Deliver notices as they come, until stopped (a part of `orders up`)."""
    from orchestration.delivering import dispatch_until
    from resources.notifications.dispatcher import stopping_on_signals

    platform = parts()
    with platform.outbox() as outbox, stopping_on_signals() as stop:
        dispatch_until(stop, platform.settings, outbox, sys.stdout)


def _environment(settings: "Settings", host: str) -> dict[str, str]:
    """Return the environment of the processes, which run in another folder: paths are absolute."""
    scripts = Path(sys.executable).parent
    files = {
        "ORDERS_FILES_DIR": settings.files_dir,
        "ORDERS_FILES_MAPPING": settings.files_mapping,
        "ORDERS_ALERT_POLICIES": settings.alert_policies,
    }
    return {
        **os.environ,
        **{name: str(path.resolve()) for name, path in files.items() if path is not None},
        "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONUNBUFFERED": "1",
        "DAGSTER_HOME": str(settings.dagster_home),
        "ORDERS_HOME": str(settings.root),
        "ORDERS_UI_PORT": str(settings.ui_port),
        "UI_HOST": host,
    }


def _demand_free(host: str, port: int) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with closing(socket.socket(family, kind, protocol)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            raise PermanentError(
                f"{host}:{port} cannot be listened on ({error.strerror}): "
                "stop what runs there, or set ORDERS_UI_PORT to another port"
            ) from error
