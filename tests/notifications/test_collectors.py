"""The collector finds every failure once, on real Dagster instances, killed or not."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from resources.clock import FrozenClock, SystemClock
from resources.notifications.events import Event
from resources.notifications.failures import Surroundings
from resources.notifications.outbox import Outbox
from resources.notifications.resource import NotificationOutbox
from sensors.collectors import collect, collector_sensor
from tests.notifications import pipelines
from tests.notifications.test_kills import work

QUIET = {"telemetry": {"enabled": False}}


def sqlite_instance(folder: Path) -> dg.DagsterInstance:
    """Return an instance on disk, which the worker process opens as well."""
    (folder / "dagster").mkdir()
    return dg.DagsterInstance.local_temp(str(folder / "dagster"), overrides=QUIET)


@pytest.fixture(scope="module", params=["ephemeral", "sqlite"])
def instance(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance with one event log, and one with a file for each run.

    Claims share it: each has an outbox of its own, which does not see what failed before.
    """
    if request.param == "ephemeral":
        with dg.DagsterInstance.ephemeral(settings=QUIET) as opened:
            yield opened
    else:
        with sqlite_instance(tmp_path_factory.mktemp("instance")) as opened:
            yield opened


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.db") as opened:
        yield opened


def recorded(outbox: Outbox) -> dict[str, Event]:
    """Return what is recorded, by event type and subject."""
    return {f"{event.event_type} {event.subject}": event for event in outbox.undecided(100)}


