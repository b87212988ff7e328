"""Small segments become larger ones, and nothing else changes: for LOAD, a rebuild, after a kill."""

from pathlib import Path
from random import Random

import pyarrow as pa
import pytest

from assets.orders.compaction import merge_small_segments
from assets.orders.rejects import Decision
from resources.merging import Merge, due_merge, leftovers, put_in_place, written
from resources.segments import Landing, Segment
from tests.orders.home import Home
from tests.orders.samples import busy_shop, order, with_noise


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with many small segments of two feeds, in turn, all loaded; some orders are in both."""
    home = Home(tmp_path)
    for number in range(8):
        feed = ("inbox", "web")[number % 2]
        home.arrive(with_noise(busy_shop(number // 2, 6), number), feed=feed, partition=str(number % 3))
    home.load()
    home.refresh()
    return home


def merge(home: Home, most: int = 100) -> int:
    return merge_small_segments(home.warehouse, home.landing, most=most, fan_in=3)


def test_merging_leaves_fewer_files_and_the_same_tables(home: Home) -> None:
    before = home.verify()
    assert merge(home) > 0
    assert len(home.landing.segments()) < 5
    assert home.verify() == before
    assert home.load().messages == 0


def test_a_rebuild_from_merged_segments_gives_the_same_full_hash(home: Home) -> None:
    before = home.verify().full_hash
    merge(home)
    assert home.rebuild().full_hash == before


def test_positions_go_on_after_a_merge(home: Home) -> None:
    last = home.landing.last_position("inbox", "0")
    merge(home)
    assert Landing(home.landing.root).last_position("inbox", "0") == last
    home.settle([order("o-new")], feed="inbox", partition="0")
    assert home.verify().is_clean


def test_what_is_not_loaded_and_what_the_platform_landed_itself_is_left_alone(home: Home) -> None:
    home.decide(Decision.DISCARDED)
    waiting = home.arrive([order("o-9")])
    merge(home)
    names = {segment.name for segment in home.landing.segments()}
    assert waiting.name in names
    assert {s.name for s in home.landing.segments("decisions")} <= names
    before = home.verify()
    home.load()
    assert home.verify().is_clean
    assert home.verify().pending == before.pending - 1 == 0


def test_a_dead_letter_of_a_merged_segment_can_be_replayed(home: Home) -> None:
    home.max_bytes = 1_000
    home.settle([order("o-1", note="x" * 1_000)])
    merge(home)
    home.max_bytes = 100_000
    home.decide(Decision.REPLAYED, "reason = 'too_large'")
    before = home.verify()
    assert before.is_clean
    home.refresh()
    assert home.rebuild().full_hash == home.verify().full_hash


def test_an_id_that_comes_again_with_other_bytes_is_found_in_a_merged_segment(home: Home) -> None:
    home.settle([order("o-1", id="e-same")])
    merge(home)
    home.settle([order("o-1", 2, id="e-same")])
    assert home.query("SELECT count(*) FROM order_anomalies WHERE anomaly = 'id_reused'") != [(0,)]


def test_parts_that_a_crash_left_are_deleted_and_never_loaded_again(home: Home, tmp_path: Path) -> None:
    before = home.verify()
    kept = {s.path: s.path.read_bytes() for s in home.landing.segments()}
    merge(home, most=1)
    gone = [path for path in kept if not path.exists()]
    for path in gone:
        path.write_bytes(kept[path])
    assert len(leftovers(Landing(home.landing.root).segments())) == len(gone) == len(kept)
    assert home.load().messages == 0
    assert home.verify() == before
    assert home.rebuild().full_hash == before.full_hash
    merge(home)
    assert not any(path.exists() for path in gone)
    assert home.verify() == before


def nine_small_ones(root: Path) -> tuple[list[Segment], set[str]]:
    """Return segments of one message each, and their names."""
    home = Home(root)
    for number in range(9):
        home.arrive([b"x" * 30_000], first=number)
    segments = home.landing.segments()
    return segments, {segment.name for segment in segments}


def test_large_segments_are_merged_row_by_row_and_again(tmp_path: Path) -> None:
    landing = Landing(tmp_path / "landing")
    bodies = [Random(number).randbytes(3_000_000) for number in range(7)]
    parts = [
        landing.append(feed="web", partition="0", positions=[number], bodies=[body])
        for number, body in enumerate(bodies)
    ]
    for merge in (Merge(tuple(parts[:3])), Merge(tuple(parts[3:]))):
        with written(landing, merge) as partial:
            put_in_place(landing, merge, partial)
    merge = Merge(tuple(landing.segments()))
    with written(landing, merge) as partial:
        put_in_place(landing, merge, partial)
    (whole,) = landing.segments()
    assert len(list(landing.row_groups(whole, ["body"]))) > 2
    rows = landing.read(whole, ["position", "body", "segment"])
    assert rows["position"].to_pylist() == list(range(7))
    assert rows["body"].to_pylist() == bodies
    assert rows["segment"].to_pylist() == [part.name for part in parts]
    assert pa.concat_tables(landing.row_groups(whole)).equals(landing.read(whole))


def test_merges_grow_in_tiers_and_stop_at_a_size(tmp_path: Path) -> None:
    segments, names = nine_small_ones(tmp_path)
    due = due_merge(segments, names, fan_in=4, most=100_000)
    assert due is not None
    assert [part.name for part in due.parts] == [s.name for s in segments[:3]]
    assert due_merge(segments[:1], names, fan_in=4) is None
    assert due_merge(segments, set(), fan_in=4) is None


def test_a_merge_takes_as_many_neighbours_as_there_are_and_waits_for_enough(tmp_path: Path) -> None:
    segments, names = nine_small_ones(tmp_path)
    due = due_merge(segments, names, fan_in=4)
    assert due is not None
    assert due.parts == tuple(segments), "one by one they would come faster than they are merged"
    assert due_merge(segments, names, fan_in=10) is None


def test_nothing_is_merged_while_somebody_reads_all_segments(home: Home) -> None:
    with home.landing.kept():
        assert merge(home) == 0
    assert merge(home) > 0
