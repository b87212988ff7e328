"""A batch that is killed or stopped leaves nothing behind that the next one trips over."""

import os
import signal
import subprocess
import sys

import dagster as dg
import psutil

from orchestration.batch import run_batch
from orchestration.instance import open_instance
from orchestration.orphans import HOST, PID, STARTED_AT, is_orphan, process_tags
from orchestration.settings import PROJECT
from resources.leases import held
from tests.dagster.shop import Home, events
from tests.forking import run_module

_BATCH = "tests.dagster.batch_process"


def _start(home: Home) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", _BATCH, str(home.root)]
    return subprocess.Popen(
        command, cwd=PROJECT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_the_next_batch_reaps_a_killed_one_and_goes_on(home: Home) -> None:
    home.publish(*events(["o-1", "o-2"]))
    killed = run_module(_BATCH, str(home.root), "reports.before_commit", environment=os.environ)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    report = run_batch(home.settings)
    assert report.success, report.failures
    assert len(report.reaped) == 1
    assert home.rows("SELECT count(*) FROM orders") == [(2,)]
    assert home.rows("SELECT sum(orders) FROM daily_sales") == [(2,)]
    assert home.rows("SELECT count(*) FROM customer_value") == [(2,)]
    with open_instance(home.settings) as instance:
        assert instance.get_run_by_id(report.reaped[0]).status == dg.DagsterRunStatus.FAILURE
        pools = instance.event_log_storage.get_concurrency_keys()
        slots = [instance.event_log_storage.get_concurrency_info(pool).active_slot_count for pool in pools]
    assert set(slots) == {0}


def test_sigterm_ends_a_batch_that_waits_and_the_next_one_goes_on(home: Home) -> None:
    home.publish(*events(["o-1"]))
    with (
        held(home.platform.warehouse.path.with_suffix(".lock"), 1, "the warehouse"),
        _start(home) as process,
    ):
        assert process.stdout is not None
        while not process.stdout.readline().startswith("landed"):
            assert process.poll() is None
        process.terminate()
        output, _ = process.communicate(timeout=30)
    assert process.returncode not in (0, None)
    assert output.count("Traceback") <= 1
    report = run_batch(home.settings)
    assert report.success, report.failures
    assert home.rows("SELECT count(*) FROM orders") == [(1,)]


def test_a_process_that_lives_is_no_orphan() -> None:
    assert not is_orphan(process_tags())


def test_a_pid_that_came_again_is_an_orphan() -> None:
    started = psutil.Process().create_time()
    assert is_orphan({**process_tags(), STARTED_AT: f"{started - 100:.2f}"})


def test_the_processes_of_other_machines_are_left_alone() -> None:
    assert not is_orphan({**process_tags(), HOST: "elsewhere", PID: "1"})
    assert not is_orphan({})


def test_a_killed_process_is_an_orphan() -> None:
    code = f"""
from orchestration.orphans import process_tags
print(process_tags()['{STARTED_AT}'], flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        tags = {**process_tags(), PID: str(process.pid), STARTED_AT: process.stdout.readline().strip()}
        assert not is_orphan(tags)
        process.kill()
        process.wait()
    assert is_orphan(tags)
