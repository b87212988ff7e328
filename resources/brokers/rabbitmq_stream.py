"""RabbitMQ streams: a log that is read by offset, from the landed position on, over the stream protocol.

Positions come from the landing folder alone; the server is told how far we are, so that others see the
lag. Offsets have gaps: the server's own notes take some.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from resources.brokers.address import Address
from resources.brokers.port import Batch, Outgoing
from resources.brokers.rabbitmq_stream_chunks import Unread
from resources.brokers.rabbitmq_stream_errors import StreamPlace
from resources.brokers.rabbitmq_stream_link import Extent, Login, StreamLink
from resources.brokers.rabbitmq_stream_origin import EPOCH, Origin, keep_origin, read_origin
from resources.brokers.rabbitmq_stream_publish import publish_all
from resources.brokers.tls import TLS_OPTIONS, client_context
from resources.errors import OrdersError, PermanentError

_PARTITION = "0"
_TLS = "rabbitmq-stream+tls"
_HEARTBEAT_S = 60
_TELL_S = 1.0
_ON_LOST = ("stop", "earliest")
_log = logging.getLogger(__name__)


def open_url(address: Address, memory: Path | None = None) -> "RabbitStream":
    """Return the stream of `rabbitmq-stream://user:password@host:5552/vhost?stream=orders`.

    Options: `name`, `on_lost=earliest`, `declare=stream`, `heartbeat`, and `ca`, `cert`, `key` with TLS.
    """
    is_tls = address.kind == _TLS
    address.demand_options("stream", "on_lost", "declare", "heartbeat", *(TLS_OPTIONS if is_tls else ()))
    stream = address.options.get("stream")
    if not stream:
        raise PermanentError(
            f"a {address.kind} URL names its stream: {address.kind}://host/vhost?stream=orders"
        )
    if address.options.get("declare", "stream") != "stream":
        raise PermanentError(f"declare= in a {address.kind} URL is stream")
    on_lost = address.options.get("on_lost", "stop")
    if on_lost not in _ON_LOST:
        raise PermanentError(f"on_lost= in a {address.kind} URL is {' or '.join(_ON_LOST)}")
    user, password = address.credentials("guest", "guest")
    heartbeat = address.number("heartbeat", _HEARTBEAT_S, at_least=1)
    return RabbitStream(
        StreamPlace(*address.host(5551 if is_tls else 5552), address.path or "/", stream),
        Login(user, password, heartbeat, client_context(address) if is_tls else None),
        feed=address.feed(f"rabbitmq-stream:{stream}"),
        memory=memory,
        goes_on=on_lost == "earliest",
        creates="declare" in address.options,
    )


@dataclass(slots=True)
class RabbitStream:
    """One stream, read from its position on; `goes_on` at the first message when some are lost."""

    place: StreamPlace
    login: Login = field(repr=False)
    feed: str
    memory: Path | None = None
    goes_on: bool = False
    creates: bool = False
    _origin: Origin = field(default_factory=Origin)
    _next: int = 0
    _done: int = -1
    _told: int = -1
    _told_at: float = 0.0
    _unread: Unread = field(default_factory=Unread, repr=False)
    _link: StreamLink | None = field(default=None, repr=False)

    def resume(self, landed: Mapping[str, int]) -> None:
        """Take chunks from the offset after the landed position on.

        Raises PermanentError when that is not there, or the stream is not the one that was landed, and
        `on_lost` does not say to go on.
        """
        self.close()
        link = self._linked()
        extent = link.call(link.extent())
        kept = read_origin(self.memory, self.feed)
        position = landed.get(_PARTITION)
        epoch = max(kept.epoch, -1 if position is None else position // EPOCH)
        self._origin = kept if epoch == kept.epoch else Origin(epoch)
        self._next = extent.first
        if position is not None and position >= self._origin.base:
            self._next = position + 1 - self._origin.base
            self._check(link, extent, self._next)
        self._done = self._next - 1
        link.call(link.subscribe(self._next))

    def watermarks(self) -> Mapping[str, int]:
        """Return the position of the last message that is committed."""
        link = self._linked()
        last = link.call(link.extent()).last
        return {} if last < 0 else {_PARTITION: self._origin.base + last}

    def poll(self, *, max_bytes: int, timeout_s: float) -> Batch | None:
        """Return the next messages; after a break it goes on by itself where it was."""
        deadline = time.monotonic() + timeout_s
        while not self._unread:
            link = self._subscribed()
            chunks = link.take(max_bytes=max_bytes, timeout_s=max(0.0, deadline - time.monotonic()))
            for chunk in chunks:
                self._unread.add(chunk, self._next)
            if not chunks and time.monotonic() >= deadline:
                return None
        batch = self._unread.batch(_PARTITION, self._origin, max_bytes)
        self._next = batch.through + 1 - self._origin.base
        return batch

    def keep_alive(self) -> None:
        """Do nothing: the link's thread answers heartbeats, and its buffer is bounded."""

    def acknowledge(self, batch: Batch) -> None:
        """Note how far we are; the server is told about every second, and the mark kept."""
        assert isinstance(batch.token, Origin)
        self._done, self._origin = batch.through - self._origin.base, batch.token
        if time.monotonic() - self._told_at > _TELL_S:
            self._tell()

    def backlog(self) -> int:
        """Return how many offsets we are behind; the server's own notes among them count too."""
        link = self._linked()
        extent = link.call(link.extent())
        stored = link.call(link.stored_offset(self.feed))
        return extent.last - max(self._done, stored, extent.first - 1)

    def stopped(self) -> Sequence[str]:
        """Return nothing: a stream is one partition, and what is wrong with it raises."""
        return ()

    def publish(self, messages: Iterable[Outgoing]) -> int:
        """Publish to the stream's leader, in order; all of it is confirmed when this returns.

        Raises TransientError when the server refuses a message or does not confirm in time; what was
        confirmed until then stays.
        """
        link = StreamLink(self.login, self.place, to_leader=True, creates=self.creates)
        try:
            return publish_all(link, messages)
        finally:
            link.close()

    def close(self) -> None:
        """Tell the server how far we are and close the connection."""
        if self._link is None:
            return
        with suppress(OrdersError):
            self._tell()
        self._link.close()
        self._link, self._unread = None, Unread()

    def _linked(self) -> StreamLink:
        if self._link is not None and not self._link.is_open:
            self.close()
        if self._link is None:
            self._link = StreamLink(self.login, self.place, to_leader=False, creates=self.creates)
        return self._link

    def _subscribed(self) -> StreamLink:
        if self._link is None or not self._link.is_open:
            self.resume({_PARTITION: self._origin.base + self._next - 1} if self._next > 0 else {})
        assert self._link is not None
        return self._link

    def _tell(self) -> None:
        if self._link is None or self._done <= self._told or self._origin.offset is None:
            return
        self._told, self._told_at = self._done, time.monotonic()
        keep_origin(self.memory, self.feed, self._origin)
        if self._link.is_open:
            self._link.call(self._link.store_offset(self.feed, self._done))

    def _check(self, link: StreamLink, extent: Extent, offset: int) -> None:
        """Raise PermanentError when the next offset is not there, or go on at the first one if told so."""
        mark = self._origin
        is_another = offset > extent.last + 1
        if not is_another and mark.offset is not None and extent.first <= mark.offset:
            found = link.call(link.chunk_at(mark.offset))
            is_another = found is None or (found.offset, found.timestamp) != (mark.offset, mark.timestamp)
        if not is_another and offset >= extent.first:
            return
        problem = self._problem(offset, extent, is_another)
        if not self.goes_on:
            raise PermanentError(f"{problem}, or add on_lost=earliest to go on at offset {extent.first}")
        _log.warning("%s; on_lost=earliest: going on at offset %d", problem, extent.first)
        if is_another:
            self._origin = Origin(self._origin.epoch + 1)
            keep_origin(self.memory, self.feed, self._origin)
        self._next = extent.first

    def _problem(self, offset: int, extent: Extent, is_another: bool) -> str:
        there = f"offsets {extent.first} to {extent.last}" if extent.last >= 0 else "no message"
        gap = f"{self.feed}: the stream {self.place.stream!r} is landed up to offset {offset - 1}"
        gap = f"{gap}, and the server has {there}"
        if is_another:
            return (
                f"{gap}, which are not those that were landed (it was deleted and created again, or is "
                "another one): point ORDERS_BROKER_URL at the old one, give the new one a feed of its own by "
                "name="
            )
        return f"{gap} (retention took {extent.first - offset} offsets that were not landed): restore them"
