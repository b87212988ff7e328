"""The outbox: each event once, each delivery in exactly one state, whoever writes at once."""

import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.clock import FrozenClock
from resources.errors import PermanentError, TransientError
from resources.notifications.claims import Claim
from resources.notifications.decisions import Circumstances, Decision, Everyone
from resources.notifications.events import Event, one_line
from resources.notifications.exchange import Outcome, Result
from resources.notifications.outbox import Outbox
from resources.notifications.retry import RetryPolicy
from tests.notifications.samples import T0, event

RETRY = RetryPolicy(max_attempts=3, lease_s=60)


def decided(outbox: Outbox, *numbers: int, channels: Sequence[str] = ("file",)) -> Outbox:
    """Record these events and decide that the channels get them."""
    outbox.record([event(number) for number in numbers])
    outbox.decider(Everyone(tuple(channels)), channels).decide_next(100, T0)
    return outbox


def claimed(outbox: Outbox, limit: int = 1, after_s: float = 0.0) -> list[Claim]:
    """Claim for the channel `file` so long after T0."""
    return list(outbox.exchange("file", RETRY)([], limit, now=T0 + timedelta(seconds=after_s)).claims)


def settle(outbox: Outbox, claim: Claim, outcome: Outcome, after_s: float = 0.0) -> None:
    """Settle a claim of the channel `file`."""
    result = Result(claim.notice, outcome, "" if outcome.is_held else "OSError: x")
    outbox.exchange("file", RETRY)([result], 0, now=T0 + timedelta(seconds=after_s))


def test_an_event_recorded_twice_counts_once(outbox: Outbox) -> None:
    assert outbox.record([event(1), event(2), event(1)]) == 2
    assert outbox.record([event(2), event(3)]) == 1
    assert outbox.counts().events == 3


def test_an_event_comes_back_as_it_was_recorded(outbox: Outbox) -> None:
    outbox.record([event(1, error='OSError: "é€😀"')])
    assert outbox.undecided(10) == [event(1, error='OSError: "é€😀"')]


def test_the_install_time_is_that_of_the_first_opening(location: str) -> None:
    clock = FrozenClock(T0)
    Outbox(location, clock=clock).close()
    clock.advance(3600)
    with Outbox(location, clock=clock) as outbox:
        assert outbox.installed_at == T0


def test_events_and_cursor_move_together_or_not_at_all(outbox: Outbox) -> None:
    outbox.record([event(1)], cursors_at={"runs": "7"})
    unencodable = event(2, error="x")
    object.__setattr__(unencodable, "title", "\ud800")
    with pytest.raises(UnicodeEncodeError):
        outbox.record([event(3), unencodable], cursors_at={"runs": "9"})
    assert outbox.cursor("runs") == "7"
    assert outbox.counts().events == 1


def test_an_event_for_no_channel_is_unmatched(outbox: Outbox) -> None:
    def engine(found: Event, circumstances: Circumstances) -> list[Decision]:
        return [Decision("a"), Decision("b")] if found == event(1) else []

    outbox.record([event(1), event(2)])
    outbox.decider(engine, []).decide_next(100, T0)
    outbox.record([event(3)])
    counts = outbox.counts()
    assert (counts.matched, counts.unmatched, counts.undecided) == (1, 1, 1)
    assert (counts.deliveries, counts.pending) == (2, 2)
    assert outbox.audit().is_clean


def test_an_engine_that_fails_on_an_event_leaves_nobody_out(outbox: Outbox) -> None:
    def engine(found: Event, circumstances: Circumstances) -> list[Decision]:
        if found == event(1):
            raise KeyError("bug")
        return [Decision("a")]

    outbox.record([event(1), event(2)])
    outbox.decider(engine, ["a", "b"]).decide_next(100, T0)
    assert outbox.counts().deliveries == 3


def test_a_claimed_delivery_is_nobody_elses_until_its_lease_ends(outbox: Outbox) -> None:
    (first,) = claimed(decided(outbox, 1))
    assert claimed(outbox, after_s=59) == []
    (again,) = claimed(outbox, after_s=60)
    assert (again.notice.delivery_id, again.notice.attempt) == (first.notice.delivery_id, 2)


def test_deliveries_are_claimed_in_the_order_recorded(outbox: Outbox) -> None:
    found = claimed(decided(outbox, 3, 1, 2), limit=5)
    assert [claim.notice.event for claim in found] == [event(3), event(1), event(2)]


def test_a_late_failure_does_not_undo_what_the_next_owner_did(outbox: Outbox) -> None:
    (slow,) = claimed(decided(outbox, 1))
    (fast,) = claimed(outbox, after_s=61)
    settle(outbox, fast, Outcome.DELIVERED, 61)
    settle(outbox, slow, Outcome.FAILED, 61)
    assert outbox.counts().delivered == 1


