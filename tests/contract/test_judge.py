"""The judge gives every message of the corpus its verdict, and reads accepted ones exactly."""

import sys
from dataclasses import replace
from datetime import UTC, datetime
from threading import Thread

import msgspec
import pytest

from assets.contract.judge import Accepted, Rejected, judge
from assets.contract.model import MAX_DEPTH
from assets.contract.reasons import Reason
from tests.contract.corpus import MAX_BYTES, cases, large_cases
from tests.contract.documents import (
    ABSENT,
    ACCEPTED,
    WHOLE,
    Change,
    Raw,
    Verdict,
    inside,
    message,
    part,
    render,
    twice,
)


def verdict_on(body: bytes) -> Verdict:
    verdict = judge(body, max_bytes=MAX_BYTES)
    return ACCEPTED if isinstance(verdict, Accepted) else verdict.reason


def accepted(body: bytes) -> Accepted:
    verdict = judge(body, max_bytes=MAX_BYTES)
    assert isinstance(verdict, Accepted), verdict
    return verdict


def rejected(body: bytes) -> Rejected:
    verdict = judge(body, max_bytes=MAX_BYTES)
    assert isinstance(verdict, Rejected), verdict
    return verdict


def test_every_message_of_the_corpus_gets_its_verdict() -> None:
    wrong = [(case.label, verdict_on(case.body), case.expected) for case in cases()]
    assert [each for each in wrong if each[1] != each[2]] == []


def test_every_large_message_gets_its_verdict() -> None:
    wrong = [(case.label, verdict_on(case.body), case.expected) for case in large_cases()]
    assert [each for each in wrong if each[1] != each[2]] == []


def test_the_corpus_knows_every_reason_and_names_each_case_once() -> None:
    corpus = [*cases(), *large_cases()]
    assert {case.expected for case in corpus} == {ACCEPTED, *Reason}
    assert len({case.label for case in corpus}) == len(corpus)


def test_another_strict_reader_finds_the_same_messages_not_to_be_json() -> None:
    """It reads numbers as doubles and knows no lone surrogates, so it may refuse more, never less."""
    for case in cases():
        if case.expected is Reason.NOT_JSON and "levels of" not in case.label:
            with pytest.raises((msgspec.MsgspecError, RecursionError)):
                msgspec.json.decode(case.body)


def test_a_plain_order_is_read_as_the_frames_hold_it() -> None:
    order = accepted(WHOLE)
    assert (order.source, order.event_id, order.event_type) == ("/shops/eu", "e-1", "order.placed")
    assert (order.order_id, order.version, order.kind, order.status) == ("o-1", 1, "sale", "placed")
    assert (order.customer_id, order.customer_name, order.country) == ("c-1", "Zoë", "DE")
    assert (order.shipping, order.discount, order.tax, order.extra) == (49_000, 0, 0, None)
    assert [(line.line_number, line.quantity, line.unit_price) for line in order.lines] == [
        (1, 6, 25_500),
        (2, 2, 33_900),
    ]


def test_null_and_absent_are_the_same() -> None:
    paths = ["subject", "data.version", "data.customer", "data.shipping", "data.discount", "data.tax"]
    assert accepted(message(dict.fromkeys(paths))) == accepted(message(dict.fromkeys(paths, ABSENT)))


def test_absent_money_and_version_count_as_0_and_absent_text_as_nothing() -> None:
    order = accepted(message({"data.tax": ABSENT, "data.version": None, "data.customer": ABSENT}))
    assert (order.tax, order.version) == (0, 0)
    assert (order.customer_id, order.customer_name, order.country) == (None, None, None)


def test_an_empty_customer_id_names_nobody_but_leaves_the_country() -> None:
    order = accepted(message({"data.customer": {"customer_id": "", "country": "FR", "name": ""}}))
    assert (order.customer_id, order.country, order.customer_name) == (None, "FR", "")


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        (Raw(b"0.1"), 1_000),
        (Raw(b"0.30"), 3_000),
        (Raw(b"15e-1"), 15_000),
        (Raw(b"-1E2"), -1_000_000),
        (Raw(b"70368744177.6641"), 703_687_441_776_641),
        (Raw(b"-0.0"), 0),
        ("999999999999.9999", 9_999_999_999_999_999),
        ("-0007.5000000", -75_000),
    ],
)
def test_money_is_read_by_its_decimal_digits(spelled: str | Raw, expected: int) -> None:
    body = message({"data.lines.0.unit_price": 0, "data.lines.1.unit_price": 0, "data.shipping": spelled})
    assert accepted(body).shipping == expected


