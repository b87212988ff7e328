"""No secret is stored, logged, sent or shown, wherever it came in."""

import logging
from pathlib import Path

import pytest

from resources.clock import FrozenClock
from resources.errors import PermanentError, TransientError
from resources.notifications.database import Database
from resources.notifications.dispatcher import deliver_due
from resources.notifications.outbox import Outbox
from resources.notifications.watchdog import HeartbeatOut
from tests.notifications.samples import T0, RecorderChannel, event

CANARY = "c4n4ry-s3cr3t"
URL = f"amqp://me:{CANARY}@host/x"


def test_a_secret_in_an_address_is_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock = FrozenClock(T0)
    well = RecorderChannel("well")
    sick = RecorderChannel("sick", TransientError(f"no answer from {URL}"))
    dead = RecorderChannel("dead", PermanentError(f"refused by {URL}"))
    with caplog.at_level(logging.DEBUG), Outbox(tmp_path / "outbox.db", clock=clock) as outbox:
        outbox.record([event(1, error=f"OSError: cannot reach {URL}")])
        for _ in range(2):
            deliver_due(outbox, [well, sick, dead], clock)
        assert outbox.counts().dead == 1
        shown = [repr(outbox), repr(well.sent), repr(outbox.channel_states()), caplog.text]
        stored = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert CANARY.encode() not in stored
    assert not [text for text in shown if CANARY in text]


def test_the_store_and_the_heartbeat_show_no_password() -> None:
    database = Database(f"postgresql+psycopg2://me:{CANARY}@127.0.0.1:1/db")
    with pytest.raises(TransientError) as raised:
        database.create()
    heartbeat = HeartbeatOut(f"https://host/{CANARY}", lambda: True)
    assert CANARY not in f"{database!r} {raised.value} {heartbeat!r}"
