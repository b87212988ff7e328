"""Events per second from RabbitMQ backlogs to state, against the bare clients that do nothing."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Outcome, middle, run
from benchmarks.report import Report
from resources.servers.kinds import KINDS
from resources.servers.server import Server

QUEUE_TARGET = 0.80
STREAM_TARGET = 0.60
QUEUES = ("classic", "quorum")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured: events in each queue and in the stream, repeats of each rival."""

    events: int = 40_000
    stream_events: int = 1_000_000
    repeats: int = 3


def benchmark(work: Path, plan: Plan, say: Callable[[str], None]) -> Report:
    """Read the same by all in turn, each in a fresh process; a queue is filled again for each."""
    report = Report(
        "rabbitmq", f"{plan.events:,} events in queues, {plan.stream_events:,} in a stream, to state"
    )
    if reason := KINDS["rabbitmq"].missing():
        report.details.append(f"not measured: {reason}")
        return report
    server = Server(KINDS["rabbitmq"], work / "rabbitmq-server")
    server.start()
    try:
        for kind in QUEUES:
            _measure_queue(report, server, work / "rabbitmq-home", kind, plan, say)
        _measure_stream(report, server, work / "rabbitmq-home", plan, say)
    finally:
        server.remove()
    report.details.append(
        f"median of {plan.repeats}; loading follows landing, as in batch mode; a bare queue client "
        "consumes and acknowledges, the faster of pika's two adapters counts"
    )
    return report


def _measure_queue(
    report: Report, server: Server, home: Path, kind: str, plan: Plan, say: Callable[[str], None]
) -> None:
    url = f"{server.url(f'bench-{kind}', 'amqp')}&declare={kind}"
    place = {"port": server.ports["amqp"], "queue": f"bench-{kind}", "number": plan.events}
    sent: list[Outcome] = []
    ours: list[Outcome] = []
    rivals: dict[str, list[Outcome]] = {"select": [], "blocking": []}
    for repeat in range(plan.repeats):
        sent.append(run("rabbitmq.send", url=url, number=plan.events))
        ours.append(_ours(url, home, plan.events))
        for name, outcomes in rivals.items():
            run("rabbitmq.send", url=url, number=plan.events)
            outcomes.append(run(f"rabbitmq.bare_{name}", **place))
        say(f"{kind} queue, repeat {repeat + 1} of {plan.repeats}")
    rate = plan.events / middle(ours)
    bare = {name: plan.events / middle(outcomes) for name, outcomes in rivals.items()}
    report.add(f"{kind} queue: events to state", rate, "a second")
    for name, bare_rate in bare.items():
        report.add(f"{kind} queue: bare pika, {name}", bare_rate, "a second")
    land_rate = plan.events / middle(ours, "land")
    report.add(f"{kind} queue: landed and acknowledged", land_rate, "a second")
    ratio = land_rate / max(bare.values())
    report.add(
        f"{kind} queue: landed against the bare client", ratio, "times", target=QUEUE_TARGET, at_least=True
    )
    report.add(f"{kind} queue: to state against it", rate / max(bare.values()), "times")
    report.add(f"{kind} queue: published, confirmed", plan.events / middle(sent), "a second")
    report.add(f"{kind} queue: peak memory", max(o.peak_rss for o in ours) / 1e6, "MB")


def _measure_stream(
    report: Report, server: Server, home: Path, plan: Plan, say: Callable[[str], None]
) -> None:
    url = f"{server.url('bench-stream', 'rabbitmq-stream')}&declare=stream"
    place = {"port": server.ports["stream"], "stream": "bench-stream", "number": plan.stream_events}
    sent = run("rabbitmq.send", url=url, number=plan.stream_events)
    ours: list[Outcome] = []
    bare: list[Outcome] = []
    for repeat in range(plan.repeats):
        ours.append(_ours(url, home, plan.stream_events))
        bare.append(run("rabbitmq.bare_stream", **place))
        say(f"stream, repeat {repeat + 1} of {plan.repeats}")
    rate, bare_rate = plan.stream_events / middle(ours), plan.stream_events / middle(bare)
    report.add("stream: events to state", rate, "a second")
    report.add("stream: bare rstream", bare_rate, "a second")
    land_rate = plan.stream_events / middle(ours, "land")
    report.add("stream: landed", land_rate, "a second")
    report.add(
        "stream: landed against the bare client",
        land_rate / bare_rate,
        "times",
        target=STREAM_TARGET,
        at_least=True,
    )
    report.add("stream: to state against it", rate / bare_rate, "times")
    report.add("stream: published, confirmed", plan.stream_events / sent.seconds(), "a second")
    report.add("stream: peak memory", max(o.peak_rss for o in ours) / 1e6, "MB")


def _ours(url: str, home: Path, events: int) -> Outcome:
    shutil.rmtree(home, ignore_errors=True)
    outcome = run("backlog.land_and_load", url=url, home=home, load_at_least=events)
    if outcome.values["accepted"] != events:
        raise RuntimeError(f"{outcome.values['accepted']:,} of {events:,} events were accepted")
    return outcome
