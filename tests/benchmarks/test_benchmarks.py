"""Each benchmark runs from end to end on tiny sizes; what it measures then proves nothing."""

import json
import os
from pathlib import Path

import pytest

from benchmarks import histories, history, policies, publishing, streaming, throughput
from benchmarks.measure import Outcome
from benchmarks.report import Report
from tests.forking import run_module

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the tasks of most benchmarks run in forks, which need not import everything anew."""

    def run(task: str, **arguments: object) -> Outcome:
        words = (task, json.dumps(arguments, default=str))
        done = run_module("benchmarks.worker", *words, environment=os.environ)
        assert done.returncode == 0, done.stderr.decode()
        return Outcome(json.loads(done.stdout.splitlines()[-1]), 1)

    for module in (histories, history, publishing, throughput):
        monkeypatch.setattr(module, "run", run)


def _silent(line: str) -> None:
    pass


def test_throughput_compares_all_three(tmp_path: Path) -> None:
    plan = throughput.Plan(events=500, dlt_events=50, repeats=1)

    report = throughput.benchmark(tmp_path, plan, _silent, profile=False)

    assert _judged(report) == {"against (a)", "against (b)", "peak memory"}


def test_history_compares_recent_and_random(tmp_path: Path) -> None:
    plan = history.Plan(short=300, long=600, events=10, repeats=1)

    report = history.benchmark(tmp_path, tmp_path / "work", plan, _silent, profile=False)

    assert _judged(report) == {"recent, 600 against 300", "random, 600 against 300"}


def test_publishing_is_compared_with_the_loader_and_a_copy(tmp_path: Path) -> None:
    plan = publishing.Plan(history=300, loads=(100,), repeats=1)

    report = publishing.benchmark(tmp_path, tmp_path / "work", plan, _silent)

    assert _judged(report) == {"after 100: share of the loader's 0.02 s"}


def test_policies_are_compared_with_asking_each() -> None:
    report = policies.benchmark(policies.Plan(policies=50, events=100, asked=10), _silent)

    assert _judged(report) == {"events decided"}


def test_the_stream_is_measured_with_a_steady_load_and_a_burst(tmp_path: Path) -> None:
    plan = streaming.Plan(rate=100, seconds=2.0, burst=200, is_kafka=False)

    report = streaming.benchmark(tmp_path, plan, _silent)

    figures = {figure.name: figure.value for figure in report.figures}
    assert figures["loaded"] >= 200
    assert 0 < figures["produced to committed, p50"] <= figures["produced to the readers' copy, p99"]


def _judged(report: Report) -> set[str]:
    assert all(figure.value > 0 for figure in report.figures)
    assert report.as_text().startswith(report.benchmark)
    return {figure.name for figure in report.figures if figure.verdict in ("meets", "misses")}
