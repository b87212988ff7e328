"""The stream under a steady load: a producer at a rate, and the stream itself with its moments noted."""

import asyncio
import json
import resource
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from assets.landing.health import read_health
from orchestration.settings import Settings, read_settings
from orchestration.stream.service import Stream
from orchestration.stream.state import State
from resources import crashpoints
from resources.brokers.port import Outgoing
from resources.brokers.urls import open_broker
from resources.warehouse.publish import open_copy

Values = dict[str, Any]
_TICK_S = 0.02
_SAMPLE_S = 0.5
_PARTITIONS = 4
_LINES = (1, 2)
_LATENCIES = "SELECT epoch_us(occurred_at), load_no FROM store.order_events WHERE load_no > $before"


def produce(home: str, url: str, rate: int, seconds: float) -> Values:
    """Publish orders at a rate, each with the moment of its publishing as its time.

    Begins when a stream over the home has loaded something.
    """
    broker = open_broker(url, None)
    while not _has_loaded(read_settings(home=home).health_file):
        time.sleep(_SAMPLE_S)
    total, done, start = int(rate * seconds), 0, time.perf_counter()
    while done < total:
        due = min(total, int((time.perf_counter() - start + _TICK_S) * rate))
        if due > done:
            broker.publish(_orders(done, due))
            done = due
        time.sleep(max(0.0, start + done / rate - time.perf_counter()))
    spent = time.perf_counter() - start
    broker.close()
    return {"messages": done, "seconds": spent}


def _has_loaded(health: Path) -> bool:
    found = read_health(health, datetime.now(UTC))
    return found is not None and found.loaded > 0


def fill(url: str, messages: int) -> Values:
    """Publish a burst as fast as the broker takes it, to a new topic where the broker is Kafka."""
    if url.startswith("kafka:"):
        from confluent_kafka.admin import NewTopic

        from resources.servers.topics import make_topic

        servers, topic = url.removeprefix("kafka://").split("/")
        make_topic(servers, NewTopic(topic, _PARTITIONS, 1))
    broker = open_broker(url, None)
    for first in range(0, messages, 20_000):
        broker.publish(_orders(first, min(first + 20_000, messages)))
    broker.close()
    return {"messages": messages}


def stream(home: str, url: str, messages: int, limit_s: float) -> Values:
    """Run the stream until it has loaded so many messages, and tell how late each of them was.

    Latencies in seconds: `committed` from publishing to the commit, `copied` to the readers' copy. Memory of
    this process in bytes: `rss` are samples, `peak_rss` is the most, before the latencies are worked out.
    """
    settings = read_settings(home=home, broker_url=url, state_url=None, files_dir=None)
    watch = _Watch(messages, time.monotonic() + limit_s)
    crashpoints.install(watch.note)
    before = _loads(settings)
    start = time.perf_counter()
    asyncio.run(watch.run(settings))
    values = {"seconds": time.perf_counter() - start, "loaded": watch.loaded, "rss": watch.rss}
    values["peak_rss"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {**values, **watch.latencies(settings, before)}


def _orders(first: int, last: int) -> Iterator[Outgoing]:
    now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    # Filled in as text: a producer that makes JSON of each would take the machine from what is measured.
    body = json.dumps(_order(now))
    for number in range(first, last):
        skus = ((number * 7 + n) % 4_000 for n in _LINES)
        yield Outgoing((body % (number, number, number % 30_000, *skus)).encode(), f"o-{number}")


def _order(now: str) -> Values:
    lines = [{"line_number": n, "sku": "S%d", "quantity": n, "unit_price": "2.55"} for n in _LINES]
    return {
        "specversion": "1.0",
        "id": f"e-{now}-%d",
        "source": "/shops/bench",
        "type": "order.placed",
        "time": now,
        "data": {
            "order_id": f"{now}-o-%d",
            "version": 1,
            "kind": "sale",
            "status": "placed",
            "currency": "EUR",
            "placed_at": now,
            "customer": {"customer_id": "c-%d", "name": "Zoë Müller", "country": "DE"},
            "lines": lines,
            "shipping": "4.90",
        },
    }


def _loads(settings: Settings) -> int:
    if not (settings.published_dir / "orders.duckdb").exists():
        return 0
    with open_copy(Stream(settings).warehouse) as connection:
        return int(connection.execute("SELECT coalesce(max(load_no), 0) FROM store.loads").fetchall()[0][0])


class _Watch:
    """Notes when loads were committed and copies published, from inside the stream's own process."""

    def __init__(self, messages: int, deadline: float) -> None:
        self.messages, self.deadline = messages, deadline
        self.committed: list[float] = []
        self.begun: list[float] = []
        self.published: list[float] = []
        self.rss: list[int] = []
        self.loaded = 0

    def note(self, label: str) -> None:
        if label == "load.committed":
            self.committed.append(time.time())
        elif label == "publish.before_checkpoint":
            self.begun.append(time.time())
        elif label == "publish.renamed":
            self.published.append(time.time())

    async def run(self, settings: Settings) -> None:
        states: list[State] = []
        streaming = asyncio.create_task(Stream(settings, states.append).run())
        process = psutil.Process()
        while not streaming.done():
            self.rss.append(process.memory_info().rss)
            await asyncio.wait((streaming,), timeout=_SAMPLE_S)
            self.loaded = states[0].loaded if states else 0
            if states and (self.loaded >= self.messages or time.monotonic() > self.deadline):
                states[0].stop.set()
        await streaming

    def latencies(self, settings: Settings, before: int) -> Values:
        with open_copy(Stream(settings).warehouse) as connection:
            found = connection.execute(_LATENCIES, {"before": before}).fetchnumpy()
        sent, load = found["epoch_us(occurred_at)"] / 1e6, found["load_no"] - before - 1
        if sent.max() > self.committed[0]:
            # What waited when the stream started says how long it takes to start.
            sent, load = sent[sent > self.committed[0]], load[sent > self.committed[0]]
        copied = [self._copied_at(moment) for moment in self.committed]
        return {
            "committed": _percentiles(np.asarray(self.committed)[load] - sent),
            "copied": _percentiles(np.asarray(copied)[load] - sent),
            "loads": len(self.committed),
            "copies": len(self.published),
            "threads": threading.active_count(),
        }

    def _copied_at(self, moment: float) -> float:
        return self.published[min(bisect_left(self.begun, moment), len(self.published) - 1)]


def _percentiles(values: Any) -> dict[str, float]:
    return {f"p{q}": float(np.percentile(values, q)) for q in (50, 90, 99)} | {"max": float(values.max())}
