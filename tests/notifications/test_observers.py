"""What each observer records, when it closes what it opened, and what it leaves alone."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

# Dagster has no public names for these, and no other way to leave a run in the queue.
from dagster._core.code_pointer import ModuleCodePointer  # noqa: TID251
from dagster._core.origin import JobPythonOrigin, RepositoryPythonOrigin  # noqa: TID251
from dagster._core.remote_origin import (  # noqa: TID251
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from resources.clock import FrozenClock, SystemClock
from resources.notifications.condition_facts import Limits
from resources.notifications.events import Event, EventType
from resources.notifications.failures import Surroundings
from resources.notifications.interest import Interest
from resources.notifications.outbox import Outbox
from resources.notifications.resource import read_interest
from sensors.collectors import collect, collect_and_reconcile
from sensors.observers.reconcile import NAME, Reconciled
from tests.notifications import pipelines

QUIET = {"telemetry": {"enabled": False}}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """A Dagster instance of the test's own."""
    with dg.DagsterInstance.ephemeral(settings=QUIET) as opened:
        yield opened


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    """An empty outbox."""
    with Outbox(tmp_path / "outbox.db") as opened:
        yield opened


def told(outbox: Outbox) -> list[tuple[str, str, bool]]:
    """Return type, subject and whether it is a recovery, of what is recorded, in order."""
    return [(e.event_type, e.subject, e.is_recovery) for e in outbox.undecided(1000)]


def last(outbox: Outbox) -> Event:
    """Return the event recorded last."""
    return outbox.undecided(1000)[-1]


def fail(instance: dg.DagsterInstance) -> None:
    """Let a run of `refresh` fail."""
    run = instance.create_run_for_job(pipelines.job(pipelines.sound))
    instance.report_run_failed(run, "the process of this run is dead")


def test_a_success_is_told_only_when_it_ends_a_failure(instance: dg.DagsterInstance, outbox: Outbox) -> None:
    job = pipelines.job(pipelines.sound)
    pipelines.run(instance, job)
    assert collect(instance, outbox, SystemClock()) == 0
    fail(instance)
    pipelines.run(instance, job)
    pipelines.run(instance, job)
    collect(instance, outbox, SystemClock())
    assert told(outbox) == [("JOB_FAILURE", "refresh", False), ("JOB_SUCCESS", "refresh", True)]
    opened, closed = outbox.undecided(10)
    assert opened.incident == closed.incident == "job/refresh"
    assert closed.facts.since == opened.occurred_at


