"""Events per second from the inbox to state, against DuckDB's bare reader and dlt."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.measure import Outcome, middle, run
from benchmarks.report import Report

BARE_TARGET = 0.30
DLT_TARGET = 20.0
MEMORY_TARGET_MB = 1_000.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: events, those of them that dlt loads, repeats of each rival."""

    events: int = 1_000_000
    dlt_events: int = 50_000
    repeats: int = 3


def benchmark(work: Path, plan: Plan, say: Callable[[str], None], *, profile: bool) -> Report:
    """Load the same file by all three in turn, each in a fresh process with empty folders."""
    source = work / "source"
    shutil.rmtree(source, ignore_errors=True)
    run("pipeline.send", home=source, first=0, number=plan.events)
    (file,) = (source / "inbox").glob("*.ndjson")
    ours: list[Outcome] = []
    published: list[Outcome] = []
    bare: list[Outcome] = []
    rival: list[Outcome] = []
    for repeat in range(plan.repeats):
        home = _home_with(file, work / "throughput")
        ours.append(run("pipeline.land_and_load", home=home))
        if ours[-1].values["accepted"] != plan.events:
            raise RuntimeError(f"{ours[-1].values['accepted']:,} of {plan.events:,} events were accepted")
        published.append(run("pipeline.publish", home=home))
        bare.append(run("rivals.bare_duckdb", file=file))
        rival.append(run("rivals.dlt", file=file, number=plan.dlt_events))
        say(f"repeat {repeat + 1} of {plan.repeats}")
    report = _report(plan, file.stat().st_size, ours, published, bare, rival)
    if profile:
        report.details.extend(_profile(file, work))
    return report


def _home_with(file: Path, home: Path) -> Path:
    shutil.rmtree(home, ignore_errors=True)
    (home / "inbox").mkdir(parents=True)
    os.link(file, home / "inbox" / file.name)
    return home


def _report(
    plan: Plan,
    size: int,
    ours: list[Outcome],
    published: list[Outcome],
    bare: list[Outcome],
    rival: list[Outcome],
) -> Report:
    report = Report("throughput", f"{plan.events:,} events ({size / 1e6:,.0f} MB) from the inbox to state")
    rate, bare_rate = plan.events / middle(ours), plan.events / middle(bare)
    dlt_rate = plan.dlt_events / middle(rival)
    report.add("events from inbox to state", rate, "a second")
    report.add("(a) bare DuckDB read_json into a table", bare_rate, "a second")
    report.add("(b) dlt into DuckDB", dlt_rate, "a second")
    report.add("against (a)", rate / bare_rate, "times", target=BARE_TARGET, at_least=True)
    report.add("against (b)", rate / dlt_rate, "times", target=DLT_TARGET, at_least=True)
    report.add("peak memory", max(o.peak_rss for o in ours) / 1e6, "MB", target=MEMORY_TARGET_MB)
    report.add("peak memory of (a)", max(o.peak_rss for o in bare) / 1e6, "MB")
    report.add("peak memory of (b)", max(o.peak_rss for o in rival) / 1e6, "MB")
    report.add("stage: land", middle(ours, "land"), "s")
    for stage in ours[0].values["stages"]:
        report.add(f"stage: {stage}", median(o.values["stages"][stage] for o in ours), "s")
    report.add("afterwards, not counted: publish", middle(published), "s")
    report.details.append(
        f"median of {plan.repeats}; (b) loads the first {plan.dlt_events:,} of the messages, scaled per event"
    )
    return report


def _profile(file: Path, work: Path) -> list[str]:
    from benchmarks.profiling import statement_lines

    home = _home_with(file, work / "throughput")
    run("pipeline.land", home=home)
    outcome = run("pipeline.load", home=home, profile=True)
    return [
        f"profile of the load, {outcome.seconds():.1f} s",
        *statement_lines(outcome.values["statements"], 25),
    ]
