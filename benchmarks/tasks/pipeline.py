"""The platform itself, stage by stage: fill the inbox, land, load, publish."""

import os
import shutil
import time
from pathlib import Path
from typing import Any

from assets.landing.land import land as land_messages
from assets.orders.load import load as load_landed
from assets.orders.schema import DDL, SCHEMA_ID
from assets.reports.refresh import refresh_customer_value, refresh_days, touched_days
from benchmarks.profiling import ProfiledWarehouse
from benchmarks.shop import messages, refunds
from resources.brokers.inbox import Inbox
from resources.brokers.port import Outgoing
from resources.crashpoints import install
from resources.segments import Landing
from resources.warehouse.kept import KeptWarehouse
from resources.warehouse.publish import publish as publish_copy
from resources.warehouse.warehouse import Warehouse

Values = dict[str, Any]
# What the stream loads at once when 5,000 a second come and half a second has passed.
_PIECE = 2_500


def send(home: str, first: int, number: int) -> Values:
    """Put messages of the shop's stream into the inbox, as one file."""
    return {"messages": inbox(home).publish(Outgoing(body) for body in messages(first, number))}


def take_in(home: str, first: int, number: int) -> Values:
    """Send messages of the shop's stream and land them."""
    send(home, first, number)
    return land(home)


def take_in_refunds(home: str, round_no: int, number: int, among: int) -> Values:
    """Send refunds of random old orders and land them."""
    inbox(home).publish(Outgoing(body) for body in refunds(round_no, number, among=among))
    return land(home)


def land(home: str) -> Values:
    """Land what is in the inbox."""
    start = time.perf_counter()
    landed = land_messages(inbox(home), Landing(Path(home) / "landing"))
    return {"seconds": time.perf_counter() - start, "messages": landed.messages, "bytes": landed.bytes}


def load(home: str, profile: bool = False) -> Values:
    """Load what has landed, in one whole call of `load`; with `profile` also where the time went."""
    opened = warehouse(home, ProfiledWarehouse if profile else Warehouse)
    start, busy = time.perf_counter(), time.process_time()
    loaded = load_landed(opened, Landing(Path(home) / "landing"))
    values: Values = {
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - busy,
        "messages": loaded.messages,
        "accepted": loaded.accepted,
        "stages": loaded.stages,
    }
    if isinstance(opened, ProfiledWarehouse):
        values["statements"] = opened.statements()
    return values


def land_and_load(home: str) -> Values:
    """From the inbox to state in one process, as a batch run does it."""
    landed = land(home)
    loaded = load(home)
    return {**loaded, "seconds": landed["seconds"] + loaded["seconds"], "land": landed["seconds"]}


def refresh(home: str) -> Values:
    """Bring the reports up to date, as a batch does."""
    opened = warehouse(home)
    start = time.perf_counter()
    days = touched_days(opened)
    rows = refresh_days(opened, days) + refresh_customer_value(opened)
    return {"seconds": time.perf_counter() - start, "days": len(days), "rows": rows}


def publish(home: str) -> Values:
    """Publish once, as a batch does: after another process has loaded."""
    return _published(warehouse(home))


def load_and_publish(home: str, first: int, number: int) -> Values:
    """Land and load messages in pieces and publish once, as the stream does: in one process.

    `load` is what loading them took. One message before them warms everything up, and is published.
    """
    kept, landing = warehouse(home, KeptWarehouse), Landing(Path(home) / "landing")
    take_in(home, first, 1)
    load_landed(kept, landing)
    publish_copy(kept)
    loading = 0.0
    for start in range(first + 1, first + number, _PIECE):
        take_in(home, start, min(_PIECE, first + number - start))
        begun = time.perf_counter()
        load_landed(kept, landing)
        loading += time.perf_counter() - begun
    values = _published(kept)
    kept.close()
    return {**values, "load": loading}


def _published(opened: Warehouse) -> Values:
    """Publish; `checkpoint`, `copy` and `rename` are its parts."""
    moments: dict[str, float] = {}

    def note(label: str) -> None:
        moments[label] = time.perf_counter()

    install(note)
    start, busy = time.perf_counter(), time.process_time()
    published = publish_copy(opened)
    end = time.perf_counter()
    return {
        "seconds": end - start,
        "cpu": time.process_time() - busy,
        "checkpoint": moments["publish.checkpointed"] - start,
        "copy": moments["publish.copied"] - moments["publish.checkpointed"],
        "rename": end - moments["publish.copied"],
        "bytes_written": published.bytes_written,
        "bytes_total": published.bytes_total,
    }


def copy_file(home: str) -> Values:
    """Copy the warehouse file as a whole, durably: what publishing would cost without thought."""
    source = warehouse(home).path
    target = source.with_suffix(".plain-copy")
    start = time.perf_counter()
    shutil.copyfile(source, target)
    descriptor = os.open(target, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)
    seconds = time.perf_counter() - start
    target.unlink()
    return {"seconds": seconds, "bytes": source.stat().st_size}


def inbox(home: str) -> Inbox:
    """Return the inbox of the platform in the folder `home`."""
    return Inbox(Path(home) / "inbox")


def warehouse(home: str, kind: type[Warehouse] = Warehouse) -> Warehouse:
    """Return the warehouse of the platform in the folder `home`."""
    root = Path(home)
    return kind(root / "warehouse" / "orders.duckdb", root / "published", DDL, SCHEMA_ID)
