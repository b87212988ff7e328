"""Runs whose process has died: found by what they noted of it, ended, their pool slots freed."""

import os
import socket
from collections.abc import Mapping
from functools import cache
from typing import Final

import dagster as dg
import psutil

from assets.platform import RUN_TAG

HOST: Final = RUN_TAG
PID: Final = "orders/pid"
STARTED_AT: Final = "orders/process_started_at"
_ALIVE: Final = [
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def process_tags() -> dict[str, str]:
    """Return the tags that say which process executes a run; a pid alone may come again."""
    return {
        HOST: machine(),
        PID: str(os.getpid()),
        STARTED_AT: f"{psutil.Process().create_time():.2f}",
    }


@cache
def machine() -> str:
    """Return the name of this machine: of the processes of others nothing is known."""
    return socket.gethostname()


def is_orphan(tags: Mapping[str, str]) -> bool:
    """Tell whether the process of a run with these tags is known to be dead."""
    if tags.get(HOST) != machine() or not tags.get(PID, "").isdigit():
        return False
    try:
        process = psutil.Process(int(tags[PID]))
        is_same = f"{process.create_time():.2f}" == tags.get(STARTED_AT)
        return not is_same or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def reap_orphans(instance: dg.DagsterInstance) -> list[str]:
    """Mark the instance's orphaned runs as failed, free their pool slots, return their ids."""
    reaped = []
    for run in instance.get_runs(dg.RunsFilter(statuses=_ALIVE)):
        if not is_orphan(run.tags):
            continue
        instance.report_run_failed(
            run, f"The process of this run ({run.tags[PID]} on {run.tags[HOST]}) died before the run ended."
        )
        free_slots(instance, run.run_id)
        reaped.append(run.run_id)
    return reaped


def free_slots(instance: dg.DagsterInstance, run_id: str) -> None:
    """Give back the pool slots of a run that has ended."""
    storage = instance.event_log_storage
    if storage.supports_global_concurrency_limits:
        storage.free_concurrency_slots_for_run(run_id)
