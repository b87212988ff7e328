"""What loading 1,000 new events costs on top of a short and of a long history."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.histories import copy_of, history
from benchmarks.measure import Outcome, middle, run
from benchmarks.profiling import statement_lines
from benchmarks.report import Report, spread
from benchmarks.shop import finished_orders

RECENT_TARGET = 1.5
RANDOM_TARGET = 3.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: events of history in the short and the long warehouse, events a load, repeats."""

    short: int = 100_000
    long: int = 10_000_000
    events: int = 1_000
    repeats: int = 7


@dataclass(frozen=True, slots=True)
class _Case:
    events_before: int
    is_recent: bool
    home: Path

    @property
    def label(self) -> str:
        kind = "recent" if self.is_recent else "random"
        return f"{kind} orders on {self.events_before:,} events"


def benchmark(cache: Path, work: Path, plan: Plan, say: Callable[[str], None], *, profile: bool) -> Report:
    """Load recent and random events on both histories in turn, each load in a fresh process."""
    homes = {
        size: copy_of(history(cache, size, say), work / f"history-{size}") for size in (plan.short, plan.long)
    }
    cases = [_Case(size, is_recent, homes[size]) for is_recent in (True, False) for size in homes]
    outcomes: dict[_Case, list[Outcome]] = {case: [] for case in cases}
    for repeat in range(plan.repeats):
        for case in cases:
            outcomes[case].append(_load_once(case, plan, repeat))
        say(f"repeat {repeat + 1} of {plan.repeats}")
    report = Report("history", f"one call of load with {plan.events:,} new events, each in a fresh process")
    for case in cases:
        report.add(case.label, middle(outcomes[case]) * 1e3, "ms")
        cpu = f"{middle(outcomes[case], 'cpu') * 1e3:,.0f} ms of processor time"
        report.details.append(f"{case.label}: {spread([o.seconds() for o in outcomes[case]])}; {cpu}")
    recent_short, recent_long, random_short, random_long = (middle(outcomes[case]) for case in cases)
    growth = f"{plan.long:,} against {plan.short:,}"
    report.add(f"recent, {growth}", recent_long / recent_short, "times", target=RECENT_TARGET)
    report.add(f"random, {growth}", random_long / random_short, "times", target=RANDOM_TARGET)
    report.add("peak memory", max(o.peak_rss for c in cases for o in outcomes[c]) / 1e6, "MB")
    if profile:
        report.details.extend(_profiles(cases, plan))
    return report


def _load_once(case: _Case, plan: Plan, repeat: int, *, profile: bool = False) -> Outcome:
    home = case.home
    if case.is_recent:
        first = case.events_before + repeat * plan.events
        run("pipeline.take_in", home=home, first=first, number=plan.events)
    else:
        # A tiny history, for trying this out, has no finished orders yet.
        among = max(finished_orders(case.events_before), (plan.repeats + 1) * plan.events)
        run("pipeline.take_in_refunds", home=home, round_no=repeat, number=plan.events, among=among)
    loaded = run("pipeline.load", home=home, profile=profile)
    if loaded.values["accepted"] != plan.events:
        raise RuntimeError(
            f"{loaded.values['accepted']} of {plan.events} new events were accepted: {case.label}"
        )
    # As after every run: the next load begins with a checkpointed file.
    run("pipeline.publish", home=home)
    return loaded


def _profiles(cases: list[_Case], plan: Plan) -> Iterator[str]:
    for case in cases:
        outcome = _load_once(case, plan, plan.repeats, profile=True)
        yield f"profile of one load: {case.label}, {outcome.seconds() * 1e3:,.0f} ms"
        yield from statement_lines(outcome.values["statements"])
