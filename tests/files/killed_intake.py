"""Takes in the changed days of a shop and kills itself at a point: for test_kills.py.

Arguments: the shop's folder, the label, at which of its passes to die, and `right`, or `hasty` for a
build that notes a file as taken in before its messages are durable.
"""

import os
import signal
import sys
from pathlib import Path
from unittest.mock import patch

from assets.files.extract import _Writer
from assets.files.plan import Plan
from resources import crashpoints
from tests.files.drops import Shop


def die_at(label: str, passes: int) -> None:
    """Send this process SIGKILL when it reaches `label` for the given time."""
    left = passes

    def callback(reached: str) -> None:
        nonlocal left
        left -= reached == label
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    crashpoints.install(callback)


def land_hastily(writer: _Writer, plan: Plan) -> None:
    """Land observations first: a deliberately broken build."""
    writer._pending += plan.observations
    writer.flush()
    _land(writer, Plan(messages=plan.messages))


_land = _Writer.land


if __name__ == "__main__":
    folder, label, passes, build = sys.argv[1:]
    die_at(label, int(passes))
    with patch.object(_Writer, "land", land_hastily if build == "hasty" else _land):
        Shop(Path(folder)).take_in()
