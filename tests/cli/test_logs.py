"""What the logs hold, and where."""

import json
import logging
from collections.abc import Iterator

import dagster as dg
import pytest

from orchestration import logs
from resources.brokers.inbox import Inbox
from resources.brokers.port import Outgoing
from tests.cli.running import Orders, message


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_json_line_carries_the_ids_that_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(log_format="json", level="INFO")
    with logs.about(run_id="r-1"):
        logging.getLogger("assets.orders").info("loaded %d", 7, extra={"segment": "s-1", "body": b"private"})
    told = capsys.readouterr().err
    line = json.loads(told)
    assert {key: line[key] for key in ("event", "level", "logger", "run_id", "segment")} == {
        "event": "loaded 7",
        "level": "info",
        "logger": "assets.orders",
        "run_id": "r-1",
        "segment": "s-1",
    }
    assert "private" not in told


def test_logs_are_quiet_below_their_level(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(log_format="text", level="WARNING")
    logging.getLogger("assets").info("nothing to see")
    logging.getLogger("assets").warning("look here", extra={"order_id": "o-1"})
    told = capsys.readouterr().err
    assert "nothing to see" not in told
    assert "look here" in told
    assert "o-1" in told


def test_configuring_again_does_not_repeat_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(log_format="json", level="INFO")
    logs.configure(log_format="json", level="INFO")
    logging.getLogger("assets").info("once")
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_what_a_run_logs_carries_its_id_and_step(capsys: pytest.CaptureFixture[str]) -> None:
    @dg.op
    def work(context: dg.OpExecutionContext) -> None:
        context.log.info("loaded 7 messages")

    @dg.job(logger_defs={"console": logs.run_logger()})
    def ingest() -> None:
        work()

    logs.configure(log_format="json", level="WARNING")
    result = ingest.execute_in_process(run_config={"loggers": {"console": {"config": {"log_level": "INFO"}}}})
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["run_id"], line["step_key"]) == ("loaded 7 messages", result.run_id, "work")


def test_a_run_tells_in_json_what_it_landed_loaded_and_rejected_and_never_what_orders_hold(
    fresh: Orders,
) -> None:
    orders = Orders(fresh.home, {"ORDERS_LOG_FORMAT": "json", "ORDERS_LOG_LEVEL": "INFO"})
    secret = message("e-1", "o-1", customer={"email": "private@example.org"})
    again = message("e-1", "o-1", customer={"email": "other@example.org"})
    Inbox(fresh.home / "inbox").publish(map(Outgoing, [secret, again, b'{"private@example.org']))
    done = orders("run", "--json")
    assert done.returncode == 0, done.stderr.decode()
    told = done.stderr.decode().splitlines()
    lines = [json.loads(line) for line in told if line.startswith("{")]
    (segment,) = {path.name for path in (fresh.home / "landing").glob("*.parquet")}
    run_id = json.loads(done.stdout)["run_ids"][0]
    by_module = {
        (line["logger"], line.get("segment"), line.get("rejection_id"), line.get("order_id")): line["event"]
        for line in lines
        if line.get("run_id") == run_id
    }
    names = ("resources.segments", "assets.orders.plan", "assets.orders.definitions", "assets.orders.rejects")
    for name in names:
        assert any(key[0] == name for key in by_module), name
    assert by_module["resources.segments", segment, None, None].startswith("landed 3 messages of inbox")
    (rejected,) = [key for key in by_module if key[0] == "assets.orders.rejects"]
    assert rejected[1] == segment
    assert rejected[2].startswith("inbox:0:")
    assert ("assets.orders.ledger", None, None, "o-1") in by_module
    assert "private@example.org" not in done.stderr.decode()
