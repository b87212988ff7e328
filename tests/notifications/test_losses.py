"""What Dagster's own helpers lose, shown with them, and kept here."""

import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from resources.clock import SystemClock
from resources.errors import PermanentError
from resources.notifications.events import EventType
from resources.notifications.interest import Interest
from resources.notifications.outbox import Outbox
from resources.notifications.resource import NotificationOutbox
from sensors.collectors import collect, collector_sensor
from tests.notifications import pipelines
from tests.notifications.stock import Stock, asset_sensor, failure_sensor

QUIET = {"telemetry": {"enabled": False}}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance of the test's own."""
    with dg.DagsterInstance.ephemeral(settings=QUIET) as opened:
        yield opened


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """An outbox that is there from the beginning."""
    with Outbox(tmp_path / "outbox.db") as opened:
        yield opened


def fail(instance: dg.DagsterInstance) -> str:
    """Let a run fail and return its id."""
    run = instance.create_run_for_job(pipelines.job(pipelines.sound))
    instance.report_run_failed(run, "the process of this run is dead")
    return run.run_id


def told(outbox: Outbox, event_type: EventType = EventType.JOB_FAILURE) -> list[str]:
    """Return the runs of the recorded events of a type, in the order of recording."""
    return [e.targets.run_id for e in outbox.undecided(1000) if e.event_type == event_type]


