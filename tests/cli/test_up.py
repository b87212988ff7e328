"""`orders up`: all of it starts, all of it ends."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import psutil
import pytest

from tests.cli.running import PROJECT, Orders, error_line

_STARTING_S = 120.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(url: str, deadline: float, process: subprocess.Popen[bytes]) -> bool:
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            select_pause()
    return False


def _instance_shown(port: int) -> str:
    """Return what the web UI says of its instance; a home that differs from `.env`'s must win."""
    query = json.dumps({"query": "{ instance { info } }"}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/graphql", query, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        info: str = json.load(answer)["data"]["instance"]["info"]
    return info


def select_pause() -> None:
    """Give the starting processes the processor for a moment."""
    signal.sigtimedwait([], 0.2)


def _of_home(home: str) -> list[psutil.Process]:
    """Return the processes that were started for a home, however deep."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ORDERS_HOME") == home:
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_port_in_use_is_named_with_the_way_out(fresh: Orders) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = Orders(fresh.home, {"ORDERS_UI_PORT": str(port)})("up")
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in error_line(done)
    assert "ORDERS_UI_PORT" in error_line(done)


@pytest.mark.slow
def test_everything_starts_together_and_ends_at_sigterm(fresh: Orders) -> None:
    port = _free_port()
    orders = Orders(fresh.home, {"ORDERS_UI_PORT": str(port)})
    log = fresh.home.with_name("up.log")
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*orders.command, "up"], env=orders.environment, cwd=PROJECT, stdout=sink, stderr=sink
        )
    try:
        url = f"http://127.0.0.1:{port}/server_info"
        assert _answers(url, time.monotonic() + _STARTING_S, process), log.read_text()
        assert str(fresh.home / "dagster") in _instance_shown(port)
        commands = [" ".join(p.cmdline()) for p in _of_home(str(fresh.home))]
        for part in ("dagster-webserver", "dagster-daemon", "dispatch"):
            assert any(part in command for command in commands), commands
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0, log.read_text()
        left = psutil.wait_procs(_of_home(str(fresh.home)), timeout=30)[1]
        assert left == []
    finally:
        for leftover in _of_home(str(fresh.home)):
            os.kill(leftover.pid, signal.SIGKILL)
        process.wait(timeout=30)
