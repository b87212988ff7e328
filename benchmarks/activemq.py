"""Events per second from a backlog in ActiveMQ Classic and Artemis to state, against the bare client."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Outcome, middle, run
from benchmarks.report import Report
from resources.servers.kinds import KINDS
from resources.servers.server import Server

BARE_TARGET = 0.80
_SERVERS = {"activemq": "Classic", "artemis": "Artemis"}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: events in the queue, repeats, and the messages that may be unacknowledged."""

    events: int = 80_000
    repeats: int = 3
    prefetch: int = 4_000


def benchmark(work: Path, plan: Plan, say: Callable[[str], None]) -> Report:
    """Read the same messages from the same queue by both in turn, each in a fresh process."""
    report = Report("activemq", f"{plan.events:,} events from a queue to state")
    for name, shown in _SERVERS.items():
        if reason := KINDS[name].missing():
            report.details.append(f"not measured: {reason}")
            continue
        server = Server(KINDS[name], work / f"{name}-server")
        server.start()
        try:
            _measure(report, server, shown, work, plan, say)
        finally:
            server.remove()
    report.details.append(
        f"median of {plan.repeats}; loading follows landing, as in batch mode; the bare client "
        "acknowledges each message by a frame of its own, up to a thousand at once, and waits for the broker "
        "to confirm them"
    )
    return report


def _measure(
    report: Report, server: Server, shown: str, work: Path, plan: Plan, say: Callable[[str], None]
) -> None:
    ours: list[Outcome] = []
    bare: list[Outcome] = []
    sent: list[Outcome] = []
    url, place = server.url("bench"), {"host": "127.0.0.1", "port": server.ports["stomp"], "queue": "bench"}
    # The first reading warms the broker's own compiler, which would favour who comes second.
    for repeat in range(plan.repeats + 1):
        home = work / "activemq-home"
        shutil.rmtree(home, ignore_errors=True)
        sent.append(run("activemq.send", url=url, first=0, number=plan.events))
        ours.append(run("backlog.land_and_load", url=url, home=home, load_at_least=plan.events))
        if ours[-1].values["accepted"] != plan.events:
            raise RuntimeError(f"{ours[-1].values['accepted']:,} of {plan.events:,} events were accepted")
        run("activemq.send", url=url, first=0, number=plan.events)
        bare.append(run("activemq.bare_client", **place, number=plan.events, prefetch=plan.prefetch))
        say(f"{shown}: repeat {repeat} of {plan.repeats}")
    ours, bare, sent = ours[1:], bare[1:], sent[1:]
    rate, bare_rate = plan.events / middle(ours), plan.events / middle(bare)
    report.add(f"{shown}: events to state", rate, "a second")
    land_rate = plan.events / middle(ours, "land")
    report.add(f"{shown}: landed and acknowledged", land_rate, "a second")
    report.add(f"{shown}: bare client", bare_rate, "a second")
    report.add(
        f"{shown}: landed against the bare client",
        land_rate / bare_rate,
        "times",
        target=BARE_TARGET,
        at_least=True,
    )
    report.add(f"{shown}: to state against it", rate / bare_rate, "times")
    report.add(f"{shown}: published with confirms", plan.events / middle(sent), "a second")
    report.add(f"{shown}: peak memory", max(o.peak_rss for o in ours) / 1e6, "MB")
