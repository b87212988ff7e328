"""Reports that are refreshed one by one, while loads go on, miss nothing that a load touched."""

from datetime import date
from pathlib import Path

import duckdb
import pytest

from assets.orders.load import load
from assets.orders.schema import DDL, SCHEMA_ID
from assets.reports import refresh
from assets.reports.refresh import (
    DAILY_REPORTS,
    refresh_customer_value,
    refresh_days,
    take_off,
    touched,
    touched_days,
)
from resources.warehouse.kept import Beside, KeptWarehouse
from resources.warehouse.publish import publish
from tests.orders.home import Home
from tests.orders.samples import order

FIRST, SECOND = date(2026, 5, 1), date(2026, 5, 2)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with two orders of two days, whose reports are still to be made."""
    home = Home(tmp_path)
    early, late = f"{FIRST}T09:00:00Z", f"{SECOND}T09:00:00Z"
    paid = order("o-1", 2, status="paid", placed_at=early)
    shipped = order("o-1", 3, status="shipped", placed_at=early)
    home.settle([order("o-1", placed_at=early), paid, shipped, order("o-2", placed_at=late)])
    return home


def test_a_day_that_a_load_touched_meanwhile_stays_on_the_list(home: Home) -> None:
    found = touched(home.warehouse)
    for name in DAILY_REPORTS:
        refresh_days(home.warehouse, found.days, (name,))
        home.settle([order(f"o-{name}", placed_at=f"{SECOND}T11:00:00Z")])
    assert take_off(home.warehouse, found) == 2
    assert touched_days(home.warehouse) == [SECOND]


def test_one_by_one_gives_the_same_reports_as_all_at_once(home: Home, tmp_path: Path) -> None:
    found = touched(home.warehouse)
    for name in DAILY_REPORTS:
        refresh_days(home.warehouse, found.days, (name,))
        assert touched_days(home.warehouse) == [FIRST, SECOND], "a report alone takes no day off"
    take_off(home.warehouse, found)
    assert touched_days(home.warehouse) == []
    one_by_one = {name: home.query(f"FROM {name} ORDER BY ALL") for name in DAILY_REPORTS}
    refresh_days(home.warehouse, found.days)
    assert {name: home.query(f"FROM {name} ORDER BY ALL") for name in DAILY_REPORTS} == one_by_one
    assert all(one_by_one.values())


def test_a_busy_day_in_parts_gives_the_same_reports_as_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path)
    orders = [(f"o-{number}", f"{day}T0{number}:00:00Z") for day in (FIRST, SECOND) for number in range(9)]
    for first in range(0, len(orders), 2):
        home.settle([order(f"{at[:10]}-{name}", placed_at=at) for name, at in orders[first : first + 2]])
    home.settle([order(f"{at[:10]}-{name}", 2, status="paid", placed_at=at) for name, at in orders[::2]])
    home.refresh()
    names = (*DAILY_REPORTS, "customer_value")
    whole = {name: home.query(f"FROM {name} ORDER BY ALL") for name in names}
    parts = []
    name_part = refresh._name

    def note(connection: duckdb.DuckDBPyConnection, name: str, query: str) -> None:
        name_part(connection, name, query)
        if name == "part_orders":
            parts.append(connection.execute("SELECT count(*) FROM part_orders").fetchall()[0][0])

    monkeypatch.setattr(refresh, "_ORDERS_AT_ONCE", 4)
    monkeypatch.setattr(refresh, "_name", note)
    refresh_days(home.warehouse, [FIRST, SECOND])
    refresh_customer_value(home.warehouse)
    assert {name: home.query(f"FROM {name} ORDER BY ALL") for name in names} == whole
    assert len(parts) == 15, "five parts for each of the three reports that need them"
    assert sum(parts) == 3 * len(orders)
    assert all(whole.values())


def test_loads_and_publishing_go_on_while_a_report_is_made(tmp_path: Path) -> None:
    home = Home(tmp_path)
    kept = KeptWarehouse(home.warehouse.path, home.warehouse.published, DDL, SCHEMA_ID)
    home.arrive([order("o-0", placed_at=f"{FIRST}T10:00:00Z")])
    load(kept, home.landing)
    found = touched(Beside.of(kept))
    published: list[int] = []

    def load_and_publish() -> None:
        home.arrive([order(f"o-{len(published) + 1}", placed_at=f"{FIRST}T11:00:00Z"), b"no JSON"])
        load(kept, home.landing)
        publish(kept)
        published.append(home.read("SELECT count(*) FROM orders")[0][0])

    for name in DAILY_REPORTS:
        refresh_days(Beside.of(kept), found.days, (name,), rest=load_and_publish)
    take_off(Beside.of(kept), found)
    kept.close()
    assert published == [2, 3, 4], "each copy holds what was loaded while the report was made"
    assert home.query("SELECT orders FROM daily_sales") == [(1,)], "a report is of one moment"
    assert touched_days(home.warehouse) == [FIRST], "what came meanwhile is reported next time"
    assert home.ledger() == {("inbox", "0"): (7, 4, 0, 3)}
    home.refresh()
    assert home.query("SELECT orders FROM daily_sales") == [(4,)]
    assert home.verify().is_clean


def test_a_refresh_that_is_given_up_changes_nothing(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.settle([order("o-0", placed_at=f"{FIRST}T10:00:00Z")])

    def give_up() -> None:
        raise InterruptedError

    for name in DAILY_REPORTS:
        with pytest.raises(InterruptedError):
            refresh_days(home.warehouse, [FIRST], (name,), rest=give_up)
        assert home.query(f"FROM {name}") == []
    assert touched_days(home.warehouse) == [FIRST]
