"""Batch mode in a process of its own: `python -m tests.dagster.batch_process HOME [CRASH_LABEL]`."""

import os
import signal
import sys
from pathlib import Path

from orchestration.batch import run_batch
from resources import crashpoints
from tests.dagster.shop import Home


def _kill_at(label: str) -> None:
    def callback(reached: str) -> None:
        if reached == label:
            os.kill(os.getpid(), signal.SIGKILL)

    crashpoints.install(callback)


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Run one batch; prints each progress text, flushed."""
    if len(sys.argv) > 2:
        _kill_at(sys.argv[2])
    report = run_batch(Home(Path(sys.argv[1])).settings, on_progress=_tell)
    sys.exit(0 if report.success else 1)


if __name__ == "__main__":
    main()
