"""Each transform gives the same rows on Polars, on DuckDB and on Spark Connect."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

import duckdb
import narwhals as nw
import pyarrow as pa
import pytest

from assets.transforms import orders, reports
from assets.transforms.frames import Frame
from tests.transforms.samples import (
    EVENTS,
    HISTORY,
    LINES,
    ORDER_LINES,
    ORDERS,
    generated_events,
    on_polars,
    rows_of,
)

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]

Inputs = dict[str, pa.Table]
Upload = Callable[[pa.Table], Frame]

TRANSFORMS: dict[str, tuple[Callable[..., Frame], tuple[str, ...], str]] = {
    "current_events": (orders.current_events, ("events",), " ".join(EVENTS.names)),
    "order_rows": (orders.order_rows, ("winners", "lines"), " ".join(ORDERS.names)),
    "order_lines": (orders.order_lines, ("winners", "lines"), " ".join(ORDER_LINES.names)),
    "customers": (
        orders.customers,
        ("orders",),
        "customer_id name email country first_order_at last_order_at order_count profile_at profile_order_id",
    ),
    "anomalies": (orders.anomalies, ("history",), "order_id anomaly detail"),
    "daily_sales": (
        reports.daily_sales,
        ("orders",),
        "day currency country orders units gross returns net",
    ),
    "product_sales": (
        reports.product_sales,
        ("orders", "order_lines"),
        "day sku currency units net",
    ),
    "customer_value": (
        reports.customer_value,
        ("orders",),
        "customer_id currency recency_days frequency monetary segment",
    ),
    "fulfilment_times": (
        reports.fulfilment_times,
        ("orders", "history"),
        "day from_status to_status orders median_hours p95_hours",
    ),
}


@cache
def _inputs(seed: int) -> Inputs:
    events, lines, history = generated_events(seed)
    winners = _stored(orders.current_events(on_polars(events)), EVENTS)
    order_rows = _stored(orders.order_rows(on_polars(winners), on_polars(lines)), ORDERS)
    order_lines = _stored(orders.order_lines(on_polars(winners), on_polars(lines)), ORDER_LINES)
    return {
        "events": events,
        "lines": lines,
        "history": history,
        "winners": winners,
        "orders": order_rows,
        "order_lines": order_lines,
    }


def _stored(frame: Frame, schema: pa.Schema) -> pa.Table:
    stored: pa.Table = frame.collect("pyarrow").to_native()
    return stored.cast(schema)


@pytest.fixture
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def _assert_same_rows(name: str, upload: Upload, seed: int) -> None:
    transform, takes, columns = TRANSFORMS[name]
    inputs = [_inputs(seed)[take] for take in takes]
    expected = transform(*(on_polars(data) for data in inputs))
    actual = transform(*(upload(data) for data in inputs))
    assert actual.collect_schema().names() == columns.split()
    assert actual.collect_schema() == expected.collect_schema()
    rows = rows_of(expected)
    assert len(rows) > 10
    assert rows_of(actual) == rows


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_transform_gives_the_same_rows_on_duckdb(
    name: str, seed: int, duck: duckdb.DuckDBPyConnection
) -> None:
    uploaded = iter(range(9))

    def upload(data: pa.Table) -> Frame:
        table = f"input_{next(uploaded)}"
        relation = duck.from_arrow(data)
        relation.create(table)
        return nw.from_native(duck.table(table))

    _assert_same_rows(name, upload, seed)


@pytest.mark.spark
@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transform_gives_the_same_rows_on_spark(name: str, spark: "SparkSession") -> None:
    _assert_same_rows(name, lambda data: nw.from_native(spark.createDataFrame(data)), seed=1)


@pytest.mark.parametrize(
    ("name", "schemas"),
    [
        ("order_rows", (EVENTS, LINES)),
        ("customers", (ORDERS,)),
        ("anomalies", (HISTORY,)),
        ("daily_sales", (ORDERS,)),
        ("product_sales", (ORDERS, ORDER_LINES)),
        ("customer_value", (ORDERS,)),
        ("fulfilment_times", (ORDERS, HISTORY)),
    ],
)
def test_nothing_in_is_nothing_out_with_the_same_columns(
    name: str, schemas: tuple[pa.Schema, ...], duck: duckdb.DuckDBPyConnection
) -> None:
    transform, _, columns = TRANSFORMS[name]
    for upload in (on_polars, lambda data: nw.from_native(duck.from_arrow(data))):
        result = transform(*(upload(schema.empty_table()) for schema in schemas))
        assert rows_of(result) == []
        assert result.collect_schema().names() == columns.split()


def test_events_read_by_rowid_are_folded_on_duckdb(duck: duckdb.DuckDBPyConnection) -> None:
    duck.from_arrow(_inputs(1)["events"]).create("events")
    some = duck.sql("FROM events WHERE rowid IN (SELECT rowid FROM events WHERE event_seq % 2 = 0)")
    winners = orders.current_events(nw.from_native(some))
    expected = orders.current_events(on_polars(some.to_arrow_table()))
    assert rows_of(winners, "event_seq") == rows_of(expected, "event_seq")
