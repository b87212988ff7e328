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
_CHOOSE = "SET VARIABLE chosen_days = $days::DATE[]"
_CHOSEN = "getvariable('chosen_days')"
# Constants, not a join: DuckDB would hash every order of the stretch to look up a few days.
_OF_CHOSEN_DAYS = f"""
placed_at >= list_min({_CHOSEN}) AND placed_at < list_max({_CHOSEN}) + 1
AND list_contains({_CHOSEN}, placed_at::DATE)
"""
_ORDERS_AT_ONCE = 200_000
_COUNT_ORDERS = "SELECT count(*) FROM their_orders"
_CHOOSE_PART = "SET VARIABLE chosen_part = {'number': $number::UBIGINT, 'of': $of::UBIGINT}"
_PART = "getvariable('chosen_part')"
_PART_OF_ORDERS = f"FROM their_orders WHERE order_key % {_PART}.of = {_PART}.number"
# The loads narrow down what is read of a long history; those with the same hash drop out in the report.
_OF_PART = (
    "order_key IN (SELECT order_key FROM part_orders) AND load_no >= (SELECT min({since}) FROM part_orders)"
)
# An order of one event has not moved, and on a day that goes on most are such: their texts stay unread.
_HISTORY = f"""
SELECT order_id, version, status, occurred_at, source, event_id FROM store.order_events
WHERE load_no >= (SELECT min(first_load) FROM part_orders) AND order_key IN (
    SELECT order_key FROM store.order_events WHERE {_OF_PART.format(since="first_load")}
    GROUP BY order_key HAVING count(*) > 1
)
"""
_ADD_UP = """
CREATE OR REPLACE TEMP TABLE fresh_report AS
SELECT day, sku, currency, sum(units)::BIGINT AS units, sum(net)::BIGINT AS net FROM in_parts GROUP BY ALL
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
        _name(connection, "all_orders", select_frame(TABLES["orders"], only=reports.ORDER_COLUMNS))
        table_from(connection, "fresh_value", reports.customer_value(frame(connection, "all_orders")))
        connection.execute("DELETE FROM store.customer_value")
        insert_frame(connection, table, "fresh_value")
        return _rows(connection, "fresh_value")


def _chunks(days: Sequence[date]) -> Iterator[Sequence[date]]:
    for start in range(0, len(days), _DAYS_AT_ONCE):
        yield days[start : start + _DAYS_AT_ONCE]


def _replace(connection: duckdb.DuckDBPyConnection, days: Sequence[date], names: Sequence[str]) -> int:
    connection.execute(_CHOOSE, {"days": list(days)})
    # As views: of a day's rows, which may be millions, only sums need be in memory.
    of_orders = ("order_key", "first_load", "lines_load", *reports.ORDER_COLUMNS)
    _name(connection, "their_orders", select_frame(TABLES["orders"], _OF_CHOSEN_DAYS, only=of_orders))
    makers = {
        "daily_sales": _make_daily_sales,
        "product_sales": _make_product_sales,
        "fulfilment_times": _make_fulfilment_times,
    }
    rows = 0
    for name in names:
        makers[name](connection)
        connection.execute(f"DELETE FROM store.{name} WHERE list_contains({_CHOSEN}, day)")
        insert_frame(connection, TABLES[name], "fresh_report")
        rows += _rows(connection, "fresh_report")
    if set(names) == set(DAILY_REPORTS):
        connection.execute(f"DELETE FROM store.touched_days WHERE list_contains({_CHOSEN}, day)")
    return rows


def _make_daily_sales(connection: duckdb.DuckDBPyConnection) -> None:
    table_from(connection, "fresh_report", reports.daily_sales(frame(connection, "their_orders")))


def _make_product_sales(connection: duckdb.DuckDBPyConnection) -> None:
    lines = select_frame(
        TABLES["order_lines"], _OF_PART.format(since="lines_load"), only=reports.LINE_COLUMNS
    )
    for is_first in _parts(connection):
        _name(connection, "part_lines", lines)
        sales = reports.product_sales(frame(connection, "part_orders"), frame(connection, "part_lines"))
        table_from(connection, "in_parts", sales, is_new=is_first)
    connection.execute(_ADD_UP)


def _make_fulfilment_times(connection: duckdb.DuckDBPyConnection) -> None:
    for is_first in _parts(connection):
        _name(connection, "part_history", _HISTORY)
        table_from(connection, "their_history", frame(connection, "part_history"), is_new=is_first)
    orders, history = frame(connection, "their_orders"), frame(connection, "their_history")
    table_from(connection, "fresh_report", reports.fulfilment_times(orders, history))


def _parts(connection: duckdb.DuckDBPyConnection) -> Iterator[bool]:
    """Name one part of the orders after another `part_orders`; yield whether it is the first.

    What joins orders needs memory for each of them: the parts bound it, however busy a day is.
    """
    [(orders,)] = connection.execute(_COUNT_ORDERS).fetchall()
    of = 1 + orders // _ORDERS_AT_ONCE
    for number in range(of):
        connection.execute(_CHOOSE_PART, {"number": number, "of": of})
        _name(connection, "part_orders", _PART_OF_ORDERS)
        yield number == 0


def _name(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}")


def _rows(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    # Fetched to its end: an unfinished result keeps the connection from making views.
    [(count,)] = connection.execute(f"SELECT count(*) FROM {table}").fetchall()
    return int(count)
