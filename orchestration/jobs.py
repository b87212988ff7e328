"""The jobs: what is run together, in one process."""

from typing import Final

import dagster as dg

from assets.orders.definitions import LOAD_TABLES
from assets.reports.definitions import DAILY
from sensors.hooks import record_step_failure, record_step_success

INGEST: Final = "ingest"
REPORTS: Final = "reports"
MERGED: Final = "merged_segments"
PUBLISHED: Final = "published_copy"
AFTER_REPORTS: Final = ("customer_value", PUBLISHED)


def run_config(console_level: str) -> dict[str, object]:
    """Return the configuration of a run that logs to the console from a level on."""
    return {"loggers": {"console": {"config": {"log_level": console_level}}}}


def jobs(console_level: str) -> dg.Definitions:
    """Return the jobs, each with the checks of its assets, logging to the console from a level on.

    In-process: under the multiprocess executor a step's child survives its killed run, a second writer.
    """
    config = run_config(console_level)
    ingest = dg.define_asset_job(
        INGEST,
        selection=dg.AssetSelection.assets("order_files", "order_messages", *LOAD_TABLES, MERGED),
        description="Takes in everything that waits, files and messages, loads it and merges small segments.",
        config=config,
        executor_def=dg.in_process_executor,
        hooks={record_step_failure, record_step_success},
    )
    reports = dg.define_asset_job(
        REPORTS,
        selection=dg.AssetSelection.assets(*DAILY, *AFTER_REPORTS),
        description="Refreshes the reports of the touched or the chosen days, and publishes the copy.",
        config=config,
        executor_def=dg.in_process_executor,
        hooks={record_step_failure, record_step_success},
    )
    return dg.Definitions(jobs=[ingest, reports])
