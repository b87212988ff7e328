"""The landing folder: durable, in one order, and the only position that LAND has."""

import shutil
from collections import namedtuple
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resources.clock import FrozenClock
from resources.errors import PermanentError, TransientError
from resources.segments import Landing

MOMENT = datetime(2026, 5, 1, 10, tzinfo=UTC)
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    """An empty landing folder in which time stands still."""
    return Landing(tmp_path / "landing", FrozenClock(MOMENT), lease_timeout_s=0.05)


def append(landing: Landing, *bodies: bytes, first: int = 0, feed: str = "inbox") -> None:
    landing.append(feed=feed, partition="0", positions=range(first, first + len(bodies)), bodies=bodies)


def test_segments_keep_the_order_of_landing_even_when_the_clock_stands_still(landing: Landing) -> None:
    for number in range(5):
        append(landing, b"x", first=number, feed=f"feed-{9 - number}")
    segments = landing.segments()
    moments = [segment.landed_at for segment in segments]
    assert moments == sorted(set(moments))
    assert [segment.ranges[0].first for segment in segments] == [0, 1, 2, 3, 4]


def test_a_clock_that_goes_back_does_not_change_the_order(landing: Landing) -> None:
    append(landing, b"1")
    assert isinstance(landing.clock, FrozenClock)
    landing.clock.advance(-3600)
    append(landing, b"2", first=1)
    assert [landing.read(segment)["body"].to_pylist() for segment in landing.segments()] == [[b"1"], [b"2"]]


def test_the_position_is_found_again_by_another_process(landing: Landing) -> None:
    append(landing, b"1", b"2", first=7)
    again = Landing(landing.root)
    assert again.last_position("inbox", "0") == 8
    assert again.last_position("inbox", "1") is None
    assert again.segments() == landing.segments()


def test_bytes_keys_and_headers_come_back_as_they_were(landing: Landing) -> None:
    bodies = [b"\x00\xff\r", b"", "\u2028é".encode()]
    landing.append(
        feed="kafka:orders",
        partition="3",
        positions=[1, 5, 9],
        bodies=bodies,
        keys=["k", None, ""],
        headers=[None, '{"a":"b"}', None],
    )
    [segment] = landing.segments("kafka:orders")
    table = landing.read(segment)
    assert table["body"].to_pylist() == bodies
    assert table["key"].to_pylist() == ["k", None, ""]
    assert table["headers"].to_pylist() == [None, '{"a":"b"}', None]
    assert (segment.ranges[0].first, segment.ranges[0].last, segment.rows) == (1, 9, 3)


def test_what_a_killed_writer_left_is_no_segment(landing: Landing) -> None:
    append(landing, b"1")
    (landing.root / ".half.parquet.123.partial").write_bytes(b"half")
    assert len(Landing(landing.root).segments()) == 1


def test_a_foreign_file_is_named_with_the_way_out(landing: Landing) -> None:
    landing.root.mkdir()
    pq.write_table(pa.table({"a": [1]}), landing.root / "foreign.parquet")
    with pytest.raises(PermanentError, match=r"foreign\.parquet is no segment"):
        landing.segments()


def test_a_nearly_full_disk_pauses_landing(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100 * 1024**3, 99 * 1024**3, 1024**3))
    with pytest.raises(TransientError, match="below the guard"):
        append(landing, b"1")
    assert landing.segments() == []


def test_a_second_lander_waits_with_a_bound(landing: Landing) -> None:
    with landing._locked(), pytest.raises(TransientError, match="is held by process"):
        append(landing, b"1")


def test_an_empty_segment_is_refused(landing: Landing) -> None:
    with pytest.raises(ValueError, match="at least one"):
        append(landing)
