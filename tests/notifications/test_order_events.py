"""Order changes reach who subscribes to them: none twice, none lost, none that nobody asked for."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from assets.landing.land import land
from assets.orders.load import load
from assets.orders.rebuild import rebuild
from resources.clock import SystemClock
from resources.notifications.events import Event, EventType
from resources.notifications.interest import Interest, interest_of
from resources.notifications.outbox import Outbox
from resources.notifications.policies.reading import read_policies
from resources.warehouse.publish import publish
from sensors.collectors import OF_DATA, collect
from tests.cli.running import message
from tests.dagster.shop import Home

POLICIES = """
alert_policies:
  - name: orders
    enabled: true
    event_types: [ORDER_EVENT]
    notification_service: {x_file: {}}
"""
EVERY = interest_of(read_policies(POLICIES, "policies.yaml"))
LARGE = interest_of(read_policies(POLICIES + '    x_order: {status: [paid], min_amount: "20"}\n', "p.yaml"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """An empty home."""
    return Home(tmp_path / "home")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance."""
    with dg.DagsterInstance.ephemeral(settings={"telemetry": {"enabled": False}}) as opened:
        yield opened


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """An outbox that is there before the first order."""
    with Outbox(tmp_path / "outbox.db") as opened:
        yield opened


def take_in(home: Home, *bodies: bytes) -> None:
    """Publish, land, load and publish the copy."""
    platform = home.platform
    home.publish(*bodies)
    with platform.broker() as broker:
        land(broker, platform.landing)
    load(platform.warehouse, platform.landing)
    publish(platform.warehouse)


def look(instance: dg.DagsterInstance, outbox: Outbox, home: Home, interest: Interest = EVERY) -> int:
    """Let the observers of the data look once; return how many events are new."""
    return collect(
        instance, outbox, SystemClock(), interest=interest, platform=home.platform, observers=OF_DATA
    )


def told(outbox: Outbox, event_type: EventType = EventType.ORDER_EVENT) -> list[Event]:
    """Return the recorded events of a type."""
    return [event for event in outbox.undecided(1000) if event.event_type == event_type]


def test_every_change_is_told_with_the_amount_that_it_gives(
    instance: dg.DagsterInstance, outbox: Outbox, home: Home
) -> None:
    look(instance, outbox, home)
    first = message("e-1", "o-1", shipping="4.90")
    second = message("e-2", "o-1", version=2, status="paid", shipping="5.90")
    take_in(home, first, second, second)
    assert look(instance, outbox, home) == 2
    assert look(instance, outbox, home) == 0
    assert [(e.details["status"], e.details["amount"]) for e in told(outbox)] == [
        ("placed", "20.2000"),
        ("paid", "21.2000"),
    ]


def test_only_what_the_policies_ask_for_is_recorded(
    instance: dg.DagsterInstance, outbox: Outbox, home: Home
) -> None:
    look(instance, outbox, home, LARGE)
    take_in(
        home,
        message("e-1", "o-1", status="paid"),
        message("e-2", "o-2", status="paid", shipping="1.00"),
        message("e-3", "o-3"),
    )
    look(instance, outbox, home, LARGE)
    assert [e.subject for e in told(outbox)] == ["o-1"]


def test_without_a_subscription_nothing_is_told_and_one_added_later_counts_from_then_on(
    instance: dg.DagsterInstance, outbox: Outbox, home: Home
) -> None:
    take_in(home, message("e-1", "o-1"))
    assert look(instance, outbox, home, Interest()) == 0
    look(instance, outbox, home)
    take_in(home, message("e-2", "o-2"))
    look(instance, outbox, home)
    assert [e.subject for e in told(outbox)] == ["o-2"]


def test_a_rebuild_tells_nothing_again_and_hides_nothing(
    instance: dg.DagsterInstance, outbox: Outbox, home: Home
) -> None:
    take_in(home, message("e-0", "o-0"))
    look(instance, outbox, home)
    take_in(home, message("e-1", "o-1"))
    take_in(home, message("e-2", "o-2"))
    assert look(instance, outbox, home) == 2
    home.publish(message("e-3", "o-3"))
    with home.platform.broker() as broker:
        land(broker, home.platform.landing)
    rebuild(home.platform.warehouse, home.platform.landing)
    publish(home.platform.warehouse)
    assert look(instance, outbox, home) == 1
    assert sorted(e.subject for e in told(outbox)) == ["o-1", "o-2", "o-3"]


def test_rejects_are_told_with_their_rate_and_their_end(
    instance: dg.DagsterInstance, outbox: Outbox, home: Home
) -> None:
    take_in(home, message("e-1", "o-1"), b"broken", message("e-2", "o-2"), b"{}")
    look(instance, outbox, home, Interest())
    look(instance, outbox, home, Interest())
    take_in(home, message("e-3", "o-3"))
    look(instance, outbox, home, Interest())
    events = told(outbox, EventType.RECORDS_REJECTED)
    assert [(e.details["rejected"], e.details["messages"], e.is_recovery) for e in events] == [
        (2, 4, False),
        (0, 1, True),
    ]


def test_what_waits_in_the_broker_is_told_above_its_limit_and_when_it_is_worked_off(
    instance: dg.DagsterInstance, outbox: Outbox, home: Home
) -> None:
    from resources.notifications.condition_facts import Limits

    def looks() -> None:
        collect(
            instance,
            outbox,
            SystemClock(),
            platform=home.platform,
            limits=Limits(waiting=2),
            observers=OF_DATA,
        )

    looks()
    home.publish(message("e-1", "o-1"))
    home.publish(message("e-2", "o-2"))
    looks()
    looks()
    take_in(home)
    looks()
    assert [e.is_recovery for e in told(outbox, EventType.QUEUE_BACKLOG)] == [False, True]
