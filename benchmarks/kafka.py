"""Events per second from a Kafka backlog to state, against the bare client alone and before a bare load."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from benchmarks.measure import Outcome, middle, run
from benchmarks.report import Report
from resources.servers.kinds import KINDS
from resources.servers.server import Server

RATE_TARGET = 60_000.0
LAND_TARGET = 150_000.0
BARE_TARGET = 0.30


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: events on so many partitions, repeats of each rival."""

    events: int = 500_000
    partitions: int = 4
    repeats: int = 3


def benchmark(work: Path, plan: Plan, say: Callable[[str], None]) -> Report:
    """Read the same topic by all three in turn, each in a fresh process."""
    report = Report("kafka", f"{plan.events:,} events on {plan.partitions} partitions to state")
    if reason := KINDS["kafka"].missing():
        report.details.append(f"not measured: {reason}")
        return report
    server = Server(KINDS["kafka"], work / "kafka-server")
    server.start()
    try:
        _measure(report, server, work, plan, say)
    finally:
        server.remove()
    return report


def _measure(report: Report, server: Server, work: Path, plan: Plan, say: Callable[[str], None]) -> None:
    place = {"servers": f"127.0.0.1:{server.ports['client']}", "topic": f"orders-{uuid4().hex[:8]}"}
    sent = run("kafka.send", **place, number=plan.events, partitions=plan.partitions)
    url = f"kafka://{place['servers']}/{place['topic']}"
    ours: list[Outcome] = []
    alone: list[Outcome] = []
    bare: list[Outcome] = []
    for repeat in range(plan.repeats):
        home = work / "kafka-home"
        shutil.rmtree(home, ignore_errors=True)
        ours.append(run("backlog.land_and_load", url=url, home=home, load_at_least=plan.events))
        if ours[-1].values["accepted"] != plan.events:
            raise RuntimeError(f"{ours[-1].values['accepted']:,} of {plan.events:,} events were accepted")
        alone.append(run("kafka.bare_consumer", **place, number=plan.events))
        bare.append(run("kafka.bare_load", **place, number=plan.events))
        say(f"repeat {repeat + 1} of {plan.repeats}")
    rate, land_rate = plan.events / middle(ours), plan.events / middle(ours, "land")
    alone_rate, bare_rate = plan.events / middle(alone), plan.events / middle(bare)
    report.add("events to state, validated", rate, "a second", target=RATE_TARGET, at_least=True)
    report.add("events landed", land_rate, "a second", target=LAND_TARGET, at_least=True)
    report.add("(a) bare client alone", alone_rate, "a second")
    report.add("(b) bare client and a bare DuckDB load", bare_rate, "a second")
    report.add("landed against (a)", land_rate / alone_rate, "times")
    report.add("to state against (b)", rate / bare_rate, "times", target=BARE_TARGET, at_least=True)
    report.add("published with confirms", plan.events / sent.seconds(), "a second")
    report.add("peak memory", max(o.peak_rss for o in ours) / 1e6, "MB")
    report.add("stage: land", middle(ours, "land"), "s")
    report.add("stage: load", middle(ours, "load"), "s")
    report.add("segments", ours[-1].values["segments"], "files")
    report.details.append(
        f"median of {plan.repeats}; {sent.values['bytes'] / 1e6:,.0f} MB of messages; "
        "loading follows landing, as in batch mode"
    )
