"""A kill -9 within `orders run` is made good by the next `orders run`, by itself."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.faults.scene import Scene
from tests.forking import run_module
from tests.orders.samples import busy_shop, with_noise

pytestmark = pytest.mark.faults

POINTS = ["load.committed", "reports.before_commit", "publish.copied"]
if os.environ.get("ORDERS_FAULTS") == "full":
    POINTS += [
        "land.renamed",
        "inbox.before_delete",
        "load.before_commit",
        "publish.renamed",
    ]


def orders(scene: Scene, module: str, *arguments: str) -> "subprocess.CompletedProcess[bytes]":
    """Run a module on the home of the scene."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORDERS_", "DAGSTER_"))}
    return run_module(module, *arguments, environment=kept | {"ORDERS_HOME": str(scene.home.root)})


def test_orders_run_goes_on_by_itself_after_kills(scene: Scene, tmp_path: Path) -> None:
    for number, point in enumerate(POINTS):
        scene.send(with_noise(busy_shop(number, 12), number))
        killed = orders(scene, "tests.faults.command", point, "1", "run")
        assert killed.returncode == -signal.SIGKILL, (point, killed.stderr)
    done = orders(scene, "orchestration", "run")
    assert done.returncode == 0, done.stderr
    scene.is_as_if_undisturbed(tmp_path / "undisturbed")
    verified = orders(scene, "orchestration", "verify")
    assert verified.returncode == 0, verified.stderr
