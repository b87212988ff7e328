"""Warehouses with a long history, built once by the platform itself and kept in a cache folder."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from assets.orders.schema import SCHEMA_ID
from benchmarks.measure import run
from benchmarks.shop import SHOP_ID

_CHUNK = 500_000


def history(cache: Path, events: int, say: Callable[[str], None]) -> Path:
    """Return a folder whose warehouse holds the first `events` messages of the shop; builds it if missing."""
    landed = _landed(cache / f"{SHOP_ID}-{events}", events, say)
    home = cache / f"{SHOP_ID}-{events}-{SCHEMA_ID}"
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        _link_landing(landed, home)
        say(f"loading {events:,} events of history")
        outcome = run("pipeline.load", home=home)
        if outcome.values["accepted"] != events:
            raise RuntimeError(
                f"{outcome.values['accepted']:,} of {events:,} events of history were accepted"
            )
        say(f"loaded {events / outcome.seconds():,.0f} events/s, peak {outcome.peak_rss / 1e6:,.0f} MB")
        _settle(home)
        (home / "complete").touch()
    return home


def copy_of(history: Path, home: Path) -> Path:
    """Make `home` a copy of a history in its steady state: published, with a spare copy beside it."""
    shutil.rmtree(home, ignore_errors=True)
    _link_landing(history, home)
    (home / "warehouse").mkdir()
    shutil.copyfile(history / "warehouse/orders.duckdb", home / "warehouse/orders.duckdb")
    # Sorted runs of keys are made by the first load, unless the history has some.
    if (history / "warehouse/orders.keys").exists():
        shutil.copytree(history / "warehouse/orders.keys", home / "warehouse/orders.keys")
    run("pipeline.publish", home=home)
    run("pipeline.publish", home=home)
    return home


def to_stderr(line: str) -> None:
    """Show progress."""
    print(line, file=sys.stderr, flush=True)


def _landed(home: Path, events: int, say: Callable[[str], None]) -> Path:
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        for first in range(0, events, _CHUNK):
            run("pipeline.take_in", home=home, first=first, number=min(_CHUNK, events - first))
            say(f"landed {min(first + _CHUNK, events):,} of {events:,} messages")
        (home / "complete").touch()
    return home


def _link_landing(source: Path, home: Path) -> None:
    # Segments never change, so copies of the platform can share them.
    (home / "landing").mkdir(parents=True)
    for segment in (source / "landing").glob("*.parquet"):
        os.link(segment, home / "landing" / segment.name)


def _settle(home: Path) -> None:
    run("pipeline.publish", home=home)
    shutil.rmtree(home / "published")
