"""How a message is settled: accepted, duplicate or rejected, once each, and the ledger that says so."""

import json
from pathlib import Path

import pytest

from tests.orders.home import Home
from tests.orders.samples import BROKEN, busy_shop, customer, line, order, with_noise

INBOX = ("inbox", "0")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with nothing in it."""
    return Home(tmp_path)


def test_everything_redelivered_twice_changes_nothing_but_the_duplicates(home: Home) -> None:
    messages = busy_shop(1, 30)
    home.settle(messages)
    home.refresh()
    before = home.verify()
    home.settle(messages)
    home.settle(messages, feed="kafka:orders", partition="7")
    home.refresh()
    assert home.verify().state_hash == before.state_hash
    assert home.ledger() == {INBOX: (60, 30, 30, 0), ("kafka:orders", "7"): (30, 0, 30, 0)}
    assert home.verify().is_clean


def test_the_first_landed_wins_when_an_id_comes_again_with_other_bytes(home: Home) -> None:
    home.settle([order("o-1", id="e-1")])
    home.settle([order("o-2", id="e-1")])
    assert home.query("SELECT order_id FROM orders") == [("o-1",)]
    assert home.query("FROM order_anomalies") == [("o-1", "id_reused", "/shops/eu e-1")]


def test_an_id_reused_within_one_batch_is_flagged_like_one_reused_later(home: Home, tmp_path: Path) -> None:
    messages = [order("o-1", id="e-1"), order("o-1", id="e-1", currency="USD"), order("o-3")]
    home.settle(messages)
    later = Home(tmp_path / "later")
    for message in messages:
        later.settle([message])
    assert home.query("FROM order_anomalies") == later.query("FROM order_anomalies")
    assert home.query("SELECT order_id, currency FROM orders ORDER BY ALL") == [
        ("o-1", "EUR"),
        ("o-3", "EUR"),
    ]


def test_the_same_id_of_another_source_is_another_event(home: Home) -> None:
    home.settle([order("o-1", id="e-1"), order("o-2", id="e-1", source="/shops/us")])
    assert home.ledger() == {INBOX: (2, 2, 0, 0)}


def test_a_late_version_does_not_overwrite_a_newer_state(home: Home) -> None:
    home.settle([order("o-1", 3, status="shipped")])
    home.settle([order("o-1", 1), order("o-1", 2, status="paid", lines=[line(1), line(2)])])
    assert home.query("SELECT version, status, line_count FROM orders") == [(3, "shipped", 1)]
    assert home.query("SELECT count(*) FROM order_lines") == [(1,)]


def test_an_event_without_version_loses_to_one_with_a_version(home: Home) -> None:
    home.settle([order("o-1", 1)])
    home.settle([order("o-1", None, time="2027-01-01T00:00:00Z", status="paid")])
    assert home.query("SELECT version, status FROM orders") == [(1, "placed")]


def test_without_versions_the_later_moment_wins(home: Home) -> None:
    home.settle([order("o-1", None, id="late", time="2026-05-02T00:00:00Z", status="paid")])
    home.settle([order("o-1", None, id="early", time="2026-05-01T00:00:00Z")])
    assert home.query("SELECT status FROM orders") == [("paid",)]


def test_a_gap_that_fills_is_no_anomaly_any_more(home: Home) -> None:
    home.settle([order("o-1", 1), order("o-1", 3)])
    assert home.query("FROM order_anomalies") == [("o-1", "version_gap", "2")]
    home.settle([order("o-1", 2)])
    assert home.query("FROM order_anomalies") == []


def test_totals_are_the_sums_of_the_lines_to_the_last_decimal(home: Home) -> None:
    lines = [line(1, 3, "0.0001"), line(2, 7, "999999.9999")]
    home.settle([order("o-1", lines=lines, shipping="1.5", discount="0.25", tax="0.0001")])
    [(units, subtotal, total)] = home.query("SELECT units, subtotal::VARCHAR, total::VARCHAR FROM orders")
    assert (units, subtotal, total) == (10, "6999999.9996", "7000001.2497")


def test_a_batch_of_nothing_but_poison_stops_nothing(home: Home) -> None:
    home.settle(list(BROKEN) * 10)
    home.settle([order()])
    home.refresh()
    assert home.ledger() == {INBOX: (61, 1, 0, 60)}
    assert home.query("SELECT DISTINCT state FROM rejected_messages") == [("open",)]
    assert home.verify().is_clean


def test_a_rejected_message_keeps_its_bytes_and_reserves_no_id(home: Home) -> None:
    broken = order("o-1", id="e-1", currency="euro")
    home.settle([broken, broken, order("o-1", id="e-1")])
    assert home.ledger() == {INBOX: (3, 1, 0, 2)}
    rows = home.query("SELECT rejection_id, reason, body FROM rejected_messages ORDER BY position")
    assert rows == [(f"inbox:0:{n}", "bad_currency", broken) for n in (0, 1)]


def test_an_order_without_customer_is_in_every_table_but_customers(home: Home) -> None:
    home.settle([order("o-1", customer=customer(None, country="FR")), order("o-2", customer=None)])
    home.refresh()
    assert home.query("SELECT country FROM orders ORDER BY order_id") == [("FR",), (None,)]
    assert home.query("SELECT country FROM daily_sales ORDER BY ALL") == [("FR",), ("unknown",)]
    assert home.query("FROM customers") == home.query("FROM customer_value") == []


def test_an_order_that_moves_to_another_day_leaves_no_sale_behind(home: Home) -> None:
    home.settle([order("o-1")])
    home.refresh()
    home.settle([order("o-1", 2, placed_at="2026-05-09T00:00:00Z")])
    home.refresh()
    assert home.query("SELECT day::VARCHAR, orders FROM daily_sales") == [("2026-05-09", 1)]


def test_a_load_that_fails_leaves_no_trace_and_is_done_by_the_next(home: Home) -> None:
    home.settle([order("o-1")])
    home.arrive([order("o-2")])
    segment = home.landing.segments()[-1]
    whole = segment.path.read_bytes()
    segment.path.write_bytes(whole[:100] + bytes(200) + whole[300:])
    with pytest.raises(OSError, match=r"[a-z]"):
        home.load()
    assert home.ledger() == {INBOX: (1, 1, 0, 0)}
    segment.path.write_bytes(whole)
    home.load()
    assert home.ledger() == {INBOX: (2, 2, 0, 0)}


def test_the_ledger_balances_for_each_feed_and_partition(home: Home) -> None:
    for number, place in enumerate((("inbox", "0"), ("kafka:orders", "0"), ("kafka:orders", "1"))):
        home.arrive(with_noise(busy_shop(number, 20), number), feed=place[0], partition=place[1])
    home.load(batch_rows=15)
    assert all(row[0] == sum(row[1:]) for row in home.ledger().values())
    assert home.verify().is_clean


def test_no_text_of_a_message_is_altered_on_its_way(home: Home) -> None:
    odd = 'a\u0000b\t"\\ \U0001f600 e\u0301 \u202e'
    home.settle([json.dumps(json.loads(order("o-1", note=odd)) | {"subject": odd}).encode()])
    home.settle([order(odd, customer=customer(odd, odd, odd))])
    assert home.query("SELECT customer_id, name, country FROM customers WHERE customer_id <> 'c-1'") == [
        (odd, odd, odd)
    ]
    assert home.query("SELECT order_id FROM orders WHERE order_id <> 'o-1'") == [(odd,)]
