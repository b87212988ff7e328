"""Recompute the reports of given days from the current state, replacing them day by day."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

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
_OF_ORDERS = ("order_key", "first_load", "lines_load", *reports.ORDER_COLUMNS)
_ORDERS_AT_ONCE = 200_000
_LOADS = """
SELECT first_load, first_load, min(lines_load), max(lines_load), count(*) FROM their_orders
GROUP BY first_load ORDER BY first_load
"""
_CHOOSE_PART = "SET VARIABLE chosen_part = $part"
_PART = "getvariable('chosen_part')"
# Rows lie in the order of their loads, so of each table a part reads little but its own.
_PART_OF_ORDERS = f"FROM their_orders WHERE first_load BETWEEN {_PART}.first AND {_PART}.last"
# Those with the same hash drop out in the report.
_THEIRS = "order_key IN (SELECT order_key FROM part_orders)"
_LINES_OF_PART = f"load_no BETWEEN {_PART}.lines_first AND {_PART}.lines_last AND {_THEIRS}"
_EVENTS_OF_PART = f"load_no >= {_PART}.first"
# An order of one event has not moved, and on a day that goes on most are such: their texts stay unread.
_HISTORY = f"""
SELECT order_id, version, status, occurred_at, source, event_id FROM store.order_events
WHERE {_EVENTS_OF_PART} AND order_key IN (
    SELECT order_key FROM store.order_events WHERE {_EVENTS_OF_PART} AND {_THEIRS}
    GROUP BY order_key HAVING count(*) > 1
)
"""
_ADD_UP = """
CREATE OR REPLACE TEMP TABLE fresh_product_sales AS
SELECT day, sku, currency, sum(units)::BIGINT AS units, sum(net)::BIGINT AS net FROM in_parts GROUP BY ALL
"""
_JOIN_TOTALS = """
CREATE OR REPLACE TEMP TABLE their_totals AS
SELECT customer_id, currency, max(latest) AS latest, sum(frequency)::BIGINT AS frequency,
       sum(monetary)::BIGINT AS monetary
FROM in_parts GROUP BY ALL
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
    with warehouse.writing() as connection, warehouse.changing(), transaction(connection):
        connection.execute(_TAKE_OFF, {"days": list(refreshed.days), "through": refreshed.through})
    return len(refreshed.days)


def refresh_days(
    warehouse: Warehouse,
    days: Sequence[date],
    names: Sequence[str] = DAILY_REPORTS,
    *,
    rest: Callable[[], None] = lambda: None,
) -> int:
    """Replace the rows of the daily reports `names` for exactly these days; return how many rows there are.

    Refreshing all of `DAILY_REPORTS` takes the days off the list of touched ones, in the same transaction;
    whoever refreshes one by one does so by `take_off`. `rest` is called between two parts of busy days: what
    it raises ends the refresh, and nothing has changed.
    """
    rows = 0
    with warehouse.writing() as connection:
        for chunk in _chunks(sorted(days)):
            with ExitStack() as changing, transaction(connection):
                _make(connection, chunk, names, rest)
                changing.enter_context(warehouse.changing())
                rows += _replace(connection, names)
                reached("reports.before_commit")
    return rows


def refresh_customer_value(warehouse: Warehouse, *, rest: Callable[[], None] = lambda: None) -> int:
    """Recompute `customer_value` for all customers and return its rows; `rest` as for `refresh_days`."""
    with warehouse.writing() as connection, ExitStack() as changing, transaction(connection):
        _name(connection, "their_orders", select_frame(TABLES["orders"], only=_OF_ORDERS))
        for is_first in _parts(connection):
            totals = reports.customer_totals(frame(connection, "part_orders"))
            table_from(connection, "in_parts", totals, is_new=is_first)
            rest()
        connection.execute(_JOIN_TOTALS)
        _name(connection, "latest", "SELECT max(placed_at) AS latest_of_all FROM their_orders")
        values = reports.valued(frame(connection, "their_totals"), frame(connection, "latest"))
        table_from(connection, "fresh_customer_value", values)
        changing.enter_context(warehouse.changing())
        connection.execute("DELETE FROM store.customer_value")
        return _insert(connection, "customer_value")


