"""Batch mode, end to end: everything that waits is in the published copy afterwards, and told of."""

import json
from dataclasses import replace

import dagster as dg
import pytest
from pydantic import SecretStr

from assets.landing.land import land
from assets.operations.definitions import is_copy_behind
from assets.orders.load import load
from assets.reports.refresh import touched_days
from orchestration.batch import BatchReport, run_batch
from orchestration.instance import open_instance
from orchestration.results import number_of
from resources.errors import TransientError
from resources.leases import held
from tests.dagster.shop import Home, event, events
from tests.files.drops import HEADER, row


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, BatchReport, BatchReport]:
    """Return a home and its first two batches: good, repeated and broken input, then one message more."""
    root = tmp_path_factory.mktemp("story")
    drops = root / "drops"
    drops.mkdir()
    (drops / "2011-03-01.csv").write_text(f"{HEADER}\n{row()}\n")
    (drops / "2011-03-02.csv").write_text("this,is,no,daily,file\n1,2\n")
    home = Home(root / "home", files_dir=drops)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "/nowhere")
        home.publish(*events(["o-1", "o-2", "o-3"]), event("o-1"), event("o-4", day="2026-05-04"), b"{broken")
        first = run_batch(home.settings)
        home.publish(event("o-1", 2, status="paid"))
        second = run_batch(replace(home, files_dir=None).settings)
    return home, first, second


def test_the_published_copy_holds_everything(story: tuple[Home, BatchReport, BatchReport]) -> None:
    home, _, _ = story
    assert home.rows("SELECT count(*) FROM orders") == [(5,)]
    assert home.rows("SELECT status FROM orders WHERE order_id = 'o-1'") == [("paid",)]
    assert home.rows("SELECT feed, landed FROM message_ledger ORDER BY feed") == [
        ("files", 1),
        ("inbox", 7),
        ("observations", 1),
    ]
    assert home.rows("SELECT day::TEXT, orders FROM daily_sales WHERE currency = 'EUR' ORDER BY day") == [
        ("2026-05-01", 3),
        ("2026-05-04", 1),
    ]
    assert home.rows("SELECT count(*) FROM customer_value") == [(5,)]
    assert not is_copy_behind(home.platform)
    assert touched_days(home.platform.warehouse) == []


def test_the_report_counts_what_was_done(story: tuple[Home, BatchReport, BatchReport]) -> None:
    _, first, second = story
    assert (first.landed, first.files, first.loaded) == (6, 1, 8)
    assert (first.accepted, first.duplicates, first.rejected, first.days) == (6, 1, 1, 3), (
        "an observation among them"
    )
    assert first.is_published
    assert (second.landed, second.accepted, second.days) == (1, 1, 1)
    assert second.success
    assert len(second.run_ids) == 2


def test_a_file_that_cannot_be_read_fails_the_batch_and_stops_nothing_else(
    story: tuple[Home, BatchReport, BatchReport],
) -> None:
    _, first, _ = story
    assert not first.success
    (line,) = first.failures
    assert line.startswith("check every_file_is_taken_in of order_files: 2011-03-02:")


def test_failed_checks_and_rejects_reach_the_file_channel(
    story: tuple[Home, BatchReport, BatchReport],
) -> None:
    home, first, second = story
    notices = [json.loads(line) for line in home.settings.notifications_file.read_text().splitlines()]
    assert {notice["subject"] for notice in notices} == {
        "order_files:every_file_is_taken_in",
        "rejected_messages:no_dead_letter_is_open",
        "inbox",
    }
    assert first.delivered == 6, "three facts by two channels"
    assert second.delivered == 4, "the file and the feed are well again; the same dead letter is told once"


def test_runs_tell_one_event_for_each_stretch_of_days(story: tuple[Home, BatchReport, BatchReport]) -> None:
    home, first, _ = story
    with open_instance(home.settings) as instance:
        records = instance.fetch_materializations(dg.AssetKey("daily_sales"), limit=50).records
        partitions = [record.partition_key for record in records if record.run_id == first.run_ids[1]]
        runs = instance.get_runs()
    assert sorted(key for key in partitions if key) == ["2011-03-01", "2026-05-01", "2026-05-04"]
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}


