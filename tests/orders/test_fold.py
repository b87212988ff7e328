"""What of a batch is settled in memory: winners, repeats, and whose history is looked at."""

from datetime import timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from assets.frames import in_memory
from assets.orders.fold import doubtful_orders, repeats_among, winners_of, winners_without
from assets.transforms.frames import STATUSES
from assets.transforms.orders import anomalies, current_events
from tests.transforms.samples import EVENTS, HISTORY, START, Row, frame, rows_of, table

PLACE = {"feed": "inbox", "partition": "0"}


@st.composite
def _histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Events of a few orders, some of them beyond doubt, each with an id of its own."""
    events: list[dict[str, Any]] = []
    for order_id in draw(st.lists(st.sampled_from(["o-1", "o-2", "ö", "o-4"]), min_size=1, unique=True)):
        versions = draw(
            st.integers(1, 5).map(lambda last: list(range(1, last + 1)))
            | st.lists(st.sampled_from([0, 1, 2, 3, 10**15]), min_size=1, max_size=6)
        )
        statuses = draw(st.lists(st.sampled_from(STATUSES), min_size=len(versions), max_size=len(versions)))
        if draw(st.booleans()):
            statuses.sort(key=STATUSES.index)
        for version, status in zip(versions, statuses, strict=True):
            events.append(
                {
                    "order_id": order_id,
                    "version": version,
                    "status": status,
                    "occurred_at": START + timedelta(minutes=draw(st.integers(0, 3))),
                    "source": draw(st.sampled_from(["/a", "/b"])),
                    "content_hash": draw(st.integers(1, 2)),
                }
            )
    events = draw(st.permutations(events))
    return [{**event, "event_id": f"e-{place}", "event_seq": place} for place, event in enumerate(events)]


@given(_histories())
def test_no_order_with_an_anomaly_is_beyond_doubt(history: list[dict[str, Any]]) -> None:
    rows: list[Row] = [{k: v for k, v in event.items() if k != "event_seq"} for event in history]
    odd = {order_id for (order_id,) in rows_of(anomalies(frame(HISTORY, *rows)), "order_id")}
    assert odd <= set(doubtful_orders(in_memory(table(HISTORY, rows))))


def test_an_order_whose_versions_follow_each_other_is_beyond_doubt() -> None:
    rows = [
        {"order_id": order, "version": version, "status": status, "event_id": f"{order} {version}"}
        for order in ("b", "a")
        for version, status in ((2, "paid"), (1, "placed"), (3, "paid"))
    ]
    assert doubtful_orders(in_memory(table(HISTORY, rows))).to_list() == []


def test_each_order_is_judged_by_its_own_versions() -> None:
    rows: list[dict[str, Any]] = [
        {"order_id": "a", "version": 1, "event_id": "1"},
        {"order_id": "b", "version": 2, "event_id": "2"},
    ]
    assert doubtful_orders(in_memory(table(HISTORY, rows))).to_list() == ["b"]


@given(_histories())
def test_the_winners_are_those_of_the_transform(history: list[dict[str, Any]]) -> None:
    wanted = {seq for (seq,) in rows_of(current_events(frame(EVENTS, *history)), "event_seq")}
    winners = winners_of(table(EVENTS, history))
    assert winners.to_list() == sorted(wanted)


@given(_histories(), st.data())
def test_without_repeats_the_winners_are_those_of_the_rest(
    history: list[dict[str, Any]], data: st.DataObject
) -> None:
    gone = data.draw(st.sets(st.sampled_from([event["event_seq"] for event in history]), min_size=1))
    repeats = pl.DataFrame(
        [
            {"event_seq": event["event_seq"], "own_order_id": event["order_id"]}
            for event in history
            if event["event_seq"] in gone
        ]
    )
    events = table(EVENTS, history)
    rest = [event for event in history if event["event_seq"] not in gone]
    wanted = winners_of(table(EVENTS, rest)).to_list() if rest else []
    assert winners_without(winners_of(events), events, repeats).to_list() == wanted


def test_a_repeat_names_the_first_message_with_its_id() -> None:
    suspects = pl.DataFrame(
        [
            {"event_seq": seq, "source": "/a", "event_id": name, "order_id": order, **PLACE, "position": seq}
            for seq, name, order in (
                (3, "e-1", "o-1"),
                (5, "e-1", "o-2"),
                (6, "e-2", "o-3"),
                (8, "e-3", "o-4"),
            )
        ]
    )
    seen = pl.DataFrame(
        [
            {
                "source": "/a",
                "event_id": "e-2",
                "order_id": "o-9",
                "feed": "kafka",
                "partition": "7",
                "position": 1,
            }
        ]
    )
    repeats = repeats_among(suspects, seen)
    columns = ("event_seq", "own_order_id", "order_id", "first_feed", "first_partition", "first_position")
    assert repeats.select(columns).rows() == [
        (5, "o-2", "o-1", "inbox", "0", 3),
        (6, "o-3", "o-9", "kafka", "7", 1),
    ]
