"""Filling RabbitMQ backlogs, and the bare clients that read them and do nothing."""

import asyncio
import time
from typing import Any

import pika
from rstream import Consumer, MessageContext

from benchmarks.shop import messages
from resources.brokers.port import Outgoing
from resources.brokers.urls import open_broker

Values = dict[str, Any]
_PREFETCH = 4_000
_ACK_EVERY = 1_000


def send(url: str, number: int) -> Values:
    """Publish messages of the shop's stream, confirmed."""
    bodies = [Outgoing(body) for body in messages(0, number)]
    broker = open_broker(url)
    start = time.perf_counter()
    broker.publish(bodies)
    seconds = time.perf_counter() - start
    broker.close()
    return {"seconds": seconds, "bytes": sum(len(message.body) for message in bodies)}


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
