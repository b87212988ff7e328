"""Running `orders` as a user does, in a process of its own with a home of its own."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.forking import PROJECT, run_module

__all__ = ["PROJECT", "Orders", "error_line", "message"]


@dataclass(frozen=True)
class Orders:
    """The command over the home `home`; `settings` are further variables."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The environment without any setting but those of this home."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORDERS_", "DAGSTER_"))}
        return kept | {"ORDERS_HOME": str(self.home)} | self.settings

    @property
    def command(self) -> list[str]:
        """The words before the arguments."""
        return [sys.executable, "-m", "orchestration"]

    def __call__(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """Run to the end and return what it wrote; it may take two minutes."""
        return run_module("orchestration", *arguments, environment=self.environment, stdin=stdin)

    def json(self, *arguments: str) -> Any:
        """Run with --json, demand success, and return the one document on stdout."""
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)


def error_line(done: subprocess.CompletedProcess[bytes]) -> str:
    """Return the one line that an error is; there is nothing else on stderr."""
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 1, done.stderr.decode()
    assert lines[0].startswith("error: ")
    return lines[0]


def message(event_id: str, order_id: str, **data: object) -> bytes:
    """Return an order message in contract form, with `data` over its defaults."""
    order = {
        "order_id": order_id,
        "version": 1,
        "kind": "sale",
        "status": "placed",
        "currency": "EUR",
        "placed_at": "2026-05-01T10:00:00Z",
        "customer": {"customer_id": "c-1", "country": "DE"},
        "lines": [{"line_number": 1, "sku": "A", "quantity": 6, "unit_price": "2.55"}],
        "shipping": "4.90",
    }
    event = {
        "specversion": "1.0",
        "id": event_id,
        "source": "/shops/eu",
        "type": "order.placed",
        "time": "2026-05-01T10:00:00.5Z",
        "data": order | data,
    }
    return json.dumps(event).encode()
