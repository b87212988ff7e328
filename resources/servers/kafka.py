"""Apache Kafka 4.4 in KRaft mode: one node that is broker and controller."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from resources.servers.java import Jars, key_store
from resources.servers.kind import Command, Options, Place
from resources.servers.processes import accepts, run_to_end

_FORMAT_TIMEOUT_S = 60.0
_JARS = Jars("kafka")
_CLUSTER_ID = "b3JkZXItZGF0YS1wbGF0Zg"


class Kafka:
    """The kind `kafka`: topics are made by their first use, with 4 partitions."""

    name = "kafka"
    port_names = ("client", "internal", "controller", "detour")

    def missing(self) -> str | None:
        """Return what this machine lacks."""
        return _JARS.missing()

    def fetch(self) -> None:
        """Download the jars."""
        _JARS.fetch()

    def prepare(self, place: Place) -> None:
        """Write the configuration; format the store the first time."""
        _write_private(place.folder / "server.properties", _properties(place))
        if (place.data / "meta.properties").exists():
            return
        config = str(place.folder / "server.properties")
        words = _java(place, "kafka.tools.StorageTool", "format", "-t", _CLUSTER_ID, "-c", config)
        run_to_end(Command(words), place.folder, place.folder / "server.log", timeout_s=_FORMAT_TIMEOUT_S)

    def commands(self, place: Place) -> Sequence[Command]:
        """Return the broker's command."""
        return [Command(_java(place, "kafka.Kafka", str(place.folder / "server.properties")))]

    def is_ready(self, place: Place) -> bool:
        """Return whether it accepts connections, which it does after the recovery of its logs."""
        return accepts(place.ports["client"])

    def urls(self, place: Place, topic: str) -> Mapping[str, str]:
        """Return the URL of a topic."""
        login = place.options.login
        user = f"{login.user}:{login.password}@" if login else ""
        return {"kafka": f"kafka://{user}127.0.0.1:{place.ports['client']}/{topic}"}


def _java(place: Place, main: str, *arguments: str) -> list[str]:
    # Kafka 4 brings Log4j 2 and asks it through SLF4J; at INFO it prints its whole configuration.
    return _JARS.command(place, properties={"log4j2.level": "warn"}, main=main, arguments=arguments)


def _properties(place: Place) -> str:
    client, internal, controller, detour = (place.ports[name] for name in Kafka.port_names)
    settings = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"CLIENT://127.0.0.1:{client},INTERNAL://127.0.0.1:{internal},"
        f"CONTROLLER://127.0.0.1:{controller},DETOUR://127.0.0.1:{detour}",
        # A client goes to where a listener says it is: there, tests put a network that fails.
        "advertised.listeners": f"CLIENT://127.0.0.1:{client},INTERNAL://127.0.0.1:{internal},"
        f"DETOUR://127.0.0.2:{detour}",
        "listener.security.protocol.map": f"CLIENT:{_protocol(place.options)},INTERNAL:PLAINTEXT,"
        "CONTROLLER:PLAINTEXT,DETOUR:PLAINTEXT",
        "inter.broker.listener.name": "INTERNAL",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(place.data),
        "num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "group.initial.rebalance.delay.ms": "0",
        # A node killed and started again waits until its own earlier session has expired.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "300",
        "message.max.bytes": str(32 * 1024 * 1024),
    }
    return "".join(f"{name}={value}\n" for name, value in (settings | _security(place)).items())


def _protocol(options: Options) -> str:
    encrypted = "SSL" if options.tls else "PLAINTEXT"
    return f"SASL_{encrypted}" if options.login else encrypted


def _security(place: Place) -> dict[str, str]:
    settings: dict[str, str] = {}
    options = place.options
    if options.tls is not None:
        store, password = key_store(options.tls, place)
        settings["listener.name.client.ssl.keystore.type"] = "PKCS12"
        settings["listener.name.client.ssl.keystore.location"] = str(store)
        settings["listener.name.client.ssl.keystore.password"] = password
    if options.login is not None:
        user, password = options.login.user, options.login.password
        settings["listener.name.client.sasl.enabled.mechanisms"] = "PLAIN"
        settings["sasl.enabled.mechanisms"] = "PLAIN"
        settings["listener.name.client.plain.sasl.jaas.config"] = (
            f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";'
        )
    return settings


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
