"""Verification finds what was lost, added or altered behind the loader's back."""

import shutil
from pathlib import Path

import pytest

from assets.orders.verify import recount
from resources.errors import PermanentError
from tests.orders.home import Home
from tests.orders.samples import busy_shop, with_noise


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a home with two loaded segments."""
    home = Home(tmp_path_factory.mktemp("loaded"))
    for number in range(2):
        home.settle(with_noise(busy_shop(number, 20), number))
    home.refresh()
    return home.root


@pytest.fixture
def home(loaded: Path, tmp_path: Path) -> Home:
    """A copy of that home."""
    return Home(shutil.copytree(loaded, tmp_path / "home"))


def tamper(home: Home, statement: str) -> None:
    with home.warehouse.writing() as connection:
        connection.execute(statement)


def test_what_was_left_alone_is_clean(home: Home) -> None:
    found = home.verify()
    assert (found.is_clean, found.pending) == (True, 0)


def test_there_is_nothing_to_verify_before_the_first_load(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="orders run"):
        Home(tmp_path).verify()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE store.message_ledger SET accepted = accepted + 1", "settled"),
        (
            "UPDATE store.message_ledger SET landed = landed + 1, duplicates = duplicates + 1",
            "by the segments",
        ),
        ("DELETE FROM store.order_events WHERE position = 3", "in order_events"),
        ("DELETE FROM store.rejected_messages", "in rejected_messages"),
        ("DELETE FROM store.message_ledger", "the ledger lacks it"),
    ],
)
def test_a_ledger_that_differs_from_the_tables_is_found(home: Home, statement: str, told: str) -> None:
    tamper(home, statement)
    assert any(told in problem for problem in home.verify().ledger_problems)


def test_a_lost_segment_is_found(home: Home) -> None:
    home.landing.segments()[0].path.unlink()
    found = home.verify()
    assert "of which the segments hold 0" in found.range_problems[0]
    assert "by the segments" in found.ledger_problems[0]


def test_a_range_loaded_twice_is_found(home: Home) -> None:
    tamper(home, "INSERT INTO store.loaded_ranges FROM store.loaded_ranges LIMIT 1")
    assert "meet at position" in home.verify().range_problems[0]


def test_what_waits_to_be_loaded_is_no_fault(home: Home) -> None:
    home.arrive(busy_shop(5, 3))
    home.arrive(busy_shop(6, 2), feed="kafka:orders")
    found = home.verify()
    assert (found.is_clean, found.pending) == (True, 5)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE store.orders SET total = total + 0.0001 WHERE order_id = (SELECT min(order_id) FROM orders)",
        "UPDATE store.customers SET name = NULL WHERE name = 'Ann'",
        "INSERT INTO store.order_lines FROM store.order_lines LIMIT 1",
        "DELETE FROM store.daily_sales WHERE day = (SELECT min(day) FROM store.daily_sales)",
    ],
)
def test_the_hashes_see_every_change_of_state(home: Home, statement: str) -> None:
    before = home.verify()
    tamper(home, statement)
    after = home.verify()
    assert before.state_hash != after.state_hash
    assert before.full_hash != after.full_hash


def test_neighbouring_texts_are_kept_apart(home: Home) -> None:
    tamper(home, "UPDATE store.customers SET name = 'ab', email = 'c'")
    before = home.verify().state_hash
    tamper(home, "UPDATE store.customers SET name = 'a', email = 'bc'")
    assert home.verify().state_hash != before


def test_the_full_hash_sees_where_a_message_landed_and_the_state_hash_does_not(home: Home) -> None:
    before = home.verify()
    tamper(home, "UPDATE store.order_events SET segment = 'other'")
    after = home.verify()
    assert before.state_hash == after.state_hash
    assert before.full_hash != after.full_hash


def test_the_segments_are_recounted_by_feed_and_partition(home: Home) -> None:
    home.arrive(busy_shop(5, 3), feed="kafka:orders", partition="4")
    landed = home.ledger()[("inbox", "0")][0]
    assert recount(home.landing) == {("inbox", "0"): landed, ("kafka:orders", "4"): 3}
