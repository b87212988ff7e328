"""RabbitMQ queues, classic and quorum, by AMQP 0-9-1 (pika).

A queue has no offsets: messages get positions of ours, counted on from the last landed one. They are
acknowledged once they are durable here; what was not comes again after any break and is settled as a
duplicate.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pika
import pyarrow as pa

from resources.brokers.address import Address
from resources.brokers.port import Batch, Outgoing
from resources.brokers.rabbitmq_deliveries import Delivery
from resources.brokers.rabbitmq_errors import Place
from resources.brokers.rabbitmq_link import Link
from resources.brokers.rabbitmq_messages import keys_and_headers
from resources.brokers.rabbitmq_publish import publish_all
from resources.brokers.tls import TLS_OPTIONS, client_context
from resources.errors import PermanentError

_PARTITION = "0"
_KINDS = ("classic", "quorum")
_HEARTBEAT_S = 60
_PREFETCH = 4_000
# How long a consumer that is still there may be one of a dead process.
_OTHERS_S = 3.0
_SETTLED_S = 2.0
_log = logging.getLogger(__name__)


def open_url(address: Address, memory: Path | None = None) -> "RabbitQueue":
    """Return the queue of `amqp://user:password@host:5672/vhost?queue=orders`; amqps takes TLS options."""
    is_tls = address.kind == "amqps"
    address.demand_options("queue", "prefetch", "heartbeat", "declare", *(TLS_OPTIONS if is_tls else ()))
    queue, declare = address.options.get("queue"), address.options.get("declare")
    if not queue or queue.startswith("amq."):
        raise PermanentError(
            f"a {address.kind} URL names its queue: {address.kind}://host/vhost?queue=orders"
        )
    if declare is not None and declare not in _KINDS:
        raise PermanentError(f"declare= in a {address.kind} URL is one of {', '.join(_KINDS)}")
    host, port = address.host(5671 if is_tls else 5672)
    place = Place(host, port, address.path or "/", queue)
    return RabbitQueue(
        place,
        _parameters(address, place),
        feed=address.feed(f"rabbitmq:{queue}"),
        prefetch=min(address.number("prefetch", _PREFETCH, at_least=1), 65_535),
        declare=declare,
    )


def _parameters(address: Address, place: Place) -> pika.ConnectionParameters:
    user, password = address.credentials("guest", "guest")
    credentials: object = pika.PlainCredentials(user, password)
    context = client_context(address) if address.kind == "amqps" else None
    if address.user is None and "cert" in address.options:
        credentials = pika.credentials.ExternalCredentials()
    return pika.ConnectionParameters(
        host=place.host,
        port=place.port,
        virtual_host=place.vhost,
        credentials=credentials,
        heartbeat=address.number("heartbeat", _HEARTBEAT_S, at_least=1),
        ssl_options=None if context is None else pika.SSLOptions(context, place.host),
        connection_attempts=1,
        socket_timeout=10,
        stack_timeout=15,
        client_properties={"connection_name": "order-data-platform"},
    )


@dataclass(frozen=True, slots=True)
class _Token:
    """Delivery tags, which mean something on their link only."""

    link: Link
    first: int
    last: int


@dataclass(slots=True)
class RabbitQueue:
    """The broker over one queue; one consumer at a time (the landing lease sees to it)."""

    place: Place
    parameters: pika.ConnectionParameters = field(repr=False)
    feed: str
    prefetch: int = _PREFETCH
    declare: str | None = None
    _last: int = -1
    _promised: int = -1
    _quiet_since: float = 0.0
    _link: Link | None = field(default=None, repr=False)
    _is_consuming: bool = field(default=False, repr=False)
    _asking: Link | None = field(default=None, repr=False)

    def resume(self, landed: Mapping[str, int]) -> None:
        """Number on after the last landed position, on a new link: what was not acknowledged comes again."""
        self.close()
        self._last = self._promised = landed.get(_PARTITION, -1)

    def watermarks(self) -> Mapping[str, int]:
        """Return the position that the last message in the queue will have.

        Waits shortly for the consumer of a process that has just died: its messages come back when the
        server has noticed.
        """
        link = self._linked()
        deadline = time.monotonic() + _OTHERS_S
        ready, consumers = self._ask()
        while consumers and not self._is_consuming and time.monotonic() < deadline:
            time.sleep(0.1)
            ready, consumers = self._ask()
        self._promised = max(self._promised, self._last + ready + link.held)
        self._quiet_since = time.monotonic()
        return {_PARTITION: self._promised} if self._promised >= 0 else {}

    def poll(self, *, max_bytes: int, timeout_s: float) -> Batch | None:
        """Return the next messages.

        When others took what `watermarks` promised, or it expired, the batch is empty and says so.
        """
        deadline = time.monotonic() + timeout_s
        link = self._consuming()
        count = max(1, self.prefetch // 4)
        while True:
            wait_s = max(0.0, deadline - time.monotonic())
            if self._last < self._promised:
                wait_s = min(wait_s, _SETTLED_S)
            deliveries = link.take(max_bytes=max_bytes, max_count=count, timeout_s=wait_s)
            if deliveries:
                self._quiet_since = time.monotonic()
                return self._batch(link, deliveries)
            if self._is_in_vain(link):
                self._last = self._promised
                return self._batch(link, [])
            if time.monotonic() >= deadline:
                return None

    def _is_in_vain(self, link: Link) -> bool:
        """Whether promised messages are not there any more: nothing is ready, held, or on its way."""
        if self._last >= self._promised or time.monotonic() - self._quiet_since < _SETTLED_S:
            return False
        return self._ask()[0] == 0 and not link.held

    def keep_alive(self) -> None:
        """Do nothing: the link's thread answers heartbeats."""

    def acknowledge(self, batch: Batch) -> None:
        """Acknowledge the batch on the link that it came by; on another one its tags mean nothing."""
        token = batch.token
        assert isinstance(token, _Token)
        if token.last:
            token.link.acknowledge(token.first, token.last)

    def backlog(self) -> int:
        """Return how many messages wait; with those that were delivered to us and are not polled yet."""
        link = self._linked()
        return self._ask()[0] + link.held

    def stopped(self) -> Sequence[str]:
        """Return nothing: what is wrong with a queue raises."""
        return ()

    def publish(self, messages: Iterable[Outgoing]) -> int:
        """Publish persistent messages to the queue, in their order; all are confirmed when this returns.

        Raises TransientError when the server refuses one or does not confirm in time, PermanentError
        when the queue is gone; what was confirmed until then stays.
        """
        # A link of its own: a server that is short of memory or disk stops reading from publishers.
        link = self._new_link()
        try:
            return publish_all(link, self.place, messages)
        finally:
            link.close()

    def close(self) -> None:
        """Close the connection; what was delivered and not acknowledged will come again."""
        if self._link is not None:
            self._link.close()
            self._link, self._is_consuming = None, False
        if self._asking is not None:
            self._asking.close()
            self._asking = None

    def _new_link(self) -> Link:
        link = Link(self.parameters, self.place)
        try:
            if self.declare is not None:
                arguments = {"x-queue-type": self.declare}
                queue = self.place.queue
                link.call(
                    lambda channel, done: channel.queue_declare(
                        queue, durable=True, arguments=arguments, callback=done
                    )
                )
            self._look(link)
        except BaseException:
            link.close()
            raise
        return link

    def _linked(self) -> Link:
        if self._link is None or not self._link.is_open:
            self.close()
            self._link = self._new_link()
        return self._link

    def _consuming(self) -> Link:
        link = self._linked()
        if not self._is_consuming:
            if consumers := self._look(link)[1]:
                _log.warning(
                    "%d other consumers take messages from the queue %r: what they take does not arrive here",
                    consumers,
                    self.place.queue,
                )
            link.consume(self.place.queue, self.prefetch)
            self._is_consuming = True
        return link

    def _ask(self) -> tuple[int, int]:
        """Return how many messages are ready, and how many consumers there are.

        While messages flow on a link of its own: the answer would come behind all that are on their way, and
        those wait for a buffer that nobody empties meanwhile.
        """
        link = self._linked()
        if not self._is_consuming:
            return self._look(link)
        if self._asking is None or not self._asking.is_open:
            self._asking = self._new_link()
        return self._look(self._asking)

    def _look(self, link: Link) -> tuple[int, int]:
        queue = self.place.queue
        reply = link.call(lambda channel, done: channel.queue_declare(queue, passive=True, callback=done))
        return reply.method.message_count, reply.method.consumer_count

    def _batch(self, link: Link, deliveries: Sequence[Delivery]) -> Batch:
        first = self._last + 1
        keys, headers = keys_and_headers(deliveries)
        self._last += len(deliveries)
        return Batch(
            partition=_PARTITION,
            through=self._last,
            positions=pa.array(np.arange(first, first + len(deliveries))),
            bodies=pa.array([delivery.body for delivery in deliveries], pa.large_binary()),
            keys=keys,
            headers=headers,
            token=_Token(link, deliveries[0].tag, deliveries[-1].tag) if deliveries else _Token(link, 0, 0),
        )
