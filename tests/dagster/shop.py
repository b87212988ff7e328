"""A home of its own for a test: settings, sample events, and what the tables say afterwards."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from assets.platform import Platform
from orchestration.build import build_platform
from orchestration.settings import Settings, read_settings
from resources.brokers.port import Outgoing


@dataclass(frozen=True, slots=True)
class Home:
    """A home under `root`."""

    root: Path
    files_dir: Path | None = None
    lock_timeout_s: float = 30.0

    @property
    def settings(self) -> Settings:
        """Its settings."""
        return read_settings(
            home=self.root,
            files_dir=self.files_dir,
            lock_timeout_s=self.lock_timeout_s,
            broker_url=None,
            state_url=None,
            log_level="WARNING",
        )

    @property
    def platform(self) -> Platform:
        """Its platform."""
        return build_platform(self.settings)

    def publish(self, *bodies: bytes) -> None:
        """Put messages into its inbox."""
        with self.platform.broker() as broker:
            broker.publish(Outgoing(body) for body in bodies)

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Return what the published copy says."""
        from resources.warehouse.publish import open_copy

        with open_copy(self.platform.warehouse) as connection:
            return connection.execute(query).fetchall()


def event(order: str, version: int = 1, *, day: str = "2026-05-01", status: str = "placed") -> bytes:
    """Return a good event of an order of two units at 2.50."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"{order}:{version}",
            "source": "/shops/eu",
            "type": f"order.{status}",
            "time": f"{day}T1{version}:00:00Z",
            "data": {
                "order_id": order,
                "version": version,
                "kind": "sale",
                "status": status,
                "currency": "EUR",
                "placed_at": f"{day}T10:00:00Z",
                "customer": {"customer_id": f"c-{order}", "country": "DE"},
                "lines": [{"line_number": 1, "sku": "A", "quantity": 2, "unit_price": "2.50"}],
            },
        }
    ).encode()


def events(orders: Iterable[str], *, day: str = "2026-05-01") -> list[bytes]:
    """Return one event for each order."""
    return [event(order, day=day) for order in orders]
