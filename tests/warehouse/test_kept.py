"""A warehouse that is kept open is published beside the loads."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from assets.orders.schema import DDL, SCHEMA_ID
from resources import crashpoints
from resources.warehouse.kept import KeptWarehouse
from resources.warehouse.publish import open_copy, publish

# More than a row group, which DuckDB writes straight into free blocks of the file.
_ROWS = 150_000
_FILL = f"INSERT INTO store.filler SELECT hash(i + 1000000 * $round) FROM range({_ROWS}) r(i)"
_STATE = "SELECT count(*), bit_xor(value) FROM store.filler"


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[KeptWarehouse]:
    """A warehouse that is kept open, with a table to be filled."""
    kept = KeptWarehouse(tmp_path / "orders.duckdb", tmp_path / "published", DDL, SCHEMA_ID)
    with kept.writing() as connection:
        connection.execute("CREATE TABLE store.filler (value UBIGINT)")
    yield kept
    kept.close()


def state(kept: KeptWarehouse) -> list[tuple[object, ...]]:
    with kept.writing() as connection:
        return connection.execute(_STATE).fetchall()


def published(kept: KeptWarehouse) -> list[tuple[object, ...]]:
    with open_copy(kept) as connection:
        return connection.execute(_STATE).fetchall()


def test_loads_go_on_while_it_is_copied_and_the_copy_shows_none_of_them(kept: KeptWarehouse) -> None:
    rounds, is_busy = 0, True

    def load_meanwhile(label: str) -> None:
        nonlocal rounds
        if is_busy and label == "publish.checkpointed":
            rounds += 1
            with kept.writing() as connection:
                connection.execute(_FILL, {"round": rounds})
                connection.execute("DELETE FROM store.filler WHERE value % 7 = 0")

    crashpoints.install(load_meanwhile)
    for _ in range(4):
        before = state(kept)
        publish(kept)
        assert published(kept) == before
    is_busy = False
    publish(kept)
    assert published(kept) == state(kept)
    assert rounds == 4
