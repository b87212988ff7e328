"""What comes in while the stream runs is soon in the tables and in the readers' copy."""

import shutil
from collections import namedtuple
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from assets.landing.health import read_health
from assets.landing.land import land
from assets.orders.load import Loaded, load
from orchestration.stream.feeds import Buffer
from orchestration.stream.loads import Pace
from resources.brokers.inbox import Inbox
from resources.brokers.port import Outgoing
from tests.faults.scene import event_ids
from tests.orders.samples import busy_shop, order, with_noise
from tests.stream.running import Running, settings_of, soon
from tests.stream.switching import switching_modes_takes_in_everything_once

Usage = namedtuple("Usage", "total used free")


def test_messages_reach_the_tables_the_reports_and_the_copy(tmp_path: Path) -> None:
    bodies = with_noise(busy_shop(1, 30), 1)
    with Running(settings_of(tmp_path)) as stream:
        for start in range(0, len(bodies), 10):
            stream.sends(bodies[start : start + 10])
        assert stream.has_loaded(len(bodies))
        assert soon(lambda: stream.home.warehouse.copy.exists())
        assert soon(lambda: stream.home.read("SELECT count(*) > 0 FROM daily_sales") == [(True,)])
    home = stream.home
    assert stream.error is None
    assert {row[0] for row in home.read("SELECT event_id FROM order_events")} == event_ids(bodies)
    assert home.read("SELECT landed FROM message_ledger") == [(len(bodies),)]
    assert home.inbox.backlog() == 0
    found = home.verify()
    assert (found.is_clean, found.pending) == (True, 0)


def test_several_feeds_are_streamed_side_by_side(tmp_path: Path) -> None:
    urls = " ".join(f"inbox://{tmp_path}/{name}?name={name}" for name in ("tills", "web"))
    with Running(settings_of(tmp_path / "home", broker_url=urls)) as stream:
        for number, name in enumerate(("tills", "web")):
            bodies = [Outgoing(body) for body in busy_shop(number, 5)]
            Inbox(tmp_path / name, name).publish(bodies)
        assert stream.has_loaded(10)
    assert {place[0]: counts[0] for place, counts in stream.home.ledger().items()} == {"tills": 5, "web": 5}


def test_a_feed_that_fails_is_tried_again_while_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "tills").mkdir()
    blocked = tmp_path / "tills" / ".claimed"
    blocked.write_text("no folder")
    urls = " ".join(f"inbox://{tmp_path}/{name}?name={name}" for name in ("tills", "web"))
    with Running(settings_of(tmp_path / "home", broker_url=urls)) as stream:
        Inbox(tmp_path / "tills", "tills").publish([Outgoing(order("o-1"))])
        Inbox(tmp_path / "web", "web").publish([Outgoing(order("o-2"))])
        assert stream.has_loaded(1)
        assert soon(lambda: stream.state.feeds["tills"].state == "waiting")
        assert "trying again in" in stream.state.feeds["tills"].reason
        blocked.unlink()
        assert stream.has_loaded(2)
        assert soon(lambda: stream.state.feeds["tills"].state == "running")


def test_what_another_process_lands_is_loaded_too(tmp_path: Path) -> None:
    with Running(settings_of(tmp_path)) as stream:
        stream.home.arrive([order("o-1")], feed="files")
        assert stream.has_loaded(1)


def test_batch_mode_beside_it_waits_until_the_stream_has_landed_as_far(tmp_path: Path) -> None:
    with Running(settings_of(tmp_path)) as stream:
        assert soon(lambda: stream.state.feeds["inbox"].state == "running")
        for number in range(5):
            stream.sends(busy_shop(number, 4))
            landed = land(stream.home.inbox, stream.home.landing, timeout_s=60.0)
            held = sum(segment.rows for segment in stream.home.landing.segments())
            assert (landed.messages, held) == (0, 4 * (number + 1))
            # Also the warehouse is given up to whoever waits for it.
            load(stream.home.warehouse, stream.home.landing)
            assert stream.home.ledger()[("inbox", "0")][0] == held


def test_stream_then_batch_then_stream_under_load_loses_and_repeats_nothing(tmp_path: Path) -> None:
    assert switching_modes_takes_in_everything_once(settings_of(tmp_path))


def test_a_full_disk_pauses_consumption_which_goes_on_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gib = 1024**3
    free = [gib]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100 * gib, 100 * gib - free[0], free[0]))
    with Running(settings_of(tmp_path)) as stream:
        assert soon(lambda: stream.state.feeds["inbox"].state == "paused")
        stream.sends([order("o-1")])
        assert "below the guard" in stream.state.feeds["inbox"].reason
        assert stream.state.loaded == 0
        free[0] = 50 * gib
        assert stream.has_loaded(1)
        assert soon(lambda: stream.state.feeds["inbox"].state == "running")


def test_a_load_that_fails_is_told_tried_again_and_what_it_committed_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[str] = []

    def fail_at_the_second(label: str) -> None:
        if label == "load.before_commit":
            commits.append(label)
            if len(commits) == 2:
                raise duckdb.OutOfMemoryException("no room")

    def load_one_by_one(*places: Any, **limits: Any) -> Loaded:
        return load(*places, **(limits | {"batch_rows": 1}))

    monkeypatch.setattr("resources.crashpoints._callbacks", [fail_at_the_second])
    monkeypatch.setattr("orchestration.stream.loads.load", load_one_by_one)
    stream = Running(settings_of(tmp_path))
    for number in range(3):
        stream.sends([order(f"o-{number}")])
        stream.home.land()
    with stream:
        assert soon(lambda: "no room" in stream.state.reason)
        assert stream.has_loaded(3)
        assert soon(lambda: not stream.state.reason)
    assert len(commits) == 4


def test_its_health_is_there_while_it_runs_and_gone_afterwards(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    with Running(settings) as stream:
        stream.sends([order("o-1")])
        assert stream.has_loaded(1)
        assert soon(lambda: (h := read_health(settings.health_file, datetime.now(UTC))) and h.loaded == 1)
    assert not settings.health_file.exists()


def test_a_buffer_is_bounded_by_what_is_taken_out_of_it() -> None:
    buffer = Buffer()
    assert buffer.take(1_000) == []
    buffer.close()
    assert buffer.is_closed


def test_batches_grow_while_loads_are_short_and_shrink_when_they_are_long() -> None:
    pace = Pace(rows=6_000)
    pace.learn(6_000, 0.05)
    assert pace.rows == 9_000
    pace.learn(100, 0.05)
    assert pace.rows == 9_000
    pace.learn(9_000, 0.9)
    assert pace.rows == 6_300


def test_batches_stop_growing_where_two_would_take_too_much_memory() -> None:
    pace = Pace()
    for _ in range(20):
        pace.learn(pace.rows, 0.05)
    assert pace.rows == 10_000


def test_a_load_that_is_slow_however_small_does_not_shrink_below_what_keeps_up() -> None:
    pace = Pace()
    for _ in range(20):
        pace.learn(min(pace.rows, 1_000), 0.9)
    assert pace.rows == 5_000
