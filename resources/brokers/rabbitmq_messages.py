"""The envelope of an AMQP message: its key, and its headers and properties as one JSON object."""

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pika
import pyarrow as pa
from pika.exceptions import AMQPError
from pika.spec import BasicProperties

from resources.brokers.port import Outgoing
from resources.brokers.rabbitmq_deliveries import Delivery
from resources.brokers.rabbitmq_headers import as_json, as_text

KEY_HEADER = "key"
_PROPERTIES = (
    "message_id",
    "correlation_id",
    "content_type",
    "content_encoding",
    "type",
    "app_id",
    "timestamp",
    "reply_to",
)
# Longer ones are hardly ever the same again, and would fill memory.
_SHORT = 512
# What pika's decoder raises; OSError is a time that the C library cannot hold.
_UNDECODABLE = (
    AMQPError,
    struct.error,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RecursionError,
    OSError,
)
_PERSISTENT = pika.DeliveryMode.Persistent.value


def keys_and_headers(deliveries: Sequence[Delivery]) -> tuple[pa.Array | None, pa.Array | None]:
    """Return the key and the headers of each delivery, None where none has any.

    The key is the header `key`, else the routing key of an exchange that has a name. Properties that break
    the protocol are kept as they came, in hexadecimal, as the header `undecoded_properties`.
    """
    pairs = [
        (_remembered if len(delivery.properties) <= _SHORT else _key_and_headers)(
            delivery.route, delivery.properties
        )
        for delivery in deliveries
    ]
    keys = [key for key, _ in pairs]
    headers = [text for _, text in pairs]
    return (
        pa.array(keys, pa.string()) if any(key is not None for key in keys) else None,
        pa.array(headers, pa.string()) if any(text is not None for text in headers) else None,
    )


def properties_of(message: Outgoing) -> BasicProperties:
    """Return the properties of a message of ours: it survives a restart and carries its key."""
    headers = None if message.key is None else {KEY_HEADER: message.key}
    return BasicProperties(delivery_mode=_PERSISTENT, headers=headers)


def _key_and_headers(route: bytes, encoded: bytes) -> tuple[str | None, str | None]:
    exchange, routing_key = _short_strings(route)
    properties = BasicProperties()
    try:
        properties.decode(encoded)
        found: dict[str, Any] = dict(properties.headers or {})
    except _UNDECODABLE:
        properties, found = BasicProperties(), {"undecoded_properties": encoded.hex()}
    key = found.get(KEY_HEADER)
    if isinstance(key, str):
        del found[KEY_HEADER]
    else:
        key = None
    if exchange:
        key = routing_key if key is None else key
        found.setdefault("exchange", exchange)
        found.setdefault("routing_key", routing_key)
    for name in _PROPERTIES:
        if (value := getattr(properties, name)) is not None:
            found.setdefault(name, value)
    try:
        return as_text(key), as_json(found) if found else None
    except RecursionError:
        # Nested more deeply than JSON is made of, though not more than was decoded.
        return as_text(key), as_json({"undecoded_properties": encoded.hex()})


# Many messages have the same, and decoding is most of the work.
_remembered = lru_cache(maxsize=1_000)(_key_and_headers)


def _short_strings(encoded: bytes) -> tuple[str, ...]:
    """Return the strings of a byte of length and text each; bytes that are no UTF-8 lose what is not."""
    texts: list[str] = []
    at = 0
    while at < len(encoded):
        end = at + 1 + encoded[at]
        texts.append(encoded[at + 1 : end].decode("utf-8", "replace"))
        at = end
    return tuple(texts)
