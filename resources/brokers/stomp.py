"""ActiveMQ Classic and Artemis through STOMP: a queue that forgets what is acknowledged.

Acknowledgement is `client-individual`: the cumulative mode stalls, and NACK, which sends a message to the
dead letters of Classic and loses it in Artemis, is never used. What was delivered and not acknowledged
comes again, and counts as a duplicate if it had landed; positions only number what was delivered.
"""

import json
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa

from resources.brokers.address import Address
from resources.brokers.chunks import chunks
from resources.brokers.port import Batch, Broker, Outgoing
from resources.brokers.stomp_backlog import count_waiting
from resources.brokers.stomp_connection import (
    Connection,
    Target,
    acknowledgements,
    encoded,
    frame,
)
from resources.brokers.stomp_frames import Message
from resources.errors import PermanentError, TransientError

_PARTITION = "0"
_PREFETCH = 4_000
_WINDOW_BYTES = 8 * 1024 * 1024
_TRANSACTION_MESSAGES = 1_000
_TRANSACTION_BYTES = 4 * 1024 * 1024
_LINGER_S = 0.02
_KEY = "key"
# What the broker and the protocol add; the rest is the producer's.
_TRANSPORT_HEADERS = re.compile(
    "ack|breadcrumbId|content-length|correlation-id|destination|destination-type|expires|message-id|"
    "persistent|priority|receipt|redelivered|subscription|timestamp|transaction|type|key|_?AMQ_.*"
)


@dataclass(slots=True)
class Stomp:
    """One queue; `prefetch` messages (Classic) or `window_bytes` (Artemis) may be with us unacknowledged."""

    feed: str
    target: Target
    prefetch: int = _PREFETCH
    window_bytes: int = _WINDOW_BYTES
    _delivered: int = -1
    _held: int = 0
    _consumer: Connection | None = field(default=None, repr=False)
    _publisher: Connection | None = field(default=None, repr=False)
    _awaited: str | None = None

    def resume(self, landed: Mapping[str, int]) -> None:
        """Number on after the last landed position; what was not acknowledged comes again."""
        self._leave()
        self._delivered = landed.get(_PARTITION, -1)

    def watermarks(self) -> Mapping[str, int]:
        """Return the position that the last message of the queue will have."""
        waiting = self.backlog() - self._held
        return {_PARTITION: self._delivered + waiting} if waiting > 0 else {}

    def poll(self, *, max_bytes: int, timeout_s: float) -> Batch | None:
        """Return what has come, at most half of what may be unacknowledged: the other half is on its way."""
        consumer = self._subscribed()
        most = self.window_bytes // 2 if consumer.is_artemis else max_bytes
        most_messages = self.prefetch // 2 if not consumer.is_artemis else _PREFETCH

        def is_enough(count: int, size: int) -> bool:
            return count >= most_messages or size >= min(most, max_bytes)

        try:
            messages = consumer.take(is_enough, timeout_s=timeout_s, linger_s=_LINGER_S)
        except TransientError:
            self._leave()
            raise
        return self._numbered(messages, consumer) if messages else None

    def keep_alive(self) -> None:
        """Do nothing: a thread of the connection sends heartbeats and reads them."""

    def acknowledge(self, batch: Batch) -> None:
        """Send an ACK for each message; that the broker has them is awaited by the next call, or `close`.

        Raises TransientError when the connection that delivered the batch is gone: it will come again.
        """
        assert isinstance(batch.token, _Token)
        token = batch.token
        if token.connection is not self._consumer or not token.connection.is_open:
            self._leave()
            raise TransientError(
                f"the connection to {self.target.label} was lost before {len(token.ids)} messages were "
                "acknowledged: they come again, and count as duplicates"
            )
        receipt = uuid4().hex
        token.connection.send(acknowledgements(token.ids, receipt))
        self._await_acknowledged(token.connection)
        self._awaited = receipt
        self._held -= len(token.ids)

    def backlog(self) -> int:
        """Return how many messages the queue holds, those with us unacknowledged among them."""
        return count_waiting(self.target)

    def stopped(self) -> Sequence[str]:
        """Return nothing: what is wrong with a queue raises."""
        return ()

    def publish(self, messages: Iterable[Outgoing]) -> int:
        """Send in transactions of up to 1,000 messages or 4 MiB; all are journalled when this returns."""
        count, awaited = 0, None
        try:
            for chunk in chunks(messages, most=_TRANSACTION_MESSAGES, most_bytes=_TRANSACTION_BYTES):
                publisher = self._publishing()
                receipt = uuid4().hex
                publisher.send(_transaction(chunk, self._destination(publisher), receipt))
                if awaited is not None:
                    publisher.await_receipt(awaited)
                count, awaited = count + len(chunk), receipt
            if awaited is not None:
                self._publishing().await_receipt(awaited)
        except BaseException:
            if self._publisher is not None:
                self._publisher.close()
                self._publisher = None
            raise
        return count

    def close(self) -> None:
        """End the connections; waits up to 5 s for the broker to note the last acknowledgements."""
        self._leave()
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def _leave(self) -> None:
        # Positions are not given again: what was delivered may have landed.
        consumer, self._consumer, self._awaited, self._held = self._consumer, None, None, 0
        if consumer is not None:
            consumer.close()

    def _await_acknowledged(self, consumer: Connection) -> None:
        if self._awaited is not None:
            consumer.await_receipt(self._awaited)
            self._awaited = None

    def _subscribed(self) -> Connection:
        if self._consumer is None:
            consumer = Connection(self.target)
            window = (
                {"consumer-window-size": str(self.window_bytes), "subscription-type": "ANYCAST"}
                if consumer.is_artemis
                else {"activemq.prefetchSize": str(self.prefetch)}
            )
            headers = {"id": "orders", "destination": self._destination(consumer)}
            consumer.send(encoded("SUBSCRIBE", {**headers, "ack": "client-individual", **window}))
            self._consumer = consumer
        return self._consumer

    def _publishing(self) -> Connection:
        if self._publisher is None:
            self._publisher = Connection(self.target)
        return self._publisher

    def _destination(self, connection: Connection) -> str:
        return destination(self.target.queue, is_artemis=connection.is_artemis)

    def _numbered(self, messages: Sequence[Message], consumer: Connection) -> Batch:
        first = self._delivered + 1
        self._delivered += len(messages)
        self._held += len(messages)
        keys = [message.headers.get(_KEY) for message in messages]
        headers = [_foreign(message.headers) for message in messages]
        return Batch(
            partition=_PARTITION,
            through=self._delivered,
            positions=pa.array(np.arange(first, first + len(messages))),
            bodies=pa.array([message.body for message in messages], pa.large_binary()),
            keys=pa.array(keys, pa.string()),
            headers=pa.array(headers, pa.string()) if any(headers) else None,
            token=_Token(consumer, [message.headers["ack"] for message in messages]),
        )


