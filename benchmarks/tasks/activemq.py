"""Filling an ActiveMQ backlog, and the bare client that reads it and does nothing."""

import threading
import time
from contextlib import closing
from queue import SimpleQueue
from typing import Any
from uuid import uuid4

from benchmarks.shop import messages
from resources.brokers.port import Outgoing
from resources.brokers.stomp_connection import acknowledgements
from resources.brokers.urls import open_broker

Values = dict[str, Any]
_ACK_EVERY = 1_000


def send(url: str, first: int, number: int) -> Values:
    """Publish messages of the shop's stream with confirms."""
    with closing(open_broker(url)) as broker:
        start = time.perf_counter()
        count = broker.publish(Outgoing(body) for body in messages(first, number))
        return {"seconds": time.perf_counter() - start, "messages": count}


def bare_client(host: str, port: int, queue: str, number: int, prefetch: int) -> Values:
    """Read and acknowledge each message by a frame of its own, a thousand frames at a time, and do nothing.

    Acknowledging in the listener, as stomp-py's examples do, comes to a standstill: its thread writes while
    the broker waits for it to read. Frames one by one from another thread do, too, with Classic 6.3: it
    has all acknowledgements and sends nothing more.
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
    for left in range(number, 0, -_ACK_EVERY):
        ids = [reader.ids.get(timeout=60) for _ in range(min(left, _ACK_EVERY))]
        connection.transport.send(acknowledgements(ids, uuid4().hex))
    # The broker has dealt with the acknowledgements before it confirms the end.
    ended = threading.Event()
    connection.set_listener("end", _End(ended))
    connection.disconnect(receipt="end")
    ended.wait(60)
    return {"seconds": time.perf_counter() - start, "messages": number}


class _Reader:
    """Keeps what is to be acknowledged."""

    def __init__(self) -> None:
        self.ids: SimpleQueue[str] = SimpleQueue()
        self.server = ""

    def on_connected(self, frame: Any) -> None:
        self.server = frame.headers.get("server", "")

    def on_message(self, frame: Any) -> None:
        self.ids.put(frame.headers["ack"])


class _End:
    """Tells that the broker confirmed the end."""

    def __init__(self, ended: threading.Event) -> None:
        self._ended = ended

    def on_receipt(self, _frame: Any) -> None:
        self._ended.set()

    def on_disconnected(self) -> None:
        self._ended.set()
