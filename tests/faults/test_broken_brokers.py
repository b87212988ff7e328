"""Builds whose brokers are broken on purpose fail the kills of `test_broker_kills.py`, in `make faults`."""

from pathlib import Path

import pytest

from tests.faults.test_broken_builds import (
    Break,
    breaking,
    copy_of_the_tree,
    what_pytest_says,
)
from tests.marks import IS_FULL

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not IS_FULL, reason="the unbroken brokers are killed here; this is for `make faults`"),
]

_KILLS = (
    "tests/faults/test_broker_kills.py::test_kills_of_consumers_and_of_the_broker_lose_and_repeat_nothing"
)

BREAKS = (
    Break(
        "a log goes on at its end",
        "resources/brokers/kafka_positions.py",
        (("offset = landed + 1 - base", "offset = extent.end"),),
        (f"{_KILLS}[kafka]",),
        "1 failed",
    ),
)


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.name.replace(" ", "-"))
def test_a_broken_broker_is_caught(broken: Break, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The short form catches it already.
    monkeypatch.setenv("ORDERS_FAULTS", "bounded")
    tree = copy_of_the_tree(tmp_path)
    breaking(tree, broken)
    said = what_pytest_says(tree, *broken.tests)
    assert broken.verdict in said, said
    assert "confirmed events are missing" in said
