"""Small daily files, and what the landing folder says about them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from assets.files.extract import Intake, changed_days, take_in_days
from assets.files.mapping import Mapping, built_in_mapping
from resources.clock import FrozenClock
from resources.segments import Landing

HEADER = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country"
DAY = date(2011, 3, 1)
NEXT = date(2011, 3, 2)


def row(
    invoice: str = "536365",
    sku: str = "85123A",
    *,
    description: str = "WHITE HANGING HEART",
    quantity: str = "6",
    at: str = "2011-03-01 08:26:00",
    price: str = "2.55",
    customer: str = "17850.0",
    country: str = "United Kingdom",
) -> str:
    """Return one line of a daily file; the values are put in as they are."""
    return f"{invoice},{sku},{description},{quantity},{at},{price},{customer},{country}"


@dataclass(slots=True)
class Shop:
    """A folder of daily files and the landing folder that they are taken into."""

    root: Path
    mapping: Mapping = field(default_factory=built_in_mapping)

    @property
    def files_dir(self) -> Path:
        """The drop folder."""
        folder = self.root / "drops"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def landing(self) -> Landing:
        """The landing folder, opened anew: nothing is remembered but what is in it."""
        return Landing(self.root / "landing", FrozenClock(datetime(2026, 5, 1, tzinfo=UTC)))

    def drop(self, day: date, *rows: str, header: str = HEADER) -> Path:
        """Write the file of a day."""
        path = self.files_dir / self.mapping.file_name(day)
        path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8")
        return path

    def changed(self) -> list[date]:
        """Return the days whose file is new or changed."""
        return changed_days(self.files_dir, self.landing, self.mapping)

    def take_in(self, days: Iterable[date] | None = None) -> Intake:
        """Take in the given days, by default the changed ones."""
        chosen = self.changed() if days is None else days
        return take_in_days(chosen, files_dir=self.files_dir, landing=self.landing, mapping=self.mapping)

    def landed(self, feed: str = "files") -> list[dict[str, Any]]:
        """Return the bodies of a feed as JSON, in landing order."""
        return [json.loads(body) for body in self.bodies(feed)]

    def bodies(self, feed: str = "files") -> list[bytes]:
        """Return the bodies of a feed, in landing order."""
        landing = self.landing
        tables = [landing.read(segment) for segment in landing.segments(feed)]
        return [body for table in tables for body in table["body"].to_pylist()]

    def observed(self) -> list[tuple[str, str]]:
        """Return what was observed of invoices: observation and order id."""
        facts = self.landed("observations")
        return [(fact["observation"], fact["order_id"]) for fact in facts if "order_id" in fact]
