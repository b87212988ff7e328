"""Frames to try the transforms on: single rows by hand, and generated ones full of awkward cases."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

import narwhals as nw
import polars as pl
import pyarrow as pa

from assets.transforms.frames import STATUSES, Frame

Row = Mapping[str, Any]


def utc(text: str) -> datetime:
    """Return a moment as frames hold it: in UTC, without saying so."""
    return datetime.fromisoformat(text).replace(tzinfo=None)


START = utc("2026-05-01T10:00Z")

_TIME = pa.timestamp("us")
_KEYS = [("version", pa.int64()), ("occurred_at", _TIME), ("source", pa.string()), ("event_id", pa.string())]
_CUSTOMER = [("customer_name", pa.string()), ("customer_email", pa.string()), ("extra", pa.string())]

EVENTS = pa.schema(
    [
        ("event_seq", pa.int64()),
        ("order_id", pa.string()),
        *_KEYS,
        *((name, pa.string()) for name in ("kind", "status", "currency", "customer_id", "country")),
        ("placed_at", _TIME),
        *((name, pa.int64()) for name in ("shipping", "discount", "tax")),
        *_CUSTOMER,
        ("feed", pa.string()),
    ]
)
LINES = pa.schema(
    [
        ("event_seq", pa.int64()),
        ("line_number", pa.int64()),
        ("sku", pa.string()),
        ("description", pa.string()),
        ("quantity", pa.int64()),
        ("unit_price", pa.int64()),
        ("extra", pa.string()),
    ]
)
ORDERS = pa.schema(
    [
        ("order_id", pa.string()),
        ("version", pa.int64()),
        *((name, pa.string()) for name in ("kind", "status", "currency", "customer_id", "country")),
        ("placed_at", _TIME),
        ("updated_at", _TIME),
        *(
            (name, pa.int64())
            for name in ("line_count", "units", "subtotal", "shipping", "discount", "tax", "total")
        ),
        ("source", pa.string()),
        ("event_id", pa.string()),
        *_CUSTOMER,
    ]
)
ORDER_LINES = pa.schema(
    [
        ("order_id", pa.string()),
        *(field for field in LINES if field.name not in {"event_seq", "extra"}),
        ("amount", pa.int64()),
        ("extra", pa.string()),
    ]
)
HISTORY = pa.schema(
    [("order_id", pa.string()), ("status", pa.string()), *_KEYS, ("content_hash", pa.int64())]
)

_DEFAULTS: Row = {
    "event_seq": 1,
    "order_id": "o-1",
    "version": 1,
    "occurred_at": START,
    "source": "/shops/eu",
    "event_id": "e-1",
    "kind": "sale",
    "status": "placed",
    "currency": "EUR",
    "customer_id": "c-1",
    "country": "DE",
    "placed_at": START,
    "updated_at": START,
    "shipping": 0,
    "discount": 0,
    "tax": 0,
    "line_count": 1,
    "units": 1,
    "subtotal": 10_000,
    "total": 10_000,
    "line_number": 1,
    "sku": "85123A",
    "quantity": 1,
    "unit_price": 10_000,
    "amount": 10_000,
    "content_hash": 1,
    "feed": "inbox",
}


def table(schema: pa.Schema, rows: Iterable[Row]) -> pa.Table:
    """Return rows as a table; what a row does not name has a default, else null."""
    complete = [{name: {**_DEFAULTS, **row}.get(name) for name in schema.names} for row in rows]
    return pa.Table.from_pylist(complete, schema=schema)


def on_polars(data: pa.Table) -> Frame:
    """Return a table as a lazy Polars frame."""
    frame = pl.from_arrow(data)
    assert isinstance(frame, pl.DataFrame)
    return nw.from_native(frame.lazy())


def frame(schema: pa.Schema, *rows: Row) -> Frame:
    """Return rows as a lazy Polars frame."""
    return on_polars(table(schema, rows))


def rows_of(result: Frame, *columns: str) -> list[tuple[Any, ...]]:
    """Return the rows of a frame, or of some of its columns, sorted with nulls last."""
    collected = result.select(*columns) if columns else result
    records: Sequence[tuple[Any, ...]] = collected.collect("pyarrow").rows()
    return sorted(records, key=lambda row: [(value is None, "" if value is None else value) for value in row])


def generated_events(seed: int, *, orders: int = 120) -> tuple[pa.Table, pa.Table, pa.Table]:
    """Return events, lines and history: ties, nulls, gaps, several currencies, times before 1970."""
    random = Random(seed)
    events, lines, history = [], [], []
    for seq in range(orders * 4):
        order = f"o-{random.randrange(orders)}" if random.random() < 0.9 else f"ö-✓-{random.randrange(9)}"
        event = _generated_event(random, seq, order)
        events.append(event)
        history.append({**event, "content_hash": random.choice([-(2**62), 7, 8])})
        sign = -1 if event["kind"] == "return" else 1
        lines += [_generated_line(random, seq, number, sign) for number in range(random.randrange(4))]
    random.shuffle(events)
    return table(EVENTS, events), table(LINES, lines), table(HISTORY, history)


def _generated_event(random: Random, seq: int, order: str) -> dict[str, Any]:
    customer = random.choice([None, *(f"c-{number}" for number in range(30))])
    moment = START + timedelta(days=random.randrange(-400, 5), seconds=random.randrange(3))
    placed = START - timedelta(days=int(order[-1], 36) * 40)
    old = random.random() < 0.05
    return {
        "event_seq": seq,
        "order_id": order,
        "version": random.choice([0, 0, 1, 2, 3, 5, 9, 12, 15, 18, 21, 10**15]),
        "occurred_at": utc("1960-02-29T23:59:59.999999Z") if old else _with_micros(random, moment),
        "source": random.choice(["/shops/eu", "/shops/ü", "/tills/Ω"]),
        "event_id": f"{random.choice('aZé😀')}{seq}",
        "kind": random.choice(["sale", "sale", "sale", "return"]),
        "status": random.choice(STATUSES),
        "currency": random.choice(["EUR", "USD", "JPY"]),
        "customer_id": customer,
        "customer_name": random.choice([None, "Zoë", "李"]) if customer else None,
        "customer_email": random.choice([None, "a@example.org"]) if customer else None,
        "country": random.choice([None, "DE", "Österreich", ""]),
        "placed_at": placed if random.random() < 0.8 else _with_micros(random, placed),
        "shipping": random.choice([0, 49_000]),
        "discount": random.choice([0, 10**12]),
        "tax": random.choice([0, 1]),
        "extra": random.choice([None, '{"a":1}']),
    }


def _with_micros(random: Random, moment: datetime) -> datetime:
    return moment + timedelta(microseconds=random.randrange(1_000_000))


def _generated_line(random: Random, seq: int, number: int, sign: int) -> dict[str, Any]:
    return {
        "event_seq": seq,
        "line_number": number + 1,
        "sku": random.choice(["85123A", "Ä-1", "POST"]),
        "description": random.choice([None, "crème brûlée"]),
        "quantity": sign * random.randrange(1, 1000),
        "unit_price": random.choice([0, 25_500, -10_000, 10**9]),
        "extra": random.choice([None, "{}"]),
    }
