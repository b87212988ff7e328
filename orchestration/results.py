"""What a run in this process tells afterwards: numbers of its assets, and a clear line for each failure."""

from collections.abc import Iterator
from typing import Protocol

import dagster as dg

from resources.notifications.events import one_line
from resources.notifications.failures import clear_line


class _ErrorInfo(Protocol):
    """Dagster's serialized error, which has no public name."""

    @property
    def message(self) -> str: ...

    @property
    def cause(self) -> "_ErrorInfo | None": ...


def number_of(result: dg.ExecuteInProcessResult | None, asset: str, name: str) -> int:
    """Return a whole number from the last metadata of an asset, 0 when the run did not get there."""
    number = 0
    for event in result.all_events if result else ():
        if not event.is_step_materialization or event.asset_key != dg.AssetKey(asset):
            continue
        value = event.materialization.metadata.get(name)
        if value is not None and isinstance(value.value, int):
            number = value.value
    return number


def failures_of(result: dg.ExecuteInProcessResult) -> list[str]:
    """Return one clear line for each failed step and each failed check of severity ERROR."""
    checks = list(_failed_checks(result))
    # A blocking check that failed fails its step as well: it is told once.
    found = checks + [line for key, line in _failed_steps(result) if not (checks and key.endswith("_checks"))]
    if result.success or found:
        return found
    return [f"job {result.job_def.name}: run {result.run_id} failed before its first step"]


def _failed_checks(result: dg.ExecuteInProcessResult) -> Iterator[str]:
    for evaluation in result.get_asset_check_evaluations():
        if not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.ERROR:
            asset = evaluation.asset_key.to_user_string()
            yield f"check {evaluation.check_name} of {asset}: {one_line(evaluation.description or 'failed')}"


def _failed_steps(result: dg.ExecuteInProcessResult) -> Iterator[tuple[str, str]]:
    for event in result.all_events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            key = str(event.step_key)
            yield key, f"{key}: {_cause(event.step_failure_data.error)}"


def _cause(error: _ErrorInfo | None) -> str:
    chain: list[str] = []
    while error is not None:
        chain.append(error.message)
        error = error.cause
    if not chain:
        return "failed without a recorded error"
    return clear_line(chain) or one_line(chain[-1])
