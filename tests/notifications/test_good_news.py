"""Policies that ask for successes hear of each, also of one that ends an incident; and no key stays open."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from resources.clock import FrozenClock
from resources.notifications.channels.pagerduty import dedup_key
from resources.notifications.dispatcher import deliver_due
from resources.notifications.events import GOOD_NEWS, Event, EventType, Notice, Severity
from resources.notifications.outbox import Outbox
from resources.notifications.policies.deciding import PolicyEngine
from tests.notifications.policies.samples import policies
from tests.notifications.samples import T0, RecorderChannel, failure, recovery

_FILE = """alert_policies:
- {name: failures, event_types: [JOB_FAILURE], notification_service: {x_console: {}}}
- {name: wins, event_types: [%s], notification_service: {x_console: {}}}
- {name: both, event_types: [JOB_FAILURE, JOB_SUCCESS], notification_service: {x_console: {}}}
"""


def engine(event_type: EventType = EventType.JOB_SUCCESS) -> PolicyEngine:
    """Return the engine of the file, whose second policy asks for `event_type`."""
    return PolicyEngine(policies(_FILE % event_type))


def success(number: int) -> Event:
    """Return a success that ends nothing."""
    return replace(
        recovery(number), event_key=f"JOB_SUCCESS/run-{number}", is_recovery=False, severity=Severity.INFO
    )


class Tale:
    """An outbox of one clock and channel, to which things happen."""

    def __init__(self, outbox: Outbox, clock: FrozenClock, engine: PolicyEngine) -> None:
        self.outbox, self.clock, self.engine = outbox, clock, engine
        self.channel = RecorderChannel("console")

    def happens(self, event: Event, then_s: float = 3600.0) -> list[Notice]:
        """Record the event; return what it made the channel hear until so much later."""
        before = len(self.channel.sent)
        self.outbox.record([replace(event, occurred_at=self.clock.now())])
        for _ in range(2):
            deliver_due(self.outbox, [self.channel], self.clock, engine=self.engine)
            self.clock.advance(then_s / 2)
        deliver_due(self.outbox, [self.channel], self.clock, engine=self.engine)
        return self.channel.sent[before:]


@pytest.fixture
def tale(outbox: Outbox, clock: FrozenClock) -> Tale:
    """A tale under the three policies."""
    return Tale(outbox, clock, engine())


def test_a_success_that_ends_a_failure_is_told_to_all_who_asked_for_either(tale: Tale) -> None:
    tale.happens(failure(1))
    heard = {notice.policy: notice for notice in tale.happens(recovery(1))}
    assert {name: notice.is_resolved for name, notice in heard.items()} == {
        "failures": True,
        "both": True,
        "wins": False,
    }
    assert heard["wins"].thread != heard["failures"].thread


@pytest.mark.parametrize("event_type", sorted(GOOD_NEWS))
def test_each_kind_of_good_news_is_told_where_it_ends_an_incident(
    tmp_path: Path, event_type: EventType
) -> None:
    clock = FrozenClock(T0)
    with Outbox(tmp_path / "outbox.db", clock=clock) as outbox:
        tale = Tale(outbox, clock, engine(event_type))
        tale.happens(failure(1))
        heard = tale.happens(replace(recovery(1), event_type=event_type))
    assert ("wins", False) in [(notice.policy, notice.is_resolved) for notice in heard]


def test_a_success_neither_opens_an_incident_nor_holds_a_failure_up(tale: Tale) -> None:
    tale.happens(success(1), then_s=1)
    heard = tale.happens(failure(2), then_s=1)
    assert [notice.policy for notice in heard] == ["failures", "both"]
    (over,) = [notice for notice in tale.happens(recovery(2)) if notice.policy == "wins"]
    assert not over.is_resolved


@pytest.mark.parametrize("seed", range(3))
def test_every_key_that_a_failure_opens_is_closed(tmp_path: Path, seed: int) -> None:
    rng, clock = random.Random(seed), FrozenClock(T0)
    with Outbox(tmp_path / "outbox.db", clock=clock) as outbox:
        tale = Tale(outbox, clock, engine())
        is_broken = False
        for number, is_well in enumerate([*rng.choices([True, False], k=8), True, True]):
            good = recovery(number) if is_broken else success(number)
            tale.happens(good if is_well else failure(number), rng.choice([2.0, 40.0, 3600.0]))
            is_broken = not is_well
        tale.happens(success(100))
        assert outbox.audit().is_clean
    is_open: dict[tuple[str, str], bool] = {}
    for notice in tale.channel.sent:
        key = (notice.policy, dedup_key(notice))
        # A digest of what flapped may close again what is closed already.
        assert not notice.is_resolved or notice.count > 1 or is_open[key]
        is_open[key] = not notice.is_resolved
    assert any(not key.startswith("good news|") for _, key in is_open)
    assert all(key.startswith("good news|") for (_, key), is_left in is_open.items() if is_left)
