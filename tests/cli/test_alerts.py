"""`orders alerts`: policies are checked, explained, rehearsed and tried; notices are listed and replayed."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from resources.notifications.events import Event
from resources.notifications.outbox import Outbox
from tests.cli.running import Orders, error_line
from tests.notifications.channel_contract import SECRET
from tests.notifications.policies.samples import event
from tests.notifications.servers import Collector, Reply

_POLICIES = """alert_policies:
- name: ingest
  event_types: [JOB_FAILURE]
  alert_targets: [{run_result_target: {jobs: [{job_name: ingest}]}}]
  notification_service: {webhook: {webhook_url: {env: HOOK}, x_name: hook, x_allow_private: true}}
- name: everything
  event_types: [JOB_FAILURE, STEP_FAILURE]
  notification_service: {x_file: {}}
"""


@pytest.fixture
def orders(tmp_path: Path) -> Orders:
    """Return the command over a fresh home and a policy file of its own."""
    file = tmp_path / "my_policies.yaml"
    file.write_text(_POLICIES)
    settings = {"ORDERS_ALERT_POLICIES": str(file), "HOOK": f"http://127.0.0.1:1/{SECRET}"}
    return Orders(tmp_path / "home", settings)


def _failures(count: int) -> list[Event]:
    now = datetime.now(UTC)
    return [
        replace(
            event(), event_key=f"e-{n}", incident=f"i-{n}", occurred_at=now - timedelta(minutes=count - n)
        )
        for n in range(count)
    ]


def _outbox(orders: Orders) -> Outbox:
    orders.home.mkdir(exist_ok=True)
    return Outbox(orders.home / "state.sqlite")


def test_a_right_file_is_right(orders: Orders) -> None:
    done = orders("alerts", "validate")
    assert done.returncode == 0
    assert b"2 policies in force, 2 channels" in done.stderr
    assert orders.json("alerts", "validate") == []


def test_mistakes_are_listed_with_line_and_key_and_end_with_1(orders: Orders, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(_POLICIES.replace("JOB_FAILURE]", "JOB_FAILED]", 1))
    done = orders("alerts", "validate", str(wrong), "--json")
    assert done.returncode == 1
    assert error_line(done) == f"error: {wrong} has 1 mistake"
    (row,) = json.loads(done.stdout)
    assert (row["level"], row["file"], row["line"], row["key"]) == ("error", "wrong.yaml", 3, "event_types")


def test_a_variable_that_is_not_set_is_a_warning_and_with_strict_a_mistake(orders: Orders) -> None:
    unset = replace(orders, settings={**orders.settings, "HOOK": ""})
    (row,) = unset.json("alerts", "validate")
    assert (row["level"], row["problem"]) == ("warning", "refers to HOOK, which is not set")
    assert unset("alerts", "validate", "--strict").returncode == 1


def test_the_schema_that_is_printed_is_the_published_one(orders: Orders) -> None:
    printed = json.loads(orders("alerts", "validate", "--schema").stdout)
    assert printed == json.loads(Path("docs/alert_policies.schema.json").read_text())


def test_explain_says_which_policies_match_and_why_not_the_others(orders: Orders) -> None:
    rows = orders.json("alerts", "explain", "--type", "JOB_FAILURE", "--job", "report")
    assert rows == [
        {
            "policy": "ingest",
            "matches": False,
            "channels": "",
            "reason": "it is about none of: runs of ingest",
        },
        {"policy": "everything", "matches": True, "channels": "file", "reason": None},
    ]
    with _outbox(orders) as outbox:
        outbox.record(_failures(1))
    assert [row["matches"] for row in orders.json("alerts", "explain", "e-0")] == [True, True]


def test_explain_of_nothing_known_is_an_error(orders: Orders) -> None:
    assert "no event e-9 is recorded" in error_line(orders("alerts", "explain", "e-9"))
    assert "is no event type" in error_line(orders("alerts", "explain", "--type", "NO"))
    assert orders("alerts", "explain").returncode == 2


def test_a_sample_is_sent_and_a_channel_that_fails_ends_with_1(orders: Orders) -> None:
    with Collector().running() as server:
        reachable = replace(orders, settings={**orders.settings, "HOOK": server.url})
        rows = reachable.json("alerts", "send-sample")
        assert {row["channel"]: row["outcome"] for row in rows} == {"hook": "delivered", "file": "delivered"}
        assert b"This is a sample" in server.requests[0].body
        assert b"This is a sample" in (orders.home / "notifications.ndjson").read_bytes()

        server.default = Reply(500)
        done = reachable("alerts", "send-sample", "--channel", "hook", "--json")
        assert done.returncode == 1
        assert [row["outcome"] for row in json.loads(done.stdout)] == ["failed"]
    assert "no channel is called nothing" in error_line(
        orders("alerts", "send-sample", "--channel", "nothing")
    )
