"""LOAD reads ranges from inside the segments: merged and overlapping ones are loaded once."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.segments import Landing, Range, Segment
from tests.orders.home import Home
from tests.orders.samples import busy_shop, with_noise


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with nothing in it."""
    return Home(tmp_path)


def merge(landing: Landing, parts: Sequence[Segment], name: str = "merged") -> None:
    """Write the messages of the parts as another lander may: by any name, with its ranges inside."""
    table = pa.concat_tables([landing.read(part) for part in parts])
    landed_at = max(part.landed_at for part in parts) + timedelta(microseconds=1)
    footer = {
        "landed_at": landed_at.isoformat(),
        "ranges": [list(as_tuple(span)) for part in parts for span in part.ranges],
        "body_bytes": int(table.column("body").nbytes),
    }
    with pq.ParquetWriter(landing.root / f"{name}.parquet", table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"orders.segment": json.dumps(footer)})


def as_tuple(span: Range) -> tuple[str, str, int, int, int]:
    return span.feed, span.partition, span.first, span.last, span.rows


def test_a_merged_segment_beside_its_loaded_parts_is_loaded_not_again(home: Home) -> None:
    parts = [home.arrive(busy_shop(n, 10), partition=str(n % 2)) for n in range(3)]
    home.load()
    before = home.ledger()
    merge(home.landing, parts)
    home.load()
    assert home.ledger() == before
    assert home.verify().is_clean


def test_of_a_merged_segment_only_the_missing_part_is_loaded(home: Home) -> None:
    loaded = home.arrive(busy_shop(1, 10))
    home.load()
    waiting = home.arrive(with_noise(busy_shop(2, 10), 2))
    merge(home.landing, [loaded, waiting])
    loaded.path.unlink()
    waiting.path.unlink()
    home.load()
    assert home.query("SELECT count(*) FROM order_events") == [(20,)]
    assert home.ledger()[("inbox", "0")][0] == loaded.rows + waiting.rows
    found = home.verify()
    assert (found.is_clean, found.pending) == (True, 0)


def test_parts_and_their_merged_segment_met_together_are_loaded_once(home: Home) -> None:
    parts = [home.arrive(with_noise(busy_shop(n, 10), n)) for n in range(2)]
    merge(home.landing, parts)
    home.load(batch_rows=5)
    assert home.ledger()[("inbox", "0")][0] == sum(part.rows for part in parts)
    assert home.verify().is_clean


def test_after_a_merge_a_rebuild_gives_the_same_state(home: Home) -> None:
    parts = [home.arrive(with_noise(busy_shop(n, 10), n)) for n in range(2)]
    home.load()
    home.refresh()
    before = home.verify().state_hash, home.ledger()
    merge(home.landing, parts)
    for part in parts:
        part.path.unlink()
    home.rebuild()
    assert (home.verify().state_hash, home.ledger()) == before


def test_positions_with_gaps_between_them_are_counted_as_they_are(home: Home) -> None:
    bodies = busy_shop(1, 3)
    home.landing.append(feed="kafka:orders", partition="0", positions=[5, 90, 1_000], bodies=bodies)
    home.arrive(busy_shop(2, 2), feed="kafka:orders", first=2_000)
    home.load()
    assert home.ledger() == {("kafka:orders", "0"): (5, 5, 0, 0)}
    assert home.verify().is_clean