def test_a_delivery_that_kills_its_dispatcher_each_time_is_dead_in_the_end(outbox: Outbox) -> None:
    decided(outbox, 1)
    for number in range(RETRY.max_attempts):
        assert len(claimed(outbox, after_s=61 * number)) == 1
    assert claimed(outbox, after_s=61 * RETRY.max_attempts) == []
    assert outbox.counts().dead == 1


def test_what_a_dead_dispatcher_left_behind_is_claimed_one_at_a_time(outbox: Outbox) -> None:
    assert len(claimed(decided(outbox, 1, 2, 3), limit=9)) == 3
    assert len(claimed(outbox, limit=9, after_s=61)) == 1


def test_a_notice_given_back_untried_has_lost_no_attempt(outbox: Outbox) -> None:
    (claim,) = claimed(decided(outbox, 1))
    settle(outbox, claim, Outcome.UNTRIED)
    (again,) = claimed(outbox)
    assert again.notice.attempt == 1


def test_a_dead_letter_that_is_replayed_has_its_old_id_and_all_attempts(outbox: Outbox) -> None:
    (claim,) = claimed(decided(outbox, 1))
    settle(outbox, claim, Outcome.REFUSED)
    assert outbox.counts().dead == 1
    assert outbox.replay([claim.notice.delivery_id]) == 1
    for number in range(RETRY.max_attempts):
        (again,) = claimed(outbox, after_s=10_000 * (number + 1))
        assert again.notice.delivery_id == claim.notice.delivery_id
        settle(outbox, again, Outcome.FAILED, 10_000 * (number + 1))
    assert outbox.counts().dead == 1


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(
                ["record", "decide", "claim", "deliver", "fail", "bury", "gone", "replay", "wait"]
            ),
            st.integers(0, 4),
        ),
        max_size=25,
    )
)
def test_the_audit_balances_after_any_history(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    outcomes = {"deliver": Outcome.DELIVERED, "fail": Outcome.FAILED, "bury": Outcome.REFUSED}
    after_s = 0.0
    held: list[Claim] = []
    with Outbox(tmp_path_factory.mktemp("audit") / "outbox.db", clock=FrozenClock(T0)) as outbox:
        for what, number in steps:
            if what == "record":
                outbox.record([event(number)])
            elif what == "decide":
                channels = [("file",), ("file", "console"), ()][number % 3]
                outbox.decider(Everyone(channels), channels).decide_next(9, T0 + timedelta(seconds=after_s))
            elif what == "claim":
                held = claimed(outbox, number, after_s) or held
            elif what == "gone" and held:
                settle(outbox, held[0], Outcome.GONE, after_s)
            elif what in outcomes and held:
                settle(outbox, held[0], outcomes[what], after_s)
            elif what == "replay":
                outbox.replay()
                outbox.turn_on("file")
            elif what == "wait":
                after_s += 61
            assert outbox.audit().is_clean


def test_many_writers_at_once_make_one_outbox_with_each_event_once(location: str) -> None:
    def write(_: int) -> int:
        with Outbox(location) as outbox:
            return sum(outbox.record([event(number)]) for number in range(5))

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(8))) == 5


def test_deciders_and_claimers_at_once_give_each_delivery_to_one(location: str) -> None:
    with Outbox(location, clock=FrozenClock(T0)) as outbox:
        outbox.record([event(number) for number in range(60)])

    def work(_: int) -> list[str]:
        taken: list[str] = []
        with Outbox(location, clock=FrozenClock(T0)) as outbox:
            decider = outbox.decider(Everyone(("file",)), ["file"])
            while decider.decide_next(7, T0) or outbox.is_due("file", T0):
                taken += [claim.notice.delivery_id for claim in claimed(outbox, 5)]
        return taken

    with ThreadPoolExecutor(4) as pool:
        ids = [one for taken in pool.map(work, range(4)) for one in taken]
    assert len(ids) == len(set(ids)) == 60


def test_what_is_neither_sqlite_nor_postgresql_is_refused_with_the_way_out() -> None:
    for url in ("mysql://u:secret@h/db", "sqlite://", "sqlite:///:memory:", "://"):
        with pytest.raises(PermanentError, match="sqlite:///path") as refused:
            Outbox(url)
        assert "secret" not in str(refused.value)


def test_a_server_that_is_down_is_transient_and_shows_no_password() -> None:
    with pytest.raises(TransientError, match="ORDERS_STATE_URL") as raised:
        Outbox("postgresql+psycopg2://u:secret@127.0.0.1:1/db")
    assert "secret" not in str(raised.value)


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
