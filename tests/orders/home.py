"""A platform's home in a folder of its own, driven by hand and without Dagster."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from assets.landing.land import Landed, land
from assets.orders.load import MAX_MESSAGE_BYTES, Loaded, load
from assets.orders.rebuild import Rebuilt, rebuild
from assets.orders.rejects import Decision, land_decisions
from assets.orders.schema import DDL, SCHEMA_ID
from assets.orders.verify import Verification, verify
from assets.reports.refresh import refresh_customer_value, refresh_days, touched_days
from resources.brokers.inbox import Inbox
from resources.brokers.port import Outgoing
from resources.clock import Clock, SystemClock
from resources.segments import Landing, Segment
from resources.warehouse.publish import Published, open_copy, publish
from resources.warehouse.warehouse import Warehouse


@dataclass
class Home:
    """The folders of a platform; `max_bytes` is the contract's limit of a message.

    Most keys are in sorted runs, as they are in a long history: `tail_events` is how many may not be.
    """

    root: Path
    max_bytes: int = MAX_MESSAGE_BYTES
    clock: Clock = field(default_factory=SystemClock)
    tail_events: int = 5

    @cached_property
    def landing(self) -> Landing:
        """The landing folder."""
        return Landing(self.root / "landing", self.clock)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse."""
        path = self.root / "warehouse" / "orders.duckdb"
        return Warehouse(path, self.root / "published", DDL, SCHEMA_ID, threads=1)

    @property
    def inbox(self) -> Inbox:
        """The broker, anew each time, as each process opens it."""
        return Inbox(self.root / "inbox")

    def send(self, bodies: Sequence[bytes]) -> int:
        """Publish messages to the inbox as one file."""
        return self.inbox.publish(Outgoing(body) for body in bodies)

    def arrive(
        self, bodies: Sequence[bytes], *, feed: str = "inbox", partition: str = "0", first: int | None = None
    ) -> Segment:
        """Put messages into the landing folder as one segment, after what is there."""
        if first is None:
            last = self.landing.last_position(feed, partition)
            first = 0 if last is None else last + 1
        positions = range(first, first + len(bodies))
        return self.landing.append(feed=feed, partition=partition, positions=positions, bodies=bodies)

    def land(self, segment_bytes: int = 1 << 20) -> Landed:
        """LAND what waits in the inbox."""
        return land(self.inbox, self.landing, segment_bytes=segment_bytes)

    def load(self, batch_rows: int = 10_000) -> Loaded:
        """LOAD what has landed."""
        return load(
            self.warehouse,
            self.landing,
            max_bytes=self.max_bytes,
            batch_rows=batch_rows,
            tail_events=self.tail_events,
        )

    def settle(self, bodies: Sequence[bytes], **place: Any) -> Loaded:
        """Let messages arrive and load them."""
        self.arrive(bodies, **place)
        return self.load()

    def refresh(self) -> None:
        """Bring the reports up to date."""
        refresh_days(self.warehouse, touched_days(self.warehouse))
        refresh_customer_value(self.warehouse)

    def publish(self) -> Published:
        """Publish the warehouse."""
        return publish(self.warehouse)

    def run(self, *, segment_bytes: int = 1 << 20, batch_rows: int = 10_000) -> None:
        """Do what one batch run does, from the inbox to the published copy."""
        self.land(segment_bytes)
        self.load(batch_rows)
        self.refresh()
        self.publish()

    def rebuild(self) -> Rebuilt:
        """Build the warehouse anew."""
        return rebuild(self.warehouse, self.landing, max_bytes=self.max_bytes)

    def decide(self, decision: Decision, condition: str = "state = 'open'") -> int:
        """Land a decision on the dead letters of a condition and load it."""
        count = land_decisions(
            self.landing, decision, self.records(f"FROM rejected_messages WHERE {condition}")
        )
        self.load()
        return count

    def verify(self) -> Verification:
        """Verify the warehouse, reports as they stand."""
        return verify(self.warehouse, self.landing)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return rows of the warehouse."""
        with self.warehouse.writing() as connection:
            return connection.execute(sql).fetchall()

    def records(self, sql: str) -> list[dict[str, Any]]:
        """Return rows of the warehouse by column name."""
        with self.warehouse.writing() as connection:
            found: list[dict[str, Any]] = connection.sql(sql).to_arrow_table().to_pylist()
            return found

    def read(self, sql: str) -> list[tuple[Any, ...]]:
        """Return rows of the published copy."""
        with open_copy(self.warehouse) as connection:
            return connection.execute(sql).fetchall()

    def ledger(self) -> dict[tuple[str, str], tuple[int, int, int, int]]:
        """Return landed, accepted, duplicates and rejected by feed and partition."""
        return {(row[0], row[1]): row[2:] for row in self.query("FROM message_ledger")}
