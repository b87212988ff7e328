"""Make one message in contract form of the rows of one invoice; nothing is dropped, nothing judged.

The bytes depend on the rows, the mapping and the version alone.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import UNSET, UnsetType

from assets.files.daily_csv import Row
from assets.files.mapping import Mapping, TimeFormat

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_PLAIN_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")

# The fields that an order has once, so that its rows should agree on them.
_ONCE = ("customer_id", "customer_name", "customer_email", "country", "currency", "status")


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of an order; a quantity that is no whole number stays the text it was."""

    line_number: int
    sku: str
    description: str | UnsetType = UNSET
    quantity: int | str
    unit_price: str


class Customer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who ordered, as far as the rows say."""

    customer_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    email: str | UnsetType = UNSET
    country: str | UnsetType = UNSET


class OrderData(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The `data` of the contract; `conflicting_values` is an extra field, kept and never an error."""

    order_id: str | UnsetType = UNSET
    version: int | UnsetType = UNSET
    kind: str
    status: str
    currency: str
    placed_at: str
    customer: Customer | UnsetType = UNSET
    lines: list[Line]
    conflicting_values: dict[str, list[str]] | UnsetType = UNSET


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The CloudEvents envelope of the contract."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str | UnsetType = UNSET
    time: str
    data: OrderData


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as its rows show it; `content` is the SHA-256 of its data without the version."""

    key: str
    source: str
    event_type: str
    data: OrderData
    content: str

    def message(self, version: int) -> bytes:
        """Return the message that brings the invoice as its version `version`."""
        event = Event(
            specversion="1.0",
            id=f"{self.key}:{version}",
            source=self.source,
            type=self.event_type,
            subject=self.data.order_id,
            time=self.data.placed_at,
            data=msgspec.structs.replace(self.data, version=version),
        )
        return msgspec.json.encode(event)


def invoice_of(key: str, rows: Sequence[Row], mapping: Mapping) -> Invoice:
    """Return the invoice whose order id is `key`, of its rows (at least one) in file order."""
    number = rows[0].order_id
    kind = mapping.kind_of(number)
    once = {field: _distinct(getattr(row, field) for row in rows) for field in _ONCE}
    conflicts = {field: values for field, values in once.items() if len(values) > 1}
    data = OrderData(
        order_id=key if number else UNSET,
        kind=kind.kind,
        status=mapping.constants.status or _first(once["status"]),
        currency=mapping.constants.currency or _first(once["currency"]),
        placed_at=placed_at((row.placed_at for row in rows), mapping.time),
        customer=_customer(once),
        lines=[_line(number, row) for number, row in enumerate(rows, start=1)],
        conflicting_values=conflicts or UNSET,
    )
    digest = hashlib.sha256(msgspec.json.encode(data)).hexdigest()
    return Invoice(key, mapping.source, kind.event_type, data, digest)


def placed_at(texts: Iterable[str], time: TimeFormat) -> str:
    """Return the earliest of the times as RFC 3339 in UTC; a text that is no time, as it is.

    A time that a change to summer or winter time makes ambiguous counts as the earlier one.
    """
    moments = []
    for text in dict.fromkeys(texts):
        moment = _moment(text, time)
        if moment is None:
            return text
        moments.append(moment)
    return min(moments).isoformat().replace("+00:00", "Z")


def whole_number(text: str) -> int | str:
    """Return the number that `text` writes, or `text` itself if it is none within 64 bits."""
    return int(text) if _WHOLE.fullmatch(text) else text


def decimal_text(text: str) -> str:
    """Return the same number as digits without sign `+` and exponent, or `text` if it is none."""
    if _PLAIN_DECIMAL.fullmatch(text) or not _DECIMAL.fullmatch(text):
        return text
    return format(Decimal(text), "f")


def _moment(text: str, time: TimeFormat) -> datetime | None:
    try:
        read = datetime.strptime(text, time.format)  # noqa: DTZ007
        local = read if read.tzinfo is not None else read.replace(tzinfo=ZoneInfo(time.zone))
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _line(number: int, row: Row) -> Line:
    return Line(
        line_number=number,
        sku=row.sku,
        description=row.description or UNSET,
        quantity=whole_number(row.quantity),
        unit_price=decimal_text(row.unit_price),
    )


def _customer(once: dict[str, list[str]]) -> Customer | UnsetType:
    fields = ("customer_id", "customer_name", "customer_email", "country")
    values = [_first(once[field]) or UNSET for field in fields]
    return UNSET if all(value is UNSET for value in values) else Customer(*values)


def _distinct(values: Iterable[str]) -> list[str]:
    return [value for value in dict.fromkeys(values) if value]


def _first(values: Sequence[str]) -> str:
    return values[0] if values else ""
