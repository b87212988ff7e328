"""Cases of what fields say together, computed money above all, and of the order in which reasons apply."""

from collections.abc import Iterator, Mapping
from itertools import combinations
from types import MappingProxyType
from typing import Final, TypeAlias

from assets.contract.reasons import RANK, Reason
from tests.contract.documents import ABSENT, ACCEPTED, Case, Change, Document, Raw, Verdict, message

Changes: TypeAlias = Mapping[str, Change]

_MOST: Final = "999999999999.9999"
_HALF: Final = "500000000000"
_MANY: Final[Changes] = {"data.lines.0.quantity": 1_000_000_000}
_TWO_HALVES: Final[Changes] = {
    "data.lines.0.quantity": 1,
    "data.lines.0.unit_price": _HALF,
    "data.lines.1.quantity": 1,
    "data.lines.1.unit_price": "499999999999.9999",
}
FAULTS: Final[Mapping[Reason, tuple[Mapping[str, Change], ...]]] = MappingProxyType(
    {
        Reason.NOT_AN_EVENT: ({"specversion": "2.0"},),
        Reason.MISSING_FIELD: ({"id": ABSENT}, {"data.lines.1.sku": None}),
        Reason.WRONG_TYPE: ({"subject": 5}, {"data.lines.1.description": 5}),
        Reason.BAD_TIMESTAMP: ({"time": "x"}, {"data.placed_at": "2026-05-01"}),
        Reason.BAD_MONEY: ({"data.tax": "x"}, {"data.lines.1.unit_price": "1e2"}),
        Reason.BAD_CURRENCY: ({"data.currency": "euro"},),
        Reason.BAD_STATUS: ({"data.status": "new"},),
        Reason.BAD_KIND: ({"data.kind": "adjustment"},),
        Reason.NO_LINES: ({"data.lines": []},),
        Reason.BAD_QUANTITY: ({"data.lines.0.quantity": 0}, {"data.lines.0.quantity": 2_000_000_000}),
        Reason.DUPLICATE_LINE: ({"data.lines.0.line_number": 2},),
    }
)
"""Changes that break one rule each; those of different reasons can be combined, but no lines with lines."""
# The first line has 6 units at 2.55, the second 2 at 3.39; shipping is 4.90.
_SUMS: Final[tuple[tuple[str, Changes, Verdict], ...]] = (
    ("an amount of 10^12", {**_MANY, "data.lines.0.unit_price": "1000"}, Reason.BAD_MONEY),
    ("an amount just below 10^12", {**_MANY, "data.lines.0.unit_price": "999.9"}, ACCEPTED),
    ("an amount of -10^12", {**_MANY, "data.lines.0.unit_price": "-1000"}, Reason.BAD_MONEY),
    ("an amount beyond 64 bits", {**_MANY, "data.lines.0.unit_price": _MOST}, Reason.BAD_MONEY),
    (
        "an amount that wraps to 0 in 64 bits",
        {"data.lines.0.quantity": 2**29, "data.lines.0.unit_price": Raw(b"3435973836.8")},
        Reason.BAD_MONEY,
    ),
    (
        "an amount too large for a bad quantity",
        {"data.lines.0.quantity": 2**62, "data.lines.0.unit_price": 1},
        Reason.BAD_MONEY,
    ),
    (
        "a small amount of a bad quantity",
        {"data.lines.0.quantity": 2**62, "data.lines.0.unit_price": 0},
        Reason.BAD_QUANTITY,
    ),
    (
        "an amount too large beside a quantity of 0",
        {"data.lines.0.quantity": 0, "data.lines.1.unit_price": _MOST},
        Reason.BAD_MONEY,
    ),
    (
        "amounts too large that outweigh each other",
        {"data.lines.0.unit_price": "200000000000", "data.lines.1.unit_price": "-600000000000"},
        Reason.BAD_MONEY,
    ),
    ("a subtotal of 10^12", {**_TWO_HALVES, "data.lines.1.unit_price": _HALF}, Reason.BAD_MONEY),
    ("a subtotal just below 10^12", {**_TWO_HALVES, "data.shipping": 0}, ACCEPTED),
    ("a total of 10^12", {**_TWO_HALVES, "data.shipping": "0.0001"}, Reason.BAD_MONEY),
    (
        "a subtotal too large that the discount mends",
        {**_TWO_HALVES, "data.lines.1.unit_price": _HALF, "data.discount": _MOST},
        Reason.BAD_MONEY,
    ),
    (
        "a sum in between too large, a total that is not",
        {"data.shipping": _HALF, "data.tax": _HALF, "data.discount": _HALF},
        ACCEPTED,
    ),
    ("a total of shipping and tax", {"data.shipping": _HALF, "data.tax": _HALF}, Reason.BAD_MONEY),
    ("a total below -10^12", {"data.shipping": f"-{_HALF}", "data.discount": _MOST}, Reason.BAD_MONEY),
    (
        "no lines, a total that is too large",
        {"data.lines": [], "data.shipping": _HALF, "data.tax": _HALF},
        Reason.BAD_MONEY,
    ),
    ("no lines, a total that is not", {"data.lines": [], "data.shipping": _HALF}, Reason.NO_LINES),
    ("negative shipping", {"data.shipping": "-4.90"}, ACCEPTED),
    ("negative discount and tax", {"data.discount": "-1", "data.tax": "-0.01"}, ACCEPTED),
    ("a negative price", {"data.lines.0.unit_price": "-2.55"}, ACCEPTED),
    ("a price of 0", {"data.lines.0.unit_price": 0}, ACCEPTED),
)
_SIGNS: Final[tuple[tuple[str, int, int, Verdict], ...]] = (
    ("sale", 6, 2, ACCEPTED),
    ("sale", 6, -2, Reason.BAD_QUANTITY),
    ("sale", -6, -2, Reason.BAD_QUANTITY),
    ("return", -6, -2, ACCEPTED),
    ("return", -6, 2, Reason.BAD_QUANTITY),
    ("return", 6, 2, Reason.BAD_QUANTITY),
    ("return", -6, 0, Reason.BAD_QUANTITY),
    ("return", -1_000_000_000, -1, ACCEPTED),
    ("return", -1_000_000_001, -1, Reason.BAD_QUANTITY),
    ("return", -(2**63), -1, Reason.BAD_MONEY),
)
_PAIRS_OF_LINES: Final[tuple[tuple[int, int, Verdict], ...]] = (
    (1, 1, Reason.DUPLICATE_LINE),
    (2, 1, ACCEPTED),
    (5, 9, ACCEPTED),
    (2**63 - 1, 1, ACCEPTED),
    (2**63 - 1, 2**63 - 1, Reason.DUPLICATE_LINE),
    (2**53, 2**53 + 1, ACCEPTED),
)
_RUNS_OF_LINES: Final[tuple[tuple[list[int], Verdict], ...]] = (
    ([1, 2, 3, 4, 2], Reason.DUPLICATE_LINE),
    ([3, 1, 2], ACCEPTED),
    ([*range(1, 1001)], ACCEPTED),
    ([*range(1, 1001), 500], Reason.DUPLICATE_LINE),
    ([7], ACCEPTED),
)


