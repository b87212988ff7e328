"""The rules of the contract over columns: which parsed messages are certainly accepted, and their frames.

Texts of few values (status, currency, money …) are read once per distinct value by the contract's own
functions; the rest is arithmetic. A message that breaks any rule here is not rejected: it is doubtful,
and goes to `judge`.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.contract.frames import EVENT_FRAME, LINE_FRAME
from assets.contract.model import (
    CUSTOMER_FIELD,
    DATA_FIELD,
    FIELDS_OF,
    LINES_FIELD,
    MAX_QUANTITY,
    SPECVERSION,
    SPECVERSION_FIELD,
    Field,
    FieldType,
    Place,
)
from assets.contract.reading import read_text
from assets.contract.values import moment
from assets.orders.parse import Parsed

EVENTS_SCHEMA: Final = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in EVENT_FRAME])
LINES_SCHEMA: Final = pa.schema([(name, pa.type_for_alias(kind)) for name, kind in LINE_FRAME])
_TIMESTAMP_PATTERN: Final = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)
"""What Arrow reads exactly as the contract does, but for days that do not exist and years at the ends."""
_FIRST_MOMENT, _LAST_MOMENT = np.datetime64("0001-01-02", "us"), np.datetime64("9999-12-30", "us")
# Below this many ten-thousandths a double still tells that no amount or total can reach 10^12.
_SAFE_MAGNITUDE: Final = 9e15
_SHORT: Final = 16
_Mask = npt.NDArray[np.bool_]
_Whole = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ruled:
    """The frames of the messages that are certainly accepted."""

    events: pa.Table
    lines: pa.Table


def apply_rules(parsed: Parsed) -> Ruled:
    """Return the frames of parsed messages; `event_seq` is the row number."""
    event = parsed.events
    data = event.field(DATA_FIELD.name)
    orders = _Checked(len(event))
    for place, objects in (
        (Place.EVENT, event),
        (Place.DATA, data),
        (Place.CUSTOMER, data.field(CUSTOMER_FIELD.name)),
    ):
        orders.read(place, objects)
    lists = data.field(LINES_FIELD.name)
    offsets = lists.offsets.to_numpy()
    counts = np.diff(offsets)
    owners = np.repeat(np.arange(len(event)), counts)
    lines = _Checked(len(owners))
    lines.read(Place.LINE, lists.values.slice(int(offsets[0]), len(owners)))
    _check_lines(orders, lines, owners)
    orders.doubt(counts == 0)
    orders.is_doubtful[owners[lines.is_doubtful]] = True
    certain = ~orders.is_doubtful
    return Ruled(
        _frame(orders.columns, parsed.rows, certain, EVENTS_SCHEMA),
        _frame(lines.columns, parsed.rows[owners], certain[owners], LINES_SCHEMA),
    )


class _Checked:
    """Columns that were read from objects of one kind, and which of those are doubtful."""

    def __init__(self, count: int) -> None:
        self.columns: dict[str, pa.Array] = {}
        self.is_doubtful: _Mask = np.zeros(count, dtype=np.bool_)

    def doubt(self, mask: pa.Array | _Mask) -> None:
        """Mark rows; a null in the mask marks none."""
        self.is_doubtful |= np.asarray(mask.fill_null(False)) if isinstance(mask, pa.Array) else mask

    def read(self, place: Place, objects: pa.StructArray) -> None:
        """Read the fields of a place."""
        for field in FIELDS_OF[place]:
            values = objects.field(field.name)
            if field.required and values.null_count:
                self.doubt(values.is_null())
            if field.column is not None:
                self.columns[field.column] = self._read(field, values)
        if place is Place.EVENT:
            self.doubt(pc.not_equal(objects.field(SPECVERSION_FIELD.name), SPECVERSION))

    def whole(self, column: str) -> _Whole:
        """Return a column of whole numbers, 0 where there is none."""
        values = self.columns[column]
        return np.asarray(values.fill_null(0) if values.null_count else values)

    def _read(self, field: Field, values: pa.Array) -> pa.Array:
        match field.type:
            case FieldType.TEXT | FieldType.QUANTITY:
                return values
            case FieldType.IDENTIFIER:
                self.doubt(pc.equal(pc.binary_length(values), 0))
                return values
            case FieldType.COUNTER:
                self.doubt(pc.less(values, 1))
                return values if field.absent is None else values.fill_null(field.absent)
            case FieldType.TIMESTAMP:
                return self._moments(values)
            case FieldType.MONEY:
                amounts = (
                    _unscaled(values) if pa.types.is_decimal(values.type) else self._distinct(field, values)
                )
                return amounts if field.absent is None else amounts.fill_null(field.absent)
            case _:
                self._distinct(field, values)
                return values

    def _distinct(self, field: Field, texts: pa.Array) -> pa.Array:
        """Read each distinct text by the contract; what it refuses is doubtful and null here."""
        encoded = texts.dictionary_encode()
        read = [_read(field.type, text) for text in encoded.dictionary.to_pylist()]
        values = pa.array(read, pa.int64() if field.type is FieldType.MONEY else pa.string()).take(
            encoded.indices
        )
        if None in read:
            self.doubt(pc.and_(values.is_null(), texts.is_valid()))
        return values

    def _moments(self, texts: pa.Array) -> pa.Array:
        plain = pc.if_else(pc.match_substring_regex(texts, _TIMESTAMP_PATTERN), texts, None)
        try:
            moments = plain.cast(pa.timestamp("us", "UTC")).cast(pa.timestamp("us"))
        except pa.ArrowInvalid:
            moments = pa.array(
                [moment(text) if text else None for text in plain.to_pylist()], pa.timestamp("us")
            )
        values = np.asarray(moments)
        self.doubt(~((values >= _FIRST_MOMENT) & (values <= _LAST_MOMENT)))
        return moments


def _read(kind: FieldType, text: str) -> str | int | datetime | None:
    return _read_short(kind, text) if len(text) <= _SHORT else read_text(kind, text)


# Amounts come again from one group of messages to the next.
_read_short: Final = lru_cache(maxsize=1 << 16)(read_text)


def _check_lines(orders: _Checked, lines: _Checked, owners: _Whole) -> None:
    """Compare quantities with the kind of order, line numbers with each other, amounts with the bound."""
    quantities = lines.whole("quantity")
    is_return = np.asarray(pc.equal(orders.columns["kind"], "return").fill_null(False))
    sold = np.where(is_return[owners], -quantities, quantities)
    lines.doubt((sold < 1) | (sold > MAX_QUANTITY))
    # Numbers that ascend are different; those that do not may be.
    numbers = lines.whole("line_number")
    lines.doubt(np.concatenate([[False], (numbers[1:] <= numbers[:-1]) & (owners[1:] == owners[:-1])]))
    amounts = np.abs(quantities.astype(np.float64) * lines.whole("unit_price"))
    magnitudes = np.bincount(owners, amounts, minlength=len(orders.is_doubtful))
    for name in ("shipping", "discount", "tax"):
        magnitudes += np.abs(orders.whole(name))
    orders.doubt(magnitudes >= _SAFE_MAGNITUDE)


def _unscaled(amounts: pa.Array) -> pa.Array:
    """Return decimals of the contract's scale and size as whole numbers of their last place."""
    # Of the 16 bytes of each the lower 8 hold it all: it is below 10^16 in size.
    halves = np.frombuffer(amounts.buffers()[1], np.int64)[::2]
    return pa.array(
        halves[amounts.offset : amounts.offset + len(amounts)], mask=np.asarray(amounts.is_null())
    )


def _frame(columns: dict[str, pa.Array], rows: _Whole, certain: _Mask, schema: pa.Schema) -> pa.Table:
    arrays = {**columns, "event_seq": pa.array(rows), "extra": pa.nulls(len(rows), pa.string())}
    table = pa.Table.from_arrays([arrays[name] for name in schema.names], schema=schema)
    return table if certain.all() else table.filter(pa.array(certain))
