"""Filling an ActiveMQ backlog, and the bare client that reads it and does nothing."""

import time
from contextlib import closing, suppress
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

from benchmarks.shop import messages
from resources.brokers.port import Outgoing
from resources.brokers.stomp_connection import acknowledgements
from resources.brokers.urls import open_broker

Values = dict[str, Any]
_ACK_EVERY = 1_000
_LINGER_S = 0.02


def send(url: str, first: int, number: int) -> Values:
    """Publish messages of the shop's stream with confirms."""
    with closing(open_broker(url)) as broker:
        start = time.perf_counter()
        count = broker.publish(Outgoing(body) for body in messages(first, number))
        return {"seconds": time.perf_counter() - start, "messages": count}


def bare_client(host: str, port: int, queue: str, number: int, prefetch: int) -> Values:
    """Read and acknowledge each message by a frame of its own, up to a thousand at a time, and do nothing.

    The broker confirms each lot before the next is sent. Without that Classic 6.3 comes to a standstill,
    and so does acknowledging in the listener, as stomp-py's examples do: its thread writes while the broker
    waits for it to read. Classic may also send a page of messages and no more until some are acknowledged, or
    a minute has passed: so what has come is, once nothing follows.
    """
    import stomp

    start = time.perf_counter()
    connection = stomp.Connection12([(host, port)], auto_decode=False)
    reader = _Reader()
    connection.set_listener("reader", reader)
    connection.connect(wait=True)
    is_artemis = "artemis" in reader.server.lower()
    connection.subscribe(
        queue if is_artemis else f"/queue/{queue}",
        id="1",
        ack="client-individual",
        headers={"activemq.prefetchSize": str(prefetch), "consumer-window-size": str(8 * 1024 * 1024)},
    )
    left = number
    while left:
        ids = reader.some(min(left, _ACK_EVERY))
        left -= len(ids)
        connection.transport.send(acknowledgements(ids, uuid4().hex))
        reader.receipts.get(timeout=60)
    seconds = time.perf_counter() - start
    connection.disconnect()
    return {"seconds": seconds, "messages": number}


class _Reader:
    """Keeps what is to be acknowledged, and what the broker confirmed."""

    def __init__(self) -> None:
        self.ids: SimpleQueue[str] = SimpleQueue()
        self.receipts: SimpleQueue[str] = SimpleQueue()
        self.server = ""

    def some(self, most: int) -> list[str]:
        """Wait for one, and return what follows at once."""
        found = [self.ids.get(timeout=60)]
        with suppress(Empty):
            while len(found) < most:
                found.append(self.ids.get(timeout=_LINGER_S))
        return found

    def on_connected(self, frame: Any) -> None:
        self.server = frame.headers.get("server", "")

    def on_message(self, frame: Any) -> None:
        self.ids.put(frame.headers["ack"])

    def on_receipt(self, frame: Any) -> None:
        self.receipts.put(frame.headers["receipt-id"])
