"""Dead letters: replayed under a mended contract, discarded, and the same again after a rebuild."""

from pathlib import Path

import pytest

from assets.orders.rejects import Decision, land_decisions
from tests.orders.home import Home
from tests.orders.samples import order

LARGE = order("o-1", note="x" * 900)
FIRST = order("o-1", id="e-9", note="y" * 900)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose contract takes messages of 1,000 bytes at most and has rejected three."""
    home = Home(tmp_path, max_bytes=1_000)
    home.settle([LARGE, order("o-2"), LARGE, b"not json"])
    return home


def states(home: Home) -> list[tuple[int, str]]:
    return home.query("SELECT position, state FROM rejected_messages ORDER BY position")


def test_a_replay_under_the_same_contract_leaves_the_letter_open(home: Home) -> None:
    assert home.decide(Decision.REPLAYED) == 3
    assert states(home) == [(0, "open"), (2, "open"), (3, "open")]
    assert home.ledger()[("inbox", "0")] == (4, 1, 0, 3)


def test_a_replay_under_a_mended_contract_settles_each_copy(home: Home) -> None:
    home.max_bytes = 10_000
    home.decide(Decision.REPLAYED)
    assert states(home) == [(0, "replayed"), (2, "replayed"), (3, "open")]
    assert home.ledger() == {("inbox", "0"): (4, 2, 1, 1), ("decisions", "0"): (3, 3, 0, 0)}
    assert home.verify().is_clean


def test_a_replayed_event_stands_where_it_landed(home: Home) -> None:
    home.max_bytes = 10_000
    home.decide(Decision.REPLAYED)
    assert home.query("SELECT position FROM order_events WHERE order_id = 'o-1'") == [(0,)]


def test_a_discarded_letter_stays_counted_and_kept(home: Home) -> None:
    home.decide(Decision.DISCARDED, "position = 3")
    home.decide(Decision.REPLAYED, "position = 3")
    assert states(home) == [(0, "open"), (2, "open"), (3, "discarded")]
    assert home.ledger()[("inbox", "0")] == (4, 1, 0, 3)
    assert home.query("SELECT body FROM rejected_messages WHERE position = 3") == [(b"not json",)]


def test_a_decision_takes_effect_once(home: Home) -> None:
    home.max_bytes = 10_000
    rows = home.records("FROM rejected_messages")
    home.decide(Decision.REPLAYED)
    before = home.verify().state_hash
    land_decisions(home.landing, Decision.REPLAYED, rows)
    land_decisions(home.landing, Decision.DISCARDED, rows)
    home.load()
    assert home.verify().state_hash == before
    assert states(home) == [(0, "replayed"), (2, "replayed"), (3, "discarded")]


def test_a_rebuild_repeats_every_decision_as_it_was_taken(home: Home) -> None:
    # e-9 came as the first of its id but was accepted after another had taken it.
    home.max_bytes = 1_000
    home.settle([FIRST, order("o-1", 2, id="e-9")])
    home.decide(Decision.DISCARDED, "position = 2")
    home.decide(Decision.REPLAYED)
    home.max_bytes = 10_000
    home.decide(Decision.REPLAYED)
    home.refresh()
    before = home.verify()
    assert home.query("SELECT anomaly FROM order_anomalies WHERE anomaly = 'id_reused'") == [("id_reused",)]
    assert home.rebuild().full_hash == before.full_hash
    assert home.verify() == before


def test_loading_anew_after_the_file_was_deleted_repeats_decisions_too(home: Home) -> None:
    home.max_bytes = 10_000
    home.decide(Decision.DISCARDED, "position = 2")
    home.decide(Decision.REPLAYED)
    home.refresh()
    before = home.verify()
    home.warehouse.path.unlink()
    home.warehouse.path.with_name("orders.duckdb.wal").unlink(missing_ok=True)
    home.load()
    home.refresh()
    assert home.verify() == before
