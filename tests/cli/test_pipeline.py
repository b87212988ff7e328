"""`orders run`, `orders demo` and decisions on dead letters: the whole way, in Dagster."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import BROKEN, LARGE, fill
from tests.cli.running import Orders, error_line, message

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Orders, str]:
    """A home after `orders demo`, and what the demo printed."""
    orders = Orders(tmp_path_factory.mktemp("demo"))
    done = orders("demo")
    assert done.returncode == 0, done.stderr.decode()
    return orders, done.stdout.decode()


def test_the_demo_shows_tables_that_add_up_and_a_notice(demo: tuple[Orders, str]) -> None:
    orders, printed = demo
    for part in ("message_ledger", "rejected_messages", "daily_sales", "notified", " up "):
        assert part in printed
    (ledger,) = orders.json("query", "FROM message_ledger")
    assert ledger["landed"] == ledger["accepted"] + ledger["duplicates"] + ledger["rejected"] == 1_500
    notices = [json.loads(line) for line in (orders.home / "notifications.ndjson").read_text().splitlines()]
    assert notices
    assert all(notice["title"] in printed for notice in notices)


def test_after_the_demo_the_status_shows_its_runs_and_notices(demo: tuple[Orders, str]) -> None:
    status = demo[0].json("status")
    assert [run["status"] for run in status["runs"]] == ["SUCCESS", "SUCCESS"]
    assert status["outbox"]["delivered"] == status["outbox"]["deliveries"] > 0
    assert status["backlog"]["waiting"] == 0


def test_dead_letters_are_replayed_under_a_larger_limit_and_discarded(tmp_path: Path) -> None:
    fill(tmp_path, message("e-1", "o-1", note="x" * 2_000), BROKEN)
    mended = Orders(tmp_path)
    ids = {row["reason"]: row["rejection_id"] for row in mended.json("rejects", "list")}

    replayed = mended("rejects", "replay", "--all", "--json")
    assert replayed.returncode == 1
    assert "1 of 2 dead letters still break the contract" in replayed.stderr.decode()
    states = {row["rejection_id"]: row["state"] for row in json.loads(replayed.stdout)}
    assert states == {ids["not_utf8"]: "open", ids["too_large"]: "replayed"}
    assert mended.json("query", "SELECT order_id, total FROM orders") == [
        {"order_id": "o-1", "total": "20.2000"}
    ]

    again = mended("rejects", "replay", ids["too_large"])
    assert again.returncode == 1
    assert "is not open" in error_line(again)

    (decided,) = mended.json("rejects", "discard", ids["not_utf8"], "--later")
    assert decided["state"] == "open"
    fill(tmp_path)
    assert mended.json("rejects", "list") == []


def test_a_failing_run_ends_with_1_and_one_clear_line(fresh: Orders) -> None:
    fresh("publish", "-", stdin=LARGE)
    warehouse = fresh.home / "warehouse" / "orders.duckdb"
    warehouse.parent.mkdir(parents=True)
    warehouse.write_bytes(b"no database" * 1_000)
    done = fresh("run", "--json")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines()[-1].startswith("error: ")
    assert "orders rebuild" in done.stderr.decode().splitlines()[-1]
    assert b"Traceback" not in done.stderr
    assert json.loads(done.stdout)["success"] is False
