"""Deliveries of RabbitMQ as they come by the wire (AMQP 0-9-1, sections 2.3.5, 4.2.3 and 4.2.6).

pika makes some ten objects for each message, which takes longer than the server needs to send it. Here the
frames of deliveries are cut as bytes; every other frame is pika's.
"""

from collections.abc import Callable
from struct import Struct
from typing import Any, NamedTuple

import pika
from pika.exceptions import BodyTooLongError, InvalidFrameError, UnexpectedFrameError

_HEAD = Struct(">BHL")
_METHOD, _HEADER, _BODY, _HEARTBEAT = 1, 2, 3, 8
_KINDS = (_METHOD, _HEADER, _BODY, _HEARTBEAT)
_END = 0xCE
_DELIVER = b"\x00\x3c\x00\x3c"
_TAG = Struct(">Q")
_HEADER_HEAD = Struct(">HHQ")


class Delivery(NamedTuple):
    """One message as it came: `route` is exchange and routing key, `properties` all of them, both encoded."""

    tag: int
    route: bytes
    properties: bytes
    body: bytes


class Connection(pika.SelectConnection):  # type: ignore[misc]
    """pika's connection with one channel, whose deliveries go to `on_delivery` and not to a consumer."""

    def __init__(
        self, parameters: pika.ConnectionParameters, on_delivery: Callable[[Delivery], None], **callbacks: Any
    ) -> None:
        """Begin to connect; the callbacks are those of pika."""
        self._cut = Cut(on_delivery, super()._proto_data_received)
        super().__init__(parameters, **callbacks)

    def _proto_data_received(self, data: bytes) -> None:
        taken = self._cut(data)
        # Heartbeats look here whether the server is alive; for all else pika has counted meanwhile.
        self.bytes_received += taken


class Cut:
    """Takes apart what comes by a connection: its deliveries, and whole frames of all else."""

    def __init__(self, on_delivery: Callable[[Delivery], None], on_other: Callable[[bytes], None]) -> None:
        """Begin where a frame begins."""
        self._on_delivery = on_delivery
        self._on_other = on_other
        self._rest = b""
        # The message whose frames are coming: tag and route, how much of its body is missing, what is there.
        self._begun: tuple[int, bytes] | None = None
        self._missing = 0
        self._properties = b""
        self._parts: list[bytes] = []

    def __call__(self, data: bytes) -> int:
        """Take the next bytes, and return how many were of deliveries.

        Raises AMQPError where they break the protocol.
        """
        data = self._rest + data
        at, taken, length = 0, 0, len(data)
        while length - at >= _HEAD.size:
            kind, _, size = _HEAD.unpack_from(data, at)
            # The answer to a wrong version of the protocol is no frame.
            if kind not in _KINDS:
                self._on_other(data[at:])
                at = length
                break
            begin, end = at + _HEAD.size, at + _HEAD.size + size
            if end >= length:
                break
            if data[end] != _END:
                raise InvalidFrameError("the end of a frame is not where its size says")
            if self._is_of_delivery(kind, data, begin):
                self._take(kind, data, begin, end)
                taken += end + 1 - at
            else:
                self._on_other(data[at : end + 1])
            at = end + 1
        self._rest = data[at:]
        return taken

    def _is_of_delivery(self, kind: int, data: bytes, begin: int) -> bool:
        if kind == _METHOD:
            return data.startswith(_DELIVER, begin)
        return kind != _HEARTBEAT and self._begun is not None

    def _take(self, kind: int, data: bytes, begin: int, end: int) -> None:
        if kind == _METHOD:
            if self._begun is not None:
                raise UnexpectedFrameError("a delivery begins within another one")
            # The tag of the consumer, the tag of the delivery, whether it comes again, exchange and key.
            tag_at = begin + len(_DELIVER) + 1 + data[begin + len(_DELIVER)]
            route_at = tag_at + _TAG.size + 1
            self._begun = _TAG.unpack_from(data, tag_at)[0], data[route_at:end]
            return
        if kind == _HEADER:
            self._missing = _HEADER_HEAD.unpack_from(data, begin)[2]
            self._properties = data[begin + _HEADER_HEAD.size : end]
        else:
            self._missing -= end - begin
            if self._missing < 0:
                raise BodyTooLongError(end - begin, self._missing + end - begin)
            self._parts.append(data[begin:end])
        if not self._missing:
            self._finish()

    def _finish(self) -> None:
        assert self._begun is not None
        tag, route = self._begun
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._begun, self._parts = None, []
        self._on_delivery(Delivery(tag, route, self._properties, body))
