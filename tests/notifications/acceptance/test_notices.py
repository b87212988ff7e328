"""One claim for every event type that open source can observe: the notice comes, in its window."""

import time

import pytest

from tests.notifications.acceptance.conftest import Scene

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("acceptance"), pytest.mark.timeout(600)]

# Event type, subject, window in seconds after the act. Windows are those of a loaded machine: a collector
# ticks every 5 s, and each of its ticks may take as long again.
OPENINGS = [
    ("JOB_FAILURE", "fails", 60),
    ("STEP_FAILURE", "broken", 60),
    ("ASSET_MATERIALIZATION_FAILURE", "broken", 60),
    ("JOB_SUCCESS", "succeeds", 60),
    ("ASSET_MATERIALIZATION_SUCCESS", "sound", 60),
    ("ASSET_CHECK_PASSED", "sound:passes", 60),
    ("ASSET_CHECK_SEVERITY_WARN", "sound:warns", 60),
    ("ASSET_CHECK_SEVERITY_ERROR", "sound:errs", 60),
    ("ASSET_CHECK_EXECUTION_FAILURE", "sound:crashes", 60),
    ("RUN_CANCELED", "is_canceled", 60),
    ("JOB_LONG_RUNNING", "takes_long", 60),
    ("BACKFILL_FAILURE", "sound", 60),
    ("ASSET_TABLE_SCHEMA_CHANGE", "prices", 60),
    ("ASSET_FRESHNESS_PASS", "fresh", 75),
    ("ASSET_FRESHNESS_WARN", "aging", 75),
    ("ASSET_FRESHNESS_FAIL", "stale", 75),
    ("RUN_QUEUE_BACKLOG", "run queue", 75),
    ("QUEUE_BACKLOG", "inbox", 75),
    ("RECORDS_REJECTED", "inbox", 75),
    ("ORDER_EVENT", "o-2", 75),
    ("CODE_LOCATION_ERROR", "fragile", 75),
    ("TICK_FAILURE", "failing_sensor", 75),
    ("TICK_FAILURE", "failing_schedule", 120),
    ("NOTIFICATION_DEAD", "", 75),
]
# A recovery is told once its incident has stayed closed for half a minute.
RECOVERIES = [
    ("JOB_SUCCESS", "fails", 120),
    ("ASSET_MATERIALIZATION_SUCCESS", "broken", 120),
    ("ASSET_CHECK_PASSED", "sound:errs", 120),
    ("JOB_LONG_RUNNING", "takes_long", 120),
    ("BACKFILL_FAILURE", "sound", 120),
    ("ASSET_FRESHNESS_PASS", "stale", 120),
    ("RUN_QUEUE_BACKLOG", "run queue", 120),
    ("QUEUE_BACKLOG", "inbox", 120),
    ("RECORDS_REJECTED", "inbox", 120),
    ("CODE_LOCATION_ERROR", "fragile", 120),
    ("TICK_FAILURE", "failing_sensor", 120),
]


@pytest.mark.parametrize(("event_type", "subject", "window_s"), OPENINGS)
def test_the_notice_comes_in_its_window(scene: Scene, event_type: str, subject: str, window_s: float) -> None:
    notice = scene.expect(event_type, subject, within_s=window_s, of="breaks")
    answers = notice["facts"]
    assert all(answers[asked] for asked in ("what_broke", "since", "how_many", "next_step"))
    # What the dispatcher tells of itself has no page in the web UI.
    assert answers["link"] or event_type == "NOTIFICATION_DEAD"


def test_the_error_named_is_the_one_that_caused_it(scene: Scene) -> None:
    for event_type, subject in (("JOB_FAILURE", "fails"), ("ASSET_MATERIALIZATION_FAILURE", "broken")):
        notice = scene.expect(event_type, subject, within_s=60, of="breaks")
        assert notice["facts"]["what_broke"].endswith("ValueError: orders of 2026-05-01 have no currency")
        assert notice["facts"]["owners"] == ["team:shop"]


def test_policies_can_select_by_what_a_notice_is_about(scene: Scene) -> None:
    failed = scene.expect("ASSET_MATERIALIZATION_FAILURE", "broken", within_s=60, of="breaks")["targets"]
    assert (failed["assets"], failed["groups"], failed["kinds"]) == (["broken"], ["shop"], ["duckdb"])
    told = scene.expect("JOB_SUCCESS", "succeeds", within_s=60, of="breaks")["targets"]
    assert told["tags"]["team"] == "shop"
    ticked = scene.expect("TICK_FAILURE", "failing_sensor", within_s=75, of="breaks")["targets"]
    assert (ticked["location"], ticked["instigator"]) == ("shop", "failing_sensor")


def test_only_the_orders_that_are_asked_for_are_told(scene: Scene) -> None:
    scene.expect("ORDER_EVENT", "o-2", within_s=75, of="breaks")
    assert scene.heard("ORDER_EVENT", "o-1") is None


@pytest.mark.parametrize(("event_type", "subject", "window_s"), RECOVERIES)
def test_what_was_opened_is_closed_when_it_is_mended(
    mended: Scene, event_type: str, subject: str, window_s: float
) -> None:
    mended.expect(event_type, subject, within_s=window_s, of="is_mended", is_recovery=True)


def test_every_notice_came_once(mended: Scene) -> None:
    ids = [line.split('"', 4)[3] for line in mended.stack.notices.read_text().splitlines()]
    assert len(ids) == len(set(ids)) > len(OPENINGS)


def test_a_daemon_that_is_dead_is_told_by_the_dispatcher(mended: Scene) -> None:
    mended.stack.stop("daemon")
    mended.over["dies"] = time.monotonic()
    mended.expect("DAEMON_UNAVAILABLE", "daemon", within_s=120, of="dies")
