"""An event that comes again, or a later one of an order, is recognised wherever the keys are kept.

Keys that are wrong are not believed.
"""

import shutil
from pathlib import Path

import pytest

from tests.orders.home import Home
from tests.orders.samples import busy_shop, order


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with twelve loads, most of them in sorted runs of keys, one merged of eight among them."""
    home = Home(tmp_path_factory.mktemp("made"))
    for number in range(12):
        home.settle([order(f"o-{number}-{other}") for other in range(6)])
    home.settle([order("o-last")])
    return home


@pytest.fixture
def home(made: Home, tmp_path: Path) -> Home:
    """A copy of it."""
    return Home(shutil.copytree(made.root, tmp_path / "home"))


def runs_of(home: Home) -> list[tuple[int, int]]:
    """Return the first and the last load of each run."""
    names = [path.stem.split("-") for path in home.warehouse.keys.glob("*.keys")]
    return sorted((int(first), int(last)) for first, last, _, _ in names)


def test_loads_follow_each_other_in_runs_that_are_merged(home: Home) -> None:
    assert runs_of(home) == [(1, 8), (9, 9), (10, 10), (11, 11), (12, 12)]


@pytest.mark.parametrize("number", [0, 7, 8, 11])
def test_an_event_of_any_load_is_recognised(home: Home, number: int) -> None:
    again = home.settle([order(f"o-{number}-3"), order("o-new")])
    assert (again.accepted, again.duplicates) == (1, 1)
    assert home.verify().is_clean


@pytest.mark.parametrize("number", [0, 7, 8, 11])
def test_the_order_of_an_event_of_any_load_is_recognised(home: Home, number: int) -> None:
    home.settle([order(f"o-{number}-3", 2, status="paid"), order("o-new")])
    home.settle([order(f"o-{number}-3", 3, status="shipped")])
    states = home.query(f"SELECT version, status FROM store.orders WHERE order_id = 'o-{number}-3'")
    assert states == [(3, "shipped")]
    assert home.verify().is_clean


def test_without_the_keys_the_orders_are_recognised(home: Home) -> None:
    shutil.rmtree(home.warehouse.keys)
    home.settle([order(f"o-{number}-3", 2) for number in range(12)])
    assert home.query("SELECT count(*) FROM store.orders WHERE version = 2") == [(12,)]
    assert home.query("SELECT count(*) FROM store.orders") == [(12 * 6 + 1,)]


def test_keys_of_events_alone_as_earlier_versions_kept_them_are_not_believed(home: Home) -> None:
    for run in home.warehouse.keys.glob("*.keys"):
        run.rename(run.with_suffix(".run"))
    home.settle([order(f"o-{number}-3", 2) for number in range(12)])
    assert home.query("SELECT count(*) FROM store.orders") == [(12 * 6 + 1,)]
    assert not list(home.warehouse.keys.glob("*.run"))


def test_an_event_of_the_last_loads_is_recognised(home: Home) -> None:
    assert home.settle([order("o-last")]).duplicates == 1


def test_without_the_keys_they_are_made_again(home: Home) -> None:
    shutil.rmtree(home.warehouse.keys)
    assert home.settle([order(f"o-{number}-3") for number in range(12)]).duplicates == 12
    assert runs_of(home)[-1][1] >= 13


@pytest.mark.parametrize("damage", ["short", "gone", "partial"])
def test_a_damaged_run_is_made_again(home: Home, damage: str) -> None:
    for run in home.warehouse.keys.glob("9-*.keys"):
        if damage == "short":
            run.write_bytes(run.read_bytes()[:-12])
        elif damage == "gone":
            run.unlink()
        else:
            run.rename(run.with_name(f"{run.name}.partial"))
    assert home.settle([order(f"o-{number}-3") for number in range(12)]).duplicates == 12
    assert not list(home.warehouse.keys.glob("*.partial"))


def test_after_a_backup_was_restored_no_event_counts_twice(home: Home, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(home.warehouse.path.parent, backup)
    later = [[order(f"o-later-{number}-{other}") for other in range(6)] for number in range(4)]
    for messages in later:
        home.settle(messages)
    for file in backup.glob("orders.duckdb*"):
        shutil.copy(file, home.warehouse.path.parent)
    # What the four loads settled is now one load, which has the number of the first of them.
    home.load()
    assert home.settle(later[3]).duplicates == 6
    assert home.verify().is_clean


def test_after_a_backup_was_restored_orders_are_recognised(home: Home, tmp_path: Path) -> None:
    backup = tmp_path / "backup"
    shutil.copytree(home.warehouse.path.parent, backup)
    for number in range(4):
        home.settle([order(f"o-later-{number}-{other}") for other in range(6)])
    for file in backup.glob("orders.duckdb*"):
        shutil.copy(file, home.warehouse.path.parent)
    home.load()
    # One batch that names orders of runs, of the restored loads and of those that were settled again.
    names = [f"o-{number}-1" for number in (0, 7, 11)] + ["o-last", "o-later-0-1", "o-later-3-1"]
    home.settle([order(name, 2) for name in names])
    assert home.query("SELECT count(*) FROM store.orders WHERE version = 2") == [(6,)]
    assert home.query("SELECT count(*) FROM store.orders") == [(12 * 6 + 1 + 4 * 6,)]
    assert home.verify().is_clean


def test_the_keys_of_another_file_with_as_many_loads_are_not_believed(tmp_path: Path) -> None:
    home, other = Home(tmp_path / "home"), Home(tmp_path / "other")
    early, late = ([order(f"o-{when}-{number}") for number in range(6)] for when in ("early", "late"))
    for batch in (early, late):
        home.settle(batch)
    for batch in (late, early):
        other.settle(batch)
    shutil.rmtree(home.warehouse.keys)
    shutil.copytree(other.warehouse.keys, home.warehouse.keys)
    assert home.settle(early).duplicates == 6
    assert home.verify().is_clean


def test_a_rebuild_leaves_no_keys_of_the_file_before(home: Home) -> None:
    home.rebuild()
    assert home.settle([order(f"o-{number}-3") for number in range(12)]).duplicates == 12
    assert home.verify().is_clean


def test_many_duplicates_of_many_loads_are_all_recognised(tmp_path: Path) -> None:
    home = Home(tmp_path)
    messages = busy_shop(3, 90)
    for first in range(0, 90, 9):
        home.settle(messages[first : first + 9])
    before = home.ledger()["inbox", "0"]
    home.settle(messages[::-1])
    landed, accepted, duplicates, rejected = home.ledger()["inbox", "0"]
    assert (landed, accepted, rejected) == (180, before[1], before[3])
    assert duplicates == before[2] + 90
