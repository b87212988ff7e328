"""`orders run` and `orders demo`: the whole way once, in this process."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from shutil import which
from typing import TYPE_CHECKING

from orchestration.cli.output import AsJson, progress, say, show, show_json, show_rows
from orchestration.cli.parts import Parts, parts
from resources.errors import PermanentError

if TYPE_CHECKING:
    from orchestration.batch import BatchReport

_DEMO_TABLES = (
    (
        "message_ledger: landed = accepted + duplicates + rejected",
        "SELECT feed, landed, accepted, duplicates, rejected FROM message_ledger ORDER BY feed, partition",
    ),
    (
        "rejected_messages: kept with their bytes, to be replayed",
        "SELECT reason, count(*) AS messages, min(detail) AS for_example FROM rejected_messages "
        "WHERE state = 'open' GROUP BY reason ORDER BY messages DESC, reason",
    ),
    (
        "daily_sales: the busiest",
        "SELECT day, currency, country, orders, units, gross, returns, net FROM daily_sales "
        "ORDER BY orders DESC, net DESC, day LIMIT 8",
    ),
    (
        "fulfilment_times: how long orders take",
        "SELECT from_status, to_status, sum(orders) AS orders, "
        "avg(median_hours)::DECIMAL(18, 1) AS median_hours FROM fulfilment_times "
        "GROUP BY ALL ORDER BY orders DESC, from_status, to_status LIMIT 6",
    ),
)

_EXAMPLE = "SELECT day, sum(net) AS net FROM daily_sales GROUP BY day ORDER BY day"


def run(as_json: AsJson = False) -> None:
    """Take in everything that waits, refresh what it touches, publish, and deliver notices.

    Ends with 0 only when the published copy holds all of it. Needs no daemon.
    """
    platform = parts()
    report = _run(platform)
    if as_json:
        show_json({**asdict(report), "success": report.success})
    else:
        show(str(report))
    _demand_success(report)


def stream() -> None:
    """Land, load and publish continuously, until stopped; batch mode and other commands may run beside it.

    SIGTERM ends it within 10 s.
    """
    from resources.memory import give_back_at_once, keep_pandas_out

    give_back_at_once()
    keep_pandas_out()
    from orchestration.stream.service import run_stream

    platform = parts()
    say(
        "stream mode: orders are taken in as they come; Ctrl-C ends it, `orders status` shows how it is doing"
    )
    run_stream(platform.settings)


def demo() -> None:
    """Publish sample orders, run the pipeline, and show what came out and what was notified."""
    from orchestration.simulate import demo_messages

    platform = parts()
    notices = _notices(platform)
    with platform.broker() as broker:
        count = broker.publish(demo_messages())
    say(f"published {count} sample messages: whole lives of orders, some late, twice or broken")
    report = _run(platform)
    show(str(report))
    _demand_success(report)
    with platform.reading() as connection:
        for title, query in _DEMO_TABLES:
            result = connection.execute(query)
            names = [str(column[0]) for column in result.description]
            show()
            show_rows(names, result.fetchall(), title=title)
    show()
    _show_notices(platform, skip=len(notices))
    _show_next_steps(platform)


def execute(platform: Parts) -> "BatchReport":
    """Run batch mode once; raises PermanentError with the first failure when it did not succeed."""
    report = _run(platform)
    _demand_success(report)
    return report


def _run(platform: Parts) -> "BatchReport":
    with progress("starting Dagster") as tell:
        from orchestration.batch import run_batch

        return run_batch(platform.settings, on_progress=tell)


def _demand_success(report: "BatchReport") -> None:
    if not report.success:
        raise PermanentError("; ".join(report.failures) or "the run failed: see `orders status`")


def _notices(platform: Parts) -> list[str]:
    path = platform.settings.notifications_file
    return path.read_text().splitlines() if path.exists() else []


def _show_notices(platform: Parts, *, skip: int) -> None:
    new = [json.loads(line) for line in _notices(platform)[skip:]]
    rows = [(n["event_type"], n["title"], n["facts"]["next_step"]) for n in new]
    show_rows(("event", "what", "next"), rows, title=f"notified, in {platform.settings.notifications_file}")


def _show_next_steps(platform: Parts) -> None:
    orders = _command()
    show()
    show("Next:")
    show(f"  {orders} up        the Dagster UI on http://127.0.0.1:{platform.settings.ui_port}")
    show(f"  {orders} query '{_EXAMPLE}'")
    show(f"  {orders} rejects list")
    show(f"  {orders} status")


def _command() -> str:
    """Return how a person calls this command from here."""
    script = Path(sys.executable).with_name("orders")
    if which("orders") == str(script):
        return "orders"
    return str(script.relative_to(Path.cwd())) if script.is_relative_to(Path.cwd()) else str(script)
