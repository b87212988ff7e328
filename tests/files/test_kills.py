"""A kill -9 at any point of taking in files loses nothing and repeats nothing."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.files.drops import DAY, NEXT, Shop, row
from tests.forking import run_module

LAND = ("before_write", "written", "fsynced", "renamed", "durable")
POINTS = [
    *((f"land.{point}", passes) for passes in (1, 3) for point in LAND),
    ("land.renamed", 2),
    ("files.messages_landed", 1),
    ("files.messages_landed", 2),
    ("files.observed", 1),
]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop with a day that was taken in, then changed, and a new day."""
    shop = Shop(tmp_path / "shop")
    shop.drop(DAY, row("1"), row("2"), row("3"))
    shop.take_in()
    shop.drop(DAY, row("1", quantity="9"), row("3"), row("4"))
    shop.drop(NEXT, row("5"), row("6"))
    return shop


def killed(shop: Shop, label: str, passes: int, build: str = "right") -> None:
    """Take in the changed days in a process that is killed at the point."""
    arguments = [str(shop.root), label, str(passes), build]
    done = run_module("tests.files.killed_intake", *arguments, environment=os.environ)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def outcome(shop: Shop) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[Any]]:
    """Return what has landed in the end, and what there is still to do."""
    observations = sorted(shop.landed("observations"), key=str)
    return sorted(shop.landed(), key=str), observations, shop.changed()


@pytest.mark.faults
@pytest.mark.parametrize(("label", "passes"), POINTS, ids=str)
def test_the_next_run_ends_as_if_nothing_had_happened(
    shop: Shop, tmp_path: Path, label: str, passes: int
) -> None:
    untroubled = Shop(tmp_path / "untroubled")
    shutil.copytree(shop.root, untroubled.root)
    untroubled.take_in()
    killed(shop, label, passes)
    shop.take_in()
    assert outcome(shop) == outcome(untroubled)


@pytest.mark.faults
def test_a_build_that_notes_a_file_before_its_messages_are_durable_is_caught(shop: Shop) -> None:
    killed(shop, "files.observed", 1, "hasty")
    shop.take_in()
    assert "1:2" not in [message["id"] for message in shop.landed()]
