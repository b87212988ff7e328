"""The outbox: each event once, each delivery in exactly one state, whoever writes at once."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.clock import FrozenClock
from resources.errors import PermanentError
from resources.notifications.events import one_line
from resources.notifications.outbox import Outbox
from resources.notifications.retry import RetryPolicy
from tests.notifications.samples import T0, event

RETRY = RetryPolicy(max_attempts=3, lease_s=60)


def matched(path: Path, *numbers: int) -> Outbox:
    """Return an outbox with these events, decided for the channel `file`."""
    outbox = Outbox(path, clock=FrozenClock(T0))
    outbox.record([event(number) for number in numbers])
    outbox.decide({event(number).event_key: ["file"] for number in numbers}, now=T0)
    return outbox


def test_an_event_recorded_twice_counts_once(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        assert outbox.record([event(1), event(2), event(1)]) == 2
        assert outbox.record([event(2), event(3)]) == 1
        assert outbox.counts().events == 3


def test_an_event_comes_back_as_it_was_recorded(tmp_path: Path) -> None:
    with Outbox(f"sqlite:///{tmp_path}/outbox.db") as outbox:
        outbox.record([event(1, error='OSError: "é€😀"')])
        assert outbox.undecided(10) == [event(1, error='OSError: "é€😀"')]


def test_the_install_time_is_that_of_the_first_opening(tmp_path: Path) -> None:
    clock = FrozenClock(T0)
    Outbox(tmp_path / "outbox.db", clock=clock).close()
    clock.advance(3600)
    with Outbox(tmp_path / "outbox.db", clock=clock) as outbox:
        assert outbox.installed_at == T0


def test_events_and_cursor_move_together_or_not_at_all(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        outbox.record([event(1)], cursors_at={"runs": "7"})
        unencodable = event(2, error="x")
        object.__setattr__(unencodable, "title", "\ud800")
        with pytest.raises(UnicodeEncodeError):
            outbox.record([event(3), unencodable], cursors_at={"runs": "9"})
        assert outbox.cursor("runs") == "7"
        assert outbox.counts().events == 1


def test_an_event_for_no_channel_is_unmatched(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        outbox.record([event(1), event(2), event(3)])
        outbox.decide({event(1).event_key: ["a", "b"], event(2).event_key: []}, now=T0)
        counts = outbox.counts()
    assert (counts.matched, counts.unmatched, counts.undecided) == (1, 1, 1)
    assert (counts.deliveries, counts.pending) == (2, 2)


def test_the_first_decision_on_an_event_stands(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        outbox.record([event(1)])
        outbox.decide({event(1).event_key: ["a"]}, now=T0)
        outbox.decide({event(1).event_key: ["a", "b"]}, now=T0)
        assert outbox.counts().deliveries == 1


def test_a_claimed_delivery_is_nobody_elses_until_its_lease_ends(tmp_path: Path) -> None:
    with matched(tmp_path / "outbox.db", 1) as outbox:
        first = outbox.claim("file", due_by=T0, now=T0, retry=RETRY)
        assert outbox.claim("file", due_by=T0, now=T0 + timedelta(seconds=59), retry=RETRY) is None
        again = outbox.claim("file", due_by=T0, now=T0 + timedelta(seconds=60), retry=RETRY)
    assert first is not None
    assert again is not None
    assert (again.delivery_id, again.attempt) == (first.delivery_id, first.attempt + 1)


def test_deliveries_are_claimed_in_the_order_recorded(tmp_path: Path) -> None:
    with matched(tmp_path / "outbox.db", 3, 1, 2) as outbox:
        claims = [outbox.claim("file", due_by=T0, now=T0, retry=RETRY) for _ in range(4)]
    assert [c.event if c else None for c in claims] == [event(3), event(1), event(2), None]


def test_a_late_failure_does_not_undo_what_the_next_owner_did(tmp_path: Path) -> None:
    with matched(tmp_path / "outbox.db", 1) as outbox:
        slow = outbox.claim("file", due_by=T0, now=T0, retry=RETRY)
        later = T0 + timedelta(seconds=61)
        fast = outbox.claim("file", due_by=T0, now=later, retry=RETRY)
        assert slow is not None
        assert fast is not None
        outbox.delivered(fast, now=later, outcome="delivered")
        outbox.failed(slow, now=later, error="timed out", retry_at=later)
        assert outbox.counts().delivered == 1


def test_a_delivery_that_kills_its_dispatcher_each_time_is_dead_in_the_end(tmp_path: Path) -> None:
    now = T0
    with matched(tmp_path / "outbox.db", 1) as outbox:
        for _ in range(RETRY.max_attempts):
            assert outbox.claim("file", due_by=T0, now=now, retry=RETRY) is not None
            now += timedelta(seconds=61)
        assert outbox.claim("file", due_by=T0, now=now, retry=RETRY) is None
        assert outbox.counts().dead == 1


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["record", "decide", "claim", "deliver", "fail", "bury", "wait"]),
            st.integers(0, 4),
        ),
        max_size=25,
    )
)
def test_the_audit_balances_after_any_history(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    now = T0
    held = None
    seen: set[int] = set()
    with Outbox(tmp_path_factory.mktemp("audit") / "outbox.db", clock=FrozenClock(T0)) as outbox:
        for what, number in steps:
            if what == "record":
                seen.add(number)
                outbox.record([event(number)])
            elif what == "decide":
                channels = [["file"], ["file", "console"], []][number % 3]
                outbox.decide({event(number).event_key: channels}, now=now)
            elif what == "claim":
                held = outbox.claim("file", due_by=now, now=now, retry=RETRY) or held
            elif what == "deliver" and held:
                outbox.delivered(held, now=now, outcome="delivered")
            elif what in ("fail", "bury") and held:
                outbox.failed(held, now=now, error="x", retry_at=now if what == "fail" else None)
            elif what == "wait":
                now += timedelta(seconds=61)
            counts = outbox.counts()
            assert counts.events == len(seen)
            assert counts.events == counts.matched + counts.unmatched + counts.undecided
            assert counts.deliveries == counts.delivered + counts.pending + counts.dead


def test_many_writers_at_once_make_one_outbox_with_each_event_once(tmp_path: Path) -> None:
    def write(_: int) -> int:
        with Outbox(tmp_path / "new" / "outbox.db") as outbox:
            return sum(outbox.record([event(number)]) for number in range(5))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 5


def test_what_is_no_sqlite_file_is_refused_with_the_way_out(tmp_path: Path) -> None:
    for url in ("postgresql://u:secret@h/db", "sqlite://", "sqlite:///:memory:", "://"):
        with pytest.raises(PermanentError, match="sqlite:///path") as refused:
            Outbox(url)
        assert "secret" not in str(refused.value)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"not a database" * 100)
    with pytest.raises(PermanentError, match=r"outbox\.db is broken"):
        Outbox(tmp_path / "outbox.db")


def test_an_outbox_is_durable_at_commit(tmp_path: Path) -> None:
    Outbox(tmp_path / "outbox.db").close()
    connection = sqlite3.connect(tmp_path / "outbox.db")
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@given(st.text(st.characters(exclude_categories=[])))
def test_one_line_is_one_printable_bounded_line(text: str) -> None:
    line = one_line(text)
    assert line.isprintable()
    assert len(line) <= 400
    assert line.encode("utf-8").decode("utf-8") == line
