"""An outbox of an older version goes on as it was; one of a newer version is left alone."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from resources.clock import FrozenClock
from resources.errors import PermanentError
from resources.notifications.dispatcher import deliver_due
from resources.notifications.outbox import Outbox
from resources.notifications.schema import VERSION
from tests.notifications.samples import T0, RecorderChannel, event


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A file that the first version made: delivered, dead and pending deliveries, an undecided event."""
    path = tmp_path / "state.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(Path(__file__).with_name("outbox_v1.sql").read_text())
        connection.execute("PRAGMA journal_mode = WAL")
    return path


def test_an_old_outbox_keeps_everything_and_delivers_what_is_left(old: Path) -> None:
    channel = RecorderChannel("file")
    clock = FrozenClock(T0)
    with Outbox(old, clock=clock) as outbox:
        counts = outbox.counts()
        assert (counts.events, counts.delivered, counts.dead, counts.pending) == (4, 1, 1, 1)
        assert outbox.cursor("dagster/RUN_FAILURE") == "7"
        assert outbox.installed_at == T0
        assert outbox.replay() == 1
        deliver_due(outbox, [channel], clock)
        assert outbox.audit().is_clean
        assert outbox.counts().delivered == 4
    sent = {notice.event.event_key: notice.delivery_id for notice in channel.sent}
    assert sent[event(2).event_key] == f"{event(2).event_key}@file", "the id it was given then"
    assert set(sent) == {event(number).event_key for number in (1, 2, 3)}


def test_many_processes_may_find_it_old_at_once(old: Path) -> None:
    def count(_: int) -> int:
        with Outbox(old) as outbox:
            return outbox.counts().deliveries

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(count, range(4))) == [3] * 4


def test_an_outbox_of_a_newer_version_is_left_alone(location: str) -> None:
    Outbox(location).close()
    engine = sa.create_engine(location)
    with engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE schema_version SET version = {VERSION + 1}"))
    engine.dispose()
    with pytest.raises(PermanentError, match="use the newer version"):
        Outbox(location)
