"""The data itself: what waits in the broker, and what was rejected."""

import logging
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from resources.errors import OrdersError
from resources.notifications.condition_facts import broker_backlog
from resources.notifications.events import Event
from resources.notifications.order_facts import records_rejected
from sensors.observers.scene import Scene

if TYPE_CHECKING:
    import duckdb

    from assets.platform import Platform

_log = logging.getLogger(__name__)
_REJECTED: Final = "orders/rejected"
_TOTALS: Final = """
SELECT l.feed, sum(l.landed)::BIGINT AS landed, coalesce(any_value(r.rejected), 0)::BIGINT AS rejected
FROM message_ledger l
LEFT JOIN (SELECT feed, count(*) AS rejected FROM rejected_messages GROUP BY feed) r USING (feed)
GROUP BY l.feed ORDER BY l.feed
"""
_TOTALS_BEFORE: Final = """
SELECT r.feed, sum(r.rows)::BIGINT AS landed,
       (SELECT count(*) FROM rejected_messages m
        WHERE m.feed = r.feed AND m.rejected_at < $moment) AS rejected
FROM store.loaded_ranges r JOIN store.loads l USING (load_no)
WHERE l.loaded_at < $moment
GROUP BY r.feed
"""


def observe_broker(scene: Scene) -> int:
    """Record when too much waits in a broker, and when it is worked off.

    One that cannot be reached fails `ingest`, which is told as such.
    """
    if scene.platform is None:
        return 0
    conditions = [
        broker_backlog(
            feed=feed,
            waiting=waiting,
            limit=scene.limits.waiting,
            at=scene.clock.now(),
            about=scene.about,
            owners=scene.about.owners_of("order_messages"),
        )
        for feed, waiting in _backlogs(scene.platform)
    ]
    return scene.record_conditions(conditions)


def _backlogs(platform: "Platform") -> Iterator[tuple[str, int]]:
    """Yield each feed that can be asked, with what waits in it."""
    try:
        with platform.brokers() as brokers:
            for broker in brokers:
                with suppress(OrdersError):
                    yield broker.feed, broker.backlog()
    except OrdersError as error:
        _log.info("the brokers cannot be asked what waits in them: %s", error)


@dataclass(frozen=True, slots=True)
class Totals:
    """The messages of a feed that were settled so far, and how many of them ever broke the contract."""

    landed: int
    rejected: int


def observe_rejects(scene: Scene) -> int:
    """Record what was rejected of the messages that came in since the last look, feed by feed.

    Read from the published copy. Rejects that were replayed since stay in the count, so it only grows; a
    warehouse that is being rebuilt is waited for. What was loaded before the outbox was installed is
    never told.
    """
    if scene.platform is None or not scene.platform.warehouse.copy.exists():
        return 0
    now_there = _totals(scene.platform)
    before = scene.position(_REJECTED, dict[str, Totals])
    if before is None:
        before = _totals_before(scene.platform, scene.installed_at)
    moved = {
        feed: totals
        for feed, totals in now_there.items()
        if totals.landed > before.get(feed, Totals(0, 0)).landed
    }
    if not moved:
        return 0
    found = [_told(scene, feed, before.get(feed, Totals(0, 0)), totals) for feed, totals in moved.items()]
    return scene.record(found, {_REJECTED: {**before, **moved}})


def _totals(platform: "Platform") -> dict[str, Totals]:
    with closing(_copy(platform)) as connection:
        rows = connection.execute(_TOTALS).fetchall()
    return {feed: Totals(landed, rejected) for feed, landed, rejected in rows}


def _totals_before(platform: "Platform", moment: datetime) -> dict[str, Totals]:
    with closing(_copy(platform)) as connection:
        rows = connection.execute(_TOTALS_BEFORE, {"moment": moment.astimezone(UTC).replace(tzinfo=None)})
        return {feed: Totals(landed, rejected) for feed, landed, rejected in rows.fetchall()}


def _copy(platform: "Platform") -> "duckdb.DuckDBPyConnection":
    from resources.warehouse.publish import open_copy

    return open_copy(platform.warehouse)


def _told(scene: Scene, feed: str, before: Totals, totals: Totals) -> Event:
    return records_rejected(
        feed=feed,
        landed_before=before.landed,
        landed=totals.landed,
        rejected=max(totals.rejected - before.rejected, 0),
        at=scene.clock.now(),
        about=scene.about,
    )
