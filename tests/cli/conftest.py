"""Homes with and without data; the filled one is made once and only read."""

from pathlib import Path

import pytest

from assets.landing.land import land
from assets.orders.load import load
from assets.reports.refresh import refresh_customer_value, refresh_days, touched_days
from orchestration.cli.parts import Parts
from orchestration.settings import read_settings
from resources.brokers.port import Outgoing
from resources.warehouse.publish import publish
from tests.cli.running import Orders, message

BROKEN = b'{"specversion": "1.0", \xff'
LARGE = b" " * 2_000


def fill(home: Path, *bodies: bytes) -> None:
    """Publish, land, load, report and publish a copy, without Dagster."""
    parts = Parts(read_settings(home=home, max_message_bytes=1_500))
    warehouse, landing = parts.warehouse(), parts.landing()
    with parts.broker() as broker:
        broker.publish(Outgoing(body) for body in bodies)
        land(broker, landing)
    load(warehouse, landing, max_bytes=1_500)
    refresh_days(warehouse, touched_days(warehouse))
    refresh_customer_value(warehouse)
    publish(warehouse)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Orders:
    """Three orders, one of them twice, and two dead letters; not to be changed."""
    home = tmp_path_factory.mktemp("filled")
    orders = [message(f"e-{n}", f"o-{n}") for n in (1, 2, 3)]
    fill(home, *orders, orders[0], BROKEN, LARGE)
    return Orders(home)


@pytest.fixture
def fresh(tmp_path: Path) -> Orders:
    """A home in which nothing has happened yet."""
    return Orders(tmp_path / "home")