def rule_cases() -> Iterator[Case]:
    """Yield the cases of what fields say together, and of precedence."""
    yield from _computed_money()
    yield from _signs()
    yield from _line_numbers()
    yield from _precedence()


def _computed_money() -> Iterator[Case]:
    for label, changes, verdict in _SUMS:
        yield Case(label, message(changes), verdict)


def _signs() -> Iterator[Case]:
    for kind, first, second, verdict in _SIGNS:
        changes: dict[str, Change] = {
            "data.kind": kind,
            "data.lines.0.quantity": first,
            "data.lines.1.quantity": second,
        }
        yield Case(f"a {kind} of {first} and {second}", message(changes), verdict)


def _line_numbers() -> Iterator[Case]:
    for first, second, verdict in _PAIRS_OF_LINES:
        changes: dict[str, Change] = {"data.lines.0.line_number": first, "data.lines.1.line_number": second}
        yield Case(f"lines {first} and {second}", message(changes), verdict)
    line: dict[str, Document] = {"line_number": 1, "sku": "A", "quantity": 1, "unit_price": 1}
    for numbers, verdict in _RUNS_OF_LINES:
        lines: list[Document] = [{**line, "line_number": number} for number in numbers]
        label = f"{len(numbers)} lines, {len(set(numbers))} numbers, the first {numbers[0]}"
        yield Case(label, message({"data.lines": lines}), verdict)


def _precedence() -> Iterator[Case]:
    for (one, ones), (other, others) in combinations(FAULTS.items(), 2):
        first = one if RANK[one] < RANK[other] else other
        for number, (change, addition) in enumerate((c, a) for c in ones for a in others):
            paths = {*change, *addition}
            if "data.lines" in paths and any(path.startswith("data.lines.") for path in paths):
                continue
            yield Case(f"{one} and {other} ({number})", message({**addition, **change}), first)
    for reason, faults in FAULTS.items():
        for number, change in enumerate(faults):
            yield Case(f"{reason} alone ({number})", message(change), reason)
            yield Case(f"{reason} in broken JSON ({number})", message(change)[:-1], Reason.NOT_JSON)
            yield Case(
                f"{reason} and a lone surrogate ({number})",
                message({**change, "x": Raw(b'"\\ud800"')}),
                reason if RANK[reason] < RANK[Reason.WRONG_TYPE] else Reason.WRONG_TYPE,
            )