def test_a_batch_that_finds_nothing_publishes_nothing(home: Home) -> None:
    first, second = run_batch(home.settings), run_batch(home.settings)
    assert (first.success, first.is_published) == (True, True), "empty tables can be read too"
    assert (second.success, second.is_published, second.days) == (True, False, 0)


def test_what_was_loaded_without_reports_is_caught_up(home: Home) -> None:
    home.publish(*events(["o-1"]))
    platform = home.platform
    with platform.broker() as broker:
        land(broker, platform.landing)
    load(platform.warehouse, platform.landing)
    report = run_batch(home.settings)
    assert (report.landed, report.loaded, report.days, report.is_published) == (0, 0, 1, True)
    assert home.rows("SELECT orders FROM daily_sales") == [(1,)]


def test_only_one_batch_runs_at_a_time_and_the_other_says_who_holds_the_lock(home: Home) -> None:
    with held(home.root / "run.lock", 1, "test"), pytest.raises(TransientError, match=r"held by process \d+"):
        run_batch(replace(home, lock_timeout_s=0.1).settings)


def test_a_failed_run_is_notified_by_the_batch_itself(home: Home) -> None:
    home.publish(*events(["o-1"]))
    (home.root / "landing").mkdir()
    (home.root / "landing" / "no-segment.parquet").write_bytes(b"not parquet")
    report = run_batch(home.settings)
    told = [json.loads(line) for line in home.settings.notifications_file.read_text().splitlines()]
    assert not report.success
    assert {"STEP_FAILURE", "JOB_FAILURE"} <= {notice["event_type"] for notice in told}


def test_a_feed_that_is_down_fails_the_batch_after_what_the_others_landed_is_published(home: Home) -> None:
    home.publish(*events(["o-1"]))
    # Nobody listens on port 1.
    url = SecretStr(f"inbox://{home.root}/inbox amqp://127.0.0.1:1/?queue=web")
    report = run_batch(home.settings.model_copy(update={"broker_url": url}))
    assert (report.landed, report.loaded, report.is_published) == (1, 1, True)
    assert home.rows("SELECT orders FROM daily_sales") == [(1,)]
    (line,) = report.failures
    assert line.startswith("check every_feed_has_landed of message_ledger: ")
    assert "127.0.0.1:1" in line
    with open_instance(home.settings) as instance:
        (ingest,) = (run for run in instance.get_runs() if run.job_name == "ingest")
    assert ingest.status is dg.DagsterRunStatus.FAILURE


def test_small_segments_are_merged_once_they_are_loaded(home: Home, instance: dg.DagsterInstance) -> None:
    from orchestration.build import build_definitions

    platform = home.platform
    for number in range(12):
        home.publish(event(f"o-{number}"))
        with platform.broker() as broker:
            land(broker, platform.landing)
    load(platform.warehouse, platform.landing)
    job = build_definitions(home.settings).resolve_job_def("ingest")
    result = job.execute_in_process(instance=instance, asset_selection=[dg.AssetKey("merged_segments")])
    assert number_of(result, "merged_segments", "segments merged") == 12
    assert [segment.rows for segment in home.platform.landing.segments()] == [12]
    assert load(platform.warehouse, home.platform.landing).messages == 0


def test_a_range_of_partitions_refreshes_exactly_its_days(home: Home, instance: dg.DagsterInstance) -> None:
    from orchestration.build import build_definitions

    days = ("2026-05-01", "2026-05-02", "2026-05-03")
    home.publish(*(event(f"o-{day}", day=day) for day in days))
    platform = home.platform
    with platform.broker() as broker:
        land(broker, platform.landing)
    load(platform.warehouse, platform.landing)
    tags = {
        "dagster/asset_partition_range_start": "2026-05-01",
        "dagster/asset_partition_range_end": "2026-05-02",
    }
    job = build_definitions(home.settings).resolve_job_def("reports")
    result = job.execute_in_process(instance=instance, tags=tags)
    assert result.success
    assert [day.isoformat() for day in touched_days(platform.warehouse)] == ["2026-05-03"]
    assert home.rows("SELECT day::TEXT FROM daily_sales ORDER BY day") == [("2026-05-01",), ("2026-05-02",)]
