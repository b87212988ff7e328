"""One writer at a time, and clear words when the file cannot be used."""

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from assets.contract.tables import TABLES
from resources.errors import PermanentError, TransientError
from resources.warehouse.warehouse import transaction
from tests.orders.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with nothing in it."""
    return Home(tmp_path)


def test_a_second_writer_waits_with_a_bound_and_learns_who_holds_the_file(home: Home) -> None:
    hasty = replace(home.warehouse, lease_timeout_s=0.05)
    with (
        home.warehouse.writing(),
        pytest.raises(TransientError, match=r"is held by process \d+"),
        hasty.writing(),
    ):
        pass


def test_the_first_opening_makes_every_table_with_its_public_columns(home: Home) -> None:
    with home.warehouse.writing() as connection:
        for name, table in TABLES.items():
            assert connection.table(name).columns == [column.name for column in table.columns]


def test_the_session_is_in_utc(home: Home) -> None:
    assert home.query("SELECT current_setting('TimeZone')") == [("UTC",)]


def test_a_transaction_that_raises_leaves_nothing(home: Home) -> None:
    statement = "INSERT INTO store.touched_days VALUES ('2026-05-01', 1)"
    with home.warehouse.writing() as connection:
        with pytest.raises(duckdb.ConversionException), transaction(connection):
            connection.execute(f"{statement}; {statement.replace('2026', 'none')}")
        with transaction(connection):
            connection.execute(statement)
    assert home.query("SELECT count(*) FROM store.touched_days") == [(1,)]


def test_a_file_that_is_no_warehouse_names_the_way_out(home: Home) -> None:
    home.warehouse.path.parent.mkdir(parents=True)
    home.warehouse.path.write_bytes(b"something else")
    with pytest.raises(PermanentError, match="orders rebuild"):
        home.query("SELECT 1")


def test_a_warehouse_of_another_schema_is_not_touched(home: Home) -> None:
    home.query("SELECT 1")
    with (
        pytest.raises(PermanentError, match="another version"),
        replace(home.warehouse, schema_id="other").writing(),
    ):
        pass
