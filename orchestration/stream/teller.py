"""The process that tells Dagster what the stream did: a line of JSON in, a line out when Dagster knows it.

Dagster is imported here only: its 2 s of processor time, its memory, its locks and its failures are not the
stream's. The process ends when its input does, so it never outlives the stream.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from assets.contract.tables import TABLES
from assets.landing.health import FeedHealth
from assets.reports.refresh import DAILY_REPORTS
from orchestration.stream.state import Notes

if TYPE_CHECKING:
    import dagster as dg

    from orchestration.settings import Settings

DONE: Final = "done"
_LOADED: Final = (
    "order_events",
    "rejected_messages",
    "orders",
    "order_lines",
    "customers",
    "message_ledger",
    "order_anomalies",
)


@dataclass(frozen=True, slots=True)
class Telling:
    """What is to be told: what happened since the last time, and how the feeds are doing."""

    home: str
    notes: Notes
    feeds: tuple[FeedHealth, ...]


def main() -> None:
    """Tell line by line until the input ends, answering each with `done` or the reason of the failure."""
    for line in sys.stdin.buffer:
        try:
            tell(msgspec.json.decode(line, type=Telling))
            answer = DONE
        except Exception as error:  # noqa: BLE001 - Dagster may fail in any way, and nothing depends on it
            text = str(error).strip()
            answer = text.splitlines()[0] if text else type(error).__name__
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def tell(telling: Telling) -> None:
    """Report one runless event for each asset that changed, and an observation for each feed."""
    from orchestration.instance import open_instance
    from orchestration.settings import read_settings

    settings = read_settings(home=telling.home)
    with open_instance(settings) as instance:
        for event in _events(telling, settings):
            instance.report_runless_asset_event(event)


def _events(
    telling: Telling, settings: "Settings"
) -> "Iterator[dg.AssetMaterialization | dg.AssetObservation]":
    import dagster as dg

    notes, mode = telling.notes, {"orders/mode": "stream"}
    for feed in telling.feeds:
        told: dict[str, int | str] = {"lag": feed.lag, "state": feed.state, "reason": feed.reason}
        yield dg.AssetObservation(["feeds", feed.feed], metadata=told)
    if notes.landed:
        numbers = {"messages landed": notes.landed, "segments": notes.segments}
        yield dg.AssetMaterialization("order_messages", metadata=numbers, tags=mode)
        merged = {"segments merged": notes.merged}
        yield dg.AssetMaterialization("merged_segments", metadata=merged, tags=mode)
    rows = _rows(settings) if notes.published else {}
    for name, changes in _changed(notes):
        counted = {"dagster/row_count": rows[name]} if name in rows else {}
        yield dg.AssetMaterialization(name, metadata={**changes, **counted}, tags=mode)
    if notes.published:
        totals = {"dagster/row_count": sum(rows.values()), "copies": notes.published}
        yield dg.AssetMaterialization("published_copy", metadata=totals, tags=mode)


def _changed(notes: Notes) -> Iterator[tuple[str, dict[str, int]]]:
    """Yield each table that changed, with what to tell of it."""
    settled = {
        "messages loaded": notes.loaded,
        "accepted": notes.accepted,
        "duplicates": notes.duplicates,
        "rejected": notes.rejected,
    }
    for name in _LOADED if notes.loaded else ():
        yield name, settled
    for name in DAILY_REPORTS if notes.days else ():
        yield name, {"days refreshed": notes.days}
    if notes.values:
        yield "customer_value", {"customers": notes.values}


def _rows(settings: "Settings") -> dict[str, int]:
    from orchestration.cli.parts import Parts

    with Parts(settings).reading() as connection:
        return {name: int(connection.table(name).count("*").fetchall()[0][0]) for name in TABLES}


if __name__ == "__main__":
    main()