@pytest.mark.parametrize(
    ("spelled", "expected"),
    [
        ("2026-05-01T10:00:00.5+02:00", datetime(2026, 5, 1, 8, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-05-01t10:00:00.123456000z", datetime(2026, 5, 1, 10, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-01-01T00:30:00+01:00", datetime(2025, 12, 31, 23, 30, tzinfo=UTC)),
        ("9999-12-31T23:59:59+00:01", datetime(9999, 12, 31, 23, 58, 59, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read_as_utc_and_to_the_microsecond(spelled: str, expected: datetime) -> None:
    order = accepted(message({"time": spelled, "data.placed_at": spelled}))
    assert order.occurred_at == order.placed_at == expected.replace(tzinfo=None)


def test_unknown_fields_are_kept_where_they_stood_and_as_they_were_written() -> None:
    changes: dict[str, Change] = {
        "trace": Raw(b'{ "a" : [ 1.10 , -0 , 1E400 ] , "a" : "\\u00e9\\u0000" }'),
        "data.channel": "web",
        "data.customer.vip": None,
        "data.lines.1.gift": {"z": 1, "a": True},
    }
    order = accepted(message(changes))
    assert order.extra == (
        r'{"trace":{"a":[1.10,-0,1E400],"a":"é\u0000"},"data":{"channel":"web","customer":{"vip":null}}}'
    )
    assert [line.extra for line in order.lines] == [None, '{"gift":{"z":1,"a":true}}']


def test_extra_is_itself_json_at_the_greatest_depth() -> None:
    nested = b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1)
    assert accepted(inside(Raw(nested))).extra == '{"x":' + nested.decode() + "}"


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"id": ABSENT}, "$.id: is required"),
        ({"data.lines.1.sku": None}, "$.data.lines[1].sku: is required"),
        ({"data.lines.1.quantity": 1.5}, "$.data.lines[1].quantity: must be a whole number"),
        ({"data.lines.1": 5}, "$.data.lines[1]: must be an object"),
        ({"data.customer.name": 5}, "$.data.customer.name: must be a string"),
        ({"data.placed_at": "2026-05-01"}, "$.data.placed_at: must be RFC 3339"),
        (
            {"data.lines.0.quantity": 10**9, "data.lines.0.unit_price": 10**6},
            "$.data.lines[0]: quantity times",
        ),
        ({"data.lines.1.line_number": 1}, "$.data.lines[1].line_number: stands in an earlier line"),
        ({"data.lines.1.gift": Raw(b'["\\ud800"]')}, "$.data.lines[1].gift[0]: holds half"),
        ({"size (cm)": Raw(b'"\\ud800"')}, '$."size (cm)": holds half'),
    ],
)
def test_the_detail_names_the_path(changes: dict[str, Change], detail: str) -> None:
    assert rejected(message(changes)).detail.startswith(detail)


def test_a_field_given_twice_is_named() -> None:
    body = message({"data.lines.1": twice(part("data.lines.1"), "sku", "71053", "\\u0073ku")})
    assert rejected(body) == Rejected(Reason.WRONG_TYPE, "$.data.lines[1].sku: is given twice")


def test_a_detail_is_one_short_line_of_text_that_tells_nothing_of_the_order() -> None:
    for case in cases():
        verdict = judge(case.body, max_bytes=MAX_BYTES)
        if isinstance(verdict, Rejected):
            assert verdict.detail.encode().isascii(), case.label
            assert len(verdict.detail) < 500
            assert "\n" not in verdict.detail
            assert not any(text in verdict.detail for text in ("Zo", "example.org", "85123A", "c-1"))


def test_reasons_go_by_their_order_and_not_by_that_of_fields() -> None:
    late_but_first: dict[str, Change] = {"subject": 5, "data.currency": "?", "data.lines.1.sku": None}
    assert rejected(message(late_but_first)).detail == "$.data.lines[1].sku: is required"


def test_nothing_beneath_a_field_given_twice_is_looked_at() -> None:
    body = render(twice({**part(""), "data": {}}, "data", {"order_id": None}))
    assert rejected(body).detail == "$.data: is given twice"


def test_the_size_limit_is_a_parameter_and_counts_bytes() -> None:
    assert isinstance(judge(WHOLE, max_bytes=len(WHOLE)), Accepted)
    verdict = judge(WHOLE, max_bytes=len(WHOLE) - 1)
    assert isinstance(verdict, Rejected)
    assert verdict.reason is Reason.TOO_LARGE


def test_how_deep_the_caller_stands_does_not_change_the_verdict() -> None:
    deepest = inside(Raw(b"[" * (MAX_DEPTH - 1) + b"]" * (MAX_DEPTH - 1)))
    verdicts: list[Verdict] = []

    def descend(frames: int) -> None:
        if frames:
            descend(frames - 1)
        else:
            verdicts.append(verdict_on(deepest))

    thread = Thread(target=descend, args=(sys.getrecursionlimit() - MAX_DEPTH - 50,))
    thread.start()
    thread.join()
    assert verdicts == [ACCEPTED]


def test_lines_stay_in_the_order_of_the_message() -> None:
    first, second = part("data.lines.0"), part("data.lines.1")
    order = accepted(message({"data.lines": [second, first]}))
    assert [line.line_number for line in order.lines] == [2, 1]
    assert replace(order, lines=order.lines[::-1]) == accepted(WHOLE)
