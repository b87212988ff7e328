"""From a broker's backlog to state, loading beside landing or after it."""

import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from assets.landing.land import land
from assets.orders.load import load
from benchmarks.tasks.pipeline import warehouse
from resources.brokers.urls import open_broker
from resources.segments import Landing, Segment

Values = dict[str, Any]


def land_and_load(url: str, home: str, load_at_least: int) -> Values:
    """Land the backlog, and load whenever so many messages have landed; `land` is the landing alone."""
    landing = Landing(Path(home) / "landing")
    loader = _Loader(home, load_at_least)
    # Its client library is imported here, as those of the bare clients are before they start.
    with closing(open_broker(url, landing.root / ".origins")) as broker:
        start = time.perf_counter()
        loader.start()
        landed = land(broker, landing, on_segment=loader.note)
    seconds_landed = time.perf_counter() - start
    loader.finish()
    return {
        "seconds": time.perf_counter() - start,
        "land": seconds_landed,
        "load": loader.seconds,
        "accepted": loader.accepted,
        "segments": landed.segments,
    }


class _Loader(threading.Thread):
    """Loads what has landed; under a backlog its batches grow until a load takes a while."""

    def __init__(self, home: str, at_least: int) -> None:
        super().__init__()
        self.accepted, self.seconds = 0, 0.0
        self._home, self._at_least, self._waiting = home, at_least, 0
        self._is_due, self._is_over = threading.Event(), False
        self._failure: BaseException | None = None

    def note(self, segment: Segment) -> None:
        self._waiting += segment.rows
        if self._waiting >= self._at_least:
            self._waiting = 0
            self._is_due.set()

    def run(self) -> None:
        try:
            while not self._is_over:
                self._is_due.wait()
                self._is_due.clear()
                self._load()
            # What landed while it was at work for the last time.
            self._load()
        except Exception as error:  # noqa: BLE001 - raised again by who waits for it
            self._failure = error

    def finish(self) -> None:
        self._is_over = True
        self._is_due.set()
        self.join()
        if self._failure is not None:
            raise self._failure

    def _load(self) -> None:
        start = time.perf_counter()
        self.accepted += load(warehouse(self._home), Landing(Path(self._home) / "landing")).accepted
        self.seconds += time.perf_counter() - start
