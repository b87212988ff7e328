"""Kills at random points with random limits; `make faults` does more than 200 of them."""

import signal
from pathlib import Path
from random import Random

import pytest

from tests.faults.scene import Scene, labels_in
from tests.marks import IS_FULL, in_checks
from tests.orders.samples import busy_shop, with_noise

HOMES, KILLS = (11, 20) if IS_FULL else (1, 3)
OFTEN_PASSED = ("inbox.", "land.", "load.", "reports.", "publish.", "rebuild.")
NEEDS_MORE = ("load.replayed", "rebuild.moved_aside")

pytestmark = [pytest.mark.faults, in_checks, pytest.mark.timeout(1_800)]


@pytest.mark.parametrize("seed", range(HOMES))
def test_random_kills_lose_and_repeat_nothing(scene: Scene, tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    points = [p for p in sorted(labels_in("resources", "assets")) if p.startswith(OFTEN_PASSED)]
    kills = attempts = 0
    while kills < KILLS:
        attempts += 1
        assert attempts < 10 * KILLS
        point = random.choice([p for p in points if p not in NEEDS_MORE])
        if random.random() < 0.7:
            messages = busy_shop(1_000 * seed + attempts, random.randint(1, 20))
            scene.send(with_noise(messages, attempts))
        limits = {
            "segment_bytes": random.choice((500, 4_000, 60_000)),
            "batch_rows": random.choice((1, 7, 100)),
        }
        if point.startswith("rebuild."):
            code = scene.run("rebuild", point, 1)
        else:
            code = scene.run("run", point, random.randint(1, 3), limits)
        assert code in (0, -signal.SIGKILL), point
        kills += code != 0
    scene.ends_as_if_undisturbed(tmp_path / "undisturbed")
