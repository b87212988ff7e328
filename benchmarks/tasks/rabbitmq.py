"""RabbitMQ backlogs to state, and the bare clients that read the same and do nothing."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pika
from rstream import Consumer, MessageContext

from assets.landing.land import land
from assets.orders.load import load
from benchmarks.shop import messages
from benchmarks.tasks.pipeline import warehouse
from resources.brokers.port import Outgoing
from resources.brokers.urls import open_broker
from resources.segments import Landing, Segment

Values = dict[str, Any]
_PREFETCH = 4_000
_ACK_EVERY = 1_000
_LOAD_AT_LEAST = 20_000


def send(url: str, number: int) -> Values:
    """Publish messages of the shop's stream, confirmed."""
    bodies = [Outgoing(body) for body in messages(0, number)]
    broker = open_broker(url)
    start = time.perf_counter()
    broker.publish(bodies)
    seconds = time.perf_counter() - start
    broker.close()
    return {"seconds": seconds, "bytes": sum(len(message.body) for message in bodies)}


def land_and_load(url: str, home: str) -> Values:
    """From a backlog to state, loading beside landing, as stream mode does it."""
    landing = Landing(Path(home) / "landing")
    broker = open_broker(url, landing.root / ".origins")
    opened = warehouse(home)
    landed, is_over = threading.Event(), threading.Event()
    accepted = waiting = 0

    def load_all() -> None:
        nonlocal accepted, waiting
        while not is_over.is_set():
            landed.wait()
            landed.clear()
            waiting = 0
            accepted += load(opened, Landing(landing.root)).accepted
        # What landed while it was at work for the last time.
        accepted += load(opened, Landing(landing.root)).accepted

    def on_segment(segment: Segment) -> None:
        nonlocal waiting
        waiting += segment.rows
        # Under a backlog the batches grow until a load takes a while.
        if waiting >= _LOAD_AT_LEAST:
            landed.set()

    loader = threading.Thread(target=load_all)
    start = time.perf_counter()
    loader.start()
    segments = land(broker, landing, on_segment=on_segment).segments
    seconds_landed = time.perf_counter() - start
    is_over.set()
    landed.set()
    loader.join()
    seconds = time.perf_counter() - start
    broker.close()
    return {"seconds": seconds, "land": seconds_landed, "accepted": accepted, "segments": segments}


def bare_select(port: int, queue: str, number: int) -> Values:
    """Consume and acknowledge by pika's SelectConnection."""
    count = 0
    start = time.perf_counter()

    def on_message(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        nonlocal count
        count += 1
        if count % _ACK_EVERY == 0 or count == number:
            channel.basic_ack(method.delivery_tag, multiple=True)
        if count == number:
            connection.close()

    def on_channel(channel: Any) -> None:
        channel.basic_qos(
            prefetch_count=_PREFETCH, callback=lambda frame: channel.basic_consume(queue, on_message)
        )

    connection = pika.SelectConnection(
        pika.ConnectionParameters("127.0.0.1", port),
        on_open_callback=lambda opened: opened.channel(on_open_callback=on_channel),
        on_close_callback=lambda closed, error: closed.ioloop.stop(),
    )
    connection.ioloop.start()
    return {"seconds": time.perf_counter() - start, "messages": count}


def bare_blocking(port: int, queue: str, number: int) -> Values:
    """Consume and acknowledge by pika's BlockingConnection."""
    count = 0
    start = time.perf_counter()
    connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
    channel = connection.channel()
    channel.basic_qos(prefetch_count=_PREFETCH)

    def on_message(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        nonlocal count
        count += 1
        if count % _ACK_EVERY == 0 or count == number:
            channel.basic_ack(method.delivery_tag, multiple=True)
        if count == number:
            channel.stop_consuming()

    channel.basic_consume(queue, on_message)
    channel.start_consuming()
    seconds = time.perf_counter() - start
    connection.close()
    return {"seconds": seconds, "messages": count}


def bare_stream(port: int, stream: str, number: int) -> Values:
    """Read a stream by rstream's Consumer, which hands over each message."""
    return {"seconds": asyncio.run(_read_stream(port, stream, number)), "messages": number}


async def _read_stream(port: int, stream: str, number: int) -> float:
    count = 0
    over = asyncio.Event()

    def on_message(message: bytes, context: MessageContext) -> None:
        nonlocal count
        count += 1
        if count == number:
            over.set()

    consumer = Consumer("127.0.0.1", port, username="guest", password="guest")
    start = time.perf_counter()
    await consumer.subscribe(stream, on_message)  # type: ignore[arg-type]
    await over.wait()
    seconds = time.perf_counter() - start
    await consumer.close()
    return seconds
