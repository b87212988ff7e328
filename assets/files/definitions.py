"""The assets of files: the folder, which is external, and `order_files`, what was taken in of it by day."""

from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from assets.days import Partitions, day_events, selected_days
from assets.landing.definitions import FEEDS
from assets.metadata import segment_schema
from assets.platform import Platform, PlatformParam, retries, typed_failures

if TYPE_CHECKING:
    from assets.files.extract import Intake

CHECK = "every_file_is_taken_in"


def files_feed() -> dg.AssetSpec:
    """Return the external asset of the folder of daily files."""
    return dg.AssetSpec(
        [FEEDS, "files"],
        description="Daily CSV drops in ORDERS_FILES_DIR: one file a day, taken in when it differs.",
        group_name=FEEDS,
        kinds={"csv"},
    )


def order_files_asset(partitions: dg.DailyPartitionsDefinition, owner: str) -> dg.AssetsDefinition:
    """Return the asset that extracts order messages from daily files, partitioned by day."""

    @dg.asset(
        deps=[files_feed().key],
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="landing",
        owners=[owner],
        kinds={"csv", "parquet"},
        pool="landing",
        retry_policy=retries(),
        check_specs=[
            dg.AssetCheckSpec(CHECK, asset="order_files", description="Every file of the run could be read.")
        ],
        description=(
            "The daily files as order messages, one for each invoice that is new or differs. A run without "
            "chosen days takes in the days whose file is new or changed."
        ),
    )
    def order_files(context: dg.AssetExecutionContext, platform: PlatformParam) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster takes no parameter here
        chosen = selected_days(context)
        with typed_failures():
            platform.demand_nothing_lost()
            intake = take_in(platform, chosen)
        if chosen is None:
            _log_days(context, platform, [day.day for day in intake.days])
        for day, error in intake.failed:
            context.log.error(f"{day}: {error}")
        return dg.MaterializeResult(metadata=_told(intake), check_results=[_check(intake)])

    return order_files


def file_days(platform: Platform, chosen: Iterable[date] | None = None) -> list[date]:
    """Return the days to take in: of the chosen ones those with a file, else those whose file differs.

    [] without ORDERS_FILES_DIR. Raises PermanentError when the folder or the mapping cannot be read.
    """
    from assets.files.daily_csv import daily_files
    from assets.files.extract import changed_days
    from assets.files.mapping import built_in_mapping, load_mapping

    if platform.files_dir is None:
        return []
    mapping = load_mapping(platform.files_mapping) if platform.files_mapping else built_in_mapping()
    if chosen is None:
        return changed_days(platform.files_dir, platform.landing, mapping)
    return sorted(set(chosen) & daily_files(platform.files_dir, mapping).keys())


def take_in(platform: Platform, chosen: Iterable[date] | None) -> "Intake":
    """Take in the files of `file_days`; a file that cannot be read fails its day alone."""
    from assets.files.extract import Intake, take_in_days
    from assets.files.mapping import built_in_mapping, load_mapping

    days = file_days(platform, chosen)
    if platform.files_dir is None or not days:
        return Intake((), ())
    return take_in_days(
        days,
        files_dir=platform.files_dir,
        landing=platform.landing,
        mapping=load_mapping(platform.files_mapping) if platform.files_mapping else built_in_mapping(),
        on_day=lambda taken: platform.on_progress(f"took in the file of {taken.day}"),
        timeout_s=platform.lock_timeout_s,
    )


def _log_days(context: dg.AssetExecutionContext, platform: Platform, days: list[date]) -> None:
    from assets.reports.refresh import stretches

    valid = Partitions(platform.first_day, platform.last_day)
    for event in day_events(["order_files"], stretches(days), valid):
        context.log_event(event)


def _told(intake: "Intake") -> dict[str, dg.MetadataValue]:
    return {
        "dagster/row_count": dg.MetadataValue.int(sum(day.rows for day in intake.days)),
        "dagster/column_schema": dg.MetadataValue.table_schema(segment_schema()),
        "days taken in": dg.MetadataValue.int(len(intake.days)),
        "days failed": dg.MetadataValue.int(len(intake.failed)),
        "messages landed": dg.MetadataValue.int(sum(day.messages for day in intake.days)),
        "invoices unchanged": dg.MetadataValue.int(sum(day.unchanged for day in intake.days)),
        "invoices gone": dg.MetadataValue.int(sum(day.missing for day in intake.days)),
    }


def _check(intake: "Intake") -> dg.AssetCheckResult:
    reasons = "; ".join(f"{day}: {error}" for day, error in intake.failed)
    return dg.AssetCheckResult(
        passed=not intake.failed,
        check_name=CHECK,
        severity=dg.AssetCheckSeverity.ERROR,
        description=reasons or "Every file could be read.",
        metadata={"files that failed": len(intake.failed)},
    )
