"""On PostgreSQL an id is given out before its row can be seen: a cursor by id then skips the row for ever."""

import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from resources.clock import SystemClock
from resources.notifications.events import EventType
from resources.notifications.outbox import Outbox
from sensors.collectors import collect
from tests.notifications import pipelines
from tests.notifications.stock import Stock, failure_sensor
from tests.servers import Server

_LOCK = 4711
_HOLD = """
CREATE OR REPLACE FUNCTION hold() RETURNS trigger AS $$
BEGIN
  IF NEW.run_id = '{run_id}' AND NEW.dagster_event_type = 'PIPELINE_FAILURE' THEN
    PERFORM pg_advisory_xact_lock({lock});
  END IF;
  RETURN NEW;
END $$ LANGUAGE plpgsql;
CREATE OR REPLACE TRIGGER hold BEFORE INSERT ON event_logs FOR EACH ROW EXECUTE FUNCTION hold();
"""
_WAITING = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = :lock AND NOT granted"


@pytest.fixture
def engine(postgres: Server) -> Iterator[sa.Engine]:
    """A connection pool to the database of the instance."""
    made = sa.create_engine(postgres.url())
    yield made
    made.dispose()


@pytest.fixture
def instance(postgres: Server, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance that keeps everything on PostgreSQL."""
    storage = {"postgres": {"postgres_url": postgres.url()}}
    overrides = {"telemetry": {"enabled": False}, "storage": storage}
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=overrides) as opened:
        yield opened


def begun(instance: dg.DagsterInstance) -> dg.DagsterRun:
    """Return a new run."""
    return instance.create_run_for_job(pipelines.job(pipelines.sound))


@pytest.mark.slow
def test_a_failure_that_becomes_visible_late_is_lost_by_the_stock_sensor_and_found_by_ours(
    instance: dg.DagsterInstance, engine: sa.Engine, tmp_path: Path
) -> None:
    alerted: list[str] = []
    stock, theirs = Stock(instance), failure_sensor(lambda run_id: alerted.append(run_id))
    stock.tick(theirs)
    with Outbox(tmp_path / "outbox.db") as outbox:
        slow, fast = begun(instance), begun(instance)
        with engine.begin() as connection:
            connection.execute(sa.text(_HOLD.format(run_id=slow.run_id, lock=_LOCK)))
        with engine.connect() as holder:
            holder.execute(sa.text("SELECT pg_advisory_lock(:lock)"), {"lock": _LOCK})
            writer = threading.Thread(target=instance.report_run_failed, args=(slow, "the slow one"))
            writer.start()
            waits_for_lock(holder)
            instance.report_run_failed(fast, "the fast one")
            stock.tick(theirs)
            collect(instance, outbox, SystemClock())
            holder.execute(sa.text("SELECT pg_advisory_unlock(:lock)"), {"lock": _LOCK})
            writer.join(timeout=30)
        for _ in range(2):
            stock.tick(theirs)
            collect(instance, outbox, SystemClock())
        told = [e.targets.run_id for e in outbox.undecided(100) if e.event_type == EventType.JOB_FAILURE]
    assert alerted == [fast.run_id]
    assert told == [fast.run_id, slow.run_id]


def waits_for_lock(connection: sa.Connection) -> None:
    """Return when a writer has its id and waits within its insert."""
    pause = threading.Event()
    for _ in range(300):
        if connection.scalar(sa.text(_WAITING), {"lock": _LOCK}):
            return
        pause.wait(0.1)
    raise AssertionError("no writer came to its insert within 30 s")
