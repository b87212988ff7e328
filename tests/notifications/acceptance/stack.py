"""The processes of one stack: code server, web server, daemon and dispatcher, each with its own log."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from orchestration.settings import PROJECT
from resources.notifications.outbox import Outbox

STARTING_S = 240.0
_DAGSTER_YAML = """
telemetry: {enabled: false}
# What is tagged so stays in the queue; the daemon launches the rest at once.
concurrency: {runs: {max_concurrent_runs: 8, tag_concurrency_limits: [{key: held, limit: 0}]}}
run_queue: {dequeue_interval_seconds: 1}
sensors: {use_threads: true, num_workers: 4}
schedules: {use_threads: true, num_workers: 1}
compute_logs: {module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}
"""
_WORKSPACE = """
load_from:
  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: shop}}
  - python_module: {{module_name: tests.notifications.acceptance.fragile, location_name: fragile,
      working_directory: {project}}}
"""


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Stack:
    """Running processes over one home."""

    home: Path
    smtp_url: str
    ui_port: int = field(default_factory=free_port)
    code_port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def outbox(self) -> Path:
        """The outbox."""
        return self.home / "state.sqlite"

    @property
    def dagster_home(self) -> Path:
        """The home of the instance."""
        return self.home / "dagster"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every process."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ORDERS_", "DAGSTER_"))}
        return kept | {
            "ACCEPTANCE_HOME": str(self.home),
            "ORDERS_HOME": str(self.home),
            "ORDERS_UI_URL": f"http://127.0.0.1:{self.ui_port}",
            "ORDERS_ALERT_POLICIES": str(self.home / "policies.yaml"),
            "DAGSTER_HOME": str(self.dagster_home),
            "FRESHNESS_DAEMON_INTERVAL_SECONDS": "3",
            "ORDERS_DAEMON_TIMEOUT_S": "45",
            "ORDERS_SMTP_URL": self.smtp_url,
            "ORDERS_SMTP_FROM": "orders@example.org",
            "PYTHONPATH": str(PROJECT),
            "PYTHONUNBUFFERED": "1",
        }

    def prepare(self, policies: str) -> None:
        """Write what the processes read at their start."""
        self.dagster_home.mkdir(parents=True)
        (self.dagster_home / "dagster.yaml").write_text(_DAGSTER_YAML)
        (self.home / "workspace.yaml").write_text(_WORKSPACE.format(port=self.code_port, project=PROJECT))
        (self.home / "policies.yaml").write_text(policies)

    def start(self, name: str, *command: str) -> None:
        """Start one process in the home; its output goes to `NAME.log` there."""
        log = (self.home / f"{name}.log").open("ab")
        with log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=self.home,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start_servers(self) -> None:
        """Start code server and web server, and wait until the latter answers."""
        workspace = str(self.home / "workspace.yaml")
        code = ("-m", "tests.notifications.acceptance.location", "-d", str(PROJECT))
        self.start("code", "dagster", "api", "grpc", "-p", str(self.code_port), "-h", "127.0.0.1", *code)
        until(lambda: _accepts(self.code_port), STARTING_S, self.logs)
        self.start("web", "dagster_webserver", "-h", "127.0.0.1", "-p", str(self.ui_port), "-w", workspace)
        until(lambda: _accepts(self.ui_port), STARTING_S, self.logs)

    def start_daemon(self) -> None:
        """Start the daemon; what is asked of the web server before, it does in its first round."""
        self.start("daemon", "dagster._daemon", "run", "-w", str(self.home / "workspace.yaml"))

    def start_dispatcher(self) -> None:
        """Start the dispatcher, which puts its own `dagster.yaml` in place; the daemon has read ours then."""
        log = self.home / "daemon.log"
        until(lambda: "Instance is configured" in log.read_text(), STARTING_S, self.logs)
        self.start("dispatcher", "orchestration", "dispatch")

    def stop(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End a process and all that it started."""
        process = self.processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        process.wait(timeout=30)

    def ask(self, query: str) -> None:
        """Put a GraphQL query to the web server, which must not refuse it."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.ui_port}/graphql",
            json.dumps({"query": query}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            told = json.load(answer)
        assert "errors" not in told, told
        refusals = [found for found in told["data"].values() if "message" in found]
        assert not refusals, refusals

    def logs(self) -> str:
        """Return the end of every log, for a failed test."""
        return "\n".join(f"== {f.name}\n{f.read_text()[-1500:]}" for f in sorted(self.home.glob("*.log")))


def until(holds: Callable[[], bool], timeout_s: float, told: Callable[[], str] = lambda: "") -> None:
    """Poll until it holds; fail with what is told after the time."""
    pause = threading.Event()
    deadline = time.monotonic() + timeout_s
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s\n{told()}")
        pause.wait(0.1)


def _accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def running(home: Path, policies: str, smtp_url: str) -> Iterator[Stack]:
    """Run a stack; everything that it started ends with it."""
    stack = Stack(home, smtp_url)
    stack.prepare(policies)
    (home / "fragile.broken").touch()
    Outbox(stack.outbox).close()  # from here on everything counts
    try:
        stack.start_servers()
        yield stack
    finally:
        for name in list(stack.processes):
            stack.stop(name)
