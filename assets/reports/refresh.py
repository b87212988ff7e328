"""Recompute the reports of given days from the current state, replacing them day by day."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from assets.contract.tables import TABLES
from assets.frames import frame, insert_frame, select_frame, table_from
from assets.transforms import reports
from resources.crashpoints import reached
from resources.warehouse.warehouse import Warehouse, transaction

DAILY_REPORTS = ("daily_sales", "product_sales", "fulfilment_times")
_DAYS_AT_ONCE = 92

_TOUCHED = "SELECT day, max(load_no) FROM store.touched_days GROUP BY day ORDER BY day"
_TAKE_OFF = """
DELETE FROM store.touched_days WHERE load_no <= $through AND day IN (SELECT unnest($days::DATE[]))
"""
_CHOOSE = "CREATE OR REPLACE TEMP TABLE chosen_days AS SELECT unnest($days::DATE[]) AS day"
_OF_CHOSEN_DAYS = """
placed_at >= (SELECT min(day) FROM chosen_days) AND placed_at < (SELECT max(day) + 1 FROM chosen_days)
AND placed_at::DATE IN (SELECT day FROM chosen_days)
"""
_OF_CHOSEN_ORDERS = (
    "order_key IN (SELECT order_key FROM their_orders) AND order_id IN (SELECT order_id FROM their_orders)"
)
# An order of one event has not moved, and on a day that goes on most are such: their texts stay unread.
_HISTORY = """
CREATE OR REPLACE TEMP TABLE their_history AS
SELECT order_id, version, status, occurred_at, source, event_id
FROM store.order_events WHERE order_id IN (SELECT order_id FROM their_orders) AND order_key IN (
    SELECT order_key FROM store.order_events WHERE order_key IN (SELECT order_key FROM their_orders)
    GROUP BY order_key HAVING count(*) > 1
)
"""


@dataclass(frozen=True, slots=True, order=True)
class Stretch:
    """Consecutive days, both ends included."""

    first: date
    last: date

    @property
    def days(self) -> int:
        """How many days it holds."""
        return (self.last - self.first).days + 1


def stretches(days: Iterable[date]) -> list[Stretch]:
    """Return the fewest stretches that hold exactly these days, ascending."""
    found: list[Stretch] = []
    for day in sorted(set(days)):
        if found and day - found[-1].last == timedelta(days=1):
            found[-1] = Stretch(found[-1].first, day)
        else:
            found.append(Stretch(day, day))
    return found


@dataclass(frozen=True, slots=True)
class Touched:
    """Days whose reports are out of date, ascending, and the last load that touched any of them."""

    days: tuple[date, ...] = ()
    through: int = 0


def touched(warehouse: Warehouse) -> Touched:
    """Return which days are out of date: none before anything was loaded."""
    if not warehouse.exists():
        return Touched()
    with warehouse.writing() as connection:
        rows = connection.execute(_TOUCHED).fetchall()
    return Touched(tuple(day for day, _ in rows), max((load_no for _, load_no in rows), default=0))


def touched_days(warehouse: Warehouse) -> list[date]:
    """Return the days whose reports are out of date, ascending."""
    return list(touched(warehouse).days)


def take_off(warehouse: Warehouse, refreshed: Touched) -> int:
    """Take days off the list once each report was refreshed for them by itself; return how many they are.

    What later loads touched stays on it.
    """
    with warehouse.writing() as connection, transaction(connection):
        connection.execute(_TAKE_OFF, {"days": list(refreshed.days), "through": refreshed.through})
    return len(refreshed.days)


def refresh_days(warehouse: Warehouse, days: Sequence[date], names: Sequence[str] = DAILY_REPORTS) -> int:
    """Replace the rows of the daily reports `names` for exactly these days; return how many rows there are.

    Refreshing all of `DAILY_REPORTS` takes the days off the list of touched ones, in the same transaction;
    whoever refreshes one by one does so by `take_off`.
    """
    rows = 0
    with warehouse.writing() as connection:
        for chunk in _chunks(sorted(days)):
            with transaction(connection):
                rows += _replace(connection, chunk, names)
                reached("reports.before_commit")
    return rows


def refresh_customer_value(warehouse: Warehouse) -> int:
    """Recompute `customer_value` for all customers and return its rows."""
    table = TABLES["customer_value"]
    with warehouse.writing() as connection, transaction(connection):
        _read_frame(connection, "all_orders", select_frame(TABLES["orders"], only=reports.ORDER_COLUMNS))
        table_from(connection, "fresh_value", reports.customer_value(frame(connection, "all_orders")))
        connection.execute("DELETE FROM store.customer_value")
        insert_frame(connection, table, "fresh_value")
        return _rows(connection, "fresh_value")


def _chunks(days: Sequence[date]) -> Iterator[Sequence[date]]:
    for start in range(0, len(days), _DAYS_AT_ONCE):
        yield days[start : start + _DAYS_AT_ONCE]


def _replace(connection: duckdb.DuckDBPyConnection, days: Sequence[date], names: Sequence[str]) -> int:
    connection.execute(_CHOOSE, {"days": list(days)})
    # What is copied is little of each row: a day may have a million of them.
    of_orders = ("order_key", *reports.ORDER_COLUMNS)
    _read_frame(connection, "their_orders", select_frame(TABLES["orders"], _OF_CHOSEN_DAYS, only=of_orders))
    if "product_sales" in names:
        lines = select_frame(TABLES["order_lines"], _OF_CHOSEN_ORDERS, only=reports.LINE_COLUMNS)
        _read_frame(connection, "their_lines", lines)
    if "fulfilment_times" in names:
        connection.execute(_HISTORY)
    orders = frame(connection, "their_orders")
    made = {
        "daily_sales": lambda: reports.daily_sales(orders),
        "product_sales": lambda: reports.product_sales(orders, frame(connection, "their_lines")),
        "fulfilment_times": lambda: reports.fulfilment_times(orders, frame(connection, "their_history")),
    }
    rows = 0
    for name in names:
        table_from(connection, "fresh_report", made[name]())
        connection.execute(f"DELETE FROM store.{name} WHERE day IN (SELECT day FROM chosen_days)")
        insert_frame(connection, TABLES[name], "fresh_report")
        rows += _rows(connection, "fresh_report")
    if set(names) == set(DAILY_REPORTS):
        connection.execute("DELETE FROM store.touched_days WHERE day IN (SELECT day FROM chosen_days)")
    return rows


def _read_frame(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")


def _rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    # Fetched to its end: an unfinished result keeps the connection from making views.
    [(count,)] = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    return int(count)
