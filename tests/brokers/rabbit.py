"""Queues and streams of a test's own on a real RabbitMQ, behind a proxy that can cut connections."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pika
from rstream.client import Client

from resources.brokers.port import Broker
from resources.brokers.urls import open_broker
from resources.errors import TransientError
from resources.servers.server import Server
from tests.brokers.proxy import Proxy
from tests.brokers.waiting import eventually

_numbers = itertools.count()


@dataclass
class Queue:
    """A queue of a test's own; `kind` is what declare= makes."""

    recognises_landed: ClassVar[bool] = False
    counts_messages: ClassVar[bool] = True
    has_keys: ClassVar[bool] = True
    has_headers: ClassVar[bool] = True

    server: Server
    proxy: Proxy
    kind: str
    name: str
    memory: Path
    made_at: float = field(default_factory=time.monotonic)

    def url(self, **options: object) -> str:
        """Return the URL through the proxy."""
        more = "".join(f"&{name}={value}" for name, value in options.items())
        return f"amqp://guest:guest@127.0.0.1:{self.proxy.port}/%2F?queue={self.name}{more}"

    def open(self, **options: object) -> Broker:
        """Return a client of its own, which makes what it needs."""
        return open_broker(self.url(**{"declare": self.kind, **options}), self.memory)

    def send_with_headers(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Publish by pika."""
        with closing(self.open()) as broker:
            broker.backlog()
        self.send(body, pika.BasicProperties(headers=dict(headers)))

    def send(self, body: bytes, properties: pika.BasicProperties, exchange: str = "") -> None:
        """Publish one message by pika; it is there when this returns."""
        with closing(blocking(self.server)) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish(exchange, self.name, body, properties, mandatory=True)

    def restart(self) -> None:
        """Kill and start the server; quorum queues and streams need a leader again."""
        # RabbitMQ 3.10 forgets those that it made in the last three seconds before a kill -9 (dets).
        eventually(lambda: time.monotonic() > self.made_at + 5, "a queue that is a little older")
        self.server.restart()
        eventually(self._serves, "a leader")

    def _serves(self) -> bool:
        with suppress(TransientError), closing(self.open()) as broker:
            broker.publish([])
            return True
        return False


@dataclass
class Stream(Queue):
    """A stream of a test's own."""

    recognises_landed: ClassVar[bool] = True

    def url(self, **options: object) -> str:
        """Return the URL through the proxy."""
        more = "".join(f"&{name}={value}" for name, value in options.items())
        return f"rabbitmq-stream://guest:guest@127.0.0.1:{self.proxy.port}/%2F?stream={self.name}{more}"

    def by_client(self, work: Callable[[Client], Awaitable[Any]]) -> Any:
        """Let a bare client of rstream do something."""

        async def connected() -> Any:
            client = Client("127.0.0.1", self.server.ports["stream"], frame_max=1 << 20, heartbeat=60)
            await client.start()
            try:
                await client.authenticate("/", "guest", "guest")
                return await work(client)
            finally:
                await client.close()

        return asyncio.run(connected())


def blocking(server: Server) -> pika.BlockingConnection:
    """Return a connection of pika."""
    credentials = pika.PlainCredentials("guest", "guest")
    place = pika.ConnectionParameters("127.0.0.1", server.ports["amqp"], credentials=credentials)
    return pika.BlockingConnection(place)


@contextmanager
def queue_of(server: Server, kind: str, memory: Path) -> Iterator[Queue]:
    """Lend a queue that does not exist yet."""
    with Proxy(server.ports["amqp"]) as proxy:
        yield Queue(server, proxy, kind, f"{kind}-{next(_numbers)}", memory)


@contextmanager
def stream_of(server: Server, memory: Path) -> Iterator[Stream]:
    """Lend a stream that does not exist yet."""
    with Proxy(server.ports["stream"]) as proxy:
        yield Stream(server, proxy, "stream", f"stream-{next(_numbers)}", memory)
