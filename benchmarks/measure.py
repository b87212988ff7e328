"""Running a task in a process of its own, and what the operating system says about that process."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a task returned, and the most memory that its process ever had resident, in bytes."""

    values: dict[str, Any]
    peak_rss: int

    def seconds(self, name: str = "seconds") -> float:
        """Return one of the times that the task took itself."""
        return float(self.values[name])


def run(task: str, **arguments: object) -> Outcome:
    """Run `module.function` of `benchmarks.tasks` in a new process; raises RuntimeError when it fails."""
    # What the task before left to be written is not for this one to wait for.
    os.sync()
    command = [sys.executable, "-m", "benchmarks.worker", task, json.dumps(arguments, default=str)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=PROJECT, stdout=output)
        # wait4 tells of this child alone; the resource module mixes all children.
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise RuntimeError(
                f"benchmark task {task} ended with exit code {process.returncode}: {arguments}"
            )
        output.seek(0)
        last_line = output.read().splitlines()[-1]
    return Outcome(json.loads(last_line), usage.ru_maxrss * 1024)


def middle(outcomes: list[Outcome], name: str = "seconds") -> float:
    """Return the median of one time over repeats."""
    return median(outcome.seconds(name) for outcome in outcomes)
