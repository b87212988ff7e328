"""The corpus: broken and odd messages, each with the verdict that the contract gives it.

Verdicts are decided by hand, case by case or by a rule over a table of cases, never by the code under
test. Any decoder can be held to it: `for case in cases(): assert verdict(case.body) == case.expected`.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from assets.contract.model import MAX_MESSAGE_BYTES
from assets.contract.reasons import Reason
from tests.contract.cases_fields import field_cases
from tests.contract.cases_json import json_cases
from tests.contract.cases_nesting import nesting_cases
from tests.contract.cases_rules import rule_cases
from tests.contract.cases_values import value_cases
from tests.contract.documents import ACCEPTED, WHOLE, Case, Raw, message

MAX_BYTES: Final = MAX_MESSAGE_BYTES
"""The limit under which the expectations hold."""


def cases() -> list[Case]:
    """Return all cases but the large ones; together they are a few megabytes."""
    return [
        Case("a plain order", WHOLE, ACCEPTED),
        *json_cases(),
        *nesting_cases(),
        *field_cases(),
        *value_cases(),
        *rule_cases(),
    ]


def large_cases() -> Iterator[Case]:
    """Yield the cases of several megabytes each, one at a time."""
    yield Case("100,001 lines", message({"data.lines": _lines(range(1, 100_002))}), ACCEPTED)
    repeated = _lines([*range(1, 20_001), 10_000])
    yield Case("20,001 lines, one number twice", message({"data.lines": repeated}), Reason.DUPLICATE_LINE)
    room = MAX_BYTES - len(WHOLE)
    yield Case("exactly the limit", WHOLE + b" " * room, ACCEPTED)
    yield Case("one byte over the limit", WHOLE + b" " * (room + 1), Reason.TOO_LARGE)
    yield Case("over the limit and not UTF-8", b"\xff" * (MAX_BYTES + 1), Reason.TOO_LARGE)
    yield Case("at the limit and not UTF-8", b"\xff" * MAX_BYTES, Reason.NOT_UTF8)
    text = message({"subject": "x" * (MAX_BYTES - len(message({"subject": ""})))})
    yield Case("a text up to the limit", text, ACCEPTED)
    yield Case("an escaped quote without end", b'{"' + b'\\"[' * 4_000_000, Reason.NOT_JSON)
    yield Case("millions of brackets", b"[" * 8_000_000, Reason.NOT_JSON)
    yield Case("a number of millions of digits", message({"x": 0})[:-2] + b"9" * 8_000_000 + b"}", ACCEPTED)
    digits = b"0." + b"0" * 4_000_000 + b"15e4000001"
    price = WHOLE.replace(b'"2.55"', digits)
    yield Case("a price of millions of digits", price, ACCEPTED)


def _lines(numbers: Iterable[int]) -> Raw:
    line = b'{"line_number":%d,"sku":"A","quantity":1,"unit_price":"0.10"}'
    return Raw(b"[" + b",".join(line % number for number in numbers) + b"]")
