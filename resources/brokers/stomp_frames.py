"""MESSAGE frames as they come by the wire (STOMP 1.2, "STOMP Frames" and "Value Encoding").

stomp-py takes each header of each message apart by patterns, which takes longer than the broker needs to
send it. Here messages are cut as bytes; every other frame is stomp-py's.
"""

import re
from collections.abc import Callable
from typing import Final, NamedTuple

_MESSAGE: Final = b"MESSAGE"
_LENGTH: Final = b"\ncontent-length:"
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPED: Final = {"n": "\n", "r": "\r", "c": ":", "\\": "\\"}


class Message(NamedTuple):
    """A MESSAGE frame as it came."""

    headers: dict[str, str]
    body: bytes


class _Frame(NamedTuple):
    """Whether a whole frame is a message, and where its head ends, its body begins and its body ends."""

    is_message: bool
    head_end: int
    body: int
    end: int


class _Missing(NamedTuple):
    """What a frame lacks to be whole: so many bytes in all, or one like `byte` among those to come."""

    size: int
    byte: bytes


class Cut:
    """Takes apart what comes by a connection: messages go to `on_message`, and whole other frames back."""

    def __init__(self, on_message: Callable[[Message], None]) -> None:
        """Begin where a frame begins."""
        self._on_message = on_message
        # What has come of a frame that is not whole. It is looked at again when it can be, not at each read:
        # a large message would be looked through as many times as it has parts.
        self._parts: list[bytes] = []
        self._held = 0
        self._missing = _Missing(0, b"")

    def __call__(self, data: bytes) -> bytes:
        """Take the next bytes, and return the frames in them that are no messages; b"" for none."""
        self._parts.append(data)
        self._held += len(data)
        if self._held < self._missing.size or self._missing.byte not in data:
            return b""
        data = b"".join(self._parts)
        self._parts = []
        others: list[bytes] = []
        at = 0
        while True:
            # Between frames: a broker that has nothing to say sends them, too.
            while data[at : at + 1] in (b"\n", b"\r"):
                at += 1
            frame = _frame(data, at)
            if isinstance(frame, _Missing):
                break
            if frame.is_message:
                self._on_message(Message(_headers(data[at : frame.head_end]), data[frame.body : frame.end]))
            else:
                others.append(data[at : frame.end + 1])
            at = frame.end + 1
        self._missing = frame
        self._parts = [data[at:]]
        self._held = len(data) - at
        return b"".join(others)


def _is_message(data: bytes, at: int) -> bool:
    return data.startswith(_MESSAGE, at) and data[at + len(_MESSAGE) : at + len(_MESSAGE) + 1] in b"\r\n"


def _frame(data: bytes, at: int) -> _Frame | _Missing:
    """Return the frame that begins at `at`.

    A body is as long as its content-length says if a NUL follows there, and else ends at the first NUL:
    Classic passes on the content-length of a producer with a text that it made shorter or longer.
    """
    line_end = data.find(b"\n", at)
    blank = _blank_line(data, line_end) if line_end >= 0 else None
    is_message = _is_message(data, at)
    if not is_message:
        # What is left of a text with a NUL in it has no head: it must not take the next message for its own.
        nul = data.find(b"\0", at)
        if nul < 0 or blank is None or nul < blank[0]:
            return _Frame(is_message, nul, nul, nul) if nul >= 0 else _Missing(0, b"\0")
    if blank is None:
        return _Missing(0, b"\n")
    head_end, body = blank
    length = _length(data, line_end, head_end)
    if length is not None and body + length >= len(data):
        return _Missing(body + length + 1 - at, b"")
    if length is not None and not data[body + length]:
        return _Frame(is_message, head_end, body, body + length)
    end = data.find(b"\0", body)
    return _Frame(is_message, head_end, body, end) if end >= 0 else _Missing(0, b"\0")


def _blank_line(data: bytes, line_end: int) -> tuple[int, int] | None:
    """Return where the head ends, without the end of its last line, and where the body begins."""
    short = data.find(b"\n\n", line_end)
    # They share an end of line where a body begins with one.
    long = data.find(b"\n\r\n", line_end, short + 1 if short >= 0 else len(data))
    if long >= 0:
        return long, long + 3
    return (short, short + 2) if short >= 0 else None


def _length(data: bytes, line_end: int, head_end: int) -> int | None:
    at = data.find(_LENGTH, line_end, head_end)
    if at < 0:
        return None
    at += len(_LENGTH)
    value_end = data.find(b"\n", at, head_end)
    value = data[at : value_end if value_end >= 0 else head_end].strip()
    return int(value) if value.isdigit() else None


def _headers(head: bytes) -> dict[str, str]:
    """Return the headers of a frame; of those with the same name the first counts."""
    # Not strict: a producer's odd header is no reason to lose a message.
    headers: dict[str, str] = {}
    for line in head.decode(errors="replace").split("\n"):
        name, colon, value = line.removesuffix("\r").partition(":")
        if not (name and colon):
            continue
        if "\\" in line:
            name, value = _ESCAPE.sub(_unescaped, name), _ESCAPE.sub(_unescaped, value)
        headers.setdefault(name, value)
    return headers


def _unescaped(found: re.Match[str]) -> str:
    return _ESCAPED.get(found[1], found[0])
