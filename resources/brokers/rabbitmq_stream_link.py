"""One connection to RabbitMQ's stream port, in an event loop and a thread of its own.

The loop answers heartbeats and takes chunks, as many as fit the buffer: the server sends one for each
credit. A link that breaks stays broken; its owner makes a new one.
"""

import asyncio
import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from rstream import exceptions, schema
from rstream.client import Client
from rstream.constants import OffsetType

from resources.brokers.loop_thread import CALL_TIMEOUT_S, LoopThread
from resources.brokers.rabbitmq_stream_errors import StreamPlace, explain
from resources.errors import OrdersError, TransientError

BUFFER_BYTES = 24 * 1024 * 1024
_MOST_CREDIT = 16
_FRAME_MAX = 2**31 - 1
_SUBSCRIPTION = 0
_STILL_S = 0.01
_LINGER_S = 0.05
_Got = TypeVar("_Got")


@dataclass(frozen=True, slots=True)
class Login:
    """How to connect; no repr shows it."""

    user: str = field(repr=False)
    password: str = field(repr=False)
    heartbeat_s: int = 60
    context: ssl.SSLContext | None = field(default=None, repr=False)


class Extent(NamedTuple):
    """The first offset that is kept and the last message's, 0 and -1 for an empty stream."""

    first: int
    last: int


class Mark(NamedTuple):
    """A chunk of a stream: its first offset and the server's time of it in ms, which no other chunk has."""

    offset: int
    timestamp: int
    last: int


