"""Filling a Kafka backlog, and what is compared: the bare client, alone and before a bare DuckDB."""

import json
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import duckdb
import pyarrow as pa
from confluent_kafka import Consumer, Message, TopicPartition
from confluent_kafka.admin import NewTopic

from assets.keys import order_key
from benchmarks.shop import messages
from benchmarks.tasks.rivals import BARE_STRUCTURE
from resources.brokers.port import Outgoing
from resources.brokers.urls import open_broker
from resources.servers.topics import make_topic

Values = dict[str, Any]
_AT_ONCE = 10_000
_PATIENCE_S = 30.0


def send(servers: str, topic: str, number: int, partitions: int) -> Values:
    """Publish messages of the shop's stream to a new topic, keyed by order id, confirmed."""
    make_topic(servers, NewTopic(topic, partitions, 1))
    bodies = list(messages(0, number))
    broker = open_broker(f"kafka://{servers}/{topic}")
    start = time.perf_counter()
    broker.publish(Outgoing(body, order_key(body)) for body in bodies)
    seconds = time.perf_counter() - start
    broker.close()
    return {"seconds": seconds, "messages": number, "bytes": sum(map(len, bodies))}


def bare_consumer(servers: str, topic: str, number: int) -> Values:
    """Read the messages with `consume(10000)` and do nothing with them but look at their bytes."""
    start = time.perf_counter()
    size = sum(len(message.value() or b"") for batch in _read(servers, topic, number) for message in batch)
    return {"seconds": time.perf_counter() - start, "bytes": size}


def bare_load(servers: str, topic: str, number: int) -> Values:
    """Read the messages and let DuckDB take their JSON apart into a table: no checks, no keys, no state."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with duckdb.connect(f"{folder}/bare.duckdb") as connection:
            structure = json.dumps(BARE_STRUCTURE)
            create = "CREATE TABLE events AS SELECT unnest(from_json('{}', ?)) LIMIT 0"
            connection.execute(create, [structure])
            waiting: list[bytes | None] = []
            for batch in _read(servers, topic, number):
                waiting += [message.value() for message in batch]
                if len(waiting) >= 10 * _AT_ONCE:
                    _insert(connection, waiting, structure)
                    waiting = []
            _insert(connection, waiting, structure)
            connection.execute("CHECKPOINT")
            (events,) = connection.execute("SELECT count(id) FROM events").fetchone() or (0,)
        return {"seconds": time.perf_counter() - start, "messages": events}


def _insert(connection: duckdb.DuckDBPyConnection, bodies: list[bytes | None], structure: str) -> None:
    if bodies:
        connection.register("batch", pa.table({"body": pa.array(bodies, pa.binary()).cast(pa.string())}))
        connection.execute("INSERT INTO events SELECT unnest(from_json(body, ?)) FROM batch", [structure])


def _read(servers: str, topic: str, number: int) -> Iterator[list[Message]]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "bare", "enable.auto.commit": False})
    partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    read, deadline = 0, time.monotonic() + _PATIENCE_S
    while read < number and time.monotonic() < deadline:
        # It waits the whole time unless it has as many.
        batch = consumer.consume(min(_AT_ONCE, number - read), timeout=1.0)
        read += len(batch)
        yield batch
    consumer.close()
    if read < number:
        raise RuntimeError(f"{read:,} of {number:,} messages were read")
