"""What a hostile user found, so that it stays found."""

from pathlib import Path

import pytest

from assets.orders.plan import demand_nothing_lost
from assets.orders.rejects import Decision
from resources.errors import PermanentError
from tests.orders.home import Home
from tests.orders.samples import order


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_lost_segments_are_named_and_not_taken_for_loaded_ones(home: Home) -> None:
    home.settle([order("o-1")])
    lost = home.arrive([order("o-2")])
    home.load()
    lost.path.unlink()
    with home.warehouse.writing() as connection, pytest.raises(PermanentError, match="lost segments"):
        demand_nothing_lost(connection, home.landing)
    with pytest.raises(PermanentError, match="orders rebuild"):
        home.load()


def test_a_dead_letter_larger_than_the_memory_limit_is_kept_and_stops_nothing(home: Home) -> None:
    home.max_bytes = 1 << 20
    huge = b'{"pad":"' + b"x" * (280 << 20) + b'"}'
    loaded = home.settle([huge, order("o-1")])
    assert (loaded.accepted, loaded.rejected) == (1, 1)
    assert home.settle([order("o-2")]).accepted == 1
    home.publish()
    assert home.read("SELECT octet_length(body) FROM rejected_messages") == [(len(huge),)]


def test_a_link_in_the_inbox_is_left_alone_and_holds_nothing_up(home: Home, tmp_path: Path) -> None:
    home.send([order("o-1")])
    (home.root / "inbox" / "link").symlink_to("gone")
    (tmp_path / "target").write_bytes(order("o-2"))
    (home.root / "inbox" / "other").symlink_to(tmp_path / "target")
    assert home.land().messages == 1


def test_two_thousand_files_become_few_segments(home: Home) -> None:
    for number in range(2_000):
        path = home.root / "inbox" / f"{number:05d}.ndjson"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(order(f"o-{number}"))
    landed = home.land(segment_bytes=16 << 20)
    assert (landed.messages, landed.segments) == (2_000, 1)


def test_a_foreign_file_in_the_landing_folder_is_named(home: Home) -> None:
    home.settle([order("o-1")])
    (home.landing.root / "foreign.parquet").touch()
    with pytest.raises(PermanentError, match=r"foreign\.parquet is no segment"):
        home.load()


def test_a_copy_of_a_decision_segment_decides_nothing_again(home: Home) -> None:
    home.settle([b"broken", order("o-1")])
    home.decide(Decision.DISCARDED)
    (segment,) = home.landing.segments("decisions")
    segment.path.with_name("99990101T000000000000-decisions-0.parquet").write_bytes(segment.path.read_bytes())
    assert home.load().messages == 0
    assert home.query("SELECT state FROM rejected_messages") == [("discarded",)]
