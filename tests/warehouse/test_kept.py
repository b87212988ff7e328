"""A warehouse that is kept open is published beside the loads."""

import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from assets.orders.schema import DDL, SCHEMA_ID
from resources import crashpoints
from resources.warehouse.kept import Beside, KeptWarehouse
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


@pytest.mark.parametrize("is_opened_anew", [False, True])
def test_loads_go_on_while_it_is_copied_and_the_copy_shows_none_of_them(
    kept: KeptWarehouse, monkeypatch: pytest.MonkeyPatch, is_opened_anew: bool
) -> None:
    if is_opened_anew:
        monkeypatch.setattr("resources.warehouse.kept._FRESH_S", 0.0)
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


def test_a_log_that_becomes_large_while_the_file_is_copied_stays_a_log(kept: KeptWarehouse) -> None:
    rounds = 0

    def load_meanwhile(label: str) -> None:
        nonlocal rounds
        if label == "publish.checkpointed" and rounds < 3:
            rounds += 1
            for number in (1, 2):
                with kept.writing() as connection:
                    connection.execute("DELETE FROM store.filler")
                    connection.execute(_FILL, {"round": 10 * rounds + number})
                    kept.shorten_log(connection)

    with kept.writing() as connection:
        connection.execute(_FILL, {"round": 1})
    crashpoints.install(load_meanwhile)
    for _ in range(3):
        before = state(kept)
        publish(kept)
        assert published(kept) == before
    publish(kept)
    assert published(kept) == state(kept)
    assert rounds == 3


def test_publishing_waits_for_nobody_and_says_so_where_a_reader_needs_what_was_updated(
    kept: KeptWarehouse,
) -> None:
    with kept.writing() as connection:
        connection.execute(_FILL, {"round": 1})
    with kept.beside() as reader:
        reader.execute("BEGIN")
        before = reader.execute(_STATE).fetchall()
        with kept.writing() as connection:
            connection.execute("UPDATE store.filler SET value = value + 1")
        with pytest.raises(duckdb.TransactionException, match="CHECKPOINT"):
            publish(kept)
        assert reader.execute(_STATE).fetchall() == before
        reader.execute("COMMIT")
    publish(kept)
    assert published(kept) == state(kept) != before


def test_publishing_opens_an_old_connection_anew_but_not_under_a_guest(
    kept: KeptWarehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened() -> duckdb.DuckDBPyConnection:
        with kept.writing() as connection:
            return connection

    first = opened()
    publish(kept)
    assert opened() is first
    monkeypatch.setattr("resources.warehouse.kept._FRESH_S", 0.0)
    with kept.beside() as guest:
        publish(kept)
        assert opened() is first
        assert guest.execute(_STATE).fetchall() == [(0, None)]
    publish(kept)
    assert opened() is not first
    assert state(kept) == published(kept)


def test_what_is_written_beside_the_loads_waits_for_the_checkpoint(kept: KeptWarehouse) -> None:
    is_there, may_write, writes = threading.Event(), threading.Event(), threading.Event()

    def write_beside() -> None:
        beside = Beside.of(kept)
        with beside.writing() as connection:
            is_there.set()
            may_write.wait()
            with beside.changing():
                writes.set()
                connection.execute(_FILL, {"round": 1})

    def note(label: str) -> None:
        if label == "publish.before_checkpoint" and not may_write.is_set():
            may_write.set()
            assert not writes.wait(0.3), "a block that is written while it is looked at would pass for copied"

    writer = threading.Thread(target=write_beside)
    writer.start()
    is_there.wait()
    crashpoints.install(note)
    publish(kept)
    writer.join()
    assert published(kept) == [(0, None)]
    assert state(kept)[0][0] == _ROWS


def test_a_guest_hears_that_the_warehouse_is_wanted(kept: KeptWarehouse) -> None:
    with kept.writing() as connection:
        connection.execute(_FILL, {"round": 1})
    is_there, was_wanted = threading.Event(), threading.Event()

    def stay_until_wanted() -> None:
        with kept.beside():
            is_there.set()
            pause = threading.Event()
            while not kept.is_wanted():
                pause.wait(0.01)
            was_wanted.set()

    assert not kept.is_wanted()
    guest = threading.Thread(target=stay_until_wanted)
    guest.start()
    is_there.wait()
    kept.close()
    guest.join()
    assert was_wanted.is_set()
    assert not kept.is_wanted()
