"""Why a message is rejected: a closed set, in the order in which reasons apply."""

from enum import StrEnum
from types import MappingProxyType


class Reason(StrEnum):
    """A reason for rejection; of several that apply, the first in this order is given."""

    TOO_LARGE = "too_large"
    NOT_UTF8 = "not_utf8"
    NOT_JSON = "not_json"
    NOT_AN_EVENT = "not_an_event"
    MISSING_FIELD = "missing_field"
    WRONG_TYPE = "wrong_type"
    BAD_TIMESTAMP = "bad_timestamp"
    BAD_MONEY = "bad_money"
    BAD_CURRENCY = "bad_currency"
    BAD_STATUS = "bad_status"
    BAD_KIND = "bad_kind"
    NO_LINES = "no_lines"
    BAD_QUANTITY = "bad_quantity"
    DUPLICATE_LINE = "duplicate_line"


RANK = MappingProxyType({reason: rank for rank, reason in enumerate(Reason)})
"""The place of each reason in that order, from 0."""

MEANINGS = MappingProxyType(
    {
        Reason.TOO_LARGE: "more bytes than the limit of a message",
        Reason.NOT_UTF8: "bytes that are not UTF-8",
        Reason.NOT_JSON: "not one JSON value by RFC 8259, or nested deeper than the limit",
        Reason.NOT_AN_EVENT: 'not a JSON object, or `specversion` is not "1.0"',
        Reason.MISSING_FIELD: "a required field is absent, null or an empty identifier",
        Reason.WRONG_TYPE: "another type than the contract's, a field given twice, or a lone surrogate",
        Reason.BAD_TIMESTAMP: "not a moment by RFC 3339, or not one that microseconds can hold",
        Reason.BAD_MONEY: "not plain decimal, more than 4 decimals, or an amount or total that is too large",
        Reason.BAD_CURRENCY: "not three capital letters",
        Reason.BAD_STATUS: "a status outside the closed set",
        Reason.BAD_KIND: "a kind outside the closed set",
        Reason.NO_LINES: "an order without lines",
        Reason.BAD_QUANTITY: "zero, too large, or of the wrong sign for the kind",
        Reason.DUPLICATE_LINE: "two lines with the same number",
    }
)
"""What each reason says, for people."""
