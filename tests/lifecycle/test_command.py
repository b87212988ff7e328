"""`orders servers`: started servers outlive the command, and the next command finds and ends them."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from resources.servers import processes
from resources.servers.kinds import KINDS
from tests.cli.running import Orders, error_line
from tests.servers import is_missing


@pytest.fixture
def orders(tmp_path: Path) -> Iterator[Orders]:
    """The command over a home whose servers end with the test."""
    home = tmp_path / "home"
    yield Orders(home)
    if home.exists():
        processes.kill_all(home, None)


def test_started_servers_stay_until_they_are_stopped(orders: Orders) -> None:
    for name in ("activemq", "postgres"):
        if reason := KINDS[name].missing():
            is_missing(reason)
    started = orders.json("servers", "start", "postgres", "activemq")
    assert [row["server"] for row in started] == ["activemq", "postgres"]
    assert {row["state"] for row in started} == {"running"}
    assert all(psutil.pid_exists(row["pid"]) for row in started)
    assert started[0]["urls"]["stomp"].startswith("stomp://127.0.0.1:")
    psutil.Process(started[1]["pid"]).kill()
    assert processes.wait_until(lambda: not psutil.pid_exists(started[1]["pid"]), 10)
    listed = {row["server"]: row for row in orders.json("servers", "status")}
    assert listed["postgres"]["state"] == "dead"
    assert listed["activemq"] == started[0]
    assert {row["state"] for row in orders.json("servers", "stop")} == {"stopped"}
    assert processes.processes_of(orders.home) == []


def test_a_missing_program_is_one_line_with_the_way_out(orders: Orders, tmp_path: Path) -> None:
    bare = Orders(orders.home, {"PATH": str(tmp_path), "HOME": str(tmp_path)})
    line = error_line(bare("servers", "start", "activemq"))
    assert line == "error: activemq needs java: scripts/install_servers.sh activemq"


def test_an_unknown_server_is_wrong_use_and_names_the_known_ones(orders: Orders) -> None:
    done = orders("servers", "start", "oracle")
    assert done.returncode == 2
    assert "choose from kafka, rabbitmq, activemq, artemis, postgres" in error_line(done)


def test_servers_that_were_never_started_are_stopped(orders: Orders) -> None:
    assert {row["state"] for row in orders.json("servers", "stop")} == {"stopped"}
