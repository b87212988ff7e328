"""The fold: which event wins, what an order amounts to, who its customer is, what is in doubt."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.transforms.frames import FOLD_ORDER, STATUSES
from assets.transforms.orders import anomalies, current_events, customers, order_lines, order_rows
from tests.transforms.samples import EVENTS, HISTORY, LINES, ORDERS, START, Row, frame, rows_of

LATER = START + timedelta(hours=1)


def _winner(*events: Row) -> Any:
    numbered = [{"event_seq": seq, **event} for seq, event in enumerate(events, start=1)]
    [(event_seq,)] = rows_of(current_events(frame(EVENTS, *numbered)), "event_seq")
    return event_seq


def _anomalies(*history: Row) -> list[tuple[str, str]]:
    found = rows_of(anomalies(frame(HISTORY, *history)), "anomaly", "detail")
    return [(str(anomaly), str(detail)) for anomaly, detail in found]


def _moves(*steps: tuple[int, str]) -> list[Row]:
    return [
        {"version": version, "status": status, "event_id": f"e-{place}", "occurred_at": _minute(place)}
        for place, (version, status) in enumerate(steps)
    ]


def _minute(number: int) -> Any:
    return START + timedelta(minutes=number)


def _versions(*versions: int) -> list[Row]:
    return [{"version": version, "event_id": f"e-{version}"} for version in versions]


def test_the_greatest_version_wins_whenever_it_occurred() -> None:
    assert _winner({"version": 2}, {"version": 1, "occurred_at": LATER}) == 1


def test_an_absent_version_loses_to_any_other() -> None:
    assert _winner({"version": 0, "occurred_at": LATER}, {"version": 1}) == 2


def test_among_absent_versions_the_later_one_wins() -> None:
    assert _winner({"version": 0, "occurred_at": LATER}, {"version": 0}) == 1


def test_source_and_then_event_id_break_a_tie() -> None:
    assert _winner({"source": "/b", "event_id": "1"}, {"source": "/a", "event_id": "2"}) == 1
    assert _winner({"event_id": "é"}, {"event_id": "z"}) == 1


def test_a_redelivered_event_counts_once_as_it_landed_first() -> None:
    assert _winner({"event_id": "e-1"}, {"event_id": "e-1"}) == 1


def test_a_winner_keeps_all_its_columns() -> None:
    events = frame(EVENTS, {"customer_name": "Zoë", "extra": "{}"})
    assert rows_of(current_events(events)) == rows_of(events)


@st.composite
def _histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    count = draw(st.integers(1, 25))
    return [
        {
            "event_id": f"e-{place}",
            "order_id": draw(st.sampled_from(["o-1", "o-2", "ö"])),
            "version": draw(st.sampled_from([0, 0, 1, 2, 5, 10**15])),
            "occurred_at": _minute(draw(st.integers(0, 3))),
            "source": draw(st.sampled_from(["/a", "/b"])),
            "status": draw(st.sampled_from(STATUSES)),
            "content_hash": draw(st.integers(1, 2)),
        }
        for place in range(count)
    ]


@given(st.data())
def test_no_shuffle_or_repetition_changes_the_state(data: st.DataObject) -> None:
    history = data.draw(_histories())
    again = history + data.draw(st.lists(st.sampled_from(history), max_size=10))
    shuffled = data.draw(st.permutations(again))
    keys = ("order_id", *FOLD_ORDER, "status")
    assert _state(shuffled, keys) == _state(history, keys)
    expected = {
        order: max(tuple(event[key] for key in FOLD_ORDER) for event in history if event["order_id"] == order)
        for order in {event["order_id"] for event in history}
    }
    assert {row[0]: row[1:5] for row in _state(shuffled, keys)} == expected


def _state(history: list[dict[str, Any]], keys: tuple[str, ...]) -> list[tuple[Any, ...]]:
    numbered = [{**event, "event_seq": seq} for seq, event in enumerate(history)]
    return rows_of(current_events(frame(EVENTS, *numbered)), *keys)


@given(st.data())
def test_no_shuffle_or_repetition_changes_the_anomalies(data: st.DataObject) -> None:
    history = data.draw(_histories())
    again = history + data.draw(st.lists(st.sampled_from(history), max_size=10))
    shuffled = data.draw(st.permutations(again))
    found = rows_of(anomalies(frame(HISTORY, *shuffled)))
    assert found == rows_of(anomalies(frame(HISTORY, *history)))
    assert len(found) == len(set(found))


def test_an_order_adds_up_its_lines() -> None:
    winner = frame(EVENTS, {"shipping": 49_000, "tax": 1_000, "discount": 500})
    lines = frame(
        LINES,
        {"quantity": 6, "unit_price": 25_500},
        {"quantity": -1, "unit_price": 10_000, "line_number": 2},
        {"event_seq": 2, "quantity": 100},
    )
    columns = ("line_count", "units", "subtotal", "total")
    assert rows_of(order_rows(winner, lines), *columns) == [(2, 5, 143_000, 192_500)]


def test_an_order_without_lines_amounts_to_its_charges() -> None:
    winner = frame(EVENTS, {"shipping": 49_000})
    columns = ("line_count", "units", "subtotal", "total")
    assert rows_of(order_rows(winner, frame(LINES)), *columns) == [(0, 0, 0, 49_000)]


def test_an_order_is_updated_when_its_winning_event_occurred() -> None:
    result = order_rows(frame(EVENTS, {"occurred_at": LATER}), frame(LINES))
    assert rows_of(result, "placed_at", "updated_at") == [(START, LATER)]


def test_only_the_lines_of_winning_events_are_lines_of_orders() -> None:
    lines = frame(LINES, {"quantity": 3}, {"event_seq": 2, "quantity": 5})
    result = order_lines(frame(EVENTS, {}), lines)
    assert rows_of(result, "order_id", "quantity", "amount") == [("o-1", 3, 30_000)]


def test_a_customer_is_as_its_latest_updated_order_says_nulls_included() -> None:
    orders = frame(
        ORDERS,
        {"order_id": "o-1", "updated_at": START, "customer_name": "Old", "country": "DE"},
        {"order_id": "o-2", "updated_at": LATER, "customer_name": "New", "country": None},
    )
    columns = ("name", "country", "profile_at", "profile_order_id")
    assert rows_of(customers(orders), *columns) == [("New", None, LATER, "o-2")]


def test_equally_late_orders_are_told_apart_by_order_id() -> None:
    orders = frame(
        ORDERS,
        {"order_id": "o-9", "customer_email": "nine@example.org"},
        {"order_id": "o-10", "customer_email": "ten@example.org"},
    )
    assert rows_of(customers(orders), "email", "profile_order_id") == [("nine@example.org", "o-9")]


def test_a_customer_spans_all_its_orders_cancelled_ones_too() -> None:
    orders = frame(
        ORDERS,
        {"order_id": "o-1", "placed_at": LATER, "status": "cancelled"},
        {"order_id": "o-2", "placed_at": START},
    )
    columns = ("customer_id", "first_order_at", "last_order_at", "order_count")
    assert rows_of(customers(orders), *columns) == [("c-1", START, LATER, 2)]


def test_orders_without_a_customer_make_no_customer() -> None:
    assert rows_of(customers(frame(ORDERS, {"customer_id": None, "customer_name": "Zoë"}))) == []


def test_one_version_with_two_contents_is_a_conflict_reported_once() -> None:
    history = [{"event_id": f"e-{place}", "content_hash": place % 2} for place in range(4)]
    assert _anomalies(*history) == [("version_conflict", "version 1")]


def test_the_same_content_under_two_ids_is_no_conflict() -> None:
    assert _anomalies({"event_id": "e-1"}, {"event_id": "e-2"}) == []


def test_events_without_a_version_never_conflict() -> None:
    history = [{"version": 0, "event_id": f"e-{place}", "content_hash": place} for place in range(2)]
    assert _anomalies(*history) == []


@pytest.mark.parametrize(
    ("versions", "detail"),
    [
        ((1, 3), "2"),
        ((4,), "1-3"),
        ((1, 3, 7, 8), "2, 4-6"),
        ((2, 4, 6, 8, 10), "1, 3, 5, 7, 9"),
        ((2, 4, 6, 8, 10, 13), "1, 3, 5, 7, 9, …"),
        ((10**15,), f"1-{10**15 - 1}"),
        ((0, 2), "1"),
    ],
)
def test_missing_versions_are_listed_as_ranges(versions: tuple[int, ...], detail: str) -> None:
    assert _anomalies(*_versions(*versions)) == [("version_gap", detail)]


@pytest.mark.parametrize("versions", [(1, 2, 3), (0,), (3, 1, 2, 2)])
def test_complete_versions_have_no_gap(versions: tuple[int, ...]) -> None:
    assert _anomalies(*_versions(*versions)) == []


def test_a_move_to_an_earlier_status_is_an_anomaly() -> None:
    steps = _moves((1, "placed"), (2, "shipped"), (3, "shipped"), (4, "paid"), (5, "delivered"))
    assert _anomalies(*steps) == [("backward_status", "shipped -> paid at version 4")]


def test_each_backward_move_is_reported_but_none_twice() -> None:
    steps = _moves(*[(0, "shipped"), (0, "paid")] * 3, (1, "placed"))
    assert _anomalies(*steps) == [
        ("backward_status", "paid -> placed at version 1"),
        ("backward_status", "shipped -> paid at version 0"),
    ]


def test_statuses_are_compared_in_the_order_of_the_fold() -> None:
    late_version = {"version": 1, "status": "placed", "occurred_at": LATER, "event_id": "e-1"}
    assert _anomalies(late_version, {"version": 2, "status": "paid", "event_id": "e-2"}) == []