def test_a_body_that_raises_loses_its_run_and_our_tick_keeps_its_place(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    url = tmp_path / "outbox.db"
    resource = NotificationOutbox(url=str(url))
    resource.open().close()
    alerted: list[str] = []
    is_down = True

    def alert(run_id: str) -> None:
        if is_down:
            raise ConnectionError("the channel is down")
        alerted.append(run_id)

    stock, theirs = Stock(instance), failure_sensor(alert)
    stock.tick(theirs)
    run_id = fail(instance)
    stock.tick(theirs)
    url.rename(tmp_path / "kept.db")
    url.write_bytes(b"not a database" * 100)
    ours = collector_sensor()

    def tick() -> None:
        with dg.build_sensor_context(instance, resources={"notification_outbox": resource}) as context:
            ours.evaluate_tick(context)

    with pytest.raises(PermanentError):
        tick()
    is_down = False
    (tmp_path / "kept.db").rename(url)
    stock.tick(theirs)
    assert alerted == [], "the stock sensor has moved on"
    tick()
    with resource.open() as outbox:
        assert told(outbox) == [run_id]


def test_a_skip_in_a_batch_repeats_what_came_before_it_for_ever(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    alerted: list[str] = []
    runs: list[str] = []

    def alert(run_id: str) -> dg.SkipReason | None:
        if run_id == runs[1]:
            return dg.SkipReason("not this one")
        alerted.append(run_id)
        return None

    stock, theirs = Stock(instance), failure_sensor(alert)
    stock.tick(theirs)
    runs += [fail(instance) for _ in range(3)]
    errors = [stock.tick(theirs) for _ in range(4)]
    assert all(errors)
    assert alerted == [runs[0]] * 4, "told again with each tick, and the third never"
    for _ in range(4):
        collect(instance, outbox, SystemClock())
    assert told(outbox) == runs


def test_a_batch_that_is_slower_than_a_tick_never_comes_to_its_end(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    limit_s = 0.2
    alerted: list[str] = []

    def alert(run_id: str) -> None:
        alerted.append(run_id)
        time.sleep(limit_s / 2)  # a slow channel

    stock, theirs = Stock(instance), failure_sensor(alert)
    stock.tick(theirs)
    runs = [fail(instance) for _ in range(4)]
    for _ in range(2):
        # Four at a tenth of a second take longer than the limit, at which the daemon drops the answer.
        stock.tick(theirs, keeps_cursor=False)
    assert alerted == runs * 2
    for _ in range(3):
        collect(instance, outbox, SystemClock(), budget_s=limit_s)
    assert told(outbox) == runs


def test_a_daemon_killed_midway_tells_again_what_it_had_told(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    alerted: list[str] = []
    stock, theirs = Stock(instance), failure_sensor(lambda run_id: alerted.append(run_id))
    stock.tick(theirs)
    runs = [fail(instance) for _ in range(2)]
    stock.tick(theirs, keeps_cursor=False)
    stock.tick(theirs)
    assert alerted == runs * 2
    # Killed for good, at each point: test_a_killed_collector_loses_and_repeats_nothing.
    collect(instance, outbox, SystemClock())
    collect(instance, outbox, SystemClock())
    assert told(outbox) == runs


def test_what_fails_before_the_first_tick_is_lost_and_ours_counts_from_its_installation(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    alerted: list[str] = []
    run_id = fail(instance)
    stock, theirs = Stock(instance), failure_sensor(lambda run_id: alerted.append(run_id))
    stock.tick(theirs)
    stock.tick(theirs)
    assert alerted == []
    collect(instance, outbox, SystemClock())
    assert told(outbox) == [run_id]


def test_a_renamed_sensor_begins_at_the_latest_run_and_ours_keeps_its_place_in_the_outbox(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    alerted: list[str] = []
    stock = Stock(instance)
    stock.tick(failure_sensor(lambda run_id: alerted.append(run_id)))
    collect(instance, outbox, SystemClock())
    run_id = fail(instance)
    renamed = failure_sensor(lambda run_id: alerted.append(run_id), name="alerts_v2")
    stock.tick(renamed)
    stock.tick(renamed)
    assert alerted == []
    collect(instance, outbox, SystemClock())
    assert told(outbox) == [run_id]


def test_a_run_that_is_deleted_before_the_tick_is_lost_and_our_hook_has_recorded_it(
    instance: dg.DagsterInstance, outbox: Outbox, tmp_path: Path
) -> None:
    alerted: list[str] = []
    stock, theirs = Stock(instance), failure_sensor(lambda run_id: alerted.append(run_id))
    stock.tick(theirs)
    hooked = pipelines.job(pipelines.broken, hooked=str(tmp_path / "outbox.db"))
    run_id = pipelines.run(instance, hooked)
    instance.delete_run(run_id)
    stock.tick(theirs)
    assert alerted == []
    assert told(outbox, EventType.STEP_FAILURE) == [run_id]


def test_of_two_materializations_between_ticks_one_is_lost_and_ours_has_both(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    asks = Interest(quiet_types=frozenset({EventType.ASSET_MATERIALIZATION_SUCCESS}))
    collect(instance, outbox, SystemClock(), interest=asks)
    alerted: list[str] = []
    stock, theirs = Stock(instance), asset_sensor(lambda run_id: alerted.append(run_id))
    stock.tick(theirs)
    runs = [pipelines.run(instance, pipelines.job(pipelines.sound)) for _ in range(2)]
    stock.tick(theirs)
    stock.tick(theirs)
    assert alerted == runs[1:]
    collect(instance, outbox, SystemClock(), interest=asks)
    assert told(outbox, EventType.ASSET_MATERIALIZATION_SUCCESS) == runs


def test_a_hook_that_raises_is_forgotten_and_the_collector_finds_its_failure(
    instance: dg.DagsterInstance, outbox: Outbox, tmp_path: Path
) -> None:
    alerted: list[str] = []

    @dg.failure_hook
    def alert(context: dg.HookContext) -> None:
        alerted.append(context.run_id)
        raise ConnectionError("the channel is down")

    (tmp_path / "garbage.db").write_bytes(b"not a database" * 100)
    job = pipelines.job(pipelines.broken, hooked=str(tmp_path / "garbage.db"))
    run_id = pipelines.run(instance, job.with_hooks({alert}))
    assert alerted == [run_id], "once, and nobody tries again"
    collect(instance, outbox, SystemClock())
    assert told(outbox, EventType.STEP_FAILURE) == [run_id]
