"""What publishing costs after a load on top of a long history, against the loader and a plain copy."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.histories import copy_of, history
from benchmarks.measure import Outcome, middle, run
from benchmarks.report import Report, spread

SHARE_TARGET = 0.10
LOADER_EVENTS_PER_S = 5_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: events of history, events loaded before each publishing, repeats."""

    history: int = 10_000_000
    loads: tuple[int, ...] = (1_000, 5_000, 25_000)
    repeats: int = 7


def benchmark(cache: Path, work: Path, plan: Plan, say: Callable[[str], None]) -> Report:
    """Load recent events, publish, and copy the file as a whole, in turn."""
    home = copy_of(history(cache, plan.history, say), work / "publishing")
    published: dict[int, list[Outcome]] = {events: [] for events in plan.loads}
    loaded: dict[int, list[Outcome]] = {events: [] for events in plan.loads}
    copied: list[Outcome] = []
    first = plan.history
    for repeat in range(plan.repeats):
        for events in plan.loads:
            run("pipeline.take_in", home=home, first=first, number=events)
            loaded[events].append(run("pipeline.load", home=home))
            published[events].append(run("pipeline.publish", home=home))
            first += events
        copied.append(run("pipeline.copy_file", home=home))
        say(f"repeat {repeat + 1} of {plan.repeats}")
    return _report(plan, loaded, published, copied)


def _report(
    plan: Plan, loaded: dict[int, list[Outcome]], published: dict[int, list[Outcome]], copied: list[Outcome]
) -> Report:
    report = Report("publishing", f"publish() after a load of recent events on {plan.history:,} events")
    whole = middle(copied)
    report.add("warehouse file", copied[-1].values["bytes"] / 1e6, "MB")
    report.add("plain copy of the file", whole * 1e3, "ms")
    for events, outcomes in published.items():
        seconds = middle(outcomes)
        budget = events / LOADER_EVENTS_PER_S
        report.add(f"after {events:,}: publish", seconds * 1e3, "ms")
        report.add(f"after {events:,}: the load before it", middle(loaded[events]) * 1e3, "ms")
        report.add(
            f"after {events:,}: share of the loader's {budget:g} s", seconds / budget, "", target=SHARE_TARGET
        )
        report.add(f"after {events:,}: against a plain copy", seconds / whole, "times")
        written = median(float(outcome.values["bytes_written"]) for outcome in outcomes)
        parts = ", ".join(
            f"{part} {middle(outcomes, part) * 1e3:,.0f}" for part in ("checkpoint", "copy", "rename")
        )
        cpu = f"{middle(outcomes, 'cpu') * 1e3:,.0f}"
        report.details.append(
            f"after {events:,}: {parts} ms; {written / 1e6:,.1f} MB written; {cpu} ms of processor time; "
            f"{spread([outcome.seconds() for outcome in outcomes])}"
        )
    report.details.append(
        f"the loader's time is that of the same events at {LOADER_EVENTS_PER_S:,} events/s; "
        "25,000 are what comes in the 5 s after which readers must see it"
    )
    return report
