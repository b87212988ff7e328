"""One AMQP connection to RabbitMQ in a thread of its own.

The thread answers heartbeats and fills a bounded buffer whatever the rest of the process does: a slow
fsync, a long load, a pause. A link that breaks stays broken; its owner makes a new one, on which the
delivery tags of the old one mean nothing.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from typing import Any

import pika
from pika.channel import Channel
from pika.exceptions import AMQPError, ConnectionClosed, ConnectionWrongStateError

from resources.brokers.inflow import Inflow
from resources.brokers.rabbitmq_deliveries import Connection, Delivery
from resources.brokers.rabbitmq_errors import Place, explain
from resources.errors import OrdersError, PermanentError, TransientError

OPEN_TIMEOUT_S = 30.0
CALL_TIMEOUT_S = 30.0
# Reading pauses here; heartbeats bound how long at a time.
BUFFER_BYTES = 32 * 1024 * 1024
_STILL_S = 0.01
_LINGER_S = 0.1


class Link:
    """A connection with one channel; every method but those with an underscore is for the owner's thread."""

    def __init__(self, parameters: pika.ConnectionParameters, place: Place) -> None:
        """Connect; raises TransientError or PermanentError with one clear line."""
        # It logs every failure as a traceback, at the level of errors; what matters is raised instead.
        logging.getLogger("pika").setLevel(logging.CRITICAL)
        self.acked = 0
        self._place = place
        self._parameters = parameters
        self._pause_s = max(0.5, min(10.0, (parameters.heartbeat or 40) / 4))
        self._failure: OrdersError | None = None
        self._is_closing = False
        self._inflow: Inflow[Delivery] = Inflow(lambda: self.is_open and not self._is_closing)
        self._opened: Future[Channel] = Future()
        self._thread = threading.Thread(target=self._run, name="rabbitmq", daemon=True)
        self._thread.start()
        try:
            self._channel = self._opened.result(OPEN_TIMEOUT_S)
        except (FutureTimeout, OrdersError) as error:
            self.close()
            raise self._told(error) from None

    @property
    def is_open(self) -> bool:
        """Whether nothing has failed yet."""
        return self._failure is None and self._thread.is_alive()

    def demand_open(self) -> None:
        """Raise what broke the link, if it is broken."""
        if not self.is_open:
            raise self._failure or TransientError(f"the connection to {self._place} is closed")

    def call(self, begin: Callable[[Channel, Callable[[Any], None]], object]) -> Any:
        """Let the thread call `begin(channel, done)` and return what `done` is given: a reply."""
        reply: Future[Any] = Future()
        self.post(lambda: begin(self._channel, reply.set_result), reply)
        deadline = time.monotonic() + CALL_TIMEOUT_S
        while True:
            try:
                return reply.result(0.2)
            except FutureTimeout:
                self.demand_open()
                if time.monotonic() > deadline:
                    raise TransientError(f"{self._place} did not answer in {CALL_TIMEOUT_S:g} s") from None

    def post(self, action: Callable[[], object], reply: "Future[Any] | None" = None) -> None:
        """Let the thread do something soon; what it raises is told to `reply` and breaks the link."""
        self.demand_open()

        def guarded() -> None:
            try:
                action()
            except AMQPError as error:
                self._fail(error)

        self._connection.ioloop.add_callback_threadsafe(guarded)

    def consume(self, queue: str, prefetch: int) -> None:
        """Begin to fill the buffer with at most `prefetch` messages that are not acknowledged."""
        self.call(lambda channel, done: channel.basic_qos(prefetch_count=prefetch, callback=done))
        self.call(
            lambda channel, done: channel.basic_consume(
                queue, self._on_message, callback=done, consumer_tag="orders"
            )
        )

    def acknowledge(self, first: int, last: int) -> None:
        """Acknowledge the tags `first` to `last`, at once when all before them are acknowledged."""
        if not self.is_open:
            return
        if first == self.acked + 1:
            self.acked = last
            self.post(lambda: self._channel.basic_ack(last, multiple=True))
            return
        for tag in range(first, last + 1):
            self.post(lambda tag=tag: self._channel.basic_ack(tag))  # type: ignore[misc]

    def take(self, *, max_bytes: int, max_count: int, timeout_s: float) -> list[Delivery]:
        """Return the next deliveries, at most about `max_bytes`; none when none came in `timeout_s`.

        A few more than there are now are waited for, while they keep coming: large segments are cheap.
        """
        taken = self._inflow.take(
            lambda count, size: count >= max_count or size >= max_bytes,
            timeout_s=timeout_s,
            still_s=_STILL_S,
            most_s=min(_LINGER_S, timeout_s),
        )
        if not taken:
            self.demand_open()
        return taken

    @property
    def held(self) -> int:
        """How many deliveries wait in the buffer."""
        return len(self._inflow)

    def close(self) -> None:
        """Close the channel, so that the server gives what is not acknowledged to the next, and the rest."""
        self._is_closing = True
        self._inflow.wake()
        if self._thread.is_alive():
            with suppress(RuntimeError, AttributeError):
                self._connection.ioloop.add_callback_threadsafe(self._close)
            self._thread.join(10)

    def _close(self) -> None:
        with suppress(ConnectionWrongStateError):
            self._connection.close()

    def _run(self) -> None:
        self._connection = Connection(
            self._parameters,
            self._on_delivery,
            on_open_callback=lambda connection: connection.channel(on_open_callback=self._on_channel),
            on_open_error_callback=lambda connection, error: self._stop(error),
            on_close_callback=lambda connection, error: self._stop(error),
        )
        try:
            self._connection.ioloop.start()
        finally:
            self._connection.ioloop.close()

    def _on_channel(self, channel: Channel) -> None:
        channel.add_on_close_callback(lambda channel, error: self._fail(error))
        channel.add_on_cancel_callback(lambda frame: self._fail(TransientError(self._place.cancelled())))
        self._opened.set_result(channel)

    def _on_delivery(self, delivery: Delivery) -> None:
        if self._is_closing:
            # Nobody takes it any more; it is not acknowledged, so it comes again.
            return
        self._inflow.put(delivery)
        # Not read is not delivered: the server waits. A pause is short enough for the heartbeats.
        self._inflow.await_room(BUFFER_BYTES, self._pause_s)

    def _on_message(self, *delivered: object) -> None:
        told = "pika delivers messages in a way that this version of the platform does not know"
        self._fail(PermanentError(f"{told}: install pika 1.4"))

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = self._told(error)
        if not self._opened.done():
            self._opened.set_exception(self._failure)
        self._inflow.wake()

    def _stop(self, error: BaseException) -> None:
        if not isinstance(error, ConnectionClosed) or error.reply_code != 200:
            self._fail(error)
        self._fail(TransientError(f"the connection to {self._place} was closed"))
        self._connection.ioloop.stop()

    def _told(self, error: BaseException) -> OrdersError:
        if isinstance(error, OrdersError):
            return error
        return explain(error, self._place)