def test_a_success_is_told_from_the_moment_on_in_which_a_policy_asks_for_it(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    asks = Interest(quiet_types=frozenset({EventType.JOB_SUCCESS}))
    job = pipelines.job(pipelines.sound)
    pipelines.run(instance, job)
    collect(instance, outbox, SystemClock(), interest=asks)
    assert told(outbox) == []
    pipelines.run(instance, job)
    collect(instance, outbox, SystemClock(), interest=None)
    assert told(outbox) == [("JOB_SUCCESS", "refresh", False)], "policies that cannot be read change nothing"
    collect(instance, outbox, SystemClock(), interest=Interest())
    pipelines.run(instance, job)
    assert collect(instance, outbox, SystemClock(), interest=Interest()) == 0


def test_what_the_policies_ask_for_is_read_again_when_their_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    text = (
        "alert_policies:\n- {name: a, enabled: true, event_types: [%s], notification_service: {x_file: {}}}\n"
    )
    file.write_text(text % "JOB_FAILURE")
    assert read_interest(file) == Interest()
    file.write_text(text % "JOB_SUCCESS")
    assert read_interest(file) == Interest(quiet_types=frozenset({EventType.JOB_SUCCESS}))
    file.write_text("alert_policies: [")
    assert read_interest(file) is None
    assert read_interest(tmp_path / "missing.yaml") is None


def test_a_canceled_run_is_told_and_its_interrupted_steps_are_not(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    run = instance.create_run_for_job(pipelines.job(pipelines.sound))
    instance.report_run_canceled(run, message="stopped by an operator")
    collect(instance, outbox, SystemClock())
    assert told(outbox) == [("RUN_CANCELED", "refresh", False)]
    assert last(outbox).facts.what_broke == "job refresh: stopped by an operator"


def test_of_several_failed_steps_the_first_is_named_as_the_cause_of_the_run(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    pipelines.run(instance, pipelines.job(pipelines.broken, pipelines.unreadable))
    collect(instance, outbox, SystemClock())
    events = {e.subject: e for e in outbox.undecided(10) if e.event_type == EventType.STEP_FAILURE}
    first = min(events.values(), key=lambda e: e.occurred_at)
    (run,) = [e for e in outbox.undecided(10) if e.event_type == EventType.JOB_FAILURE]
    assert run.facts.what_broke.partition(": ")[2] == first.facts.what_broke.partition(": ")[2]


def test_a_run_that_takes_long_is_told_at_each_limit_and_when_it_has_ended(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    job = pipelines.job(pipelines.sound)
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    asks = Interest(long_running_s=(60.0, 600.0))
    clock = FrozenClock(SystemClock().now())
    new = []
    for elapsed_s in (30, 40, 1, 600):
        clock.advance(elapsed_s)
        new.append(collect(instance, outbox, clock, interest=asks))
    assert new == [0, 1, 0, 1]
    assert last(outbox).details == {"running_seconds": 671, "threshold_seconds": 600.0}
    instance.report_run_canceled(run)
    collect(instance, outbox, clock, interest=asks)
    ended = [e for e in outbox.undecided(10) if e.is_recovery]
    assert {e.incident for e in ended} == {e.incident for e in outbox.undecided(10) if e.incident}


def test_targets_say_what_policies_select_by(instance: dg.DagsterInstance, outbox: Outbox) -> None:
    pipelines.run(instance, pipelines.job(pipelines.broken))
    about = Surroundings(groups={"broken": "shop"}, kinds={"broken": ["duckdb"]}, location="orders")
    collect(instance, outbox, SystemClock(), about=about)
    (failed,) = [e for e in outbox.undecided(9) if e.event_type == EventType.ASSET_MATERIALIZATION_FAILURE]
    assert (failed.targets.assets, failed.targets.groups, failed.targets.kinds) == (
        ("broken",),
        ("shop",),
        ("duckdb",),
    )
    assert {e.targets.location for e in outbox.undecided(9)} == {"orders"}


def test_columns_that_change_are_told_and_the_same_ones_are_not(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    def made(**columns: str) -> None:
        schema = dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()])
        metadata = {"dagster/column_schema": dg.MetadataValue.table_schema(schema)}
        instance.report_runless_asset_event(dg.AssetMaterialization("prices", metadata=metadata))

    for columns in ({"a": "INT"}, {"a": "INT"}, {"a": "TEXT", "b": "INT"}, {"b": "INT"}):
        made(**columns)
    collect(instance, outbox, SystemClock())
    assert [e.facts.what_broke for e in outbox.undecided(10)] == [
        "table prices: b added, a INT → TEXT",
        "table prices: a removed",
    ]
    assert outbox.undecided(1)[0].details["change_types"] == "COLUMN_ADDED,COLUMN_TYPE_CHANGED"


def test_reconciliation_finds_nothing_where_the_collectors_looked(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    fail(instance)
    pipelines.run(instance, pipelines.job(pipelines.sound, checks=True))
    clock = FrozenClock(SystemClock().now() + timedelta(minutes=5))
    outcome = collect_and_reconcile(instance, outbox, clock)
    assert outcome is not None
    assert (outcome.runs, outcome.gap) == (2, 0)


def test_reconciliation_records_what_was_missed_and_counts_it_once(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    fail(instance)
    clock = FrozenClock(SystemClock().now() + timedelta(hours=2))
    beyond = '{"after": 1000000, "seen": []}'
    outbox.record([], cursors_at={"dagster/PIPELINE_FAILURE": beyond})
    outcomes = [collect_and_reconcile(instance, outbox, clock) for _ in range(2)]
    assert [outcome and outcome.gap for outcome in outcomes] == [1, 0]
    assert outcomes[1] == replace(outcomes[1] or outcomes[0], gap_in_all=1) if outcomes[1] else False
    assert told(outbox) == [("JOB_FAILURE", "refresh", False)]
    assert outbox.cursor(NAME)


def test_reconciliation_waits_when_collecting_took_all_the_time(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    fail(instance)
    outcome: Reconciled | None = collect_and_reconcile(instance, outbox, SystemClock(), budget_s=0.0)
    assert outcome is None


def test_the_reconciliation_judges_conditions_as_the_collector_does(
    instance: dg.DagsterInstance, outbox: Outbox
) -> None:
    code = ModuleCodePointer("tests.notifications.pipelines", "job")
    origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "repository")
    instance.create_run_for_job(
        pipelines.job(pipelines.sound),
        status=dg.DagsterRunStatus.QUEUED,
        remote_job_origin=RemoteJobOrigin(origin, "refresh"),
        job_code_origin=JobPythonOrigin("refresh", RepositoryPythonOrigin("python", code)),
    )
    limits = Limits(queued_runs=1)
    collect(instance, outbox, SystemClock(), limits=limits)
    collect_and_reconcile(instance, outbox, SystemClock(), limits=limits)
    assert told(outbox) == [("RUN_QUEUE_BACKLOG", "run queue", False)]
