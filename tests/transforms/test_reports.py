"""The reports: what counts as a sale, what a customer is worth, how long orders take."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.transforms.frames import STATUSES
from assets.transforms.reports import (
    CustomerSegment,
    customer_value,
    daily_sales,
    fulfilment_times,
    product_sales,
)
from tests.transforms.samples import HISTORY, ORDER_LINES, ORDERS, START, Row, frame, rows_of, utc

DAY = START.date()
RETURN: Row = {"order_id": "r-1", "kind": "return", "units": -2, "subtotal": -30_000}


def _sales(*orders: Row) -> list[tuple[Any, ...]]:
    return rows_of(daily_sales(frame(ORDERS, *orders)))


def _value(*orders: Row) -> list[tuple[Any, ...]]:
    return rows_of(customer_value(frame(ORDERS, *orders)))


def _times(history: Sequence[Row], *orders: Row) -> list[tuple[Any, ...]]:
    return rows_of(fulfilment_times(frame(ORDERS, *(orders or ({},))), frame(HISTORY, *history)))


def _step(status: str, version: int, seconds: float, order: str = "o-1") -> Row:
    return {
        "order_id": order,
        "status": status,
        "version": version,
        "occurred_at": START + timedelta(seconds=seconds),
        "event_id": f"{order}:{version}",
    }


def test_a_sales_day_sums_sales_and_returns_apart() -> None:
    rows = _sales({"units": 5, "subtotal": 100_000, "total": 1}, RETURN)
    assert rows == [(DAY, "EUR", "DE", 1, 3, 100_000, -30_000, 70_000)]


@pytest.mark.parametrize(
    ("kind", "status", "counts"),
    [
        *(("sale", status, status not in {"cancelled", "refunded"}) for status in STATUSES),
        *(("return", status, status != "cancelled") for status in STATUSES),
    ],
)
def test_cancelled_orders_and_refunded_sales_do_not_count(kind: str, status: str, counts: bool) -> None:
    assert bool(_sales({"kind": kind, "status": status})) is counts


def test_a_missing_country_shows_as_unknown() -> None:
    assert [row[2] for row in _sales({"country": None})] == ["unknown"]


def test_a_day_is_a_utc_day_of_the_order() -> None:
    last_moment = utc("1969-12-31T23:59:59.999999Z")
    assert [row[0] for row in _sales({"placed_at": last_moment})] == [date(1969, 12, 31)]


def test_currencies_and_countries_are_kept_apart() -> None:
    rows = _sales({"currency": "EUR"}, {"currency": "USD"}, {"country": "FR"})
    assert [row[1:3] for row in rows] == [("EUR", "DE"), ("EUR", "FR"), ("USD", "DE")]


def test_products_sum_over_the_lines_of_orders_that_count() -> None:
    orders = frame(
        ORDERS, {"order_id": "o-1"}, RETURN, {"order_id": "o-2", "kind": "sale", "status": "refunded"}
    )
    lines = frame(
        ORDER_LINES,
        {"order_id": "o-1", "quantity": 6, "amount": 153_000},
        {"order_id": "o-1", "quantity": 1, "amount": 5, "sku": "POST"},
        {"order_id": "r-1", "quantity": -2, "amount": -51_000},
        {"order_id": "o-2", "quantity": 9, "amount": 9},
        {"order_id": "gone", "quantity": 9, "amount": 9},
    )
    assert rows_of(product_sales(orders, lines)) == [
        (DAY, "85123A", "EUR", 4, 102_000),
        (DAY, "POST", "EUR", 1, 5),
    ]


def test_recency_counts_from_the_latest_order_of_anybody() -> None:
    others = {"order_id": "o-2", "customer_id": None, "status": "cancelled"}
    rows = _value({"placed_at": utc("2026-01-01T23:59Z")}, others)
    assert [row[:5] for row in rows] == [("c-1", "EUR", 120, 1, 10_000)]


def test_recency_is_right_over_leap_years_and_centuries() -> None:
    for earlier in (utc("2024-02-28"), utc("1899-12-31"), utc("1600-01-01")):
        [row] = _value({"placed_at": earlier}, {"order_id": "o-2", "customer_id": None})
        assert row[2] == (DAY - earlier.date()).days


def test_a_customer_is_worth_its_net_in_each_currency() -> None:
    rows = _value({}, {**RETURN, "subtotal": -4_000}, {"order_id": "o-2", "currency": "USD"})
    assert [row[:5] for row in rows] == [
        ("c-1", "EUR", 0, 1, 6_000),
        ("c-1", "USD", 0, 1, 10_000),
    ]


def test_a_customer_with_returns_only_has_no_sales() -> None:
    assert _value(RETURN) == [("c-1", "EUR", 0, 0, -30_000, "returns_only")]


def test_orders_without_a_customer_have_no_value_row() -> None:
    assert _value({"customer_id": None}) == []


@pytest.mark.parametrize(
    ("days_ago", "sales", "segment"),
    [
        (0, 10, CustomerSegment.CHAMPIONS),
        (90, 5, CustomerSegment.CHAMPIONS),
        (0, 3, CustomerSegment.LOYAL),
        (31, 2, CustomerSegment.POTENTIAL_LOYALISTS),
        (30, 1, CustomerSegment.NEW),
        (31, 1, CustomerSegment.PROMISING),
        (180, 3, CustomerSegment.NEED_ATTENTION),
        (91, 2, CustomerSegment.ABOUT_TO_SLEEP),
        (181, 5, CustomerSegment.CANNOT_LOSE),
        (366, 3, CustomerSegment.AT_RISK),
        (365, 2, CustomerSegment.HIBERNATING),
        (366, 1, CustomerSegment.LOST),
    ],
)
def test_a_segment_follows_from_recency_and_frequency(
    days_ago: int, sales: int, segment: CustomerSegment
) -> None:
    orders = [
        {"order_id": f"o-{place}", "placed_at": START - timedelta(days=days_ago)} for place in range(sales)
    ]
    [row] = _value(*orders, {"order_id": "latest", "customer_id": None})
    assert row[5] == segment


def test_small_spenders_are_no_champions() -> None:
    orders = [
        {"order_id": f"{customer}-{place}", "customer_id": f"c-{customer}", "subtotal": customer}
        for customer in range(1, 6)
        for place in range(5)
    ]
    assert [row[5] for row in _value(*orders)] == ["loyal", "loyal", "loyal", "champions", "champions"]


def test_equal_spenders_are_in_one_segment() -> None:
    orders = [
        {"order_id": f"{customer}-{place}", "customer_id": f"c-{customer}"}
        for customer in range(5)
        for place in range(5)
    ]
    assert {row[5] for row in _value(*orders)} == {"champions"}


def test_an_hour_between_two_statuses_is_ten_thousand() -> None:
    assert _times([_step("placed", 1, 0), _step("paid", 2, 3600)]) == [
        (DAY, "placed", "paid", 1, 10_000, 10_000)
    ]


def test_a_status_counts_from_when_it_was_first_reached() -> None:
    history = [
        _step("placed", 1, 0),
        _step("placed", 2, 1800),
        _step("shipped", 3, 3600),
        _step("placed", 4, 7200),
        _step("delivered", 5, 10_800),
    ]
    assert [row[1:5] for row in _times(history)] == [
        ("placed", "shipped", 1, 10_000),
        ("shipped", "delivered", 1, 20_000),
    ]


@pytest.mark.parametrize(
    ("seconds", "hours"),
    [(-1, -3), (-0.36, -1), (-0.360001, -2), (0.359999, 0), (0.36, 1), (1, 2), (-3600, -10_000)],
)
def test_a_time_is_rounded_down_also_when_negative(seconds: float, hours: int) -> None:
    [row] = _times([_step("placed", 1, 0), _step("paid", 2, seconds)])
    assert row[4:] == (hours, hours)


def test_the_day_is_that_of_the_order_and_not_of_its_events() -> None:
    history = [_step("placed", 1, 0), _step("paid", 2, 3600)]
    [row] = _times(history, {"placed_at": utc("2020-02-29")})
    assert row[0] == date(2020, 2, 29)


def test_history_without_its_order_takes_no_part() -> None:
    history = [_step("placed", 1, 0, "o-9"), _step("paid", 2, 3600, "o-9")]
    assert _times(history) == []


@pytest.mark.parametrize(
    ("count", "median", "p95"), [(1, 1, 1), (2, 1, 2), (3, 2, 3), (20, 10, 19), (21, 11, 20)]
)
def test_median_and_p95_are_values_that_occurred(count: int, median: int, p95: int) -> None:
    orders = [{"order_id": f"o-{hours}"} for hours in range(1, count + 1)]
    history = [
        step
        for hours in range(1, count + 1)
        for step in (_step("placed", 1, 0, f"o-{hours}"), _step("paid", 2, hours * 3600, f"o-{hours}"))
    ]
    assert _times(history, *orders) == [(DAY, "placed", "paid", count, median * 10_000, p95 * 10_000)]


_MOMENTS = st.datetimes(utc("1900-01-01"), utc("2200-01-01"))


@given(st.lists(st.tuples(st.sampled_from(STATUSES), _MOMENTS), min_size=1, max_size=8))
def test_times_between_statuses_are_exact(steps: list[tuple[str, datetime]]) -> None:
    history = [
        {"status": status, "version": version, "occurred_at": moment, "event_id": f"e-{version}"}
        for version, (status, moment) in enumerate(steps, start=1)
    ]
    first: dict[str, datetime] = {}
    for status, moment in steps:
        first.setdefault(status, moment)
    expected = [
        (DAY, before, after, 1, hours, hours)
        for (before, start), (after, end) in pairwise(first.items())
        for hours in [(end - start) // timedelta(microseconds=360_000)]
    ]
    assert _times(history) == sorted(expected)
