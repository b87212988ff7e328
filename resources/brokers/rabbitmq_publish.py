"""Publishing to a queue with pipelined confirms: many on their way at once, each confirmed in the end."""

import threading
import time
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import Any

from pika.channel import Channel
from pika.spec import Basic, BasicProperties

from resources.brokers.chunks import chunks
from resources.brokers.port import Outgoing
from resources.brokers.rabbitmq_errors import Place
from resources.brokers.rabbitmq_link import Link
from resources.brokers.rabbitmq_messages import properties_of
from resources.errors import OrdersError, PermanentError, TransientError

_CHUNK = 200
_CHUNK_BYTES = 1024 * 1024
_WINDOW = 4_000
_WINDOW_BYTES = 24 * 1024 * 1024
_CONFIRM_TIMEOUT_S = 60.0


def publish_all(link: Link, place: Place, messages: Iterable[Outgoing]) -> int:
    """Publish in order and return how many, all confirmed."""
    window = _Window(link, place)
    link.call(window.begin)
    for chunk in chunks(messages, most=_CHUNK, most_bytes=_CHUNK_BYTES):
        window.send(chunk)
    return window.finish()


class _Window:
    """What was sent and is not confirmed: bounded in messages and in bytes."""

    def __init__(self, link: Link, place: Place) -> None:
        self._link = link
        self._place = place
        self._sent = self._open_bytes = 0
        self._open: dict[int, int] = {}
        self._failure: OrdersError | None = None
        self._changed = threading.Condition()

    def begin(self, channel: Channel, done: Callable[[Any], None]) -> None:
        """Ask for confirms; in the link's thread."""
        self._channel = channel
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm, callback=done)

    def send(self, chunk: list[Outgoing]) -> None:
        """Send messages as soon as there is room for them."""
        with self._changed:
            self._until(lambda: len(self._open) < _WINDOW and self._open_bytes < _WINDOW_BYTES)
            for message in chunk:
                self._sent += 1
                self._open[self._sent] = len(message.body)
                self._open_bytes += len(message.body)
        self._link.post(lambda: self._publish(chunk))

    def finish(self) -> int:
        """Wait for all confirms and return how many messages were sent."""
        with self._changed:
            self._until(lambda: not self._open)
        return self._sent

    def _publish(self, chunk: list[Outgoing]) -> None:
        for message in chunk:
            properties = properties_of(message)
            self._channel.basic_publish("", self._place.queue, message.body, properties, mandatory=True)

    def _until(self, is_so: Callable[[], bool]) -> None:
        """Wait while confirms keep coming; raises what went wrong."""
        deadline = time.monotonic() + _CONFIRM_TIMEOUT_S
        while True:
            if self._failure is not None:
                raise self._failure
            if is_so():
                return
            self._link.demand_open()
            before = len(self._open)
            self._changed.wait(0.5)
            if len(self._open) < before:
                deadline = time.monotonic() + _CONFIRM_TIMEOUT_S
            elif time.monotonic() > deadline:
                raise TransientError(
                    f"{self._place} confirmed nothing for {_CONFIRM_TIMEOUT_S:g} s: {self._confirmed()}; "
                    "it may be short of memory or disk (rabbitmq-diagnostics alarms)"
                )

    def _confirmed(self) -> str:
        return f"{self._sent - len(self._open)} of {self._sent} messages are confirmed"

    def _on_confirm(self, frame: Any) -> None:
        told: Basic.Ack | Basic.Nack = frame.method
        with self._changed:
            for tag in self._tags(told):
                self._open_bytes -= self._open.pop(tag, 0)
            if isinstance(told, Basic.Nack):
                self._fail(
                    TransientError(
                        f"{self._place} refused messages for the queue {self._place.queue!r}: it is full "
                        "(x-max-length with overflow reject-publish) or has no leader"
                    )
                )
            self._changed.notify()

    def _tags(self, told: "Basic.Ack | Basic.Nack") -> list[int]:
        if not told.multiple:
            return [told.delivery_tag]
        return list(takewhile(lambda tag: tag <= told.delivery_tag, self._open))

    def _on_return(
        self, channel: Channel, method: Basic.Return, properties: BasicProperties, body: bytes
    ) -> None:
        with self._changed:
            self._fail(
                PermanentError(
                    f"{self._place} could not route a message to the queue {self._place.queue!r} "
                    f"({method.reply_text}): the queue is gone"
                )
            )
            self._changed.notify()

    def _fail(self, error: OrdersError) -> None:
        self._failure = self._failure or error
