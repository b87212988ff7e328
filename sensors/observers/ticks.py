"""Ticks of schedules and sensors that fail, which write no event: the first of a streak and what follows.

Of a streak each failure up to the hundredth is recorded, then every hundredth, so that a policy can ask for
the Nth in a row and a sensor that fails every few seconds for days does not flood the outbox.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from resources.notifications.condition_facts import tick_failure
from resources.notifications.dagster_log import chain_of
from resources.notifications.events import Event, Targets
from sensors.observers.scene import Scene

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    # Dagster has no public name for these two.
    InstigatorState: TypeAlias = Any
    Tick: TypeAlias = Any

_NAME: Final = "dagster/ticks"
_TOLD_ONE_BY_ONE: Final = 100
_GIVEN_UP: Final = timedelta(minutes=15)  # a tick that is still open then was killed with its daemon
_DONE: Final = {"SUCCESS", "SKIPPED", "FAILURE"}


@dataclass(frozen=True, slots=True)
class TickCursor:
    """The last tick that was read, when it was, and the failures in a row that it ended."""

    tick_id: int
    at: float
    failures: int = 0
    since: float = 0.0


def observe_ticks(scene: Scene) -> int:
    """Record ticks that failed and the first that went well again; return how many events are new."""
    if scene.instance.schedule_storage is None:
        return 0
    cursors = scene.position(_NAME, dict[str, TickCursor]) or {}
    after = dict(cursors)
    found: list[Event] = []
    for state in scene.instance.all_instigator_state():
        if scene.is_late():
            break
        selector = state.selector_id
        begin = cursors.get(selector) or TickCursor(-1, scene.installed_at.timestamp())
        after[selector] = _read(scene, state, begin, found)
    return scene.record(found, {_NAME: after}) if found or _has_news(cursors, after) else 0


def _has_news(before: dict[str, TickCursor], after: dict[str, TickCursor]) -> bool:
    """Say whether the cursors are worth a write: streaks are, a minute of good ticks is."""
    return any(
        key not in before or cursor.failures != before[key].failures or cursor.at - before[key].at > 60
        for key, cursor in after.items()
    )


def _read(scene: Scene, state: "InstigatorState", begin: TickCursor, found: list[Event]) -> TickCursor:
    cursor = begin
    for tick in _finished(scene, state, begin):
        cursor = _judge(scene, state, tick, cursor, found)
    return cursor


def _finished(scene: Scene, state: "InstigatorState", begin: TickCursor) -> "Sequence[Tick]":
    """Return the ticks after the cursor, oldest first, up to one that is still under way."""
    ticks = scene.instance.get_ticks(state.instigator_origin_id, state.selector_id, after=begin.at - 1)
    finished: list[Tick] = []
    for tick in sorted(ticks, key=lambda tick: int(tick.tick_id)):
        if int(tick.tick_id) <= begin.tick_id:
            continue
        age = scene.clock.now() - datetime.fromtimestamp(tick.timestamp, UTC)
        if tick.status.value not in _DONE and age < _GIVEN_UP:
            break
        finished.append(tick)
    return finished


def _judge(
    scene: Scene, state: "InstigatorState", tick: "Tick", cursor: TickCursor, found: list[Event]
) -> TickCursor:
    moved = replace(cursor, tick_id=int(tick.tick_id), at=tick.timestamp)
    if tick.status.value == "FAILURE":
        since = cursor.since if cursor.failures else tick.timestamp
        moved = replace(moved, failures=cursor.failures + 1, since=since)
        if moved.failures <= _TOLD_ONE_BY_ONE or moved.failures % _TOLD_ONE_BY_ONE == 0:
            found.append(_event(scene, state, tick, moved, is_over=False))
        return moved
    if cursor.failures and tick.status.value in _DONE:
        found.append(_event(scene, state, tick, cursor, is_over=True))
    return replace(moved, failures=0, since=0.0) if tick.status.value in _DONE else moved


def _event(
    scene: Scene, state: "InstigatorState", tick: "Tick", streak: TickCursor, *, is_over: bool
) -> Event:
    location = state.origin.repository_origin.code_location_origin.location_name
    return tick_failure(
        instigator=state.instigator_name,
        kind=state.instigator_type.value.lower().replace("auto_materialize", "automation"),
        tick_id=str(tick.tick_id),
        chain=chain_of(tick.error),
        failures=streak.failures,
        since=datetime.fromtimestamp(streak.since, UTC),
        at=datetime.fromtimestamp(tick.end_timestamp or tick.timestamp, UTC),
        about=scene.about,
        targets=Targets(location=location, instigator=state.instigator_name),
        is_over=is_over,
    )
