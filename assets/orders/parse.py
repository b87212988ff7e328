"""The fast parser: Arrow's JSON reader over many messages at once, which takes only what `judge` would.

Told the contract's shape, that reader is strict: bad grammar, an unknown field, a field given twice, a
value of another type or half a surrogate pair fail the whole call. So what it returns is certain as far
as these go. Where a call fails, a second parser looks for the culprits, one message at a time; its
opinion only chooses what is worth another call, and what is left over goes to `judge`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from types import GenericAlias
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as pj

from assets.contract.model import (
    DATA_FIELD,
    FIELDS_OF,
    MONEY_DECIMALS,
    MONEY_DIGITS,
    Field,
    FieldType,
    Place,
)

# What fits into the caches of a processor is read faster.
_AT_ONCE_BYTES: Final = 4 * 1024 * 1024
_MAX_PARSED_BYTES: Final = 4 * 1024 * 1024
# A call costs as much as judging a handful of messages, so a shorter run is not worth one.
_SHORT_RUN: Final = 8
_GROWTH: Final = 4
_TRAILING_BLANKS: Final = 4
_OPENING, _CLOSING = b"{}"
_BLANKS: Final = np.frombuffer(b" \t\r\n", np.uint8)
# What Arrow reads as a decimal and the contract does not (`"+1"`, `".5"`, `"5."`, `"1e3"`), or an escape that
# may hide it.
_LAX_DECIMAL: Final = r'"[-+]?(?:[0-9]*\.|\.[0-9]+|[0-9.]+[eE][-+0-9]+)"|"\+|\\u00[2-6]'
_MONEY_AS_TEXT: Final = pa.string()
_MONEY_AS_NUMBER: Final = pa.decimal128(MONEY_DIGITS + MONEY_DECIMALS, MONEY_DECIMALS)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Messages parsed together: their row numbers, and the events, nested as the contract has them.

    Money is text as it was written, or decimal128 with four decimals where any of it was a JSON number.
    """

    rows: npt.NDArray[np.int64]
    events: pa.StructArray


def parse(bodies: pa.LargeBinaryArray, *, max_bytes: int) -> list[Parsed]:
    """Parse the messages that are certainly JSON of the contract's shape; `bodies` has no nulls."""
    rows = np.flatnonzero(_is_parsable(bodies, min(max_bytes, _MAX_PARSED_BYTES)))
    lines = _Lines(_taken(bodies, rows))
    runs = list(_parsed_runs(lines))
    if sum(len(run.events) for run in runs) < len(rows) and len(rows) > _SHORT_RUN:
        rows = rows[np.fromiter(map(_is_likely, lines.bodies.to_pylist()), np.bool_, len(rows))]
        runs = list(_parsed_runs(_Lines(_taken(bodies, rows)), gives_up=False))
    return [
        _joined(rows, found)
        for money in _PARSE_OPTIONS
        if (found := [run for run in runs if run.money is money])
    ]


@dataclass(frozen=True, slots=True)
class _Run:
    start: int
    money: pa.DataType
    events: pa.Table


def _joined(rows: npt.NDArray[np.int64], runs: list[_Run]) -> Parsed:
    table = pa.concat_tables([run.events for run in runs]).combine_chunks()
    taken = np.concatenate([rows[run.start : run.start + len(run.events)] for run in runs])
    return Parsed(taken, table.to_struct_array().combine_chunks())


def _parsed_runs(lines: "_Lines", *, gives_up: bool = True) -> Iterator[_Run]:
    """Yield runs of messages that parse together; with `gives_up` only those before the first culprit."""
    start, size = 0, len(lines)
    while start < len(lines):
        stop = lines.end(start, size)
        run = lines.parse(start, stop)
        if run is not None:
            yield run
            start, size = stop, (stop - start) * _GROWTH
        elif gives_up:
            return
        elif stop - start > _SHORT_RUN:
            size = (stop - start) // 2
        else:
            start, size = stop, _SHORT_RUN


