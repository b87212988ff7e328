"""The envelope of an AMQP message: its key, and its headers and properties as one JSON object."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import pika
import pyarrow as pa
from pika.spec import BasicProperties

from resources.brokers.port import Outgoing
from resources.brokers.rabbitmq_headers import as_json, as_text
from resources.brokers.rabbitmq_link import Delivery

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
_values = attrgetter(*_PROPERTIES)
_NONE = (None,) * len(_PROPERTIES)
_PERSISTENT = pika.DeliveryMode.Persistent.value


def keys_and_headers(deliveries: Sequence[Delivery]) -> tuple[pa.Array | None, pa.Array | None]:
    """Return the key and the headers of each delivery, None where none has any.

    The key is the header `key`, else the routing key of an exchange that has a name.
    """
    pairs = [_key_and_headers(delivery) for delivery in deliveries]
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


def _key_and_headers(delivery: Delivery) -> tuple[str | None, str | None]:
    properties = delivery.properties
    found: dict[str, Any] = dict(properties.headers) if properties.headers else {}
    key = found.get(KEY_HEADER)
    if isinstance(key, str):
        del found[KEY_HEADER]
    else:
        key = None
    if delivery.exchange:
        key = delivery.routing_key if key is None else key
        found.setdefault("exchange", delivery.exchange)
        found.setdefault("routing_key", delivery.routing_key)
    # Most messages have none, which one call of C tells.
    if (values := _values(properties)) != _NONE:
        for name, value in zip(_PROPERTIES, values, strict=True):
            if value is not None:
                found.setdefault(name, value)
    return as_text(key), as_json(found) if found else None