class StreamLink:
    """A connection; the methods without `async` are for the owner's thread, the others for the loop's."""

    def __init__(self, login: Login, place: StreamPlace, *, to_leader: bool, creates: bool) -> None:
        """Connect to a node with the stream, or to its leader, which takes what is published.

        `creates` makes a stream that is missing. Raises TransientError or PermanentError with one clear line.
        """
        # It logs failures as tracebacks; what matters is raised instead.
        logging.getLogger("rstream").setLevel(logging.CRITICAL)
        self.place = place
        self.client: Client
        self._login = login
        self._failure: OrdersError | None = None
        self._chunks: deque[schema.Deliver] = deque()
        self._received = self._taken = 0
        self._credit = self._largest = self._peeks = 0
        self._wanted = 1
        self._news = threading.Event()
        self._seen_at = time.monotonic()
        self._loop = LoopThread("rabbitmq-stream", lambda error: explain(error, place))
        try:
            self.call(self._connect(to_leader, creates))
        except BaseException:
            self.close()
            raise

    @property
    def is_open(self) -> bool:
        """Whether nothing has failed yet."""
        if self._failure is None and time.monotonic() - self._seen_at > 2.5 * self._login.heartbeat_s:
            self.fail(TransientError(f"{self.place} sent no heartbeat: the connection was given up"))
        return self._failure is None

    def demand_open(self) -> None:
        """Raise what broke the link, if it is broken."""
        if not self.is_open:
            raise self._failure or TransientError(f"the connection to {self.place} is closed")

    def call(self, work: Coroutine[Any, Any, _Got], timeout_s: float = CALL_TIMEOUT_S) -> _Got:
        """Let the loop do something and return its result; errors are ours."""
        return self._loop.call(work, timeout_s, lambda: None if self.is_open else self._failure)

    def take(self, *, max_bytes: int, timeout_s: float) -> list[schema.Deliver]:
        """Return the next chunks, about `max_bytes`; none when none came in `timeout_s`.

        A few more than there are now are waited for, while they keep coming: large segments are cheap.
        """
        self._wait(1, timeout_s)
        deadline = time.monotonic() + min(_LINGER_S, timeout_s)
        seen = 0
        while seen < self._received < self._taken + max_bytes and time.monotonic() < deadline:
            seen = self._received
            self._wait(max_bytes, _STILL_S)
        taken: list[schema.Deliver] = []
        size = 0
        while self._chunks and size < max_bytes:
            taken.append(self._chunks.popleft())
            size += len(taken[-1].data) + 1
        self._taken += size
        if taken and self.is_open:
            self._loop.soon(self._replenish())
        if not taken:
            self.demand_open()
        return taken

    def close(self) -> None:
        """Close the connection and end the thread."""
        if self._loop.is_running:
            with suppress(OrdersError):
                self._loop.call(self._disconnect(), 10)
            self._loop.stop()

    def fail(self, error: BaseException) -> None:
        """Break the link for a reason."""
        if self._failure is None:
            self._failure = explain(error, self.place)
        self._news.set()

    async def extent(self) -> Extent:
        """Return what the server has."""
        first = await self.chunk(schema.OffsetSpec(OffsetType.FIRST))
        last = await self.chunk(schema.OffsetSpec(OffsetType.LAST))
        return Extent(first.offset, last.last) if first and last else Extent(0, -1)

    async def chunk_at(self, offset: int) -> Mark | None:
        """Return the chunk that holds an offset, or the next one after it."""
        return await self.chunk(schema.OffsetSpecOffset(OffsetType.OFFSET, offset))

    async def chunk(self, where: schema.OffsetSpec) -> Mark | None:
        """Return one chunk without taking it, None when there is none."""
        self._peeks = self._peeks % 200 + 1
        number, found = self._peeks, list[schema.Deliver]()
        await self._listen(number, found.append)
        try:
            await self.client.subscribe(self.place.stream, number, where, initial_credit=1)
            # The server answers in order: what there was to deliver came before this answer.
            await self.client.stream_exists(self.place.stream)
            await asyncio.sleep(0)
        finally:
            with suppress(Exception):
                await self.client.unsubscribe(number)
            self.client.remove_handler(schema.Deliver, str(number))
            await self.client.stop_queue_listener_task(number)
        if not found:
            return None
        first = found[0]
        return Mark(
            first.chunk_first_offset, first.timestamp, first.chunk_first_offset + first.num_records - 1
        )

    async def subscribe(self, offset: int) -> None:
        """Begin to take chunks from the one on that holds `offset`."""
        await self._listen(_SUBSCRIPTION, self._on_chunk)
        self._credit = 1
        where = schema.OffsetSpecOffset(OffsetType.OFFSET, offset)
        await self.client.subscribe(self.place.stream, _SUBSCRIPTION, where, initial_credit=1)

    async def stored_offset(self, reference: str) -> int:
        """Return the offset that the server keeps for a consumer, -1 if none."""
        try:
            return await self.client.query_offset(self.place.stream, reference)
        except exceptions.OffsetNotFound:
            return -1

    async def store_offset(self, reference: str, offset: int) -> None:
        """Let the server keep an offset for a consumer, and wait until it does."""
        await self.client.store_offset(self.place.stream, reference, offset)
        # Storing has no answer; one to a later question says that it was read.
        await self.stored_offset(reference)

    async def _listen(self, number: int, handler: Callable[[schema.Deliver], Any]) -> None:
        # It hands every chunk to every subscription.
        def own(chunk: schema.Deliver) -> Any:
            return handler(chunk) if chunk.subscription_id == number else None

        self.client.add_handler(schema.Deliver, own, name=str(number))
        await self.client.run_queue_listener_task(number, own)

    async def _connect(self, to_leader: bool, creates: bool) -> None:
        await self._open(self.place.host, self.place.port)
        if creates and not await self.client.stream_exists(self.place.stream):
            await self.client.create_stream(self.place.stream)
        leader, replicas = await self.client.query_leader_and_replicas(self.place.stream)
        there = [leader] if to_leader else [leader, *replicas]
        told = self.client.server_properties or {}
        here = (told.get("advertised_host"), told.get("advertised_port"))
        if here not in [(node.host, str(node.port)) for node in there]:
            await self._disconnect()
            await self._open(leader.host, leader.port)

    async def _open(self, host: str, port: int) -> None:
        client = Client(
            host,
            port,
            ssl_context=self._login.context,
            frame_max=_FRAME_MAX,
            heartbeat=self._login.heartbeat_s,
            connection_name="order-data-platform",
            connection_closed_handler=lambda info: self.fail(
                TransientError(f"the connection to {self.place} broke")
            ),
        )
        self.client = client
        await client.start()
        # Without a stream it does not tell that a connection broke.
        client.add_stream(self.place.stream)
        client.add_handler(schema.Close, self._on_close, name="_on_close")
        client.add_handler(schema.Heartbeat, self._on_sign_of_life, name="life")
        client.add_handler(schema.MetadataUpdate, self._on_change, name="change")
        await client.authenticate(self.place.vhost, self._login.user, self._login.password)
        self._on_sign_of_life()

    async def _disconnect(self) -> None:
        if not hasattr(self, "client"):
            return
        # It forgets a broken connection without closing it.
        connection = self.client._conn
        with suppress(Exception):
            await self.client.close()
        if connection is not None:
            with suppress(OSError, asyncio.IncompleteReadError):
                await connection.close()

    async def _replenish(self) -> None:
        """Let the server send as many chunks as fit the buffer, taking each to be as large as the largest."""
        held = self._received - self._taken
        fitting = min(_MOST_CREDIT, (BUFFER_BYTES - held) // max(self._largest, 1))
        if not held:
            fitting = max(fitting, 1)
        if fitting > self._credit:
            more, self._credit = fitting - self._credit, fitting
            await self.client.credit(_SUBSCRIPTION, more)

    async def _on_chunk(self, chunk: schema.Deliver) -> None:
        size = len(chunk.data)
        self._chunks.append(chunk)
        self._received += size + 1
        self._credit -= 1
        # The largest of late: one large chunk is not to slow all that follow.
        self._largest = max(size, self._largest * 7 // 8)
        self._on_sign_of_life()
        if self._received - self._taken >= self._wanted:
            self._news.set()
        await self._replenish()

    def _on_sign_of_life(self, frame: schema.Frame | None = None) -> None:
        self._seen_at = time.monotonic()

    def _on_close(self, frame: schema.Close) -> None:
        self.fail(exceptions.ServerError.from_code(frame.code)())

    def _on_change(self, frame: schema.MetadataUpdate) -> None:
        if frame.metadata_info.stream == self.place.stream:
            self.fail(TransientError(self.place.gone()))

    def _wait(self, size: int, timeout_s: float) -> None:
        self._news.clear()
        self._wanted = size
        if self.is_open and self._received - self._taken < size:
            self._news.wait(timeout_s)
