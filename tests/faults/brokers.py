"""The brokers whose consumers, and which themselves, are killed: one line for each."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from types import MappingProxyType

from resources.brokers.urls import open_broker
from resources.servers.server import Server


def no_preparation(url: str) -> None:
    """Do nothing: the broker's adapter declares its queue."""


def create_topic(url: str) -> None:
    """Create the topic of a Kafka URL."""
    from confluent_kafka.admin import NewTopic

    from resources.brokers.address import parse
    from resources.servers.topics import make_topic

    address = parse(url)
    host, port = address.host(9092)
    make_topic(f"{host}:{port}", NewTopic(address.path or "", 4, 1))


def create_early(url: str) -> None:
    """Let the adapter create its queue or stream, and let the server write down that it did.

    RabbitMQ 3.10 forgets quorum queues and streams that it made in the last three seconds before a kill -9.
    """
    with closing(open_broker(url)) as broker:
        broker.backlog()
    time.sleep(5)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of broker: its server, the scheme of its URL, and how its topic or queue comes to be."""

    server: str
    scheme: str
    prepare: Callable[[str], None] = no_preparation
    options: str = ""

    def url(self, server: Server, name: str) -> str:
        """Return the URL of a new topic or queue."""
        url = server.url(topic=name, scheme=self.scheme) + self.options
        self.prepare(url)
        return url


BROKERS: Mapping[str, Kind] = MappingProxyType(
    {
        "kafka": Kind("kafka", "kafka", create_topic),
        "activemq": Kind("activemq", "stomp"),
        "artemis": Kind("artemis", "stomp"),
        "rabbitmq-classic": Kind("rabbitmq", "amqp", create_early, "&declare=classic"),
        "rabbitmq-stream": Kind("rabbitmq", "rabbitmq-stream", create_early, "&declare=stream"),
        "rabbitmq-quorum": Kind("rabbitmq", "amqp", create_early, "&declare=quorum"),
    }
)
