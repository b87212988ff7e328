"""`orders alerts`: policies are checked, explained, rehearsed and tried; notices are listed and replayed."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from resources.clock import SystemClock
from resources.errors import GoneError, PermanentError
from resources.notifications.dispatcher import deliver_due
from resources.notifications.events import Event
from resources.notifications.outbox import Outbox
from resources.notifications.policies.deciding import PolicyEngine
from resources.notifications.policies.reading import read_policies
from tests.cli.running import Orders, error_line
from tests.notifications.channel_contract import SECRET
from tests.notifications.policies.samples import event
from tests.notifications.samples import RecorderChannel
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


def _deliver(orders: Orders, *channels: RecorderChannel) -> None:
    engine = PolicyEngine(read_policies(_POLICIES, "f"))
    with _outbox(orders) as outbox:
        deliver_due(outbox, channels, SystemClock(), engine=engine)


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


def test_dry_run_says_what_a_file_would_have_sent(orders: Orders) -> None:
    with _outbox(orders) as outbox:
        outbox.record(_failures(5))
    rows = orders.json("alerts", "dry-run", "--since", "1h")
    assert [(row["policy"], row["channel"], row["notices"]) for row in rows] == [
        ("everything", "file", 5),
        ("ingest", "hook", 5),
    ]
    assert orders.json("alerts", "dry-run", "--since", "2m")[0]["events"] == 1
    assert orders("alerts", "dry-run", "--since", "soon").returncode == 2


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


def test_deliveries_are_listed_and_the_dead_are_replayed(orders: Orders) -> None:
    with _outbox(orders) as outbox:
        outbox.record(_failures(2))
    _deliver(orders, RecorderChannel("hook", error=PermanentError("no")), RecorderChannel("file"))
    dead = orders.json("alerts", "deliveries", "--state", "dead")
    assert [(row["channel"], row["policy"], row["state"]) for row in dead] == [("hook", "ingest", "dead")] * 2
    assert "no" in dead[0]["last_error"]
    one = orders.json("alerts", "deliveries", dead[0]["delivery_id"])
    assert [row["delivery_id"] for row in one] == [dead[0]["delivery_id"]]

    assert orders.json("alerts", "replay", dead[0]["delivery_id"])["replayed"] == 1
    again = orders("alerts", "replay", dead[0]["delivery_id"])
    assert "not dead" in error_line(again)
    _deliver(orders, hook := RecorderChannel("hook"), RecorderChannel("file"))
    assert [notice.delivery_id for notice in hook.sent] == [dead[0]["delivery_id"]]
    assert orders("alerts", "replay").returncode == 2


def test_a_channel_that_was_gone_is_shown_off_and_turned_on_again(orders: Orders) -> None:
    with _outbox(orders) as outbox:
        outbox.record(_failures(1))
    _deliver(orders, RecorderChannel("hook", error=GoneError("410")), RecorderChannel("file"))
    states = {row["channel"]: row["state"] for row in orders.json("alerts", "status")["channels"]}
    assert states == {"hook": "off", "file": "on"}
    assert orders.json("alerts", "replay", "--channel", "hook")["channel_turned_on"] is True
    states = {row["channel"]: row["state"] for row in orders.json("alerts", "status")["channels"]}
    assert states["hook"] == "on"


def test_status_shows_what_cannot_be_opened_without_its_secret(orders: Orders) -> None:
    unset = replace(orders, settings={**orders.settings, "HOOK": ""})
    hook, file = unset.json("alerts", "status")["channels"]
    assert (hook["state"], file["state"]) == ("cannot be opened", "on")
    assert "HOOK, which is not set" in hook["reason"]
    assert SECRET.encode() not in orders("alerts", "status", "--json").stdout


def test_a_silence_is_kept_listed_and_ended(orders: Orders) -> None:
    silence = orders.json("alerts", "silence", "add", "job=ingest", "--for", "2h", "--reason", "migration")
    (listed,) = orders.json("alerts", "silence", "list")
    assert (listed["matchers"], listed["reason"]) == ({"job": "ingest"}, "migration")
    with _outbox(orders) as outbox:
        outbox.record(_failures(1))
    _deliver(orders, hook := RecorderChannel("hook"), RecorderChannel("file"))
    assert hook.sent == []
    (muted, *_) = orders.json("alerts", "deliveries", "--state", "muted")
    assert muted["reason"] == "silenced: migration"

    assert orders("alerts", "silence", "end", silence["silence_id"]).returncode == 0
    assert orders.json("alerts", "silence", "list") == []
    assert "in force" in error_line(orders("alerts", "silence", "end", silence["silence_id"]))
    assert "cannot match by jobb" in error_line(orders("alerts", "silence", "add", "jobb=x"))


def test_reconcile_proves_that_nobody_was_left_out(orders: Orders) -> None:
    with _outbox(orders) as outbox:
        outbox.record(_failures(3))
    _deliver(orders, RecorderChannel("hook"), RecorderChannel("file"))
    proof = orders.json("alerts", "reconcile")
    assert proof["is_clean"] is True
    assert (proof["counts"]["matched"], proof["counts"]["delivered"]) == (3, 6)


def test_reconcile_ends_with_1_when_a_delivery_is_gone(orders: Orders) -> None:
    import sqlite3

    with _outbox(orders) as outbox:
        outbox.record(_failures(1))
    _deliver(orders, RecorderChannel("hook"), RecorderChannel("file"))
    with sqlite3.connect(orders.home / "state.sqlite") as database:
        database.execute("DELETE FROM attempts")
        database.execute("DELETE FROM deliveries")
    database.close()
    done = orders("alerts", "reconcile", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["matched_without_delivery"] == 1
