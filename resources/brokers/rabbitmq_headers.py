"""Headers of any kind of AMQP as one JSON object."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec


def as_json(headers: Mapping[str, Any]) -> str:
    """Return headers as a JSON object; bytes that are no UTF-8 lose what is not."""
    return msgspec.json.encode(_plain(headers)).decode()


def as_text(text: str | None) -> str | None:
    """Return text without lone surrogates, which neither JSON nor Arrow can hold."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def _plain(value: Any) -> Any:
    match value:
        case dict():
            return {str(_plain(name)): _plain(inner) for name, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case bytes() | bytearray():
            return bytes(value).decode("utf-8", "replace")
        case str():
            return as_text(value)
        case datetime():
            return value.replace(tzinfo=UTC).isoformat() if value.tzinfo is None else value.isoformat()
        case bool() | None:
            return value
        case int():
            # pika has an integer of its own for 64 bits.
            return int(value)
        case float():
            return float(value)
        case _:
            return str(value)
