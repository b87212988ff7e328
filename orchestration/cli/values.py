"""How values of the warehouse and of reports look in JSON and in plain text."""

import base64
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

JsonValue = None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def to_json(value: object) -> JsonValue:
    """Return what JSON holds for a value that DuckDB or a report gave.

    Whole numbers stay numbers; DECIMAL is text at its scale, TIMESTAMP RFC 3339 with Z, BLOB base64, an
    interval an ISO 8601 duration, a number that JSON lacks its name. A naive moment is UTC.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else _name_of(value)
    if isinstance(value, Mapping):
        return {_key(key): to_json(item) for key, item in value.items()}
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_json(getattr(value, f.name)) for f in fields(value) if f.repr}
    if isinstance(value, Iterable):
        return [to_json(item) for item in value]
    return _text(value)


def to_cell(value: object) -> str:
    """Return a value as it stands in a table: as in JSON, but on one line, and empty for NULL."""
    plain = to_json(value)
    if plain is None:
        return ""
    text = plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    return text.translate(_ESCAPES)


def unique_names(names: Sequence[str]) -> list[str]:
    """Return column names made unique, as an object cannot hold one twice: a, a_1, a_2."""
    taken: set[str] = set()
    unique = []
    for name in names:
        candidate, number = name, 0
        while candidate in taken or (number and candidate in names):
            number += 1
            candidate = f"{name}_{number}"
        taken.add(candidate)
        unique.append(candidate)
    return unique


def _text(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value, "f") if value.is_finite() else str(value)
    if isinstance(value, datetime):
        naive = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        return naive.isoformat() + "Z"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _duration(value)
    return str(value)


def _duration(value: timedelta) -> str:
    sign = "-" if value < timedelta(0) else ""
    size = abs(value)
    hours, rest = divmod(size.seconds, 3600)
    minutes, whole = divmod(rest, 60)
    fraction = f".{size.microseconds:06d}".rstrip("0") if size.microseconds else ""
    days = f"{size.days}D" if size.days else ""
    clock = "".join(
        f"{text}{unit}"
        for text, unit in ((hours, "H"), (minutes, "M"), (f"{whole}{fraction}", "S"))
        if text not in (0, "0")
    )
    return f"{sign}P{days}{'T' + clock if clock else ''}" if days or clock else "PT0S"


def _key(key: object) -> str:
    plain = to_json(key)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _name_of(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"
