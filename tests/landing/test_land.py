"""LAND: everything in the inbox lands once, and the broker is told only afterwards."""

from pathlib import Path

import pytest

from assets.landing.land import land, landed_positions
from assets.landing.turns import landing_lease
from resources import crashpoints
from resources.brokers.inbox import LINES_PER_FILE
from resources.brokers.port import Outgoing
from resources.errors import PermanentError, TransientError
from resources.leases import held
from tests.orders.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with an empty inbox."""
    return Home(tmp_path)


def drop(home: Home, name: str, data: bytes) -> None:
    """Put a file into the inbox as a foreign program may."""
    home.inbox.folder.mkdir(parents=True, exist_ok=True)
    (home.inbox.folder / name).write_bytes(data)


def landed(home: Home) -> list[bytes]:
    bodies: list[bytes] = []
    for segment in home.landing.segments():
        bodies += home.landing.read(segment, ["body"])["body"].to_pylist()
    return bodies


def test_lines_keep_their_bytes_and_their_order(home: Home) -> None:
    drop(home, "a.ndjson", b'{"a":1}\r\n\n \xff\x00\nlast without line feed')
    home.land()
    assert landed(home) == [b'{"a":1}\r', b"", b" \xff\x00", b"last without line feed"]


@pytest.mark.parametrize("segment_bytes", [1, 7, 8, 9, 100])
def test_a_message_is_never_cut(home: Home, segment_bytes: int) -> None:
    messages = [b"x" * length for length in (1, 7, 8, 0, 9, 30, 1)]
    drop(home, "a.ndjson", b"".join(message + b"\n" for message in messages))
    home.land(segment_bytes)
    assert landed(home) == messages
    assert home.inbox.backlog() == 0


def test_the_same_file_again_is_new_input(home: Home) -> None:
    for _ in range(2):
        drop(home, "a.ndjson", b"1\n2\n")
        home.land()
    assert landed(home) == [b"1", b"2"] * 2
    assert landed_positions(home.landing, "inbox") == {"0": 2 * LINES_PER_FILE + 1}


def test_a_claim_that_has_landed_is_only_deleted(home: Home) -> None:
    drop(home, "a.ndjson", b"1\n2\n")
    home.land()
    claim = home.inbox.folder / ".claimed" / f"{1:010d}"
    claim.write_bytes(b"1\n2\n")
    assert home.land().messages == 0
    assert not claim.exists()
    assert landed(home) == [b"1", b"2"]


def test_a_claim_that_has_landed_in_part_goes_on_where_it_stopped(home: Home) -> None:
    drop(home, "a.ndjson", b"1\n2\n")
    home.land()
    (home.inbox.folder / ".claimed" / f"{1:010d}").write_bytes(b"1\n2\n3\n")
    assert home.land().messages == 1
    assert landed(home) == [b"1", b"2", b"3"]


def test_numbers_go_on_after_the_claims_are_gone(home: Home) -> None:
    for number in range(1, 4):
        drop(home, "a.ndjson", b"x\n")
        home.land()
        assert landed_positions(home.landing, "inbox") == {"0": number * LINES_PER_FILE}


def test_hidden_and_unfinished_files_stay_untouched(home: Home) -> None:
    drop(home, ".writing.partial", b"half")
    assert home.land().messages == 0
    assert (home.inbox.folder / ".writing.partial").exists()


def test_an_empty_file_is_taken_away_and_lands_nothing(home: Home) -> None:
    drop(home, "empty.ndjson", b"")
    drop(home, "z.ndjson", b"1\n")
    home.land()
    assert landed(home) == [b"1"]
    assert home.inbox.backlog() == 0


def test_what_arrives_after_the_watermark_waits_for_the_next_call(home: Home) -> None:
    drop(home, "a.ndjson", b"1\n2\n")
    land(
        home.inbox,
        home.landing,
        segment_bytes=2,
        on_segment=lambda segment: drop(home, "b.ndjson", b"3\n"),
    )
    assert landed(home) == [b"1", b"2"]
    assert home.inbox.backlog() == 1


def test_the_broker_is_told_after_the_bytes_are_durable(home: Home) -> None:
    points: list[str] = []
    crashpoints.install(points.append)
    drop(home, "a.ndjson", b"1\n")
    home.land()
    expected = ["written", "fsynced", "renamed", "durable", "before_acknowledge", "acknowledged"]
    assert [p.split(".")[1] for p in points if p.startswith("land.")] == ["before_write", *expected]


def test_a_second_lander_of_the_feed_waits_with_a_bound(home: Home) -> None:
    with (
        held(landing_lease(home.landing, "inbox").path, 1, "the test"),
        pytest.raises(TransientError, match="landing lease of feed inbox is held"),
    ):
        land(home.inbox, home.landing, timeout_s=0.05)


def test_published_messages_become_visible_all_at_once_or_not_at_all(home: Home) -> None:
    with pytest.raises(PermanentError, match="line feed"):
        home.inbox.publish([Outgoing(b"1"), Outgoing(b"two\nlines")])
    assert list(home.inbox.folder.iterdir()) == []
    assert home.inbox.publish([Outgoing(b"1"), Outgoing(b"2")]) == 2
    assert home.land().messages == 2
