"""The brokers whose consumers, and which themselves, are killed: one line for each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from resources.servers.server import Server


def no_preparation(url: str) -> None:
    """Do nothing: the broker's adapter declares its queue."""


def create_topic(url: str) -> None:
    """Create the topic of a Kafka URL."""
    from confluent_kafka.admin import AdminClient, NewTopic

    from resources.brokers.address import parse

    address = parse(url)
    host, port = address.host(9092)
    admin = AdminClient({"bootstrap.servers": f"{host}:{port}"})
    topic = NewTopic(address.path or "", 4, 1)
    admin.create_topics([topic])[topic.topic].result(30)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of broker: its server, the scheme of its URL, and how its topic or queue comes to be."""

    server: str
    scheme: str
    prepare: Callable[[str], None] = no_preparation

    def url(self, server: Server, name: str) -> str:
        """Return the URL of a new topic or queue."""
        url = server.url(topic=name, scheme=self.scheme)
        self.prepare(url)
        return url


BROKERS: Mapping[str, Kind] = MappingProxyType(
    {
        "kafka": Kind("kafka", "kafka", create_topic),
        "activemq": Kind("activemq", "stomp"),
        "artemis": Kind("artemis", "stomp"),
    }
)
