"""The fast parser takes nothing that the exact reference would not, and all that is plain."""

import json
import os
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from assets.contract.judge import Accepted, judge
from assets.orders.parse import parse
from assets.orders.rules import apply_rules
from tests.contract.corpus import cases
from tests.orders.samples import line, order
from tests.orders.test_decode import LIMIT, decoded, judged

LAX_DECIMALS = ('"+1"', '".5"', '"5."', '"1e3"', '"-.5"', '"1E+3"', '"\\u0031e3"', '"1\\u002e"', '" 1"', '""')


def parsed(bodies: Sequence[bytes]) -> list[int]:
    """Return the row numbers of the messages that the parser takes."""
    found = parse(pa.array(bodies, pa.large_binary()), max_bytes=LIMIT)
    return sorted(np.concatenate([part.rows for part in found]).tolist()) if found else []


def with_numbers(body: bytes) -> bytes:
    """Return the message with its money as JSON numbers."""
    event = json.loads(body)
    for each in event["data"]["lines"]:
        each["unit_price"] = float(each["unit_price"])
    event["data"]["shipping"] = float(event["data"]["shipping"])
    return json.dumps(event).encode()


def test_what_passes_parser_and_rules_alone_is_accepted_by_the_reference() -> None:
    # Alone, so that no neighbour that fails a call hides what the parser would have taken.
    step = 1 if os.environ.get("ORDERS_FAULTS") == "full" else 8
    for case in cases()[::step]:
        for part in parse(pa.array([case.body], pa.large_binary()), max_bytes=LIMIT):
            if len(apply_rules(part).events):
                assert isinstance(judge(case.body, max_bytes=LIMIT), Accepted), case.label


def test_plain_messages_are_all_parsed() -> None:
    plain = [order("o-1"), order("o-2") + b"\r", order("o-3", None, customer=None) + b" \r\n"]
    assert parsed(plain) == [0, 1, 2]
    assert parsed([with_numbers(order("o-1")), order("o-2"), with_numbers(order("o-3"))]) == [0, 1, 2]


@pytest.mark.parametrize(
    "culprit", [b"{}}", b'{"a":1}', b'{"lines":[}', b"\xff{}", b"", order()[:-1] + b',"data":null}']
)
def test_a_culprit_takes_few_others_along(culprit: bytes) -> None:
    bodies = [order(f"o-{number}") for number in range(100)]
    taken = parsed([*bodies[:50], culprit, *bodies[51:]])
    assert 50 not in taken
    assert len(taken) >= 100 - 8


@pytest.mark.parametrize(
    "bodies",
    [
        [b'{"subject":"}', b'{","id":"1"}', b"{}{}"],
        [b'{"data":{"kind":"sale"}', b'{"id":"1"}}', b"{}{}"],
        [b'{"data":{"lines":[{}', b"{}]}}", b"{}{}{}"],
        [b"{}{}", b"{", b"{}"],
        [b"{}\n{}", b" {}", b"{"],
        [b'{"id":"\n"}', b"{}"],
    ],
)
def test_messages_that_make_objects_only_together_are_not_parsed(bodies: list[bytes]) -> None:
    bodies = [order("o-1"), *bodies, order("o-2")]
    assert decoded(bodies) == judged(bodies)


@pytest.mark.parametrize("text", LAX_DECIMALS)
@pytest.mark.parametrize("neighbour", [b'"shipping": 0', b'"shipping": "0"'])
def test_money_that_only_arrow_takes_for_a_decimal_is_left_to_the_reference(
    text: str, neighbour: bytes
) -> None:
    body = order("o-1", lines=[line(unit_price="MONEY")]).replace(b'"shipping": "4.90"', neighbour)
    bodies = [body.replace(b'"MONEY"', text.encode()), order("o-2")]
    assert decoded(bodies) == judged(bodies)
    assert decoded(bodies[:1]) == judged(bodies[:1])


@pytest.mark.parametrize(
    "number", ["1e2", "-0", "1.5E-1", "0.00001", "1e-400", "999999999999.9999", "1e12", "12.50000"]
)
def test_money_as_numbers_is_exact(number: str) -> None:
    bodies = [
        order("o-1", lines=[line(unit_price="PRICE")]).replace(b'"PRICE"', number.encode()),
        order("o-2").replace(b'"4.90"', number.encode()),
    ]
    assert decoded(bodies) == judged(bodies)
