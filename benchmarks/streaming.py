"""How late an order is in the tables and the readers' copy while the stream runs, and its memory.

Once from nothing, and once on top of a long history.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.histories import copy_of, history
from benchmarks.measure import PROJECT, Outcome, run
from benchmarks.report import Report

P50_TARGET_S = 0.25
P99_TARGET_S = 0.6
COPY_TARGET_S = 5.0
MEMORY_TARGET_MB = 500.0
GROWTH_TARGET = 1.05
_SETTLING = 6


@dataclass(frozen=True, slots=True)
class Load:
    """A steady load: events a second, for how long, through which broker."""

    rate: int = 5_000
    seconds: float = 600.0
    is_kafka: bool = True

    @property
    def events(self) -> int:
        """How many come."""
        return int(self.rate * self.seconds)


@dataclass(frozen=True, slots=True)
class Plan(Load):
    """How much is measured: a steady load, and a burst that waits when the stream starts."""

    burst: int = 1_000_000


@dataclass(frozen=True, slots=True)
class LongPlan(Load):
    """A steady load on top of so many events of history."""

    seconds: float = 120.0
    history: int = 10_000_000


def benchmark(work: Path, plan: Plan, say: Callable[[str], None]) -> Report:
    """Measure a steady load, then a burst, each with an empty home and a fresh process."""
    report = Report(
        "stream", f"{plan.rate:,} events a second for {plan.seconds:g} s, then {plan.burst:,} waiting"
    )
    with _broker(work, plan) as broker:
        say(f"steady load through {broker.partition(':')[0]}")
        outcome = _steady(work / "steady", broker, plan)
        _add_latencies(report, plan, outcome)
        _add_memory(report, outcome)
        say("burst")
        _add_burst(report, _burst(work / "burst", broker, plan.burst))
    return report


def on_history(cache: Path, work: Path, plan: LongPlan, say: Callable[[str], None]) -> Report:
    """Measure a steady load on top of a history, whose reports are made and whose copy has been published."""
    home = copy_of(history(cache, plan.history, say), work / "freshness")
    say("bringing it into a steady state")
    run("pipeline.refresh", home=home)
    # DuckDB tidies up after so large a load in the next checkpoints, which a stream has behind it.
    for number in range(_SETTLING):
        run("pipeline.load_and_publish", home=home, first=plan.history + 1_000 * number, number=1_000)
    report = Report(
        "freshness",
        f"{plan.rate:,} events a second for {plan.seconds:g} s on {plan.history:,} events of history",
    )
    with _broker(work, plan) as broker:
        say(f"steady load through {broker.partition(':')[0]}")
        outcome = _steady(home, broker, plan)
        _add_latencies(report, plan, outcome)
        report.add("peak memory", outcome.values["peak_rss"] / 1e6, "MB", target=MEMORY_TARGET_MB)
    return report


def _steady(home: Path, url: str, plan: Load) -> Outcome:
    feed = _topic(url, "steady", home)
    told = {"home": str(home), "url": feed, "rate": plan.rate, "seconds": plan.seconds}
    # The producer waits for the first message to be loaded: then everything is up and imported.
    run("stream.fill", url=feed, messages=1)
    command = [sys.executable, "-m", "benchmarks.worker", "stream.produce", json.dumps(told)]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL) as producer:
        try:
            limit_s = 4 * plan.seconds + 60
            return run("stream.stream", home=home, url=feed, messages=plan.events + 1, limit_s=limit_s)
        finally:
            producer.kill()


def _burst(home: Path, url: str, messages: int) -> Outcome:
    feed = _topic(url, "burst", home)
    run("stream.fill", url=feed, messages=messages)
    return run("stream.stream", home=home, url=feed, messages=messages, limit_s=600.0)


def _add_latencies(report: Report, plan: Load, outcome: Outcome) -> None:
    values = outcome.values
    committed, copied = values["committed"], values["copied"]
    report.add("loaded", values["loaded"], "events", target=float(plan.events), at_least=True)
    report.add("produced to committed, p50", committed["p50"], "s", target=P50_TARGET_S)
    report.add("produced to committed, p99", committed["p99"], "s", target=P99_TARGET_S)
    report.add("produced to the readers' copy, p99", copied["p99"], "s", target=COPY_TARGET_S)
    report.details.append(
        f"{values['loads']:,} loads, {values['copies']:,} copies; committed {_shown(committed)}; "
        f"copied {_shown(copied)}"
    )
    report.details.append(f"broker: {'Apache Kafka' if plan.is_kafka else 'inbox folder'}; publishing was on")


def _add_memory(report: Report, outcome: Outcome) -> None:
    # From a quarter on everything is imported and every buffer has had its size.
    rss = outcome.values["rss"]
    quarter = rss[len(rss) // 4 :]
    tenth = max(1, len(quarter) // 10)
    early, late = quarter[:tenth], quarter[-tenth:]
    # The level shows what is kept. How high it goes for a moment is bounded by itself, and varies by chance.
    report.add(
        "memory at the end against a quarter", median(late) / median(early), "times", target=GROWTH_TARGET
    )
    report.add("peak memory, steady", outcome.values["peak_rss"] / 1e6, "MB", target=MEMORY_TARGET_MB)
    levels = f"medians {median(early) / 1e6:,.0f} and {median(late) / 1e6:,.0f} MB"
    highest = f"the highest {max(early) / 1e6:,.0f} and {max(late) / 1e6:,.0f} MB"
    times = f"{max(late) / max(early):.2f} times"
    report.details.append(
        f"memory after a quarter and at the end, {len(early)} samples each: {levels}, {highest} ({times})"
    )


def _add_burst(report: Report, outcome: Outcome) -> None:
    values = outcome.values
    report.add("burst: events to state", values["loaded"] / values["seconds"], "a second")
    report.add("burst: peak memory", values["peak_rss"] / 1e6, "MB", target=MEMORY_TARGET_MB)
    report.details.append(f"burst: {values['loads']:,} loads in {values['seconds']:.1f} s")


def _shown(percentiles: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds * 1e3:,.0f} ms" for name, seconds in percentiles.items())


def _topic(url: str, name: str, home: Path) -> str:
    return url.replace("TOPIC", name) if "TOPIC" in url else f"inbox://{home}/inbox"


@contextmanager
def _broker(work: Path, plan: Load) -> Iterator[str]:
    """Lend the URL of a broker, with TOPIC in the place of the topic; an inbox is a folder of the home."""
    if not plan.is_kafka:
        yield "inbox"
        return
    from resources.servers.kind import Options
    from resources.servers.kinds import KINDS
    from resources.servers.server import Server

    folder = work / "kafka"
    folder.mkdir(parents=True, exist_ok=True)
    # In its first minutes Java's second compiler takes most of a core, which nobody's broker shares with us.
    server = Server(KINDS["kafka"], folder, Options(is_brief=True))
    try:
        server.start()
        yield server.url("TOPIC")
    finally:
        server.remove()
