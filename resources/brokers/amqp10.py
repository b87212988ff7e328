"""AMQP 1.0 messages, the form in which RabbitMQ streams hold them, as far as an order needs it.

A message is a row of sections, each a described value. A stream may also hold bytes in no form at all,
as some clients write them; they are taken as they are.
"""

import struct
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

KEY_PROPERTY: Final = "key"
_HEADER, _DELIVERY, _ANNOTATIONS, _PROPERTIES = 0x70, 0x71, 0x72, 0x73
_APPLICATION, _DATA, _SEQUENCE, _VALUE, _FOOTER = 0x74, 0x75, 0x76, 0x77, 0x78
_HOLDS: Final[Mapping[int, type]] = {_ANNOTATIONS: dict, _PROPERTIES: list, _APPLICATION: dict, _DATA: bytes}
_DEEPEST: Final = 32
_PROPERTY_NAMES = (
    "message_id",
    "user_id",
    "to",
    "subject",
    "reply_to",
    "correlation_id",
    "content_type",
    "content_encoding",
    "absolute_expiry_time",
    "creation_time",
    "group_id",
    "group_sequence",
    "reply_to_group_id",
)
# Who published is a credential's name, and is not kept.
_UNKEPT = ("user_id",)
LONG_DATA: Final = b"\x00Su\xb0"
"""How a section of bytes begins whose size has four bytes."""
_U32 = struct.Struct(">I")
_BEFORE_KEY = b"\x02\xa1\x03key\xa1"


class Unpacked(NamedTuple):
    """The body of a message, its key, and its other properties and headers by name, None without any."""

    body: bytes
    key: str | None = None
    headers: Mapping[str, Any] | None = None


def pack(body: bytes, key: str | None) -> bytes:
    """Return a message with one data section, and its key as an application property."""
    head = b"" if key is None else _packed_key(key.encode("utf-8", "replace"))
    if len(body) < 256:
        return b"%b\x00Su\xa0%c%b" % (head, len(body), body)
    return b"%b%b%b%b" % (head, LONG_DATA, _U32.pack(len(body)), body)


def unpack(message: bytes) -> Unpacked:
    """Return what a message holds; bytes that are no AMQP 1.0 are their own body."""
    start, key = 0, None
    if message[:4] == b"\x00St\xc1" and message[5:12] == _BEFORE_KEY and len(message) > 12:
        # Ours look like this, and are by far the most.
        start = 13 + message[12]
        key = message[13:start].decode("utf-8", "replace")
    section, rest = message[start : start + 4], len(message) - start
    if section == b"\x00Su\xa0" and rest > 4 and rest == 5 + message[start + 4]:
        return Unpacked(message[start + 5 :], key)
    if section == LONG_DATA and rest > 7 and rest == 8 + _U32.unpack_from(message, start + 4)[0]:
        return Unpacked(message[start + 8 :], key)
    if message[:2] != b"\x00S":
        return Unpacked(message)
    try:
        return _from_sections(message)
    except (ValueError, TypeError, IndexError, KeyError, struct.error):
        return Unpacked(message)


def _packed_key(key: bytes) -> bytes:
    if len(key) < 240:
        return b"\x00St\xc1%c%b%c%b" % (8 + len(key), _BEFORE_KEY, len(key), key)
    pair = b"\xa1\x03key\xb1%b%b" % (_U32.pack(len(key)), key)
    return b"\x00St\xd1%b%b%b" % (_U32.pack(4 + len(pair)), _U32.pack(2), pair)


def _from_sections(message: bytes) -> Unpacked:
    parts: list[bytes] = []
    headers: dict[str, Any] = {}
    at = 0
    while at < len(message):
        if message[at : at + 2] != b"\x00S":
            raise ValueError("no section")
        kind = message[at + 2]
        value, at = _value(message, at + 3)
        if kind in _HOLDS and type(value) is not _HOLDS[kind]:
            raise TypeError("a section that holds another type than it must")
        if kind == _DATA:
            parts.append(value)
        elif kind == _VALUE:
            parts.append(value if isinstance(value, bytes) else str(value).encode())
        elif kind in (_APPLICATION, _ANNOTATIONS):
            headers |= {str(name): inner for name, inner in value.items()}
        elif kind == _PROPERTIES:
            named = zip(_PROPERTY_NAMES, value, strict=False)
            headers |= {name: inner for name, inner in named if inner is not None and name not in _UNKEPT}
        elif kind not in (_HEADER, _DELIVERY, _FOOTER):
            raise ValueError("a section that has no place here")
    key = headers.pop(KEY_PROPERTY) if isinstance(headers.get(KEY_PROPERTY), str) else None
    if key is None and headers.get("x-exchange"):
        key = str(headers.get("x-routing-key"))
    return Unpacked(b"".join(parts), key, headers or None)


