"""The warehouse can be rebuilt from the landing folder alone."""

import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from assets.orders.rebuild import rebuild
from assets.orders.verify import full_hash
from resources.errors import PermanentError, TransientError
from tests.orders.home import Home
from tests.orders.samples import busy_shop, order, with_noise


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a home that has seen several runs and is published."""
    home = Home(tmp_path_factory.mktemp("lived-in"))
    for number in range(3):
        home.send(with_noise(busy_shop(number, 20), number))
        home.run(batch_rows=10)
    home.settle([order("o-1", id="e-0-0")], feed="files", partition="2026-05-01")
    home.refresh()
    home.publish()
    return home.root


@pytest.fixture
def home(lived_in: Path, tmp_path: Path) -> Home:
    """A copy of that home."""
    return Home(shutil.copytree(lived_in, tmp_path / "home"))


def log_of(home: Home) -> Path:
    return home.warehouse.path.with_name("orders.duckdb.wal")


def test_a_rebuild_gives_the_same_tables(home: Home) -> None:
    before = home.verify()
    told: list[tuple[int, int]] = []
    done = rebuild(home.warehouse, home.landing, on_progress=lambda *counts: told.append(counts))
    assert done.full_hash == before.full_hash
    assert home.verify() == before
    assert told[-1] == (done.messages, done.messages)


def test_the_rebuilt_tables_are_published(home: Home) -> None:
    shutil.rmtree(home.root / "published")
    done = home.rebuild()
    with duckdb.connect(home.warehouse.copy, read_only=True) as connection:
        assert full_hash(connection) == done.full_hash


def test_a_deleted_warehouse_is_loaded_anew_with_the_same_tables(home: Home) -> None:
    before = home.verify()
    shutil.rmtree(home.warehouse.path.parent)
    home.load()
    home.refresh()
    assert home.verify() == before


def test_nothing_but_the_landing_folder_is_needed(home: Home) -> None:
    before = home.verify()
    for folder in ("inbox", "warehouse", "published"):
        shutil.rmtree(home.root / folder)
    assert home.rebuild().full_hash == before.full_hash


def test_an_unreadable_file_is_moved_aside_and_kept(home: Home) -> None:
    before = home.verify()
    home.warehouse.path.write_bytes(b"no database " * 100)
    with pytest.raises(PermanentError, match="orders rebuild"):
        home.verify()
    done = home.rebuild()
    assert home.verify() == before
    assert [path.read_bytes() for path in done.moved_aside] == [b"no database " * 100]


def test_a_log_that_cannot_be_replayed_is_moved_aside_and_never_meets_the_new_file(home: Home) -> None:
    home.settle([order("o-99")])
    home.refresh()
    before = home.verify()
    log = log_of(home)
    whole = log.read_bytes()
    log.write_bytes(whole[: len(whole) // 2] + b"\x00" * 64 + whole[len(whole) // 2 :])
    done = home.rebuild()
    assert home.verify() == before
    if done.moved_aside:
        assert {path.name.split(".unreadable-")[0] for path in done.moved_aside} == {
            "orders.duckdb",
            "orders.duckdb.wal",
        }


def test_a_log_without_its_file_does_not_come_back(home: Home) -> None:
    home.settle([order("o-99")])
    home.refresh()
    before = home.verify()
    assert log_of(home).exists()
    home.warehouse.path.unlink()
    home.rebuild()
    assert home.verify() == before


def test_what_a_killed_rebuild_left_is_not_taken_for_a_finished_one(home: Home) -> None:
    before = home.verify()
    half = home.warehouse.path.with_name("orders.rebuilding.duckdb")
    half.write_bytes(b"half")
    half.with_name(half.name + ".wal").write_bytes(b"half")
    assert home.rebuild().full_hash == before.full_hash


def test_a_warehouse_of_another_version_is_rebuilt(home: Home) -> None:
    before = home.verify()
    with home.warehouse.writing() as connection:
        connection.execute("UPDATE store.meta SET value = 'older' WHERE key = 'schema'")
    with pytest.raises(PermanentError, match="orders rebuild"):
        home.load()
    home.rebuild()
    assert home.verify() == before


def test_a_rebuild_waits_with_a_bound_for_the_one_that_loads(home: Home) -> None:
    before = home.verify()
    with home.warehouse.leased(), pytest.raises(TransientError, match="is held by process"):
        rebuild(replace(home.warehouse, lease_timeout_s=0.1), home.landing)
    assert home.verify() == before
