"""What publishing costs after a load on top of a long history, against the loader and a plain copy."""

from collections.abc import Callable
from dataclasses import dataclass, field
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


@dataclass(slots=True)
class _Measured:
    """Publishings after so many events: in the stream's process, and in one after another that loaded."""

    streamed: list[Outcome] = field(default_factory=list)
    loaded: list[Outcome] = field(default_factory=list)
    published: list[Outcome] = field(default_factory=list)


def benchmark(cache: Path, work: Path, plan: Plan, say: Callable[[str], None]) -> Report:
    """Load recent events and publish, as the stream and as a batch does, and copy the file, in turn."""
    home = copy_of(history(cache, plan.history, say), work / "publishing")
    measured = {events: _Measured() for events in plan.loads}
    copied: list[Outcome] = []
    first = plan.history
    for repeat in range(plan.repeats):
        for events, of in measured.items():
            of.streamed.append(run("pipeline.load_and_publish", home=home, first=first, number=events))
            first += events
            run("pipeline.take_in", home=home, first=first, number=events)
            of.loaded.append(run("pipeline.load", home=home))
            of.published.append(run("pipeline.publish", home=home))
            first += events
        copied.append(run("pipeline.copy_file", home=home))
        say(f"repeat {repeat + 1} of {plan.repeats}")
    return _report(plan, measured, copied)


def _report(plan: Plan, measured: dict[int, _Measured], copied: list[Outcome]) -> Report:
    report = Report("publishing", f"publish() after loads of recent events on {plan.history:,} events")
    whole = middle(copied)
    report.add("warehouse file", copied[-1].values["bytes"] / 1e6, "MB")
    report.add("plain copy of the file", whole * 1e3, "ms")
    for events, of in measured.items():
        budget = events / LOADER_EVENTS_PER_S
        report.add(f"after {events:,}: publish in the stream", middle(of.streamed) * 1e3, "ms")
        report.add(f"after {events:,}: the loads before it", middle(of.streamed, "load") * 1e3, "ms")
        report.add(
            f"after {events:,}: share of the loader's {budget:g} s",
            middle(of.streamed) / budget,
            "",
            target=SHARE_TARGET,
        )
        report.add(f"after {events:,}: against a plain copy", middle(of.streamed) / whole, "times")
        report.add(f"after {events:,}: publish in a batch", middle(of.published) * 1e3, "ms")
        report.add(f"after {events:,}: the load before it", middle(of.loaded) * 1e3, "ms")
        report.details.append(f"after {events:,}, stream: {_parts(of.streamed)}")
        report.details.append(f"after {events:,}, batch: {_parts(of.published)}")
    report.details.append(
        f"the loader's time is that of the same events at {LOADER_EVENTS_PER_S:,} events/s; "
        "25,000 are what comes in the 5 s after which readers must see it; a batch publishes in a process "
        "that begins by reading the log of the load"
    )
    return report


def _parts(outcomes: list[Outcome]) -> str:
    written = median(float(outcome.values["bytes_written"]) for outcome in outcomes)
    parts = ", ".join(
        f"{part} {middle(outcomes, part) * 1e3:,.0f}" for part in ("checkpoint", "copy", "rename")
    )
    return (
        f"{parts} ms; {written / 1e6:,.1f} MB written; {middle(outcomes, 'cpu') * 1e3:,.0f} ms of processor "
        f"time; {spread([outcome.seconds() for outcome in outcomes])}"
    )
