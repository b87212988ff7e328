"""`python -m benchmarks [name …]`: measure and compare with the targets."""

import argparse
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import (
    activemq,
    history,
    kafka,
    notifications,
    policies,
    publishing,
    rabbitmq,
    streaming,
    throughput,
)
from benchmarks.histories import to_stderr
from benchmarks.report import Report, machine

_NAMES = (
    "throughput",
    "history",
    "publishing",
    "policies",
    "notifications",
    "kafka",
    "rabbitmq",
    "activemq",
    "stream",
    "freshness",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks that the command line names, by default all."""
    options = _parser().parse_args(arguments)
    unknown = set(options.names) - set(_NAMES)
    if unknown:
        raise SystemExit(
            f"no benchmark is called {', '.join(sorted(unknown))}: choose from {', '.join(_NAMES)}"
        )
    facts = machine()
    if options.cache is not None:
        options.cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="orders-bench-", dir=options.cache) as folder:
        work = Path(folder)
        cache = options.cache or work
        reports = [_run(name, cache, work, options) for name in options.names or _NAMES]
    facts["load_average_after"] = machine()["load_average"]
    if options.json:
        print(json.dumps({"machine": facts, "reports": [report.as_json() for report in reports]}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    for report in reports:
        print(f"\n{report.as_text()}")


def _run(name: str, cache: Path, work: Path, options: argparse.Namespace) -> Report:
    to_stderr(f"{name} …")
    if name == "throughput":
        quick = throughput.Plan(events=20_000, dlt_events=2_000, repeats=1)
        plan = quick if options.quick else throughput.Plan()
        return throughput.benchmark(work, plan, to_stderr, profile=options.profile)
    if name == "history":
        short = history.Plan(short=2_000, long=20_000, events=100, repeats=1)
        sizes = short if options.quick else history.Plan()
        return history.benchmark(cache, work, sizes, to_stderr, profile=options.profile)
    if name == "activemq":
        few = activemq.Plan(events=1_000, repeats=1)
        return activemq.benchmark(work, few if options.quick else activemq.Plan(), to_stderr)
    if name == "kafka":
        brief = kafka.Plan(events=20_000, repeats=1)
        return kafka.benchmark(work, brief if options.quick else kafka.Plan(), to_stderr)
    if name == "rabbitmq":
        little = rabbitmq.Plan(events=5_000, stream_events=20_000, repeats=1)
        return rabbitmq.benchmark(work, little if options.quick else rabbitmq.Plan(), to_stderr)
    if name == "notifications":
        short_pile = notifications.Plan(failures=300, single=10, repeats=1)
        pile = short_pile if options.quick else notifications.Plan()
        return notifications.benchmark(work, pile, to_stderr)
    if name == "policies":
        few = policies.Plan(policies=100, events=500, asked=20)
        return policies.benchmark(few if options.quick else policies.Plan(), to_stderr)
    if name == "stream":
        short_stream = streaming.Plan(rate=500, seconds=5.0, burst=2_000, is_kafka=False)
        return streaming.benchmark(work, short_stream if options.quick else streaming.Plan(), to_stderr)
    if name == "freshness":
        brief_stream = streaming.LongPlan(history=20_000, rate=500, seconds=5.0, is_kafka=False)
        long_plan = brief_stream if options.quick else streaming.LongPlan()
        return streaming.on_history(cache, work, long_plan, to_stderr)
    small = publishing.Plan(history=20_000, loads=(100,), repeats=1)
    return publishing.benchmark(cache, work, small if options.quick else publishing.Plan(), to_stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"{', '.join(_NAMES)}; default: all")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: shows that it runs, proves nothing")
    parser.add_argument("--profile", action="store_true", help="also show which SQL statements take the time")
    parser.add_argument(
        "--cache", type=Path, help="folder that keeps the long histories for the next time (10 GB free)"
    )
    return parser


if __name__ == "__main__":
    main()
