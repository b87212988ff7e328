"""Processes that do what one batch run does, without Dagster, and kill themselves at a labelled point.

Imports take longer than a run, so one process has done them and forks a victim for each line of its
input: a JSON object with `action` (`run`, `rebuild`, `merge` or `stream`), `root` (the home), `label` and
`passes` (at which pass of the label to die), `max_bytes`, and the limits of `Home.run`. It answers with the
victim's exit code, negative for a signal.
"""

import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from assets.orders.compaction import merge_small_segments
from resources import crashpoints
from tests.orders.home import Home
from tests.stream.running import Running, settings_of, soon


def die_at(label: str, passes: int) -> None:
    """Send this process SIGKILL when it reaches `label` for the given time."""
    left = passes

    def callback(reached: str) -> None:
        nonlocal left
        left -= reached == label
        if left == 0 and reached == label:
            os.kill(os.getpid(), signal.SIGKILL)

    crashpoints.install(callback)


def act(*, action: str, root: str, label: str, passes: int, max_bytes: int, **limits: Any) -> None:
    """Do the action and die on the way."""
    home = Home(Path(root), max_bytes)
    die_at(label, passes)
    if action == "rebuild":
        home.rebuild()
    elif action == "merge":
        home.land(limits["segment_bytes"])
        home.load()
        merge_small_segments(home.warehouse, home.landing, most=100, fan_in=2)
    elif action == "stream":
        stream(home)
    else:
        home.run(**limits)


def stream(home: Home) -> None:
    """Let stream mode take in what waits; it is told to stop when the inbox is empty."""
    with Running(settings_of(home.root)):
        assert soon(lambda: home.inbox.backlog() == 0)


def fork(order: str) -> int:
    """Do what the order says in a process of its own and return its exit code."""
    process = os.fork()
    if process == 0:
        try:
            act(**json.loads(order))
        except BaseException:  # noqa: BLE001 - whatever it is, it must not go on as a second server
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    for order in sys.stdin:
        sys.stdout.write(f"{fork(order)}\n")
        sys.stdout.flush()
