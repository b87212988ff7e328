"""Messages to break: a valid order, changes by path, and a renderer that can write what `json` cannot."""

import json
from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from assets.contract.reasons import Reason

ACCEPTED: Final = "accepted"
Verdict: TypeAlias = Reason | Literal["accepted"]


class Case(NamedTuple):
    """A message and the verdict that the contract gives it; `label` is unique in the corpus."""

    label: str
    body: bytes
    expected: Verdict


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes to be written as they are, in place of a value or of a name."""

    bytes: bytes


@dataclass(frozen=True, slots=True)
class Pairs:
    """An object whose names may come twice, or be spelled in another way."""

    items: "tuple[tuple[str | Raw, Document], ...]"


Document: TypeAlias = "str | int | float | Raw | Pairs | Mapping[str, Document] | Sequence[Document] | None"


class _Absent:
    """Stands for a field that is left out."""


ABSENT: Final = _Absent()
Change: TypeAlias = "Document | _Absent"

ORDER: Final[dict[str, Document]] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/shops/eu",
    "type": "order.placed",
    "subject": "o-1",
    "time": "2026-05-01T10:00:00Z",
    "data": {
        "order_id": "o-1",
        "version": 1,
        "kind": "sale",
        "status": "placed",
        "currency": "EUR",
        "placed_at": "2026-05-01T10:00:00Z",
        "customer": {"customer_id": "c-1", "name": "Zoë", "email": "z@example.org", "country": "DE"},
        "lines": [
            {
                "line_number": 1,
                "sku": "85123A",
                "description": "Heart",
                "quantity": 6,
                "unit_price": "2.55",
            },
            {"line_number": 2, "sku": "71053", "description": "Lamp", "quantity": 2, "unit_price": "3.39"},
        ],
        "shipping": "4.90",
        "discount": "0.00",
        "tax": "0.00",
    },
}


def changed(changes: Mapping[str, Change], base: Mapping[str, Document] = ORDER) -> dict[str, Document]:
    """Return a copy of the order with the value at each dotted path (`data.lines.0.sku`) replaced."""
    document = deepcopy(dict(base))
    for path, value in changes.items():
        *parents, name = path.split(".")
        target: object = document
        for parent in parents:
            target = target[int(parent)] if isinstance(target, list) else target[parent]  # type: ignore[index]
        if isinstance(target, list):
            target[int(name)] = value
        elif isinstance(value, _Absent):
            del target[name]  # type: ignore[attr-defined]
        else:
            target[name] = value  # type: ignore[index]
    return document


def message(changes: Mapping[str, Change] | None = None) -> bytes:
    """Return the order with changes, as bytes."""
    return render(changed(changes or {}))


def inside(value: Document) -> bytes:
    """Return the order with an unknown field that holds `value`, in the middle of the event."""
    fields = [*ORDER.items()]
    return render(Pairs((*fields[:3], ("x", value), *fields[3:])))


def twice(document: Mapping[str, Document], name: str, other: Document, spelled: str | None = None) -> Pairs:
    """Return the object with the field `name` a second time, at its end, as `other`."""
    second: str | Raw = name if spelled is None else Raw(b'"' + spelled.encode() + b'"')
    return Pairs((*document.items(), (second, other)))


def part(path: str) -> dict[str, Document]:
    """Return a copy of the object of the order at a dotted path; the empty path is the whole."""
    target: object = deepcopy(ORDER)
    for name in filter(None, path.split(".")):
        target = target[int(name)] if isinstance(target, list) else target[name]  # type: ignore[index]
    assert isinstance(target, dict)
    return target


def render(document: Document) -> bytes:
    """Write a document as JSON without blanks, in UTF-8, with everything raw as it is."""
    if isinstance(document, Raw):
        return document.bytes
    if isinstance(document, Pairs):
        return _object(document.items)
    if isinstance(document, Mapping):
        return _object(document.items())
    if isinstance(document, Sequence) and not isinstance(document, str):
        return b"[" + b",".join(map(render, document)) + b"]"
    return json.dumps(document, ensure_ascii=False).encode()


def _object(items: Iterable[tuple[str | Raw, Document]]) -> bytes:
    return b"{" + b",".join(render(name) + b":" + render(value) for name, value in items) + b"}"


WHOLE: Final = message()
"""The order as it is."""
