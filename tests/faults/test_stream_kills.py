"""A kill -9 of stream mode loses and repeats nothing, and SIGTERM ends it in time, all taken in."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.scene import PROJECT, Scene
from tests.orders.samples import busy_shop, with_noise
from tests.stream.running import soon

pytestmark = pytest.mark.faults

POINTS = ["land.written", "land.before_acknowledge", "load.before_commit", "publish.copied"]
if os.environ.get("ORDERS_FAULTS") == "full":
    POINTS += [
        "land.renamed",
        "inbox.before_delete",
        "land.acknowledged",
        "load.committed",
        "publish.renamed",
    ]
    POINTS *= 10
ENDING_S = 10.0


def test_kills_of_the_stream_lose_and_repeat_nothing(scene: Scene, tmp_path: Path) -> None:
    for number, point in enumerate(POINTS):
        scene.send(with_noise(busy_shop(number, 12), number))
        scene.killed_at(point, action="stream")
    assert scene.run("stream", "", 0) == 0
    scene.ends_as_if_undisturbed(tmp_path / "undisturbed")


def test_a_stream_that_is_left_alone_ends_well(scene: Scene, tmp_path: Path) -> None:
    scene.send(with_noise(busy_shop(1, 12), 1))
    assert scene.run("stream", "", 0) == 0
    scene.ends_as_if_undisturbed(tmp_path / "undisturbed")


def test_sigterm_drains_the_command_and_ends_it_in_time(scene: Scene, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ORDERS_", "DAGSTER_"))}
    log = tmp_path / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestration", "stream"],
            cwd=PROJECT,
            env=kept | {"PYTHONPATH": str(PROJECT), "ORDERS_HOME": str(scene.home.root)},
            stdout=sink,
            stderr=sink,
        )
    try:
        for number in range(5):
            scene.send(with_noise(busy_shop(number, 12), number))
        # Told to stop as soon as it has taken something: the rest of that is still on its way.
        assert soon(lambda: scene.home.landing.segments()), log.read_text()
        told_at = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=ENDING_S + 20.0) == 0, log.read_text()
        assert time.monotonic() - told_at < ENDING_S + 2.0
    finally:
        process.kill()
        process.wait()
    scene.ends_as_if_undisturbed(tmp_path / "undisturbed")
