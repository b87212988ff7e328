"""The fast screen: which messages are certainly well-typed JSON of the contract's shape, no field twice.

The screen may be wrong in one direction only: what it lets pass is exactly what `judge` would accept
as far as grammar, types and repeated fields go. Everything else goes to `judge`, which gives the verdict.
"""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import UNSET, Meta, Struct, UnsetType

from assets.contract.model import MAX_QUANTITY

_Text = Annotated[str, Meta(min_length=1)]
_Int64 = Annotated[int, Meta(ge=1, le=2**63 - 1)]
_Quantity = Annotated[int, Meta(ge=-MAX_QUANTITY, le=MAX_QUANTITY)]
# A number with a fraction takes the second decoder: only its digits tell whether it is exact.
_Money = str | int
_EXACT_DIGITS = 15
_DECIMALS = 4
# An escape that may stand for a colon, which would spoil the count of colons below.
_ESCAPED_COLON = b"\\u003"


class _Customer(Struct, gc=False):
    customer_id: _Text | UnsetType | None = UNSET
    name: str | UnsetType | None = UNSET
    email: str | UnsetType | None = UNSET
    country: str | UnsetType | None = UNSET


class _Line(Struct, gc=False):
    line_number: _Int64
    sku: _Text
    quantity: _Quantity
    unit_price: _Money
    description: str | UnsetType | None = UNSET


class _Data(Struct, gc=False):
    order_id: _Text
    kind: Literal["sale", "return"]
    status: Literal["placed", "paid", "processing", "shipped", "delivered", "cancelled", "refunded"]
    currency: str
    placed_at: str
    lines: Annotated[list[_Line], Meta(min_length=1)]
    version: _Int64 | UnsetType | None = UNSET
    customer: _Customer | UnsetType | None = UNSET
    shipping: _Money | UnsetType | None = UNSET
    discount: _Money | UnsetType | None = UNSET
    tax: _Money | UnsetType | None = UNSET


class _Event(Struct, gc=False):
    specversion: Literal["1.0"]
    id: _Text
    source: _Text
    type: str
    time: str
    data: _Data
    subject: str | UnsetType | None = UNSET


class _FractionalLine(_Line, gc=False):
    unit_price: Decimal  # type: ignore[assignment]


class _FractionalData(_Data, gc=False):
    lines: Annotated[list[_FractionalLine], Meta(min_length=1)]  # type: ignore[assignment]
    shipping: Decimal | UnsetType | None = UNSET  # type: ignore[assignment]
    discount: Decimal | UnsetType | None = UNSET  # type: ignore[assignment]
    tax: Decimal | UnsetType | None = UNSET  # type: ignore[assignment]


class _FractionalEvent(_Event, gc=False):
    data: _FractionalData


def screen(bodies: pa.LargeBinaryArray, *, max_bytes: int) -> npt.NDArray[np.bool_]:
    """Return for each body whether it passes; `bodies` has no nulls."""
    passes = np.fromiter(_verdicts(bodies), np.bool_, len(bodies))
    return passes & (np.asarray(pc.binary_length(bodies)) <= max_bytes) & _is_utf8(bodies)


def _verdicts(bodies: pa.LargeBinaryArray) -> Iterator[bool]:
    # The hot loop: a call or a search less for each message is felt over a million.
    may_be_escaped = _ESCAPED_COLON in bodies.buffers()[2].to_pybytes() if len(bodies) else False
    for body in _each(bodies):
        try:
            event = _decode(body)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            yield _passes_with_fractions(body)
        else:
            again = _encode(event)
            yield again == body or (
                again.count(b":") == body.count(b":") and not (may_be_escaped and _ESCAPED_COLON in body)
            )


def _passes_with_fractions(body: bytes) -> bool:
    try:
        event = _decode_fractions(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return False
    data = event.data
    amounts = [data.shipping, data.discount, data.tax, *(line.unit_price for line in data.lines)]
    are_exact = all(_is_exact(amount) for amount in amounts if isinstance(amount, Decimal))
    return are_exact and _gives_each_field_once(body, event)


def _gives_each_field_once(body: bytes, event: _Event) -> bool:
    """Tell whether the message holds each field once and none that the contract does not know.

    Encoding the decoded event again gives each known field once, absent ones not at all, and every
    string as it was; so a field too many shows as a colon too many.
    """
    return _encode(event).count(b":") == body.count(b":") and _ESCAPED_COLON not in body


def _is_exact(amount: Decimal) -> bool:
    # Up to 15 significant digits survive the double that DuckDB's parser makes of a JSON number.
    _, digits, exponent = amount.as_tuple()
    return isinstance(exponent, int) and -_DECIMALS <= exponent <= 0 and len(digits) <= _EXACT_DIGITS


def _each(bodies: pa.LargeBinaryArray) -> Iterator[bytes]:
    _, offsets, data = bodies.buffers()
    bounds = np.frombuffer(offsets, dtype=np.int64)[bodies.offset : bodies.offset + len(bodies) + 1].tolist()
    view = memoryview(data) if data is not None else memoryview(b"")
    for start, end in pairwise(bounds):
        yield view[start:end].tobytes()


def _is_utf8(bodies: pa.LargeBinaryArray) -> npt.NDArray[np.bool_]:
    try:
        bodies.cast(pa.large_string())
    except pa.ArrowInvalid:
        return np.fromiter((_decodes(body) for body in _each(bodies)), np.bool_, len(bodies))
    return np.ones(len(bodies), dtype=np.bool_)


def _decodes(body: bytes) -> bool:
    try:
        str(body, "utf-8")
    except UnicodeDecodeError:
        return False
    return True


_decode = msgspec.json.Decoder(_Event).decode
_decode_fractions = msgspec.json.Decoder(_FractionalEvent).decode
_encode = msgspec.json.Encoder().encode
