"""Backfills, which write no event when they fail; a later one of the same target that succeeds closes it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from resources.notifications import run_facts
from resources.notifications.dagster_log import chain_of
from resources.notifications.events import Event, Targets
from sensors.observers.scene import Scene

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    # Dagster has no public name for it.
    Backfill: TypeAlias = Any

_NAME: Final = "dagster/backfills"
_NEWEST: Final = 50
_FAILED: Final = {"FAILED", "COMPLETED_FAILED"}
_SUCCEEDED: Final = {"COMPLETED_SUCCESS", "COMPLETED"}


def observe_backfills(scene: Scene) -> int:
    """Record backfills that failed, and the success after it; return how many events are new.

    The newest 50 are looked at. Which of them are settled is remembered, as they end in any order.
    """
    settled = frozenset(scene.position(_NAME, list[str]) or ())
    newest = [b for b in scene.instance.get_backfills(limit=_NEWEST) if _is_ours(scene, b)]
    fresh = [b for b in newest if b.status.value in _FAILED | _SUCCEEDED and b.backfill_id not in settled]
    if not fresh:
        return 0
    found = [_event(scene, backfill) for backfill in fresh]
    kept = sorted(
        b.backfill_id for b in newest if b.backfill_id in settled or b.status.value in _FAILED | _SUCCEEDED
    )
    return scene.record(found, {_NAME: kept})


def _is_ours(scene: Scene, backfill: "Backfill") -> bool:
    return _ended_at(backfill) >= scene.installed_at


def _ended_at(backfill: "Backfill") -> datetime:
    ended = backfill.backfill_end_timestamp or backfill.backfill_timestamp
    return datetime.fromtimestamp(ended, UTC)


def _event(scene: Scene, backfill: "Backfill") -> Event:
    assets = _assets(backfill)
    what = ", ".join(assets[:5]) or backfill.job_name or backfill.partition_set_name or backfill.backfill_id
    targets = scene.about.targets_of(
        *assets, run=Targets(job=backfill.job_name or "", tags=dict(backfill.tags or {}))
    )
    at = _ended_at(backfill)
    if backfill.status.value in _SUCCEEDED:
        return run_facts.backfill_success(
            backfill_id=backfill.backfill_id, what=what, at=at, about=scene.about, targets=targets
        )
    return run_facts.backfill_failure(
        backfill_id=backfill.backfill_id,
        what=what,
        status=backfill.status.value,
        chain=chain_of(backfill.error),
        at=at,
        about=scene.about,
        targets=targets,
    )


def _assets(backfill: "Backfill") -> Sequence[str]:
    return sorted(key.to_user_string() for key in backfill.asset_selection or ())