@dataclass(frozen=True, slots=True)
class _Token:
    """Whom to tell about a batch, and the ids to tell."""

    connection: Connection
    ids: Sequence[str]


def open_url(address: Address, memory: Path | None) -> Broker:
    """Return the broker of `stomp://user:password@host:61613/queue/orders`, or of `stomp+ssl://`.

    Options: `prefetch` (messages, Classic), `window` (bytes, Artemis), `heartbeat` (milliseconds); over TLS
    `ca`, `cert` and `key` (PEM files; without `ca` the system's authorities). Nothing is contacted yet.
    """
    del memory  # A queue keeps its own position.
    secure = address.kind == "stomp+ssl"
    address.demand_options("prefetch", "window", "heartbeat", *(("ca", "cert", "key") if secure else ()))
    host, port = address.host(61_614 if secure else 61_613)
    queue = (address.path or "").removeprefix("queue/")
    if not queue or not (address.path or "").startswith("queue/"):
        raise PermanentError(
            f"a {address.kind} URL needs a queue: {address.kind}://{host}:{port}/queue/orders"
        )
    target = Target(
        host,
        port,
        queue,
        address.user,
        address.password,
        _tls(address) if secure else None,
        address.number("heartbeat", 10_000, at_least=1_000),
    )
    return Stomp(
        address.feed(f"activemq:{queue}"),
        target,
        address.number("prefetch", _PREFETCH, at_least=2),
        address.number("window", _WINDOW_BYTES, at_least=2),
    )


def destination(queue: str, *, is_artemis: bool) -> str:
    """Return how the broker names a queue: Artemis takes the name as it is."""
    return queue if is_artemis else f"/queue/{queue}"


def _tls(address: Address) -> ssl.SSLContext:
    options = address.options
    try:
        context = ssl.create_default_context(cafile=options.get("ca"))
        if "cert" in options:
            context.load_cert_chain(options["cert"], options.get("key"))
    except (OSError, ssl.SSLError) as error:
        reason = error.strerror or "not a PEM file"
        raise PermanentError(f"ca=, cert= or key= of a {address.kind} URL cannot be read: {reason}") from None
    return context


def _transaction(chunk: Sequence[Outgoing], to: str, receipt: str) -> bytes:
    """Return the frames that publish messages as one, so that the journal is synced once for all."""
    name = uuid4().hex
    common = {
        "destination": to,
        "destination-type": "ANYCAST",
        "persistent": "true",
        "transaction": name,
    }
    frames = [frame("BEGIN", transaction=name)]
    for message in chunk:
        key = {_KEY: message.key} if message.key is not None else {}
        # With its length a body is bytes to the broker, whatever is in it.
        frames.append(
            encoded("SEND", {**common, **key, "content-length": str(len(message.body))}, message.body)
        )
    frames.append(frame("COMMIT", transaction=name, receipt=receipt))
    return b"".join(frames)


def _foreign(headers: Mapping[str, str]) -> str | None:
    names = _foreign_names(tuple(headers))
    return json.dumps({name: headers[name] for name in names}, ensure_ascii=False) if names else None


@lru_cache(maxsize=1_024)
def _foreign_names(names: tuple[str, ...]) -> tuple[str, ...]:
    # The messages of a queue have few sets of names, a dozen in each.
    return tuple(name for name in names if not _TRANSPORT_HEADERS.fullmatch(name))
