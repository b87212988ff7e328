"""The frames that decoding makes, as data: column names and types, taken from the fields."""

from typing import Final

from assets.contract.model import FIELDS, FieldType, Place

STRING: Final = "string"
INT64: Final = "int64"
TIMESTAMP: Final = "timestamp[us]"

_WHOLE: Final = (FieldType.COUNTER, FieldType.QUANTITY, FieldType.MONEY)


def _type_of(field_type: FieldType) -> str:
    if field_type in _WHOLE:
        return INT64
    return TIMESTAMP if field_type is FieldType.TIMESTAMP else STRING


_LINE_TYPES: Final = {
    field.column: _type_of(field.type) for field in FIELDS if field.column and field.place is Place.LINE
}
_EVENT_TYPES: Final = {
    field.column: _type_of(field.type) for field in FIELDS if field.column and field.place is not Place.LINE
}

EVENT_FRAME: Final[tuple[tuple[str, str], ...]] = (
    ("event_seq", INT64),
    *((name, _EVENT_TYPES[name]) for name in ("source", "event_id", "event_type", "subject")),
    *((name, _EVENT_TYPES[name]) for name in ("order_id", "version", "kind", "status", "currency")),
    *((name, _EVENT_TYPES[name]) for name in ("customer_id", "customer_name", "customer_email", "country")),
    *((name, _EVENT_TYPES[name]) for name in ("placed_at", "occurred_at", "shipping", "discount", "tax")),
    ("extra", STRING),
)
"""One row per accepted event: name and Arrow type. Money is in ten-thousandths, moments are naive UTC."""

LINE_FRAME: Final[tuple[tuple[str, str], ...]] = (
    ("event_seq", INT64),
    *_LINE_TYPES.items(),
    ("extra", STRING),
)
"""One row per line of those events: name and Arrow type."""
