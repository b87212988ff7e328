"""A topic of a test's own on the session's Kafka."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from resources.brokers.port import Broker
from resources.brokers.urls import open_broker
from resources.servers.server import Server
from resources.servers.topics import asked, make_topic
from tests.brokers.proxy import Proxy


@dataclass
class Topic:
    """A topic; `memory` is where clients keep its identity, as beside a landing folder."""

    server: Server
    proxy: Proxy
    memory: Path
    name: str
    options: str = ""
    recognises_landed: bool = True
    counts_messages: bool = True
    has_keys: bool = True
    has_headers: bool = True

    @property
    def url(self) -> str:
        """The URL through the network that can fail."""
        return f"kafka://{self.proxy.host}:{self.proxy.port}/{self.name}?{self.options}"

    @property
    def servers(self) -> str:
        """The server itself, where it asks for neither TLS nor a login."""
        return f"127.0.0.1:{self.server.ports['internal']}"

    def open(self) -> Broker:
        return open_broker(self.url, self.memory)

    def producer(self, **more: object) -> Producer:
        """Return a producer of a foreign program; underscores stand for dots."""
        settings: dict[str, Any] = {name.replace("_", "."): value for name, value in more.items()}
        return Producer({"bootstrap.servers": self.servers, **settings})

    def send_with_headers(self, body: bytes, headers: Mapping[str, str]) -> None:
        producer = self.producer()
        pairs: list[tuple[str, str | bytes | None]] = list(headers.items())
        producer.produce(self.name, body, headers=pairs)
        assert producer.flush(10) == 0

    def restart(self) -> None:
        self.server.restart()

    def create(self, partitions: int = 4, **config: str) -> None:
        """Create the topic; anew after a `delete`."""
        topic = NewTopic(self.name, partitions, 1, config={k.replace("_", "."): v for k, v in config.items()})
        make_topic(self.servers, topic)

    def delete(self) -> None:
        """Delete the topic."""
        self.ask(lambda admin: admin.delete_topics([self.name])[self.name])

    def ask(self, question: Callable[[AdminClient], Any]) -> Any:
        """Ask the server, again while it cannot answer: deleting takes a moment."""
        return asked(self.servers, question)


@contextmanager
def topic_of_its_own(server: Server, memory: Path, partitions: int = 4) -> Iterator[Topic]:
    """Lend a new, empty topic."""
    detour = server.ports["detour"]
    with Proxy(detour, host="127.0.0.2", port=detour) as proxy:
        topic = Topic(server, proxy, memory, f"orders-{uuid4().hex[:8]}")
        topic.create(partitions)
        yield topic
