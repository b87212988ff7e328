"""What the fault tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.scene import Scene, Victims
from tests.orders.home import Home


@pytest.fixture(scope="session")
def victims() -> Iterator[Victims]:
    """The process that forks victims."""
    server = Victims()
    yield server
    server.close()


@pytest.fixture
def scene(tmp_path: Path, victims: Victims) -> Scene:
    """A home with nothing in it."""
    return Scene(Home(tmp_path / "home"), victims)
