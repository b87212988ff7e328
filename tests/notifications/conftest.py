"""Outboxes for the claims: a SQLite file, and a database of their own on a real PostgreSQL."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from resources.clock import FrozenClock
from resources.notifications.outbox import Outbox
from resources.servers.server import Server
from tests.notifications.samples import T0

_numbers = itertools.count(1)


@pytest.fixture
def new_postgres(postgres: Server) -> Callable[[], str]:
    """Return a maker of empty databases, each given by its URL."""

    def make() -> str:
        name = f"outbox_{os.getpid()}_{next(_numbers)}"
        engine = sa.create_engine(postgres.url(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return postgres.url(name)

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where an empty outbox may be made, on each kind of store in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/outbox.db"
    make: Callable[[], str] = request.getfixturevalue("new_postgres")
    return make()


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that stands at T0."""
    return FrozenClock(T0)


@pytest.fixture
def outbox(location: str, clock: FrozenClock) -> Iterator[Outbox]:
    """An empty outbox on each kind of store in turn."""
    with Outbox(location, clock=clock) as opened:
        yield opened