class _Lines:
    """Messages of one object each, a line feed behind each of them.

    A line feed in a string fails the parser, and `}` before it with `{` behind it fails within an
    object: so none spans two messages, and as many objects as messages means one object in each.
    """

    def __init__(self, bodies: pa.LargeBinaryArray) -> None:
        self.bodies = bodies
        empty, feed = pa.scalar(b"", pa.large_binary()), pa.scalar(b"\n", pa.large_binary())
        joined = pc.binary_join_element_wise(bodies, empty, feed)
        self._offsets, self._data = _buffers(joined)

    def __len__(self) -> int:
        return len(self.bodies)

    def end(self, start: int, size: int) -> int:
        """Return where a run from `start` ends: after `size` messages, or when there are bytes enough."""
        fits = int(np.searchsorted(self._offsets, self._offsets[start] + _AT_ONCE_BYTES, "right")) - 1
        return min(max(fits, start + 1), start + size, len(self))

    def parse(self, start: int, stop: int) -> _Run | None:
        """Return the events of a run, or None when there is a culprit among them."""
        for money in _PARSE_OPTIONS:
            if money is _MONEY_AS_NUMBER and self._lax_decimals[start:stop].any():
                return None
            events = self._read(start, stop, money)
            if events is not None:
                return _Run(start, money, events)
        return None

    def _read(self, start: int, stop: int, money: pa.DataType) -> pa.Table | None:
        first, last = int(self._offsets[start]), int(self._offsets[stop])
        try:
            events = pj.read_json(
                pa.BufferReader(pa.py_buffer(self._data[first:last])),
                read_options=pj.ReadOptions(use_threads=False, block_size=last - first + 1),
                parse_options=_PARSE_OPTIONS[money],
            )
        except pa.ArrowInvalid:
            return None
        return events if len(events) == stop - start else None

    @cached_property
    def _lax_decimals(self) -> npt.NDArray[np.bool_]:
        return np.asarray(pc.match_substring_regex(self.bodies, _LAX_DECIMAL))


def _is_parsable(bodies: pa.LargeBinaryArray, max_bytes: int) -> npt.NDArray[np.bool_]:
    """Tell which bodies are UTF-8 between `{` and `}`, but for blanks behind, and not too large."""
    offsets, data = _buffers(bodies)
    starts, ends = offsets[:-1], offsets[1:].copy()
    is_parsable = (ends > starts) & (ends - starts <= max_bytes)
    if not is_parsable.any():
        return is_parsable
    for _ in range(_TRAILING_BLANKS):
        ends -= np.isin(data[ends - 1], _BLANKS) & (ends > starts + 1)
    # The places of empty bodies are somebody else's: they are out already.
    places = np.minimum(starts, len(data) - 1)
    is_parsable &= (data[places] == _OPENING) & (data[ends - 1] == _CLOSING)
    return is_parsable & _is_utf8(bodies)


def _taken(bodies: pa.LargeBinaryArray, rows: npt.NDArray[np.int64]) -> pa.LargeBinaryArray:
    return bodies if len(rows) == len(bodies) else bodies.take(pa.array(rows))


def _is_likely(body: bytes) -> bool:
    try:
        _EVENT_DECODER.decode(body)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _is_utf8(bodies: pa.LargeBinaryArray) -> npt.NDArray[np.bool_]:
    try:
        bodies.cast(pa.large_string())
    except pa.ArrowInvalid:
        return np.fromiter((_decodes(body) for body in bodies.to_pylist()), np.bool_, len(bodies))
    return np.ones(len(bodies), dtype=np.bool_)


def _decodes(body: bytes) -> bool:
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _buffers(bodies: pa.LargeBinaryArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    _, offsets, data = bodies.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int64)[bodies.offset : bodies.offset + len(bodies) + 1]
    return bounds, np.frombuffer(data if data is not None else b"", np.uint8)


def _shape(place: Place, money: pa.DataType) -> list[pa.Field]:
    return [pa.field(field.name, _type(field, money)) for field in FIELDS_OF[place]]


def _type(field: Field, money: pa.DataType) -> pa.DataType:
    match field.type:
        case FieldType.OBJECT:
            return pa.struct(_shape(Place.DATA if field is DATA_FIELD else Place.CUSTOMER, money))
        case FieldType.LINES:
            return pa.list_(pa.struct(_shape(Place.LINE, money)))
        case FieldType.COUNTER | FieldType.QUANTITY:
            return pa.int64()
        case FieldType.MONEY:
            return money
        case _:
            return pa.string()


def _struct(place: Place) -> type[msgspec.Struct]:
    fields = [
        (field.name, _python_type(field))
        if field.required
        else (field.name, _python_type(field) | None, None)
        for field in FIELDS_OF[place]
    ]
    return msgspec.defstruct(place.title(), fields, kw_only=True, gc=False, forbid_unknown_fields=True)


def _python_type(field: Field) -> Any:
    match field.type:
        case FieldType.OBJECT:
            return _struct(Place.DATA if field is DATA_FIELD else Place.CUSTOMER)
        case FieldType.LINES:
            return GenericAlias(list, (_struct(Place.LINE),))
        case FieldType.COUNTER | FieldType.QUANTITY:
            return int
        case FieldType.MONEY:
            return str | float
        case _:
            return str


_PARSE_OPTIONS: Final = {
    money: pj.ParseOptions(
        explicit_schema=pa.schema(_shape(Place.EVENT, money)),
        newlines_in_values=False,
        unexpected_field_behavior="error",
    )
    for money in (_MONEY_AS_TEXT, _MONEY_AS_NUMBER)
}
_EVENT_DECODER: Final = msgspec.json.Decoder(_struct(Place.EVENT))
