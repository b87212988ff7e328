"""What happens to assets and their checks, as events made from plain values."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from resources.notifications.events import Event, EventType, Facts, Severity, Targets, one_line
from resources.notifications.failures import (
    Surroundings,
    cause,
    check_incident,
    check_subject,
    found_by,
)

_FRESHNESS = {
    "PASS": (EventType.ASSET_FRESHNESS_PASS, Severity.INFO, "is fresh"),
    "WARN": (EventType.ASSET_FRESHNESS_WARN, Severity.WARNING, "is about to be stale"),
    "FAIL": (EventType.ASSET_FRESHNESS_FAIL, Severity.ERROR, "is stale"),
}


def materialized(
    *, asset: str, partitions: Sequence[str], at: datetime, about: Surroundings, targets: Targets
) -> Event:
    """Return the event of an asset that a run materialized, however many partitions of it."""
    count = max(len(partitions), 1)
    return Event(
        event_key=f"{EventType.ASSET_MATERIALIZATION_SUCCESS}/{found_by(targets.run_id, at)}/{asset}",
        event_type=EventType.ASSET_MATERIALIZATION_SUCCESS,
        subject=one_line(asset),
        occurred_at=at,
        title=one_line(f"Asset {asset} was materialized"),
        facts=Facts(
            what_broke=one_line(f"nothing: asset {asset} was materialized"),
            since=at,
            how_many=f"{count} partition{'' if count == 1 else 's'}" if partitions else "1 materialization",
            owners=about.owners_of(asset),
            next_step="nothing needs to be done",
            link=_where(targets.run_id, asset, about),
        ),
        severity=Severity.INFO,
        incident=f"asset/{asset}",
        targets=about.targets_of(asset, run=targets),
        details={"partitions": count} | ({"partition": partitions[-1]} if partitions else {}),
    )


def asset_failure(
    *, asset: str, step_key: str, chain: Sequence[str], at: datetime, about: Surroundings, targets: Targets
) -> Event:
    """Return the event of an asset that a run should have materialized and did not, retries included."""
    return Event(
        event_key=f"{EventType.ASSET_MATERIALIZATION_FAILURE}/{targets.run_id}/{asset}",
        event_type=EventType.ASSET_MATERIALIZATION_FAILURE,
        subject=one_line(asset),
        occurred_at=at,
        title=one_line(f"Asset {asset} failed to materialize"),
        facts=Facts(
            what_broke=one_line(f"asset {asset}: {cause(chain)}"),
            since=at,
            how_many="1 asset",
            owners=about.owners_of(asset, step_key),
            next_step="read the step's log in the run, mend the cause, then materialize the asset again",
            link=about.run_link(targets.run_id),
        ),
        incident=f"asset/{asset}",
        targets=about.targets_of(asset, run=targets),
        details={"step": step_key},
    )


def check_passed(
    *, asset: str, check: str, partition: str | None, at: datetime, about: Surroundings, targets: Targets
) -> Event:
    """Return the event of a check that passed, which closes what its last failure opened."""
    where = check_subject(asset, check, partition)
    return Event(
        event_key=f"{EventType.ASSET_CHECK_PASSED}/{found_by(targets.run_id, at)}/{where}",
        event_type=EventType.ASSET_CHECK_PASSED,
        subject=one_line(where),
        occurred_at=at,
        title=one_line(f"Check {check} of {asset} passed"),
        facts=Facts(
            what_broke=one_line(f"nothing: check {check} of asset {asset} passed"),
            since=at,
            how_many="1 check",
            owners=about.owners_of(asset),
            next_step="nothing needs to be done",
            link=_where(targets.run_id, asset, about, "checks"),
        ),
        severity=Severity.INFO,
        incident=check_incident(asset, check, partition),
        targets=about.targets_of(asset, run=targets),
        details={"check": check},
    )


def check_crashed(
    *, asset: str, check: str, chain: Sequence[str], at: datetime, about: Surroundings, targets: Targets
) -> Event:
    """Return the event of a check that raised instead of giving a verdict."""
    where = check_subject(asset, check, None)
    return Event(
        event_key=f"{EventType.ASSET_CHECK_EXECUTION_FAILURE}/{targets.run_id}/{where}",
        event_type=EventType.ASSET_CHECK_EXECUTION_FAILURE,
        subject=one_line(where),
        occurred_at=at,
        title=one_line(f"Check {check} of {asset} could not be evaluated"),
        facts=Facts(
            what_broke=one_line(f"check {check} of asset {asset}: {cause(chain)}"),
            since=at,
            how_many="1 check",
            owners=about.owners_of(asset),
            next_step="mend the check itself, or what it reads, then evaluate it again: no verdict is known",
            link=about.run_link(targets.run_id),
        ),
        incident=check_incident(asset, check, None),
        targets=about.targets_of(asset, run=targets),
        details={"check": check},
    )


def freshness(*, asset: str, state: str, before: str, at: datetime, about: Surroundings) -> Event | None:
    """Return the event of an asset whose freshness changed to PASS, WARN or FAIL, None for other states."""
    if state not in _FRESHNESS:
        return None
    event_type, severity, words = _FRESHNESS[state]
    return Event(
        event_key=f"{event_type}/{found_by('', at)}/{asset}",
        event_type=event_type,
        subject=one_line(asset),
        occurred_at=at,
        title=one_line(f"Asset {asset} {words}"),
        facts=Facts(
            what_broke=one_line(f"asset {asset} {words} by its freshness policy (before: {before})"),
            since=at,
            how_many="1 asset",
            owners=about.owners_of(asset),
            next_step="see why nothing materialized it in time, then materialize it",
            link=about.asset_link(asset),
        ),
        severity=severity,
        incident=f"freshness/{asset}",
        targets=about.targets_of(asset),
        details={"state": state, "before": before},
    )


def schema_change(
    *,
    asset: str,
    before: Mapping[str, str],
    after: Mapping[str, str],
    at: datetime,
    about: Surroundings,
    targets: Targets,
) -> Event | None:
    """Return the event of a table whose columns (name to type) changed, None when they did not."""
    added = sorted(after.keys() - before.keys())
    removed = sorted(before.keys() - after.keys())
    retyped = sorted(c for c in after.keys() & before.keys() if after[c] != before[c])
    changes = [
        *(f"{column} added" for column in added),
        *(f"{column} removed" for column in removed),
        *(f"{column} {before[column]} → {after[column]}" for column in retyped),
    ]
    if not changes:
        return None
    kinds = {"COLUMN_ADDED": added, "COLUMN_REMOVED": removed, "COLUMN_TYPE_CHANGED": retyped}
    return Event(
        event_key=f"{EventType.ASSET_TABLE_SCHEMA_CHANGE}/{found_by(targets.run_id, at)}/{asset}",
        event_type=EventType.ASSET_TABLE_SCHEMA_CHANGE,
        subject=one_line(asset),
        occurred_at=at,
        title=one_line(f"The columns of {asset} changed"),
        facts=Facts(
            what_broke=one_line(f"table {asset}: {', '.join(changes)}"),
            since=at,
            how_many=f"{len(changes)} column{'' if len(changes) == 1 else 's'}",
            owners=about.owners_of(asset),
            next_step="tell those who read the table, or take the change back",
            link=_where(targets.run_id, asset, about, "definition"),
        ),
        severity=Severity.WARNING,
        targets=about.targets_of(asset, run=targets),
        details={
            "change_types": ",".join(name for name, some in kinds.items() if some),
            "added": len(added),
            "removed": len(removed),
            "changed": len(retyped),
        },
    )


def _where(run_id: str, asset: str, about: Surroundings, view: str = "overview") -> str:
    return about.run_link(run_id) if run_id else about.asset_link(asset, view)
