"""Collectors and dispatchers that are killed at random, and a webhook that is faulty and sometimes away.

The processes come from a fork server that has imported all they need, so that 200 of them start in seconds.
"""

import http.client
import http.server
import json
import multiprocessing
import multiprocessing.connection
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event

from resources.clock import SystemClock
from resources.errors import TransientError
from resources.notifications.dispatcher import Dispatcher, stopping_on_signals
from resources.notifications.events import Notice, delivery_id
from resources.notifications.outbox import Outbox
from resources.notifications.port import Limits, Receipt
from resources.notifications.retry import RetryPolicy
from tests.notifications.samples import event

RETRY = RetryPolicy(base_s=0.1, cap_s=1.0, max_attempts=10_000, lease_s=3.0)
_BATCH = 20
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.notifications.killing"])


class PostChannel:
    """Posts id and event key to a port of this machine, eight at once, over connections that stay open."""

    limits = Limits(concurrency=8, timeout_s=1.5)
    name = "post"

    def __init__(self, port: int) -> None:
        """Post to 127.0.0.1:`port`."""
        self._port = port
        self._own = threading.local()

    def send(self, notice: Notice) -> Receipt:
        """Post the notice; TransientError for anything but 200."""
        connection = getattr(self._own, "connection", None)
        if connection is None:
            connection = self._own.connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=5)
        body = json.dumps({"id": notice.delivery_id, "event_key": notice.event.event_key})
        try:
            connection.request("POST", "/", body)
            status = connection.getresponse().read() and 200
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise TransientError(f"no answer ({type(error).__name__})") from error
        if status != 200:
            raise TransientError("the answer was an error")
        return Receipt.DELIVERED


@dataclass
class Webhook:
    """Keeps what arrives. A share `faulty` of posts is answered badly, half of those after it arrived."""

    faulty: float = 0.0
    is_away: bool = False
    rng: random.Random = field(default_factory=lambda: random.Random(1))
    arrived: Counter[tuple[str, str]] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, body: bytes) -> bool:
        """Take a post; say whether to answer that it is well."""
        told = json.loads(body)
        with self.lock:
            fate = self.rng.random()
            is_lost = self.is_away or fate < self.faulty / 2
            if not is_lost:
                self.arrived[(told["id"], told["event_key"])] += 1
            return not is_lost and fate >= self.faulty


@contextmanager
def serving(webhook: Webhook) -> Iterator[int]:
    """Serve the webhook and yield its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            is_well = webhook.take(self.rfile.read(int(self.headers["Content-Length"])))
            body = b"well" if is_well else b""
            self.send_response(200 if is_well else 500)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True  # the other side was killed

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128

        def handle_error(self, *_: object) -> None:
            """Stay silent: a killed client is no news here."""

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def collect(ready: Event, location: str, total: int, pause_s: float) -> None:
    """Record the events up to `total`, batch by batch, from where the cursor is."""
    _end_with_the_test()
    with Outbox(location) as outbox:
        ready.set()
        while (at := int(outbox.cursor("source") or 0)) < total:
            until = min(at + _BATCH, total)
            outbox.record([event(number) for number in range(at, until)], cursors_at={"source": str(until)})
            time.sleep(pause_s)


def dispatch(ready: Event, location: str, port: int, lease_s: float) -> None:
    """Deliver until SIGTERM."""
    _end_with_the_test()
    with Outbox(location) as outbox, stopping_on_signals() as stop:
        ready.set()
        retry = replace(RETRY, lease_s=lease_s)
        Dispatcher(outbox, [PostChannel(port)], SystemClock(), retry=retry).run(stop)


def _end_with_the_test() -> None:
    """Leave nobody behind when the test itself is killed."""
    test = multiprocessing.parent_process()
    assert test is not None

    def follow() -> None:
        multiprocessing.connection.wait([test.sentinel])
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@dataclass
class Scene:
    """One outbox, one collector, `dispatchers` of them, one webhook; `kills` counts SIGKILLs of live ones."""

    location: str
    total: int
    port: int
    webhook: Webhook
    dispatchers: int = 1
    pause_s: float = 0.0
    lease_s: float = RETRY.lease_s
    kills: int = 0
    running: "list[tuple[BaseProcess, Event]]" = field(default_factory=list)

    def start(self) -> None:
        """Start all that is to run."""
        self.running = [self._collector(), *(self._dispatcher() for _ in range(self.dispatchers))]

    def kill(self, which: int, after_s: float) -> None:
        """Kill one process (0 is the collector) so long after it began its work, and start another.

        A collector that has come to its end is only replaced.
        """
        victim, ready = self.running[which]
        assert ready.wait(60), "it did not begin"
        victim.join(after_s)
        self.kills += victim.is_alive()
        victim.kill()
        victim.join()
        self.running[which] = self._dispatcher() if which else self._collector()

    def end(self) -> None:
        """Let the dispatchers end in peace."""
        for process, _ in self.running:
            process.terminate()
        for process, _ in self.running:
            process.join(30)
            process.kill()

    def wait_until_delivered(self, timeout_s: float) -> None:
        """Wait until nothing is left to record, decide or deliver."""
        deadline = time.monotonic() + timeout_s
        with Outbox(self.location) as outbox:
            while time.monotonic() < deadline:
                counts = outbox.counts()
                if counts.events == self.total and counts.undecided == counts.pending == 0:
                    return
                time.sleep(0.1)
            raise AssertionError(f"not delivered in {timeout_s:g} s: {outbox.counts()}")

    def broken_promises(self) -> set[str]:
        """Return what is not as promised: something lost, foreign, under two ids, or not accounted for."""
        wanted = {event(number).event_key for number in range(self.total)}
        arrived = {key for _, key in self.webhook.arrived}
        ids = {one for one, _ in self.webhook.arrived}
        with Outbox(self.location) as outbox:
            audit = outbox.audit()
        broken = {
            "lost": bool(wanted - arrived),
            "foreign": bool(arrived - wanted),
            "two ids": ids != {delivery_id(key, "post") for key in wanted & arrived},
            "audit": not audit.is_clean or audit.counts.delivered != self.total,
        }
        return {name for name, is_so in broken.items() if is_so}

    def _collector(self) -> "tuple[BaseProcess, Event]":
        return _started(collect, self.location, self.total, self.pause_s)

    def _dispatcher(self) -> "tuple[BaseProcess, Event]":
        return _started(dispatch, self.location, self.port, self.lease_s)


def _started(work: object, *arguments: object) -> "tuple[BaseProcess, Event]":
    ready = _PROCESSES.Event()
    process = _PROCESSES.Process(target=work, args=(ready, *arguments), daemon=True)  # type: ignore[arg-type]
    process.start()
    return process, ready