def _value(data: bytes, at: int, depth: int = 0) -> tuple[Any, int]:
    """Return the value at a place and the place after it; raises what a broken one raises."""
    return _coded(data[at], data, at + 1, depth)


def _coded(code: int, data: bytes, at: int, depth: int) -> tuple[Any, int]:
    if code in _FIXED:
        size, read = _FIXED[code]
        return read(_piece(data, at, size)), at + size
    width = 1 if code >> 4 in (0xA, 0xC, 0xE) else 4
    size = int.from_bytes(_piece(data, at, width), "big")
    piece = _piece(data, at + width, size)
    end = at + width + size
    return (_COMPOUND[code](piece, width, depth) if code in _COMPOUND else _VARIABLE[code](piece)), end


def _piece(data: bytes, at: int, size: int) -> bytes:
    piece = data[at : at + size]
    if len(piece) != size:
        raise ValueError("cut short")
    return piece


def _count(piece: bytes, width: int, depth: int) -> int:
    """Return how many values follow; each takes a byte at least, and nobody nests them deeply."""
    count = int.from_bytes(_piece(piece, 0, width), "big")
    if count > len(piece) or depth > _DEEPEST:
        raise ValueError("more values than there can be")
    return count


def _items(piece: bytes, width: int, depth: int) -> list[Any]:
    at = width
    items = []
    for _ in range(_count(piece, width, depth)):
        item, at = _value(piece, at, depth + 1)
        items.append(item)
    return items


def _pairs(piece: bytes, width: int, depth: int) -> dict[Any, Any]:
    items = _items(piece, width, depth)
    return dict(zip(items[::2], items[1::2], strict=True))


def _same_kind(piece: bytes, width: int, depth: int) -> list[Any]:
    at = width + 1
    items = []
    for _ in range(_count(piece, width, depth)):
        item, at = _coded(piece[width], piece, at, depth + 1)
        items.append(item)
    return items


def _integer(piece: bytes) -> int:
    return int.from_bytes(piece, "big")


def _signed(piece: bytes) -> int:
    return int.from_bytes(piece, "big", signed=True)


def _constant(value: Any) -> tuple[int, Callable[[bytes], Any]]:
    return 0, lambda piece: value


_FIXED: dict[int, tuple[int, Callable[[bytes], Any]]] = {
    0x40: _constant(None),
    0x41: _constant(True),
    0x42: _constant(False),
    0x43: _constant(0),
    0x44: _constant(0),
    0x45: (0, lambda piece: []),
    0x50: (1, _integer),
    0x51: (1, _signed),
    0x52: (1, _integer),
    0x53: (1, _integer),
    0x54: (1, _signed),
    0x55: (1, _signed),
    0x56: (1, lambda piece: piece == b"\x01"),
    0x60: (2, _integer),
    0x61: (2, _signed),
    0x70: (4, _integer),
    0x71: (4, _signed),
    0x72: (4, lambda piece: struct.unpack(">f", piece)[0]),
    0x73: (4, lambda piece: piece.decode("utf-32-be")),
    0x74: (4, lambda piece: piece.hex()),
    0x80: (8, _integer),
    0x81: (8, _signed),
    0x82: (8, lambda piece: struct.unpack(">d", piece)[0]),
    0x83: (8, _signed),
    0x84: (8, lambda piece: piece.hex()),
    0x94: (16, lambda piece: piece.hex()),
    0x98: (16, lambda piece: piece.hex()),
}
_VARIABLE: dict[int, Callable[[bytes], Any]] = {
    0xA0: lambda piece: piece,
    0xA1: lambda piece: piece.decode(),
    0xA3: lambda piece: piece.decode("ascii"),
    0xB0: lambda piece: piece,
    0xB1: lambda piece: piece.decode(),
    0xB3: lambda piece: piece.decode("ascii"),
}
_COMPOUND: dict[int, Callable[[bytes, int, int], Any]] = {
    0xC0: _items,
    0xC1: _pairs,
    0xD0: _items,
    0xD1: _pairs,
    0xE0: _same_kind,
    0xF0: _same_kind,
}
