"""The notification layer: drain a pile of failures to a webhook, and how long a single one takes."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

import dagster as dg
import httpx

from resources.clock import SystemClock
from resources.notifications.channels.base import Words
from resources.notifications.channels.cloud_event import CONTENT_TYPE, encode
from resources.notifications.channels.guard import Guard
from resources.notifications.channels.http import HttpClient
from resources.notifications.channels.signing import Signer
from resources.notifications.channels.webhook import WebhookChannel, WebhookOptions
from resources.notifications.dispatcher import Dispatcher, deliver_due
from resources.notifications.events import Event, EventType, Notice, delivery_id
from resources.notifications.failures import Surroundings, job_failure
from resources.notifications.outbox import Outbox
from resources.notifications.port import Channel, Receipt
from resources.notifications.resource import RESOURCE_KEY, NotificationOutbox
from sensors.hooks import record_step_failure

Values = dict[str, Any]
_BUDGET_S = 900.0
_THREADS = 8
_SOURCE = "urn:orders"


def drain(home: str, port: int, number: int) -> Values:
    """Record failures, then decide on, send and settle all of them."""
    with Outbox(Path(home) / "outbox.db") as outbox:
        start = time.perf_counter()
        outbox.record([failure(one) for one in range(number)])
        recorded = time.perf_counter() - start
        start, busy = time.perf_counter(), time.process_time()
        told = deliver_due(outbox, [webhook("webhook", port)], SystemClock(), _BUDGET_S)
        seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "cpu": time.process_time() - busy,
        "record": recorded,
        "delivered": told.delivered,
    }


def bare(home: str, port: int, number: int) -> Values:
    """Post the same bodies by httpx from as many threads: no outbox, no decisions, no signature."""
    del home
    bodies = [encode(notice(failure(one)), _SOURCE) for one in range(number)]
    headers = {"Content-Type": CONTENT_TYPE}
    with httpx.Client(trust_env=False) as client, ThreadPoolExecutor(_THREADS) as pool:
        start = time.perf_counter()

        def post(body: bytes) -> int:
            return client.post(f"http://127.0.0.1:{port}/", content=body, headers=headers).status_code

        well = sum(status == 200 for status in pool.map(post, bodies))
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "delivered": well}


def latency(home: str, port: int, number: int, hanging: bool) -> Values:
    """Record failures one by one at odd moments; the times from each record to its answer, in seconds.

    With `hanging`, a second channel gets the same notices and never gets an answer.
    """
    waits = _Waits("calm")
    stop = threading.Event()
    channels = [webhook("calm", port)]
    if hanging:
        channels.append(webhook("hanging", port, path="/hang"))
    rng = random.Random(1)
    with Outbox(Path(home) / "outbox.db") as outbox:
        dispatcher = Dispatcher(outbox, channels, SystemClock(), observer=waits)
        running = threading.Thread(target=dispatcher.run, args=(stop,))
        running.start()
        for one in range(number):
            time.sleep(rng.uniform(0.02, 0.12))
            outbox.record([failure(one)])
        deadline = time.monotonic() + 60
        while len(waits.seconds) < number and time.monotonic() < deadline:
            time.sleep(0.05)
        stop.set()
        running.join()
    cuts = quantiles(waits.seconds, n=100)
    return {"seconds": sum(waits.seconds), "p50": cuts[49], "p99": cuts[98], "arrived": len(waits.seconds)}


class _Waits:
    """Keeps how long each delivered notice of one channel took from its record."""

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self.seconds: list[float] = []

    def attempted(self, channel: str, outcome: str, *, took_s: float, waited_s: float) -> None:
        """Keep the wait."""
        del took_s
        if channel == self._channel and outcome == "delivered":
            self.seconds.append(waited_s)


def hooked(home: str, port: int, number: int) -> Values:
    """Fail a step in run after run; the times from each exception to its answer, in seconds.

    The runs are in-process ones of a Dagster instance on disk, with the platform's hook on the job.
    """
    raised: list[float] = []
    location = str(Path(home) / "outbox.db")

    @dg.op
    def load() -> None:
        raised.append(time.time())
        raise OSError("no room left on the disk")

    resources = {RESOURCE_KEY: NotificationOutbox(url=location).get_resource_definition()}
    # Each of a job of its own: a job that fails again is the same incident, and told once.
    jobs = [
        dg.GraphDefinition(f"failing_{one}", node_defs=[load]).to_job(
            hooks={record_step_failure}, resource_defs=resources
        )
        for one in range(number)
    ]
    answered = _Answered(webhook("hooked", port))
    stop = threading.Event()
    (Path(home) / "dagster").mkdir()
    with Outbox(location) as outbox, dg.DagsterInstance.local_temp(str(Path(home) / "dagster")) as instance:
        dispatcher = Dispatcher(outbox, [answered], SystemClock())
        running = threading.Thread(target=dispatcher.run, args=(stop,))
        running.start()
        for failing in jobs:
            failing.execute_in_process(instance=instance, raise_on_error=False)
        deadline = time.monotonic() + 60
        while len(answered.at) < number and time.monotonic() < deadline:
            time.sleep(0.05)
        stop.set()
        running.join()
    waits = [then - at for at, then in zip(raised, answered.at.values(), strict=True)]
    cuts = quantiles(waits, n=100)
    return {"seconds": sum(waits), "p50": cuts[49], "p99": cuts[98], "arrived": len(waits)}


class _Answered:
    """A channel that notes when each failed step had its answer, in order of the failures."""

    def __init__(self, channel: Channel) -> None:
        self.name = channel.name
        self._channel = channel
        self.at: dict[str, float] = {}

    def send(self, notice: Notice) -> Receipt:
        receipt = self._channel.send(notice)
        if notice.event.event_type is EventType.STEP_FAILURE:
            self.at.setdefault(notice.event.targets.run_id, time.time())
        return receipt


def webhook(name: str, port: int, path: str = "/") -> WebhookChannel:
    """Return a signed webhook on this machine."""
    return WebhookChannel(
        name,
        f"http://127.0.0.1:{port}{path}",
        HttpClient(Guard(allows_private=True)),
        Words({}, {}),
        signer=Signer(["whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]),
        options=WebhookOptions(_SOURCE),
        clock=SystemClock(),
    )


def failure(number: int) -> Event:
    """Return a failed run, each of a job of its own."""
    return job_failure(
        run_id=f"run-{number}",
        job=f"job-{number}",
        chain=["OSError: no room left on the disk"],
        failed_steps=("load",),
        at=datetime(2026, 5, 1, tzinfo=UTC),
        about=Surroundings(),
    )


def notice(event: Event) -> Notice:
    """Return the notice of one event."""
    return Notice(delivery_id(event.event_key, "webhook"), 1, event)
