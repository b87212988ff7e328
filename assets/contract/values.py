"""Single values of the contract: text to the numbers and moments that frames hold."""

import re
from datetime import datetime, timedelta
from typing import Final

from assets.contract.model import MAX_INT64, MIN_INT64, MONEY_DECIMALS, MONEY_DIGITS

_WHOLE: Final = re.compile(r"-?[0-9]{1,19}")
_PLAIN_DECIMAL: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?")
_JSON_DECIMAL: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)0*([0-9]+))?")
_TIMESTAMP: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_FRACTION_DIGITS: Final = 6
# No message holds 10^18 digits, so no mantissa can make up for an exponent that is longer than this.
_EXPONENT_DIGITS: Final = 18


def whole_number(text: str) -> int | None:
    """Read a JSON number that is written as a whole one and fits in 64 bits; 1.0 and 1e0 are not."""
    if _WHOLE.fullmatch(text) is None:
        return None
    number = int(text)
    return number if MIN_INT64 <= number <= MAX_INT64 else None


def money_from_text(text: str) -> int | None:
    """Read a plain decimal (`-12.50`) as ten-thousandths; None if it is none or out of bounds.

    Leading zeros and zeros beyond the fourth decimal change no value and are accepted; a plus sign,
    an exponent, blanks, `.5` and `5.` are not.
    """
    parts = _PLAIN_DECIMAL.fullmatch(text)
    if parts is None:
        return None
    sign, whole, fraction = parts.groups(default="")
    return _ten_thousandths(sign, whole, fraction, 0)


def money_from_number(text: str) -> int | None:
    """Read a JSON number, exponent included, as ten-thousandths, by its exact decimal value."""
    parts = _JSON_DECIMAL.fullmatch(text)
    if parts is None:
        return None
    sign, whole, fraction, exponent_sign, exponent = parts.groups(default="")
    if len(exponent) > _EXPONENT_DIGITS:
        return None if (whole + fraction).strip("0") else 0
    return _ten_thousandths(sign, whole, fraction, int(f"{exponent_sign}{exponent or 0}"))


def _ten_thousandths(sign: str, whole: str, fraction: str, exponent: int) -> int | None:
    written = (whole + fraction).lstrip("0")
    digits = written.rstrip("0")
    if not digits:
        return 0
    decimals = len(fraction) - exponent - (len(written) - len(digits))
    if decimals > MONEY_DECIMALS or len(digits) - decimals > MONEY_DIGITS:
        return None
    size: int = int(digits) * 10 ** (MONEY_DECIMALS - decimals)
    return -size if sign else size


def moment(text: str) -> datetime | None:
    """Read an RFC 3339 timestamp as naive UTC; None if it is none or cannot be held exactly.

    Digits beyond microseconds must be zeros; a leap second, hour 24, the year 0000 and a moment outside
    the years 0001 to 9999 in UTC are refused. `T` and `Z` may be small letters.
    """
    parts = _TIMESTAMP.fullmatch(text)
    if parts is None:
        return None
    fraction, sign, hours, minutes = parts.group(7, 8, 9, 10)
    fraction = (fraction or "").ljust(_FRACTION_DIGITS, "0")
    if fraction[_FRACTION_DIGITS:].strip("0"):
        return None
    year, month, day, hour, minute, second = map(int, parts.group(1, 2, 3, 4, 5, 6))
    try:
        local = datetime(year, month, day, hour, minute, second, int(fraction[:_FRACTION_DIGITS]))  # noqa: DTZ001
        if sign is None:
            return local
        offset = timedelta(hours=int(hours), minutes=int(minutes))
        return local - offset if sign == "+" else local + offset
    except (ValueError, OverflowError):
        return None
