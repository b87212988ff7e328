"""Delivery under kill -9: at least once, under one id, which the file holds once."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from resources.notifications.events import delivery_id
from resources.notifications.outbox import Outbox
from tests.forking import run_module
from tests.notifications.samples import event

EVENTS = 3
LABELS = [
    "notify.events_decided",
    "notify.decisions_stored",
    "notify.delivery_claimed",
    "notify.line_written",
    "notify.notice_sent",
]


def work(role: str, folder: Path, *arguments: str) -> int:
    """Run a worker to its end and return its exit code, negative for a signal."""
    done = run_module("tests.notifications.worker", role, str(folder), *arguments, environment=os.environ)
    # For whoever looks why it failed: pytest shows it.
    sys.stderr.write(done.stderr.decode())
    return done.returncode


def record_events(folder: Path) -> None:
    """Record the events, undecided, in a new outbox."""
    with Outbox(folder / "outbox.db") as outbox:
        outbox.record([event(number) for number in range(EVENTS)])


def broken_promises(folder: Path) -> set[str]:
    """Return what is not as promised once delivery has come to its end."""
    broken = set()
    path = folder / "notices.ndjson"
    lines = path.read_bytes().splitlines() if path.exists() else []
    ids = [json.loads(line)["id"] for line in lines]
    if len(set(ids)) < len(ids):
        broken.add("twice")
    if set(ids) != {delivery_id(event(number).event_key, "file") for number in range(EVENTS)}:
        broken.add("lost")
    with Outbox(folder / "outbox.db") as outbox:
        counts = outbox.counts()
    if (counts.matched, counts.delivered, counts.pending) != (EVENTS, EVENTS, 0):
        broken.add("audit")
    return broken


def killed_then_finished(folder: Path, label: str, nth: int, build: str = "sound") -> set[str]:
    """Kill one delivery at the label, run another to its end, and return the broken promises."""
    record_events(folder)
    assert work("deliver", folder, label, str(nth), build) == -signal.SIGKILL
    assert work("finish", folder, "", "1", build) == 0
    return broken_promises(folder)


@pytest.mark.faults
@pytest.mark.parametrize("label", LABELS)
def test_a_kill_neither_loses_nor_repeats_a_notice(tmp_path: Path, label: str) -> None:
    nth = 1 if label in LABELS[:2] else 2
    assert killed_then_finished(tmp_path, label, nth) == set()


@pytest.mark.faults
def test_a_dispatcher_killed_at_every_notice_still_delivers_each_once(tmp_path: Path) -> None:
    record_events(tmp_path)
    for label in LABELS[2:]:
        work("deliver", tmp_path, label)
    assert work("finish", tmp_path) == 0
    assert broken_promises(tmp_path) == set()


@pytest.mark.faults
def test_a_channel_that_forgets_its_ids_is_caught(tmp_path: Path) -> None:
    assert "twice" in killed_then_finished(tmp_path, "notify.notice_sent", 2, "forgetful")


@pytest.mark.faults
def test_a_channel_that_answers_before_it_writes_is_caught(tmp_path: Path) -> None:
    assert "lost" in killed_then_finished(tmp_path, "notify.notice_sent", 2, "hasty")


@pytest.mark.faults
def test_an_event_killed_within_its_recording_is_not_there_by_half(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from resources.notifications.outbox import Outbox;"
        "from tests.notifications.samples import event;"
        "from tests.notifications.worker import kill_at;"
        "outbox = Outbox(Path(sys.argv[1])); kill_at('notify.events_inserted', 1);"
        "outbox.record([event(1), event(2)], cursors_at={'runs': '2'})"
    )
    path = tmp_path / "outbox.db"
    killed = subprocess.run([sys.executable, "-c", code, str(path)], check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    with Outbox(path) as outbox:
        assert outbox.counts().events == 0
        assert outbox.cursor("runs") is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_dispatcher_in_peace(tmp_path: Path, number: signal.Signals) -> None:
    record_events(tmp_path)
    command = [sys.executable, "-m", "tests.notifications.worker", "forever", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
    with Outbox(tmp_path / "outbox.db") as outbox:
        counts = outbox.counts()
    assert counts.delivered + counts.pending == counts.deliveries


def test_dispatchers_side_by_side_deliver_each_notice_once(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        outbox.record([event(number) for number in range(40)])
    command = [sys.executable, "-m", "tests.notifications.worker", "deliver", str(tmp_path)]
    workers = [subprocess.Popen(command) for _ in range(3)]
    assert [worker.wait(timeout=60) for worker in workers] == [0, 0, 0]
    ids = [json.loads(x)["id"] for x in (tmp_path / "notices.ndjson").read_bytes().splitlines()]
    assert sorted(ids) == sorted(delivery_id(event(number).event_key, "file") for number in range(40))
