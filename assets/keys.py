"""The key of a message: its order id, so that a broker keeps the events of an order in their order."""

import msgspec


class _Data(msgspec.Struct):
    order_id: str | None = None


class _Keyed(msgspec.Struct):
    data: _Data | None = None


_decode = msgspec.json.Decoder(_Keyed).decode


def order_key(body: bytes) -> str | None:
    """Return the order id of a message, None for one that has none: broken messages have no order."""
    try:
        event = _decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return event.data.order_id if event.data is not None else None
