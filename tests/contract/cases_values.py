"""Cases at the bounds of every rule on a single value."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from assets.contract.model import STATUSES
from assets.contract.reasons import Reason
from tests.contract.documents import ACCEPTED, Case, Change, Raw, message
from tests.contract.grammar import quoted
from tests.contract.values import (
    BAD_CURRENCIES,
    BAD_KINDS,
    BAD_STATUSES,
    COUNTERS,
    MONEY_NUMBERS,
    MONEY_TEXTS,
    ODD_TEXTS,
    QUANTITIES,
    TIMES,
    TYPES,
)

_TEXT_PATHS: Final = (
    "id",
    "data.order_id",
    "data.customer.customer_id",
    "data.customer.country",
    "data.lines.0.description",
)
# One amount may come close to the bound of money only where it is alone in the total.
_NOTHING_ELSE: Final[Mapping[str, Change]] = MappingProxyType(
    {
        "data.lines.0.unit_price": 0,
        "data.lines.1.unit_price": 0,
        "data.lines.1.quantity": 1,
        "data.shipping": 0,
    }
)


def value_cases() -> Iterator[Case]:
    """Yield the cases of every kind of value."""
    yield from _texts()
    for path in ("time", "data.placed_at"):
        for text, verdict in TIMES.items():
            yield Case(f"{path} {text!r}", message({path: text}), verdict)
    yield from _money()
    for path in ("data.version", "data.lines.0.line_number"):
        for number, verdict in COUNTERS.items():
            yield Case(f"{path} {_short(number)}", message({path: Raw(number.encode())}), verdict)
    for number, verdict in QUANTITIES.items():
        changes: dict[str, Change] = {
            "data.lines.0.quantity": Raw(number.encode()),
            "data.lines.0.unit_price": "0.01",
        }
        yield Case(f"quantity {_short(number)}", message(changes), verdict)
    for path, texts, reason in (
        ("data.currency", BAD_CURRENCIES, Reason.BAD_CURRENCY),
        ("data.status", BAD_STATUSES, Reason.BAD_STATUS),
        ("data.kind", BAD_KINDS, Reason.BAD_KIND),
    ):
        for text in texts:
            yield Case(f"{path} {text!r}", message({path: text}), reason)
    for text in STATUSES:
        yield Case(f"status {text}", message({"data.status": text}), ACCEPTED)
    for text in ("EUR", "USD", "XXX", "ZZZ"):
        yield Case(f"currency {text}", message({"data.currency": text}), ACCEPTED)
    for text, verdict in TYPES.items():
        yield Case(f"type {text!r}", message({"type": text}), verdict)
    escaped: dict[str, Change] = {
        "data.kind": quoted(b"s\\u0061le"),
        "data.currency": quoted(b"\\u0045UR"),
        "data.tax": quoted(b"\\u0031"),
    }
    yield Case("values with escapes", message(escaped), ACCEPTED)


def _money() -> Iterator[Case]:
    for path in ("data.shipping", "data.discount", "data.tax", "data.lines.1.unit_price"):
        for text, verdict in MONEY_TEXTS.items():
            yield Case(f"{path} text {_short(text)!r}", message({**_NOTHING_ELSE, path: text}), verdict)
        for number, verdict in MONEY_NUMBERS.items():
            raw = Raw(number.encode())
            yield Case(f"{path} number {_short(number)}", message({**_NOTHING_ELSE, path: raw}), verdict)


def _texts() -> Iterator[Case]:
    for text in ODD_TEXTS:
        for path in _TEXT_PATHS:
            yield Case(f"{path} {_short(text)!r}", message({path: text}), ACCEPTED)
    for path in ("subject", "data.customer.name", "data.customer.country", "data.lines.0.description"):
        yield Case(f"{path} is an empty text", message({path: ""}), ACCEPTED)


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:12]}… of {len(text)} characters"