def _chunks(days: Sequence[date]) -> Iterator[Sequence[date]]:
    for start in range(0, len(days), _DAYS_AT_ONCE):
        yield days[start : start + _DAYS_AT_ONCE]


def _make(
    connection: duckdb.DuckDBPyConnection,
    days: Sequence[date],
    names: Sequence[str],
    rest: Callable[[], None],
) -> None:
    """Make the temporary tables `fresh_…` of the reports."""
    connection.execute(_CHOOSE, {"days": list(days)})
    # As views: of a day's rows, which may be millions, only sums need be in memory.
    _name(connection, "their_orders", select_frame(TABLES["orders"], _OF_CHOSEN_DAYS, only=_OF_ORDERS))
    makers = {
        "daily_sales": _make_daily_sales,
        "product_sales": _make_product_sales,
        "fulfilment_times": _make_fulfilment_times,
    }
    for name in names:
        makers[name](connection, rest)


def _replace(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> int:
    rows = 0
    for name in names:
        connection.execute(f"DELETE FROM store.{name} WHERE list_contains({_CHOSEN}, day)")
        rows += _insert(connection, name)
    if set(names) == set(DAILY_REPORTS):
        connection.execute(f"DELETE FROM store.touched_days WHERE list_contains({_CHOSEN}, day)")
    return rows


def _insert(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    insert_frame(connection, TABLES[name], f"fresh_{name}")
    # Fetched to its end: an unfinished result keeps the connection from making views.
    [(count,)] = connection.execute(f"SELECT count(*) FROM fresh_{name}").fetchall()
    return int(count)


def _make_daily_sales(connection: duckdb.DuckDBPyConnection, rest: Callable[[], None]) -> None:
    table_from(connection, "fresh_daily_sales", reports.daily_sales(frame(connection, "their_orders")))
    rest()


def _make_product_sales(connection: duckdb.DuckDBPyConnection, rest: Callable[[], None]) -> None:
    lines = select_frame(TABLES["order_lines"], _LINES_OF_PART, only=reports.LINE_COLUMNS)
    for is_first in _parts(connection):
        _name(connection, "part_lines", lines)
        sales = reports.product_sales(frame(connection, "part_orders"), frame(connection, "part_lines"))
        table_from(connection, "in_parts", sales, is_new=is_first)
        rest()
    connection.execute(_ADD_UP)


def _make_fulfilment_times(connection: duckdb.DuckDBPyConnection, rest: Callable[[], None]) -> None:
    for is_first in _parts(connection):
        _name(connection, "part_history", _HISTORY)
        table_from(connection, "their_history", frame(connection, "part_history"), is_new=is_first)
        rest()
    orders, history = frame(connection, "their_orders"), frame(connection, "their_history")
    table_from(connection, "fresh_fulfilment_times", reports.fulfilment_times(orders, history))


class _Part(NamedTuple):
    """Orders that the loads `first` to `last` brought, and the loads that wrote the lines which they have."""

    first: int = 0
    last: int = 0
    lines_first: int = 0
    lines_last: int = 0
    orders: int = 0

    def joined(self, following: "_Part") -> "_Part":
        """Return it together with the one that follows it."""
        return _Part(
            self.first,
            following.last,
            min(self.lines_first, following.lines_first),
            max(self.lines_last, following.lines_last),
            self.orders + following.orders,
        )


def _parts(connection: duckdb.DuckDBPyConnection) -> Iterator[bool]:
    """Name one part of the orders after another `part_orders`; yield whether it is the first.

    What joins orders needs memory for each of them: the parts bound it, however busy a day is.
    """
    loads = [_Part(*row) for row in connection.execute(_LOADS).fetchall()]
    for number, part in enumerate(_together(loads, _ORDERS_AT_ONCE)):
        connection.execute(_CHOOSE_PART, {"part": part._asdict()})
        _name(connection, "part_orders", _PART_OF_ORDERS)
        yield number == 0


def _together(loads: Sequence[_Part], at_once: int) -> Iterator[_Part]:
    """Yield consecutive loads as parts of about `at_once` orders; an empty one where there are none."""
    part = _Part()
    for load in loads:
        if part.orders == 0:
            part = load
        elif part.orders + load.orders <= at_once:
            part = part.joined(load)
        else:
            yield part
            part = load
    yield part


def _name(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {query}")
