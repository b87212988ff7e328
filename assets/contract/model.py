"""The fields of an order message, as data: what validator, frames, tables and docs are made from."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

SPECVERSION: Final = "1.0"
EVENT_TYPE_PREFIX: Final = "order."
KINDS: Final = ("sale", "return")
STATUSES: Final = ("placed", "paid", "processing", "shipped", "delivered", "cancelled", "refunded")
"""The statuses of an order, in the direction in which it moves."""

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
MAX_DEPTH: Final = 256
"""Arrays and objects within each other; more is `not_json`, so that no parser's stack decides."""
MAX_INT64: Final = 2**63 - 1
MIN_INT64: Final = -(2**63)
MAX_QUANTITY: Final = 1_000_000_000
MONEY_DECIMALS: Final = 4
MONEY_DIGITS: Final = 12
"""Digits before the point: every amount and total stays below 10^12 in size."""
MONEY_BOUND: Final = 10 ** (MONEY_DIGITS + MONEY_DECIMALS)
"""The first size, in ten-thousandths, that is too large."""


class Place(StrEnum):
    """The object of the message in which a field stands."""

    EVENT = "event"
    DATA = "data"
    CUSTOMER = "customer"
    LINE = "line"


PATHS: Mapping[str, str] = MappingProxyType(
    {Place.EVENT: "$", Place.DATA: "$.data", Place.CUSTOMER: "$.data.customer", Place.LINE: "$.data.lines[]"}
)


class FieldType(StrEnum):
    """What a field may hold; RULES says it in words."""

    SPECVERSION = "specversion"
    IDENTIFIER = "identifier"
    TEXT = "text"
    EVENT_TYPE = "event type"
    TIMESTAMP = "timestamp"
    COUNTER = "counter"
    QUANTITY = "quantity"
    MONEY = "money"
    CURRENCY = "currency"
    STATUS = "status"
    KIND = "kind"
    OBJECT = "object"
    LINES = "lines"


RULES: Mapping[FieldType, str] = MappingProxyType(
    {
        FieldType.SPECVERSION: f'"{SPECVERSION}"',
        FieldType.IDENTIFIER: "a string; an empty one counts as absent",
        FieldType.TEXT: "a string",
        FieldType.EVENT_TYPE: f"a string that begins with `{EVENT_TYPE_PREFIX}`",
        FieldType.TIMESTAMP: "RFC 3339 with an offset, of the years 0001 to 9999, in whole microseconds",
        FieldType.COUNTER: "a whole number from 1, without fraction or exponent, of at most 64 bits",
        FieldType.QUANTITY: "a whole number up to 10^9 in size, above 0 in a sale, below 0 in a return",
        FieldType.MONEY: "a plain decimal string or a number, of at most 4 decimals, below 10^12 in size",
        FieldType.CURRENCY: "a string of three capital letters A to Z",
        FieldType.STATUS: "one of " + ", ".join(STATUSES),
        FieldType.KIND: "one of " + ", ".join(KINDS),
        FieldType.OBJECT: "an object",
        FieldType.LINES: "an array of at least one object",
    }
)


@dataclass(frozen=True, slots=True)
class Field:
    """One field: where it stands, what it holds, and the frame column that it fills, if any.

    `absent` is the column's value when an optional field is absent or null.
    """

    place: Place
    name: str
    type: FieldType
    required: bool
    column: str | None
    description: str
    absent: int | None = None

    @property
    def path(self) -> str:
        """The path from the message's root, for example `$.data.lines[].sku`."""
        return f"{PATHS[self.place]}.{self.name}"


def _required(place: Place, name: str, kind: FieldType, description: str, column: str | None = "") -> Field:
    return Field(place, name, kind, True, name if column == "" else column, description)


def _optional(
    place: Place,
    name: str,
    kind: FieldType,
    description: str,
    column: str | None = "",
    absent: int | None = None,
) -> Field:
    return Field(place, name, kind, False, name if column == "" else column, description, absent)


SPECVERSION_FIELD: Final = _required(
    Place.EVENT, "specversion", FieldType.SPECVERSION, "Version of CloudEvents", None
)
DATA_FIELD: Final = _required(
    Place.EVENT, "data", FieldType.OBJECT, "The whole order as it stands after the event", None
)
CUSTOMER_FIELD: Final = _optional(Place.DATA, "customer", FieldType.OBJECT, "Who ordered", None)
LINES_FIELD: Final = _required(Place.DATA, "lines", FieldType.LINES, "What was ordered or returned", None)

FIELDS: Final[tuple[Field, ...]] = (
    SPECVERSION_FIELD,
    _required(
        Place.EVENT, "id", FieldType.IDENTIFIER, "Identifier of the event, unique in its source", "event_id"
    ),
    _required(Place.EVENT, "source", FieldType.IDENTIFIER, "The system that emitted the event"),
    _required(Place.EVENT, "type", FieldType.EVENT_TYPE, "What happened, free text", "event_type"),
    _required(Place.EVENT, "time", FieldType.TIMESTAMP, "When it happened", "occurred_at"),
    _optional(Place.EVENT, "subject", FieldType.TEXT, "What the event is about"),
    DATA_FIELD,
    _required(Place.DATA, "order_id", FieldType.IDENTIFIER, "The order, unique across sources"),
    _optional(Place.DATA, "version", FieldType.COUNTER, "Version of the order; absent counts as 0", absent=0),
    _required(Place.DATA, "kind", FieldType.KIND, "A sale, or a return with quantities below zero"),
    _required(Place.DATA, "status", FieldType.STATUS, "How far the order is"),
    _required(Place.DATA, "currency", FieldType.CURRENCY, "Currency of all money of the order"),
    _required(Place.DATA, "placed_at", FieldType.TIMESTAMP, "When the order was placed"),
    CUSTOMER_FIELD,
    LINES_FIELD,
    _optional(Place.DATA, "shipping", FieldType.MONEY, "Shipping charged; absent counts as 0", absent=0),
    _optional(Place.DATA, "discount", FieldType.MONEY, "Taken off the total; absent counts as 0", absent=0),
    _optional(Place.DATA, "tax", FieldType.MONEY, "Tax charged; absent counts as 0", absent=0),
    _optional(Place.CUSTOMER, "customer_id", FieldType.IDENTIFIER, "The customer"),
    _optional(Place.CUSTOMER, "name", FieldType.TEXT, "The customer's name", "customer_name"),
    _optional(Place.CUSTOMER, "email", FieldType.TEXT, "The customer's address for mail", "customer_email"),
    _optional(Place.CUSTOMER, "country", FieldType.TEXT, "Country, free text"),
    _required(Place.LINE, "line_number", FieldType.COUNTER, "Number of the line, once in an order"),
    _required(Place.LINE, "sku", FieldType.IDENTIFIER, "The article"),
    _optional(Place.LINE, "description", FieldType.TEXT, "The article in words"),
    _required(Place.LINE, "quantity", FieldType.QUANTITY, "Units, below zero in a return"),
    _required(Place.LINE, "unit_price", FieldType.MONEY, "Price of one unit"),
)

FIELDS_OF: Mapping[str, tuple[Field, ...]] = MappingProxyType(
    {place: tuple(field for field in FIELDS if field.place is place) for place in Place}
)
CONTRACT_KEYS: Mapping[str, frozenset[str]] = MappingProxyType(
    {place: frozenset(field.name for field in fields) for place, fields in FIELDS_OF.items()}
)
"""The field names that the contract knows, by place; all others are kept in `extra`."""
