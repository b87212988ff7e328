"""Running a module of Python as `python -m` does, in a process forked from one that has done the imports.

Imports take most of a command's time, and the tests run a hundred commands. What runs is a process like any
other: environment, folder, arguments, input, output and exit code are its own, and a signal kills it alone.
That `orders` starts by itself is left to the tests that start it so.
"""

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from tests.engines import reuse_engines

PROJECT = Path(__file__).parents[1]
_OUT: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND
# Not `orchestration.definitions`, which reads the settings when it is imported.
_IMPORTED: Final = (
    "orchestration.cli.app",
    "orchestration.batch",
    "orchestration.build",
    "orchestration.alerting",
    "orchestration.delivering",
    "orchestration.instance",
    "orchestration.jobs",
    "orchestration.schedules",
    "assets.files.definitions",
    "assets.landing.definitions",
    "assets.operations.definitions",
    "assets.orders.definitions",
    "assets.orders.rebuild",
    "assets.orders.verify",
    "assets.reports.definitions",
    "resources.brokers.urls",
    "resources.brokers.inbox",
    "resources.notifications.channels.opening",
    "resources.notifications.dispatcher",
    "resources.warehouse.publish",
    "sensors.collectors",
    "sensors.hooks",
    "dagster._core.storage.dagster_run",
    "dagster._core.storage.event_log.sqlite.sqlite_event_log",
    "dagster._core.storage.local_compute_log_manager",
    "dagster._core.storage.root",
    "dagster._core.storage.runs.sqlite.sqlite_run_storage",
    "dagster._core.storage.schedules.sqlite.sqlite_schedule_storage",
    "dagster._core.launcher.default_run_launcher",
    "dagster._core.run_coordinator.queued_run_coordinator",
    "dagster._core.scheduler",
)


def run_module(
    module: str,
    *arguments: str,
    environment: Mapping[str, str],
    stdin: bytes = b"",
    timeout_s: float = 120.0,
) -> "subprocess.CompletedProcess[bytes]":
    """Run a module in the project's folder to its end; raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("stdin", "stdout", "stderr")]
        files[0].write_bytes(stdin)
        order = {
            "module": module,
            "arguments": arguments,
            "environment": dict(environment),
            "files": [str(file) for file in files],
        }
        code = _server().answer(order, timeout_s)
        return subprocess.CompletedProcess([module, *arguments], code, *(f.read_bytes() for f in files[1:]))


def fork_server(module: str) -> "subprocess.Popen[str]":
    """Start a process that forks for each line of its input, in this tree, whichever tree is installed."""
    return subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=PROJECT,
        # A library that starts threads at import must not: the process forks.
        env=os.environ | {"PYTHONPATH": str(PROJECT), "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


class _Server:
    """The process that forks."""

    def __init__(self) -> None:
        self._process = fork_server("tests.forking")
        atexit.register(self._process.communicate)

    def answer(self, order: dict[str, object], timeout_s: float) -> int:
        """Let a fork do the order and return its exit code, negative for a signal."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        child = int(self._process.stdout.readline())
        overdue = threading.Timer(timeout_s, os.kill, (child, signal.SIGKILL))
        overdue.start()
        code = int(self._process.stdout.readline())
        if not overdue.is_alive():
            raise subprocess.TimeoutExpired(str(order["module"]), timeout_s)
        overdue.cancel()
        return code


@cache
def _server() -> _Server:
    return _Server()


def _serve() -> None:
    for name in _IMPORTED:
        importlib.import_module(name)
    reuse_engines()
    gc.freeze()
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(_run(**order))
        _say(child)
        _say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def _run(module: str, arguments: list[str], environment: dict[str, str], files: list[str]) -> int:
    """Become a process that runs the module, and return its exit code."""
    try:
        for number, (file, flags) in enumerate(zip(files, (os.O_RDONLY, *[_OUT] * 2), strict=True)):
            os.dup2(os.open(file, flags), number)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - what was read ahead belongs to the server
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = [module, *arguments]
        code = _exit_code(module)
        threading._shutdown()
        atexit._run_exitfuncs()
    except BaseException:  # noqa: BLE001 - whatever it is, it must not go on as a second server
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def _exit_code(module: str) -> int:
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


if __name__ == "__main__":
    _serve()
