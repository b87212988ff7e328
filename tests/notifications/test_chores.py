"""What a dispatcher does besides: the watch over the daemon, its own heartbeat, figures for Prometheus."""

import http.server
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from resources.clock import FrozenClock
from resources.errors import PermanentError, TransientError
from resources.notifications.dispatcher import Dispatcher, deliver_due
from resources.notifications.metrics import Metrics
from resources.notifications.outbox import Outbox
from resources.notifications.watchdog import DaemonWatch, HeartbeatOut
from tests.notifications.samples import T0, RecorderChannel, event


@pytest.fixture
def outbox(tmp_path: Path, clock: FrozenClock) -> Iterator[Outbox]:
    """An empty outbox in a file: these claims are the same on every store."""
    with Outbox(tmp_path / "outbox.db", clock=clock) as opened:
        yield opened


@contextmanager
def listening(status: int) -> Iterator[tuple[str, list[str]]]:
    """Answer every GET with a status; yield the address and the paths that were asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
        server.shutdown()
        thread.join()


def watch(outbox: Outbox, clock: FrozenClock, beats: dict[str, datetime]) -> DaemonWatch:
    return DaemonWatch(outbox, lambda: beats, clock, limit_s=120, started_at=clock.now())


def test_a_daemon_that_falls_silent_is_told_once_and_its_return_too(
    outbox: Outbox, clock: FrozenClock
) -> None:
    beats = {"SENSOR": T0, "SCHEDULER": T0 - timedelta(days=1)}
    watching = watch(outbox, clock, beats)
    watching.look()
    clock.advance(121)
    watching.look()
    watching.look()
    channel = RecorderChannel()
    deliver_due(outbox, [channel], clock)
    clock.advance(600)
    beats["SENSOR"] = clock.now()
    watching.look()
    watching.look()
    deliver_due(outbox, [channel], clock)
    assert [(n.event.event_type.value, n.is_resolved) for n in channel.sent] == [
        ("DAEMON_UNAVAILABLE", False),
        ("DAEMON_UNAVAILABLE", True),
    ]


def test_a_daemon_that_never_ran_or_starts_just_now_is_not_missed(outbox: Outbox, clock: FrozenClock) -> None:
    watch(outbox, clock, {}).look()
    starting = watch(outbox, clock, {"SENSOR": T0 - timedelta(days=3)})
    starting.look()
    clock.advance(119)
    starting.look()
    assert outbox.counts().events == 0


def test_the_heartbeat_reaches_its_listener_only_while_all_is_well(tmp_path: Path) -> None:
    with listening(200) as (url, asked):
        HeartbeatOut(f"{url}/ping/secret", lambda: True).beat()
        with pytest.raises(TransientError, match="behind"):
            HeartbeatOut(f"{url}/ping/secret", lambda: False).beat()
        assert asked == ["/ping/secret"]
    HeartbeatOut((tmp_path / "a b" / "beat").as_uri(), lambda: True).beat()
    assert (tmp_path / "a b" / "beat").exists()


def test_a_heartbeat_that_fails_shows_no_address() -> None:
    with listening(503) as (url, _):
        beat = HeartbeatOut(f"{url}/ping/secret", lambda: True)
        with pytest.raises(TransientError, match="503") as refused:
            beat.beat()
    with pytest.raises(TransientError) as unheard:
        beat.beat()
    with pytest.raises(PermanentError) as unknown:
        HeartbeatOut("ftp://secret", lambda: True).beat()
    shown = f"{refused.value} {unheard.value} {unknown.value} {beat!r}"
    assert "secret" not in shown


def test_prometheus_reads_attempts_and_what_the_outbox_holds(outbox: Outbox, clock: FrozenClock) -> None:
    metrics = Metrics(outbox, clock)
    outbox.record([event(1), event(2)])
    stop = threading.Event()

    class Last(RecorderChannel):
        def send(self, notice):  # type: ignore[no-untyped-def]
            receipt = super().send(notice)
            if len(self.sent) == 2:
                stop.set()
            return receipt

    Dispatcher(outbox, [Last()], clock, observer=metrics).run(stop)
    with metrics.served(0) as port:
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
        with pytest.raises(TransientError, match="ORDERS_METRICS_PORT"), metrics.served(port):
            pass
    assert 'orders_notifications_attempts_total{channel="recorder",outcome="delivered"} 2.0' in text
    assert 'orders_notifications_deliveries{state="delivered"} 2.0' in text
    assert 'orders_notifications_events{decision="matched"} 2.0' in text
    assert "orders_notifications_outbox_up 1.0" in text
