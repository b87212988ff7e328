"""A claim for every event type that open source can observe: the notice comes, in its window."""

import time

import pytest

from tests.notifications.acceptance.conftest import Scene
from tests.notifications.acceptance.stack import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Event type, subject, window in seconds after the act. Windows are those of a loaded machine: a collector
# ticks every 5 s, and each of its ticks may take as long again. The daemon looks at a backfill every 30 s.
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
    ("NOTIFICATION_DEAD", "", 75),
    ("BACKFILL_FAILURE", "split", 100),
]
# A recovery is told once its incident has stayed closed for half a minute.
RECOVERIES = [
    ("JOB_SUCCESS", "fails", 120),
    ("ASSET_MATERIALIZATION_SUCCESS", "broken", 120),
    ("ASSET_CHECK_PASSED", "sound:errs", 120),
    ("JOB_LONG_RUNNING", "takes_long", 120),
    ("BACKFILL_FAILURE", "split", 120),
    ("ASSET_FRESHNESS_PASS", "stale", 120),
    ("RUN_QUEUE_BACKLOG", "run queue", 120),
    ("QUEUE_BACKLOG", "inbox", 120),
    ("RECORDS_REJECTED", "inbox", 120),
    ("CODE_LOCATION_ERROR", "fragile", 120),
    ("TICK_FAILURE", "failing_sensor", 120),
]
TYPES = {event_type for event_type, _, _ in OPENINGS}
ENDED = {(event_type, subject) for event_type, subject, _ in RECOVERIES}


def test_every_notice_comes_in_its_window_and_every_incident_is_closed(
    scene: Scene, subtests: pytest.Subtests
) -> None:
    """One test of many claims, since a second one might run in another worker, with a stack of its own."""
    for event_type, subject, window_s in OPENINGS:
        with subtests.test("the notice comes", event_type=event_type, subject=subject):
            comes_with_its_answers(scene, event_type, subject, window_s)
    for claim in (names_the_cause, says_what_policies_select_by, tells_only_the_orders_that_are_asked_for):
        with subtests.test(claim.__name__):
            claim(scene)
    scene.mend()
    with subtests.test("the notice comes", event_type="TICK_FAILURE", subject="failing_schedule"):
        comes_with_its_answers(scene, "TICK_FAILURE", "failing_schedule", 120)
    until(lambda: scene.recorded_recoveries() >= ENDED, 120, lambda: f"{scene.recorded_recoveries()}")
    # What is recorded needs no daemon any more.
    scene.stack.stop("daemon")
    scene.over["dies"] = time.monotonic()
    for event_type, subject, window_s in RECOVERIES:
        with subtests.test("its end comes", event_type=event_type, subject=subject):
            scene.expect(event_type, subject, within_s=window_s, of="is_mended", is_resolved=True)
    for claim in (hears_of_a_dead_daemon, came_once, went_by_mail_too):
        with subtests.test(claim.__name__):
            claim(scene)


def comes_with_its_answers(scene: Scene, event_type: str, subject: str, window_s: float) -> None:
    """A notice says what broke, since when, how many, what to do next, and where to look."""
    answers = scene.expect(event_type, subject, within_s=window_s, of="goes_well")
    assert all(answers[asked] for asked in ("what_broke", "since", "how_many", "owner", "next"))
    # What the dispatcher tells of itself has no page in the web UI.
    assert answers["link"] or event_type == "NOTIFICATION_DEAD"


def names_the_cause(scene: Scene) -> None:
    """The error named is the one that caused it."""
    for event_type, subject in (("JOB_FAILURE", "fails"), ("ASSET_MATERIALIZATION_FAILURE", "broken")):
        notice = scene.expect(event_type, subject, within_s=60, of="goes_well")
        assert notice["what_broke"].endswith("ValueError: orders of 2026-05-01 have no currency")
        assert notice["owners"] == ["team:shop"]


def says_what_policies_select_by(scene: Scene) -> None:
    """Targets are filled."""
    failed = scene.expect("ASSET_MATERIALIZATION_FAILURE", "broken", within_s=60, of="goes_well")["targets"]
    assert (failed["assets"], failed["groups"], failed["kinds"]) == (["broken"], ["shop"], ["duckdb"])
    told = scene.expect("JOB_SUCCESS", "succeeds", within_s=60, of="goes_well")["targets"]
    assert told["tags"]["team"] == "shop"
    ticked = scene.expect("TICK_FAILURE", "failing_sensor", within_s=75, of="goes_well")["targets"]
    assert (ticked["location"], ticked["instigator"]) == ("shop", "failing_sensor")


def tells_only_the_orders_that_are_asked_for(scene: Scene) -> None:
    """The policy asks for refunded ones."""
    scene.expect("ORDER_EVENT", "o-2", within_s=75, of="goes_well")
    assert scene.heard("ORDER_EVENT", "o-1") is None


def came_once(scene: Scene) -> None:
    """No notice came twice."""
    ids = scene.notices.ids
    assert len(ids) == len(set(ids)) > len(OPENINGS)


def went_by_mail_too(scene: Scene) -> None:
    """Of every type, and each once."""
    until(lambda: len(set(scene.told_by_mail().values())) > len(TYPES), 60, scene.stack.logs)
    sent, came = scene.told_by_mail(), scene.mailed()
    assert set(sent.values()) == TYPES | {"DAEMON_UNAVAILABLE"}
    assert len(came) == len(set(came))
    assert sent.keys() <= set(came)


def hears_of_a_dead_daemon(scene: Scene) -> None:
    """The dispatcher tells of it."""
    scene.expect("DAEMON_UNAVAILABLE", "daemon", within_s=120, of="dies")
