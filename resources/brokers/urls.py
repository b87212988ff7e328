"""From a broker URL to the broker: the one setting that points the platform elsewhere."""

import re
from collections import Counter
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol

from resources.brokers.address import Address, parse
from resources.brokers.port import Broker
from resources.errors import PermanentError


@dataclass(frozen=True, slots=True)
class Adapter:
    """The module of a kind of broker, and the extra and the package that bring its client library."""

    module: str
    example: str
    extra: str = ""
    package: str = ""


KINDS: Final = {
    "inbox": Adapter("inbox", "inbox:///absolute/path"),
    "kafka": Adapter("kafka", "kafka://host:9092/topic", "kafka", "confluent_kafka"),
    "amqp": Adapter("rabbitmq", "amqp://user:password@host:5672/vhost?queue=orders", "rabbitmq", "pika"),
    "amqps": Adapter("rabbitmq", "amqps://user:password@host:5671/vhost?queue=orders", "rabbitmq", "pika"),
    "rabbitmq-stream": Adapter(
        "rabbitmq_stream",
        "rabbitmq-stream://user:password@host:5552/vhost?stream=orders",
        "rabbitmq",
        "rstream",
    ),
    "rabbitmq-stream+tls": Adapter(
        "rabbitmq_stream",
        "rabbitmq-stream+tls://user:password@host:5551/vhost?stream=orders",
        "rabbitmq",
        "rstream",
    ),
    "stomp": Adapter("stomp", "stomp://user:password@host:61613/queue/orders", "activemq", "stomp"),
    "stomp+ssl": Adapter("stomp", "stomp+ssl://user:password@host:61614/queue/orders", "activemq", "stomp"),
}


class _Module(Protocol):
    """What a module of this room has besides its broker."""

    def open_url(self, address: Address, memory: Path | None) -> Broker:
        """Return the broker of a URL; nothing is contacted yet."""
        ...


def open_broker(url: str, memory: Path | None = None) -> Broker:
    """Return the broker that a URL names; nothing is contacted yet.

    `memory` is a durable folder, part of the landing folder, in which a log keeps what its positions
    belong to. Raises PermanentError for a URL that is not understood or whose client library is not
    installed; the message never holds the URL's credentials.
    """
    address = parse(url)
    adapter = KINDS.get(address.kind)
    if adapter is None:
        raise PermanentError(
            f"ORDERS_BROKER_URL has the kind {address.kind!r}, which is not known: use one of "
            f"{', '.join(f'{kind}://' for kind in KINDS)}"
        )
    return _module(address.kind, adapter).open_url(address, memory)


def open_brokers(text: str, memory: Path | None = None) -> list[Broker]:
    """Return the brokers of several URLs, separated by blanks, each its own feed.

    Raises PermanentError like `open_broker`, and when two of them have the same feed name.
    """
    brokers = [open_broker(url, memory) for url in text.split()]
    if not brokers:
        raise PermanentError("ORDERS_BROKER_URL holds no URL")
    for feed, count in Counter(broker.feed for broker in brokers).items():
        if count > 1:
            raise PermanentError(
                f"ORDERS_BROKER_URL holds {count} URLs of the feed {feed!r}: "
                "give each a name of its own with the option name="
            )
    return brokers


def masked(url: str) -> str:
    """Return a URL for people: kind, hosts and path, without credentials and options."""
    address = parse(url)
    hosts = ",".join(host if port is None else f"{host}:{port}" for host, port in address.hosts)
    return f"{address.kind}://{hosts}/{address.path or ''}"


def _module(kind: str, adapter: Adapter) -> _Module:
    try:
        found: _Module = import_module(f"resources.brokers.{adapter.module}")
    except ModuleNotFoundError as error:
        if not adapter.package or not re.match(rf"{adapter.package}\b", error.name or ""):
            raise
        raise PermanentError(
            f"{kind}:// needs the client library {adapter.package}, which is not installed: "
            f"pip install 'order-data-platform[{adapter.extra}]'"
        ) from None
    return found
