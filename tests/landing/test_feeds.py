"""Several feeds are landed each by itself, and one that fails holds none of the others up."""

from pathlib import Path

import pytest

from assets.landing.land import LandedFeeds, land_feeds, landed_positions
from resources.brokers.inbox import Inbox
from resources.brokers.port import Outgoing
from resources.errors import TransientError
from resources.segments import Landing, Messages, Range
from tests.orders.home import Home


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    """A landing folder."""
    return Landing(tmp_path / "landing")


def inbox(folder: Path, feed: str, *bodies: bytes) -> Inbox:
    broker = Inbox(folder / feed, feed)
    broker.publish(Outgoing(body) for body in bodies)
    return broker


def test_each_feed_has_segments_of_its_own(landing: Landing, tmp_path: Path) -> None:
    brokers = [inbox(tmp_path, "tills", b"1", b"2"), inbox(tmp_path, "web", b"3")]
    landed = land_feeds(brokers, landing)
    assert (landed.messages, landed.segments) == (3, 2)
    assert [landing.read(s)["body"].to_pylist() for s in landing.segments("tills")] == [[b"1", b"2"]]
    assert [landing.read(s)["body"].to_pylist() for s in landing.segments("web")] == [[b"3"]]


class Down(Inbox):
    """A broker that cannot be reached."""

    def watermarks(self) -> dict[str, int]:
        raise TransientError(f"the broker of feed {self.feed} is down: start it")


def test_a_feed_that_fails_is_told_after_the_others_have_landed(landing: Landing, tmp_path: Path) -> None:
    brokers = [Down(tmp_path / "a", "tills"), inbox(tmp_path, "web", b"3"), Down(tmp_path / "b", "app")]
    landed = land_feeds(brokers, landing)
    assert landed.messages == 1
    assert [line.split(":")[0] for line in landed.failures] == [
        "the broker of feed tills is down",
        "the broker of feed app is down",
    ]
    assert landed_positions(landing, "web") == {"0": 1_000_000_000}


def test_a_failure_that_passes_is_tried_again(landing: Landing, tmp_path: Path) -> None:
    class DownAtFirst(Inbox):
        """A broker that can be reached the second time."""

        tried = 0

        def watermarks(self) -> dict[str, int]:
            DownAtFirst.tried += 1
            if DownAtFirst.tried == 1:
                raise TransientError("down")
            return super().watermarks()

    broker = DownAtFirst(tmp_path / "a", "tills")
    broker.publish([Outgoing(b"1")])
    assert land_feeds([broker], landing, attempts=2) == LandedFeeds(1, 1, ())


def test_one_segment_may_hold_several_partitions(tmp_path: Path) -> None:
    landing = Home(tmp_path).landing
    parts = [Messages("0", [1, 2], [b"a", b"b"]), Messages("1", [7], [b"c"]), Messages("0", [5], [b"d"])]
    segment = landing.append_all("kafka:orders", parts)
    assert segment.ranges == (Range("kafka:orders", "0", 1, 5, 3), Range("kafka:orders", "1", 7, 7, 1))
    assert Landing(landing.root).segments() == [segment]
    assert landed_positions(landing, "kafka:orders") == {"0": 5, "1": 7}


def test_positions_of_a_partition_ascend_within_a_segment(landing: Landing) -> None:
    with pytest.raises(ValueError, match="does not follow"):
        landing.append_all("a", [Messages("0", [5], [b"a"]), Messages("0", [5], [b"b"])])
