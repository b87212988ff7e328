"""What the sensors ask for, and when they keep still."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.days import Partitions, day_events
from assets.landing.land import land
from assets.orders.load import load
from assets.reports.refresh import Stretch, stretches
from resources.leases import held
from sensors.backlog import backlog_sensor
from sensors.restatement import requests, restatement_sensor
from tests.dagster.shop import Home, event
from tests.files.drops import DAY, HEADER, row

Evaluate = Callable[[dg.SensorDefinition, Home, str | None], dg.SensorResult]
VALID = Partitions(date(2000, 1, 1), date(2026, 5, 31))


@pytest.fixture
def evaluate(instance: dg.DagsterInstance) -> Evaluate:
    """Return a function that evaluates a sensor once."""

    def once(sensor: dg.SensorDefinition, home: Home, cursor: str | None = None) -> dg.SensorResult:
        context = dg.build_sensor_context(instance, cursor=cursor, resources={"platform": home.platform})
        tick = sensor.evaluate_tick(context)
        return dg.SensorResult(tick.run_requests, cursor=tick.cursor, skip_reason=tick.skip_message)

    return once


@dg.job(name="ingest")
def _ingest() -> None:
    """A job of the name that the sensor looks for."""


def _load(home: Home) -> None:
    platform = home.platform
    with platform.broker() as broker:
        land(broker, platform.landing)
    load(platform.warehouse, platform.landing)


def test_backlog_keeps_still_when_nothing_waits(evaluate: Evaluate, home: Home) -> None:
    result = evaluate(backlog_sensor("ingest"), home, None)
    assert not result.run_requests
    assert "nothing waits" in str(result.skip_reason)


def test_backlog_asks_for_a_run_when_messages_wait(evaluate: Evaluate, home: Home) -> None:
    home.publish(event("o-1"))
    assert len(evaluate(backlog_sensor("ingest"), home, None).run_requests or []) == 1


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED])
def test_backlog_asks_for_no_second_run(
    evaluate: Evaluate, home: Home, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    home.publish(event("o-1"))
    instance.create_run_for_job(_ingest, status=status)
    assert not evaluate(backlog_sensor("ingest"), home, None).run_requests


def test_backlog_pauses_after_a_failure(evaluate: Evaluate, home: Home, instance: dg.DagsterInstance) -> None:
    home.publish(event("o-1"))
    run = instance.create_run_for_job(_ingest, status=dg.DagsterRunStatus.STARTED)
    instance.report_run_failed(run, "broken")
    result = evaluate(backlog_sensor("ingest"), home, None)
    assert not result.run_requests
    assert "failed" in str(result.skip_reason)


def test_backlog_asks_once_for_a_changed_file_and_again_when_it_is_another(
    evaluate: Evaluate, tmp_path: Path
) -> None:
    drops = tmp_path / "drops"
    drops.mkdir()
    home = Home(tmp_path / "home", files_dir=drops)
    file = drops / f"{DAY.isoformat()}.csv"
    file.write_text(f"{HEADER}\n{row()}\n")
    first = evaluate(backlog_sensor("ingest"), home, None)
    again = evaluate(backlog_sensor("ingest"), home, first.cursor)
    file.write_text(f"{HEADER}\n{row()}\n{row('536366')}\n")
    changed = evaluate(backlog_sensor("ingest"), home, first.cursor)
    assert [len(tick.run_requests or []) for tick in (first, again, changed)] == [1, 0, 1]


def test_restatement_asks_for_exactly_the_touched_days(evaluate: Evaluate, home: Home) -> None:
    days = ("2026-05-01", "2026-05-02", "2026-05-05")
    home.publish(*(event(f"o-{day}", day=day) for day in days))
    _load(home)
    asked = evaluate(restatement_sensor("reports"), home, None).run_requests or []
    ranges = [
        (r.tags["dagster/asset_partition_range_start"], r.tags["dagster/asset_partition_range_end"])
        for r in asked
    ]
    assert ranges == [("2026-05-01", "2026-05-02"), ("2026-05-05", "2026-05-05")]


def test_restatement_asks_again_under_a_new_key_when_a_later_load_touches_the_day(
    evaluate: Evaluate, home: Home
) -> None:
    keys = []
    for version in (1, 2):
        home.publish(event("o-1", version))
        _load(home)
        for _ in range(2):
            keys.append(
                [r.run_key for r in evaluate(restatement_sensor("reports"), home, None).run_requests or []]
            )
    assert keys[0] == keys[1] == ["2026-05-01..2026-05-01@1"]
    assert keys[2] == keys[3] == ["2026-05-01..2026-05-01@2"]


def test_restatement_keeps_still_while_the_warehouse_is_locked(evaluate: Evaluate, home: Home) -> None:
    home.publish(event("o-1"))
    _load(home)
    with held(home.platform.warehouse.path.with_suffix(".lock"), 1, "the warehouse"):
        result = evaluate(restatement_sensor("reports"), home, None)
    assert not result.run_requests
    assert "in use" in str(result.skip_reason)


def test_restatement_keeps_still_before_anything_was_loaded(evaluate: Evaluate, home: Home) -> None:
    assert not evaluate(restatement_sensor("reports"), home, None).run_requests


def test_many_stretches_are_one_run_that_finds_the_days_itself() -> None:
    scattered = stretches(date(2026, 1, 1) + timedelta(days=2 * n) for n in range(20))
    asked = requests(scattered, 7, VALID)
    assert [(request.run_key, request.tags) for request in asked] == [("2026-01-01..2026-02-08/all@7", {})]


def test_days_that_are_no_partitions_are_asked_for_without_a_range() -> None:
    assert [r.tags for r in requests([Stretch(date(1999, 12, 30), date(2000, 1, 2))], 1, VALID)] == [{}]


def test_a_stretch_has_one_event_for_each_asset_named_after_its_last_day() -> None:
    days = [Stretch(date(2026, 5, 1), date(2026, 5, 3)), Stretch(date(1990, 1, 1), date(1990, 1, 1))]
    told = [(e.asset_key.to_user_string(), e.partition) for e in day_events(["a", "b"], days, VALID)]
    assert told == [("a", "2026-05-03"), ("a", None), ("b", "2026-05-03"), ("b", None)]
