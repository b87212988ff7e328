"""The asset of the notification layer itself: who watches the watchman sees it in the graph."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import dagster as dg
import msgspec

from resources.notifications.outbox import Outbox
from resources.notifications.resource import NotificationOutbox

NAME: Final = "notifications"
RECONCILIATION: Final = "reconciliation"
_OLDEST_S: Final = 900.0
_COLUMNS: Final = {
    "event_key": "Names the fact: whoever finds it gives it the same key",
    "event_type": "What kind of fact it is, by Dagster+'s names and ours",
    "subject": "What it is about",
    "occurred_at": "When it happened, UTC",
    "recorded_at": "When a collector or a hook recorded it, UTC",
}


@dataclass(frozen=True, slots=True)
class Standing:
    """How the notification layer fares; `gap` is what the last reconciliation found to be missing.

    `reconciled_at` is None before the first one.
    """

    events: int
    undecided: int
    deliveries: int
    delivered: int
    pending: int
    dead: int
    oldest_pending_s: float
    gap: int
    reconciled_at: datetime | None


class _Reconciled(msgspec.Struct):
    at: datetime
    gap: int


def standing_of(outbox: Outbox, now: datetime) -> Standing:
    """Return how the notification layer fares at `now`."""
    counts = outbox.counts()
    stored = outbox.cursor(RECONCILIATION)
    reconciled = msgspec.json.decode(stored, type=_Reconciled) if stored else None
    oldest = counts.oldest_pending_at
    return Standing(
        events=counts.events,
        undecided=counts.undecided,
        deliveries=counts.deliveries,
        delivered=counts.delivered,
        pending=counts.pending,
        dead=counts.dead,
        oldest_pending_s=max((now - oldest).total_seconds(), 0.0) if oldest else 0.0,
        gap=reconciled.gap if reconciled else 0,
        reconciled_at=reconciled.at if reconciled else None,
    )


def metadata_of(standing: Standing) -> dict[str, dg.MetadataValue]:
    """Return what the asset tells of itself."""
    columns = [dg.TableColumn(name, "text", description) for name, description in _COLUMNS.items()]
    told: dict[str, dg.MetadataValue] = {
        "dagster/row_count": dg.MetadataValue.int(standing.events),
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns)),
        "undecided": dg.MetadataValue.int(standing.undecided),
        "deliveries": dg.MetadataValue.int(standing.deliveries),
        "delivered": dg.MetadataValue.int(standing.delivered),
        "pending": dg.MetadataValue.int(standing.pending),
        "dead": dg.MetadataValue.int(standing.dead),
        "oldest pending, seconds": dg.MetadataValue.float(round(standing.oldest_pending_s, 1)),
        "missed before the last reconciliation": dg.MetadataValue.int(standing.gap),
    }
    if standing.reconciled_at is not None:
        told["reconciled at"] = dg.MetadataValue.timestamp(standing.reconciled_at)
    return told


def verdicts(standing: Standing) -> list[dg.AssetCheckResult]:
    """Return the three checks of the asset: nothing waits for long, nothing is dead, nothing was missed."""
    return [
        dg.AssetCheckResult(
            asset_key=NAME,
            check_name="oldest_pending_is_young",
            passed=standing.oldest_pending_s <= _OLDEST_S,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"the oldest pending delivery is due since {standing.oldest_pending_s:.0f} s",
            metadata={"pending": standing.pending, "seconds": round(standing.oldest_pending_s, 1)},
        ),
        dg.AssetCheckResult(
            asset_key=NAME,
            check_name="no_notice_is_dead",
            passed=standing.dead == 0,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{standing.dead} deliveries were given up",
            metadata={"dead": standing.dead},
        ),
        dg.AssetCheckResult(
            asset_key=NAME,
            check_name="nothing_was_missed",
            passed=standing.gap == 0,
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"reconciliation found {standing.gap} events that no collector had recorded",
            metadata={"gap": standing.gap},
        ),
    ]


CHECKS: Final = {
    "oldest_pending_is_young": f"No delivery is due since more than {_OLDEST_S:.0f} s.",
    "no_notice_is_dead": "No delivery was given up: `orders alerts replay` sends the dead ones again.",
    "nothing_was_missed": "Reconciliation found nothing that the collectors had not recorded.",
}


def notifications_asset(owner: str) -> dg.AssetsDefinition:
    """Return the asset of the outbox; the hourly reconciliation materializes it without a run."""

    @dg.asset(
        name=NAME,
        group_name="operations",
        owners=[owner],
        kinds={"sql", "table"},
        check_specs=[dg.AssetCheckSpec(n, asset=NAME, description=text) for n, text in CHECKS.items()],
        description="The notification outbox: every recorded fact, and how far its deliveries are.",
    )
    # With checks of its own Dagster takes no parameter of the result's type.
    def notifications(
        notification_outbox: dg.ResourceParam[NotificationOutbox],
    ) -> dg.MaterializeResult:  # type: ignore[type-arg]
        from resources.clock import SystemClock

        with notification_outbox.open() as outbox:
            standing = standing_of(outbox, SystemClock().now())
        return dg.MaterializeResult(metadata=metadata_of(standing), check_results=verdicts(standing))

    return notifications


def asset_events(standing: Standing) -> list[dg.AssetMaterialization | dg.AssetCheckEvaluation]:
    """Return the same as events that a sensor can report without a run."""
    evaluations = [
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(NAME),
            check_name=verdict.check_name or "",
            passed=verdict.passed,
            severity=verdict.severity,
            description=verdict.description,
            metadata=verdict.metadata,
        )
        for verdict in verdicts(standing)
    ]
    return [dg.AssetMaterialization(NAME, metadata=metadata_of(standing)), *evaluations]
