"""Reading the fields of one object of a message by the model, and noting what is wrong with them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from assets.contract.model import (
    EVENT_TYPE_PREFIX,
    FIELDS_OF,
    KINDS,
    RULES,
    STATUSES,
    Field,
    FieldType,
    Place,
)
from assets.contract.reasons import RANK, Reason
from assets.contract.strict_json import JsonObject, JsonValue, Number
from assets.contract.values import moment, money_from_number, money_from_text, whole_number

Row: TypeAlias = dict[str, Any]
"""Column to value: str, int, naive UTC datetime, or None where it is absent or could not be read."""
_Read: TypeAlias = str | int | datetime | Reason | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and where."""

    reason: Reason
    detail: str


class Findings:
    """Keeps, of all findings, the first of the reason that applies first."""

    __slots__ = ("first",)

    def __init__(self) -> None:
        self.first: Finding | None = None

    def add(self, reason: Reason, path: str, text: str) -> None:
        """Note that `text` is wrong at `path`."""
        if self.first is None or RANK[reason] < RANK[self.first.reason]:
            self.first = Finding(reason, f"{path}: {text}")


def read_columns(place: Place, container: JsonObject, path: str, findings: Findings) -> Row:
    """Return the object's columns by name; all of them are there."""
    row: Row = {}
    members, twice = container.members, container.twice
    for name, column, read, field in _STEPS[place]:
        value = members.get(name)
        if not value or name in twice:
            value = present(field, container, path, findings)
            if value is None:
                row[column] = field.absent
                continue
        result = read(value)
        if isinstance(result, Reason):
            findings.add(result, f"{path}.{name}", f"must be {RULES[field.type]}")
            result = None
        row[column] = result
    return row


def read_object(field: Field, container: JsonObject, path: str, findings: Findings) -> JsonObject | None:
    """Return the object that the field holds, or None when there is none to read."""
    value = present(field, container, path, findings)
    if value is None or isinstance(value, JsonObject):
        return value
    findings.add(Reason.WRONG_TYPE, f"{path}.{field.name}", f"must be {RULES[field.type]}")
    return None


def present(field: Field, container: JsonObject, path: str, findings: Findings) -> JsonValue:
    """Return the field's value, or None when there is none to read; what is wrong with that is found."""
    if field.name in container.twice:
        findings.add(Reason.WRONG_TYPE, f"{path}.{field.name}", "is given twice")
        return None
    value = container.members.get(field.name)
    if value is None or (value == "" and field.type is FieldType.IDENTIFIER):
        if field.required:
            findings.add(Reason.MISSING_FIELD, f"{path}.{field.name}", "is required")
        return None
    return value


def _text(value: JsonValue) -> _Read:
    return value if isinstance(value, str) else Reason.WRONG_TYPE


def _event_type(value: JsonValue) -> _Read:
    return value if isinstance(value, str) and value.startswith(EVENT_TYPE_PREFIX) else Reason.WRONG_TYPE


def _timestamp(value: JsonValue) -> _Read:
    return (moment(value) or Reason.BAD_TIMESTAMP) if isinstance(value, str) else Reason.WRONG_TYPE


def _whole(value: JsonValue) -> _Read:
    number = whole_number(value.text) if isinstance(value, Number) else None
    return Reason.WRONG_TYPE if number is None else number


def _counter(value: JsonValue) -> _Read:
    number = whole_number(value.text) if isinstance(value, Number) else None
    return Reason.WRONG_TYPE if number is None or number < 1 else number


def _money(value: JsonValue) -> _Read:
    if isinstance(value, str):
        amount = money_from_text(value)
    elif isinstance(value, Number):
        amount = money_from_number(value.text)
    else:
        return Reason.WRONG_TYPE
    return Reason.BAD_MONEY if amount is None else amount


def _currency(value: JsonValue) -> _Read:
    if not isinstance(value, str):
        return Reason.WRONG_TYPE
    return (
        value
        if len(value) == 3 and value.isascii() and value.isalpha() and value.isupper()
        else Reason.BAD_CURRENCY
    )


def _status(value: JsonValue) -> _Read:
    if not isinstance(value, str):
        return Reason.WRONG_TYPE
    return value if value in STATUSES else Reason.BAD_STATUS


def _kind(value: JsonValue) -> _Read:
    if not isinstance(value, str):
        return Reason.WRONG_TYPE
    return value if value in KINDS else Reason.BAD_KIND


_READERS: Final[Mapping[FieldType, Callable[[JsonValue], _Read]]] = MappingProxyType(
    {
        FieldType.IDENTIFIER: _text,
        FieldType.TEXT: _text,
        FieldType.EVENT_TYPE: _event_type,
        FieldType.TIMESTAMP: _timestamp,
        FieldType.COUNTER: _counter,
        FieldType.QUANTITY: _whole,
        FieldType.MONEY: _money,
        FieldType.CURRENCY: _currency,
        FieldType.STATUS: _status,
        FieldType.KIND: _kind,
    }
)


def read_text(kind: FieldType, text: str) -> str | int | datetime | None:
    """Return what a string in a field of this type says, None where the contract refuses it."""
    result = _READERS[kind](text)
    return None if isinstance(result, Reason) else result


_STEPS: Final[Mapping[str, tuple[tuple[str, str, Callable[[JsonValue], _Read], Field], ...]]] = (
    MappingProxyType(
        {
            place: tuple(
                (field.name, field.column, _READERS[field.type], field)
                for field in fields
                if field.column is not None
            )
            for place, fields in FIELDS_OF.items()
        }
    )
)