def test_a_failed_run_its_failed_step_and_the_asset_that_it_owed_are_recorded(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    run_id = pipelines.run(instance, pipelines.job(pipelines.broken))
    about = Surroundings(ui_url="http://ui/", owners={"broken": ["team:ops", "a@b.c"]})
    assert collect(instance, outbox, SystemClock(), about=about) == 3

    found = recorded(outbox)
    assert set(found) == {
        "JOB_FAILURE refresh",
        "STEP_FAILURE broken",
        "ASSET_MATERIALIZATION_FAILURE broken",
    }
    for event in found.values():
        assert event.facts.what_broke.endswith(
            "OSError: no room left at amqp://***@host/x (as ValueError: cannot refresh; free some room)"
        )
        assert event.facts.owners == ("team:ops", "a@b.c")
        assert event.facts.link == f"http://ui/runs/{run_id}"
    assert found["JOB_FAILURE refresh"].facts.how_many == "1 run, 1 failed step (broken)"


def test_what_broke_is_the_platforms_own_clear_line_when_there_is_one(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    pipelines.run(instance, pipelines.job(pipelines.unreadable))
    collect(instance, outbox, SystemClock())
    clear = "orders.duckdb is no warehouse: `orders rebuild` makes it anew"
    assert {event.facts.what_broke for event in recorded(outbox).values()} == {
        f"step unreadable: {clear}",
        f"job refresh: {clear}",
        f"asset unreadable: {clear}",
    }


def test_a_green_run_with_failed_checks_is_told_with_their_severity(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    pipelines.run(instance, pipelines.job(pipelines.sound, checks=True))
    about = Surroundings(owners={"sound": ["team:sales"]})
    collect(instance, outbox, SystemClock(), about=about)
    found = recorded(outbox)
    assert {key: event.facts.what_broke for key, event in found.items()} == {
        "ASSET_CHECK_SEVERITY_WARN sound:warns": ("check warns of asset sound (WARN): 2 rows look odd"),
        "ASSET_CHECK_SEVERITY_ERROR sound:errs": (
            "check errs of asset sound (ERROR): the ledger does not balance"
        ),
    }
    assert {event.facts.owners for event in found.values()} == {("team:sales",)}


def test_a_step_is_told_once_its_retries_are_used_up_and_never_before(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    pipelines.run(instance, pipelines.job(pipelines.stubborn, pipelines.recovering))
    collect(instance, outbox, SystemClock())
    found = recorded(outbox)
    assert set(found) == {
        "JOB_FAILURE refresh",
        "STEP_FAILURE stubborn",
        "ASSET_MATERIALIZATION_FAILURE stubborn",
    }
    assert "KeyError: 'never'" in found["STEP_FAILURE stubborn"].facts.what_broke


def test_a_run_marked_failed_from_outside_is_recorded(instance: dg.DagsterInstance, outbox: Outbox) -> None:
    run = instance.create_run_for_job(pipelines.job(pipelines.sound))
    instance.report_run_failed(run, "the process of this run is dead")
    assert collect(instance, outbox, SystemClock()) == 1
    (event,) = outbox.undecided(10)
    assert event.facts.what_broke == "job refresh: the process of this run is dead"
    assert event.facts.owners == ()


def evaluated(check: str, *, passed: bool = False, bad: int = 2) -> dg.AssetCheckEvaluation:
    """Return an evaluation that nobody has seen yet."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(["sales", "daily"]),
        check_name=check,
        passed=passed,
        metadata={"bad rows": dg.MetadataValue.int(bad)},
    )


def test_a_check_that_goes_on_failing_outside_of_runs_is_told_once_a_streak(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    clock = FrozenClock(SystemClock().now())
    for evaluation, new in [
        (evaluated("fresh"), 1),
        (evaluated("fresh"), 0),
        (evaluated("whole"), 1),
        (evaluated("fresh", bad=3), 1),
        (evaluated("fresh", bad=3), 0),
        (evaluated("fresh", passed=True, bad=0), 1),
        (evaluated("fresh", bad=3), 1),
    ]:
        instance.report_runless_asset_event(evaluation)
        assert collect(instance, outbox, clock) == new
        assert collect(instance, outbox, clock) == 0
        clock.advance(700)
    assert outbox.undecided(1)[0].facts.link.endswith("/assets/sales/daily?view=checks")


def test_a_streak_is_told_once_by_whichever_collector_looks_first_and_however_late(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    for bad in [2, 2, 2, 5, 5] + [7] * 30:
        instance.report_runless_asset_event(evaluated("late", bad=bad))
    assert collect(instance, outbox, SystemClock()) == 3


def test_a_check_that_fails_again_in_the_next_run_is_not_told_again(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    first = pipelines.run(instance, pipelines.job(pipelines.sound, checks=True))
    pipelines.run(instance, pipelines.job(pipelines.sound, checks=True))
    assert collect(instance, outbox, SystemClock()) == 2
    assert {event.facts.link for event in recorded(outbox).values()} == {
        f"http://127.0.0.1:3000/runs/{first}"
    }


def test_a_step_that_failed_in_a_run_under_way_is_not_waited_for(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    seen: list[int] = []

    @dg.op
    def fails() -> None:
        raise OSError("no room")

    @dg.op
    def looks(context: dg.OpExecutionContext) -> None:
        seen.append(collect(context.instance, outbox, SystemClock()))

    @dg.job(executor_def=dg.in_process_executor)
    def two_steps() -> None:
        fails()
        looks()

    pipelines.run(instance, two_steps)
    assert seen == [1]
    assert collect(instance, outbox, SystemClock()) == 1
    assert set(recorded(outbox)) == {"STEP_FAILURE fails", "JOB_FAILURE two_steps"}


def test_collecting_again_records_nothing_and_misses_nothing(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    job = pipelines.job(pipelines.broken)
    clock = FrozenClock(SystemClock().now())
    for _ in range(3):
        pipelines.run(instance, job)
        assert collect(instance, outbox, clock) == 3
        assert collect(instance, outbox, clock) == 0
        clock.advance(400)
    assert outbox.counts().events == 9


def test_what_failed_before_the_outbox_was_installed_is_left_alone(
    instance: dg.DagsterInstance, outbox: Outbox, tmp_path: Path
) -> None:
    job = pipelines.job(pipelines.broken)
    pipelines.run(instance, job)
    with Outbox(tmp_path / "later.db") as later:
        assert collect(instance, later, SystemClock()) == 0
        pipelines.run(instance, job)
        assert collect(instance, later, SystemClock()) == 3


def test_an_event_that_became_visible_late_is_found_in_the_overlap(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    job = pipelines.job(pipelines.broken)
    clock = FrozenClock(SystemClock().now() + timedelta(minutes=5))
    pipelines.run(instance, job)
    name = "dagster/PIPELINE_FAILURE"
    outbox.record([], cursors_at={name: '{"after": 1000000, "seen": []}'})
    assert collect(instance, outbox, clock) == 3


def test_what_a_surviving_step_writes_after_its_run_has_ended_is_found(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    run_id = pipelines.run(instance, pipelines.job(pipelines.sound))
    assert collect(instance, outbox, SystemClock()) == 0
    late = dg.DagsterEvent(
        event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
        job_name="refresh",
        event_specific_data=dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("sound"), check_name="errs", passed=False, metadata={}
        ),
    )
    instance.report_dagster_event(late, run_id)
    assert collect(instance, outbox, SystemClock()) == 1


def test_a_collector_that_runs_out_of_time_goes_on_where_it_stopped(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    pipelines.run(instance, pipelines.job(pipelines.broken))
    assert collect(instance, outbox, SystemClock(), budget_s=0.0) == 0
    assert collect(instance, outbox, SystemClock()) == 3


def test_the_sensor_records_and_asks_for_no_run(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    resource = NotificationOutbox(url=str(tmp_path / "outbox.db"), ui_url="http://ui")
    resource.open().close()
    pipelines.run(instance, pipelines.job(pipelines.broken))
    sensor = collector_sensor()
    with dg.build_sensor_context(instance, resources={"notification_outbox": resource}) as context:
        ticked = sensor.evaluate_tick(context)
    assert ticked.run_requests == []
    assert ticked.skip_message == "recorded 3 new events"
    assert (sensor.name, sensor.minimum_interval_seconds) == ("notification_collector", 5)
    with resource.open() as outbox:
        assert outbox.counts().events == 3


def test_the_sensor_loads_in_a_code_location(tmp_path: Path) -> None:
    definitions = dg.Definitions(
        sensors=[collector_sensor()],
        resources={"notification_outbox": NotificationOutbox(url=str(tmp_path / "outbox.db"))},
    )
    dg.Definitions.validate_loadable(definitions)


def test_a_step_recorded_by_the_hook_and_the_collector_counts_once(
    instance: dg.DagsterInstance, outbox: Outbox, tmp_path: Path
) -> None:
    hooked = pipelines.job(pipelines.broken, pipelines.stubborn, hooked=str(tmp_path / "outbox.db"))
    pipelines.run(instance, hooked)
    by_hook = recorded(outbox)
    assert set(by_hook) == {
        f"{event_type} {name}"
        for event_type in ("STEP_FAILURE", "ASSET_MATERIALIZATION_FAILURE")
        for name in ("broken", "stubborn")
    }
    assert collect(instance, outbox, SystemClock()) == 1
    with Outbox(tmp_path / "fresh.db", clock=FrozenClock(outbox.installed_at)) as fresh:
        collect(instance, fresh, SystemClock())
        by_collector = recorded(fresh)
    for key, event in by_hook.items():
        assert event.event_key == by_collector[key].event_key
        assert event.facts.what_broke == by_collector[key].facts.what_broke


def test_a_hook_without_its_outbox_leaves_the_failure_to_the_collector(
    instance: dg.DagsterInstance, outbox: Outbox, tmp_path: Path
) -> None:
    (tmp_path / "garbage.db").write_bytes(b"not a database" * 100)
    hooked = pipelines.job(pipelines.broken, hooked=str(tmp_path / "garbage.db"))
    pipelines.run(instance, hooked)
    assert collect(instance, outbox, SystemClock()) == 3


@pytest.mark.faults
def test_a_killed_collector_loses_and_repeats_nothing(tmp_path: Path) -> None:
    with sqlite_instance(tmp_path) as instance, Outbox(tmp_path / "outbox.db") as outbox:
        pipelines.run(instance, pipelines.job(pipelines.broken))
        pipelines.run(instance, pipelines.job(pipelines.sound, checks=True))
        for label, known in [
            ("notify.runs_read", 0),
            ("notify.events_inserted", 0),
            ("notify.runs_recorded", 3),
        ]:
            assert work("collect", tmp_path, label) == -signal.SIGKILL
            assert outbox.counts().events == known
        assert work("collect", tmp_path) == 0
        assert len(recorded(outbox)) == outbox.counts().events == 6
