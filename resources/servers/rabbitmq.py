"""RabbitMQ from Debian's package: one node of its own, apart from the system's, with queues and streams."""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from resources.servers.java import INSTALL
from resources.servers.kind import Command, Login, Place
from resources.servers.processes import accepts

# The wrappers in /usr/sbin switch the user and use the system's data.
_SCRIPTS = Path("/usr/lib/rabbitmq/bin")
_GUEST = Login("guest", "guest")


class RabbitMQ:
    """The kind `rabbitmq`: AMQP 0-9-1 and the stream protocol."""

    name = "rabbitmq"
    port_names = ("amqp", "stream", "distribution", "epmd")

    def missing(self) -> str | None:
        """Return what this machine lacks."""
        if not (_SCRIPTS / "rabbitmq-server").exists() or _epmd() is None:
            return f"RabbitMQ is missing: {INSTALL} rabbitmq"
        return None

    def fetch(self) -> None:
        """Do nothing: it comes with the system's packages."""

    def prepare(self, place: Place) -> None:
        """Write configuration and the list of plugins."""
        place.data.mkdir(exist_ok=True)
        config = place.folder / "rabbitmq.conf"
        config.touch(mode=0o600)
        config.write_text("".join(f"{name} = {value}\n" for name, value in _settings(place).items()))
        (place.folder / "enabled_plugins").write_text("[rabbitmq_stream].\n")

    def commands(self, place: Place) -> Sequence[Command]:
        """Return the node's own epmd, which would outlive it if it started one, and the node."""
        environment = _environment(place)
        epmd = _epmd()
        assert epmd is not None
        words = [epmd, "-port", str(place.ports["epmd"]), "-address", "127.0.0.1"]
        return [Command(words), Command([str(_SCRIPTS / "rabbitmq-server")], environment)]

    def is_ready(self, place: Place) -> bool:
        """Return whether both protocols accept connections."""
        return accepts(place.ports["amqp"]) and accepts(place.ports["stream"])

    def urls(self, place: Place, topic: str) -> Mapping[str, str]:
        """Return the URL of a queue and that of a stream."""
        login = place.options.login or _GUEST
        user = f"{login.user}:{login.password}@127.0.0.1"
        amqp, stream = ("amqps", "rabbitmq-stream+tls") if place.options.tls else ("amqp", "rabbitmq-stream")
        return {
            amqp: f"{amqp}://{user}:{place.ports['amqp']}/%2F?queue={topic}",
            stream: f"{stream}://{user}:{place.ports['stream']}/%2F?stream={topic}",
        }


def _settings(place: Place) -> dict[str, object]:
    login, tls = place.options.login or _GUEST, place.options.tls
    amqp, stream = f"127.0.0.1:{place.ports['amqp']}", f"127.0.0.1:{place.ports['stream']}"
    settings: dict[str, object] = {
        "default_user": login.user,
        "default_pass": login.password,
        "loopback_users": "none",
        "log.console": "true",
        "log.console.level": "warning",
        "log.file": "false",
        "stream.advertised_host": "127.0.0.1",
    }
    if tls is None:
        return settings | {
            "listeners.tcp.1": amqp,
            "stream.listeners.tcp.1": stream,
            "stream.advertised_port": place.ports["stream"],
        }
    return settings | {
        "listeners.tcp": "none",
        "listeners.ssl.1": amqp,
        "stream.listeners.tcp": "none",
        "stream.listeners.ssl.1": stream,
        "stream.advertised_tls_host": "127.0.0.1",
        "stream.advertised_tls_port": place.ports["stream"],
        "ssl_options.cacertfile": tls.authority,
        "ssl_options.certfile": tls.chain,
        "ssl_options.keyfile": tls.key,
        "ssl_options.verify": "verify_none",
    }


def _environment(place: Place) -> dict[str, str]:
    folder, data = place.folder, place.data
    return {
        "HOME": str(folder),
        "ERL_EPMD_PORT": str(place.ports["epmd"]),
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"orders{place.ports['amqp']}@localhost",
        "RABBITMQ_DIST_PORT": str(place.ports["distribution"]),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        "RABBITMQ_MNESIA_BASE": str(data),
        "RABBITMQ_LOG_BASE": str(folder / "logs"),
        "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} "
        "-start_epmd false",
    }


def _epmd() -> str | None:
    found = sorted(Path("/usr/lib/erlang").glob("erts-*/bin/epmd"))
    return shutil.which("epmd", path=os.pathsep.join([os.defpath, *(str(p.parent) for p in found)]))
