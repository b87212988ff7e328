"""Publishing to a stream with pipelined confirms: many on their way at once, each confirmed in the end."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import suppress

from rstream import schema

from resources.brokers.amqp10 import pack
from resources.brokers.port import Outgoing
from resources.brokers.rabbitmq_stream_errors import explain_code
from resources.brokers.rabbitmq_stream_link import StreamLink
from resources.errors import TransientError

_PUBLISHER = 1
_FRAME_MESSAGES = 1_000
_FRAME_OVERHEAD = 32
_WINDOW = 10_000
_WINDOW_BYTES = 24 * 1024 * 1024
_CONFIRM_TIMEOUT_S = 60.0


def publish_all(link: StreamLink, messages: Iterable[Outgoing]) -> int:
    """Publish in order and return how many, all confirmed; the link is one to the stream's leader."""
    window = _Window(link)
    link.call(window.begin())
    for frame in _frames(messages, link.client.frame_max):
        link.call(window.send(frame), _CONFIRM_TIMEOUT_S * 2)
    link.call(window.finish(), _CONFIRM_TIMEOUT_S * 10)
    return window.sent


def _frames(messages: Iterable[Outgoing], frame_max: int) -> Iterator[list[bytes]]:
    """Yield messages in groups that fit a frame; one that is larger goes alone, the server may take it."""
    most = (frame_max or 1024 * 1024) - _FRAME_OVERHEAD
    frame: list[bytes] = []
    size = 0
    for message in messages:
        packed = pack(message.body, message.key)
        if frame and (len(frame) == _FRAME_MESSAGES or size + len(packed) + 12 > most):
            yield frame
            frame, size = [], 0
        frame.append(packed)
        size += len(packed) + 12
    if frame:
        yield frame


class _Window:
    """What was sent and is not confirmed; all of it is used in the link's loop."""

    def __init__(self, link: StreamLink) -> None:
        self.sent = 0
        self._link = link
        self._open: dict[int, int] = {}
        self._open_bytes = 0
        self._changed = asyncio.Event()

    async def begin(self) -> None:
        """Tell the server that we publish."""
        client = self._link.client
        client.add_handler(schema.PublishConfirm, self._on_confirm, name="confirm")
        client.add_handler(schema.PublishError, self._on_error, name="error")
        await client.declare_publisher(self._link.place.stream, None, _PUBLISHER)

    async def send(self, frame: list[bytes]) -> None:
        """Send messages as soon as there is room for them."""
        while self._open and (len(self._open) > _WINDOW or self._open_bytes > _WINDOW_BYTES):
            await self._progress()
        messages = [
            schema.Message(publishing_id=number, filter_value=None, data=data)
            for number, data in enumerate(frame, self.sent + 1)
        ]
        self.sent += len(messages)
        for message in messages:
            self._open[message.publishing_id] = len(message.data)
            self._open_bytes += len(message.data)
        await self._link.client.send_publish_frame(schema.Publish(_PUBLISHER, messages))

    async def finish(self) -> None:
        """Wait for all confirms."""
        while self._open:
            await self._progress()

    async def _progress(self) -> None:
        """Wait for the next confirm; raises what went wrong."""
        self._changed.clear()
        for _ in range(int(_CONFIRM_TIMEOUT_S)):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 1.0)
                return
            self._link.demand_open()
        raise TransientError(
            f"{self._link.place} confirmed nothing for {_CONFIRM_TIMEOUT_S:g} s: "
            f"{self.sent - len(self._open)} of {self.sent} messages are confirmed"
        )

    def _on_confirm(self, frame: schema.PublishConfirm) -> None:
        for number in frame.publishing_ids:
            self._open_bytes -= self._open.pop(number, 0)
        self._changed.set()

    def _on_error(self, frame: schema.PublishError) -> None:
        for error in frame.errors:
            self._link.fail(explain_code(error.response_code, self._link.place))
