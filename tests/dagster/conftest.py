"""Homes and instances of the Dagster tests."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from tests.dagster.shop import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return an empty home."""
    return Home(tmp_path / "home")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """Return a real instance that lives as long as the test."""
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture(autouse=True)
def _own_dagster_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "/nowhere")  # restored afterwards, whatever the code under test sets
