"""Failures a second from the outbox to a webhook, against posting them without one; and the calm latency."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import PROJECT, Outcome, middle, run
from benchmarks.report import Report

DRAIN_TARGET_S = 60.0
P50_TARGET_S, P99_TARGET_S = 1.0, 3.0
HANGING_TARGET_S = 0.1


@dataclass(frozen=True, slots=True)
class Plan:
    """How many failures are drained, timed one by one, and made by runs with the hook; and repeats."""

    failures: int = 10_000
    single: int = 200
    hooked: int = 100
    repeats: int = 3


def benchmark(work: Path, plan: Plan, say: Callable[[str], None]) -> Report:
    """Drain the same failures with and without the outbox in turn, each in a fresh process."""
    ours: list[Outcome] = []
    bare: list[Outcome] = []
    calm: list[Outcome] = []
    hanging: list[Outcome] = []
    hooked: list[Outcome] = []
    with _sink() as port:
        for repeat in range(plan.repeats):
            for outcomes, task, more in (
                (ours, "drain", {"number": plan.failures}),
                (bare, "bare", {"number": plan.failures}),
                (calm, "latency", {"number": plan.single, "hanging": False}),
                (hanging, "latency", {"number": plan.single, "hanging": True}),
                (hooked, "hooked", {"number": plan.hooked}),
            ):
                home = tempfile.mkdtemp(dir=work)
                outcomes.append(run(f"notifications.{task}", home=home, port=port, **more))
            say(f"repeat {repeat + 1} of {plan.repeats}")
    return _report(plan, ours, bare, calm, hanging, hooked)


def _report(
    plan: Plan,
    ours: list[Outcome],
    bare: list[Outcome],
    calm: list[Outcome],
    hanging: list[Outcome],
    hooked: list[Outcome],
) -> Report:
    if any(outcome.values["delivered"] != plan.failures for outcome in [*ours, *bare]):
        raise RuntimeError("not every failure was delivered")
    report = Report("notifications", f"{plan.failures:,} failures to one webhook, outbox on SQLite")
    scale = 10_000 / plan.failures
    report.add("10,000 failures drained in", middle(ours) * scale, "s", target=DRAIN_TARGET_S)
    report.add("bare httpx posts the same in", middle(bare) * scale, "s")
    report.add("against bare httpx", middle(bare) / middle(ours), "times")
    report.add("recording them", middle(ours, "record") * scale, "s")
    report.add("exception in a step to channel, p50", middle(hooked, "p50"), "s", target=P50_TARGET_S)
    report.add("exception in a step to channel, p99", middle(hooked, "p99"), "s", target=P99_TARGET_S)
    report.add("record to channel, p50", middle(calm, "p50"), "s", target=P50_TARGET_S)
    report.add("record to channel, p99", middle(calm, "p99"), "s", target=P99_TARGET_S)
    added = middle(hanging, "p50") - middle(calm, "p50")
    report.add("a hanging channel adds, p50", added, "s", target=HANGING_TARGET_S)
    added = middle(hanging, "p99") - middle(calm, "p99")
    report.add("a hanging channel adds, p99", added, "s")
    return report


@contextmanager
def _sink() -> Iterator[int]:
    command = [sys.executable, "-m", "benchmarks.sink"]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline())
        finally:
            process.terminate()
