"""The dispatcher's own figures, for Prometheus, on 127.0.0.1."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import start_http_server
from prometheus_client.registry import Collector

from resources.clock import Clock
from resources.errors import OrdersError, TransientError
from resources.notifications.outbox import Outbox

_HOST: Final = "127.0.0.1"
_WAITS_S: Final = (0.1, 0.25, 0.5, 1.0, 3.0, 10.0, 60.0, 300.0, 3600.0, 36_000.0)


class Metrics:
    """Counts attempts as they end; what the outbox holds is read when somebody asks."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        """Count from zero."""
        self.registry = CollectorRegistry()
        self._attempts = Counter(
            "orders_notifications_attempts",
            "Attempts at delivering a notice, by channel and outcome.",
            ["channel", "outcome"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "orders_notifications_send_seconds",
            "How long a channel took for one notice.",
            ["channel"],
            registry=self.registry,
        )
        self._waits = Histogram(
            "orders_notifications_fact_to_channel_seconds",
            "From the recording of an event to its arrival at a channel.",
            ["channel"],
            buckets=_WAITS_S,
            registry=self.registry,
        )
        self.registry.register(_OutboxCollector(outbox, clock))

    def attempted(self, channel: str, outcome: str, *, took_s: float, waited_s: float) -> None:
        """Note an attempt that took `took_s`, of an event that was recorded `waited_s` before its end."""
        self._attempts.labels(channel, outcome).inc()
        self._seconds.labels(channel).observe(took_s)
        if outcome == "delivered":
            self._waits.labels(channel).observe(waited_s)

    @contextmanager
    def served(self, port: int) -> Iterator[int]:
        """Serve them at /metrics and yield the port, a free one for 0; TransientError when it is taken."""
        try:
            server, thread = start_http_server(port, _HOST, self.registry)
        except OSError as error:
            raise TransientError(
                f"{_HOST}:{port} cannot be listened on ({error.strerror}): set ORDERS_METRICS_PORT to another"
            ) from error
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            server.server_close()
            thread.join(timeout=5)


class _OutboxCollector(Collector):
    """What the outbox holds at the moment of the question."""

    def __init__(self, outbox: Outbox, clock: Clock) -> None:
        self._outbox = outbox
        self._clock = clock

    def describe(self) -> list[GaugeMetricFamily]:
        """Name nothing beforehand, so that registering does not ask the outbox."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield the gauges; only `orders_notifications_outbox_up` 0 when the outbox cannot be read."""
        is_up = GaugeMetricFamily("orders_notifications_outbox_up", "Whether the outbox can be read.")
        try:
            counts, channels = self._outbox.counts(), self._outbox.channel_states()
        except OrdersError:
            is_up.add_metric([], 0)
            yield is_up
            return
        is_up.add_metric([], 1)
        yield is_up
        deliveries = GaugeMetricFamily(
            "orders_notifications_deliveries", "Deliveries by state.", labels=["state"]
        )
        for state in ("pending", "delivered", "grouped", "muted", "dead"):
            deliveries.add_metric([state], getattr(counts, state))
        yield deliveries
        events = GaugeMetricFamily("orders_notifications_events", "Events by decision.", labels=["decision"])
        for decision in ("matched", "unmatched", "undecided"):
            events.add_metric([decision], getattr(counts, decision))
        yield events
        oldest = counts.oldest_pending_at
        age_s = 0.0 if oldest is None else max(0.0, (self._clock.now() - oldest).total_seconds())
        yield _gauge("oldest_pending_seconds", "How long the oldest delivery has been due.", age_s)
        failures = GaugeMetricFamily(
            "orders_notifications_channel_failures", "Failures in a row.", labels=["channel"]
        )
        off = GaugeMetricFamily(
            "orders_notifications_channel_off", "Whether a channel is off.", labels=["channel"]
        )
        for channel in channels:
            failures.add_metric([channel.channel], channel.failures)
            off.add_metric([channel.channel], channel.off_since is not None)
        yield failures
        yield off


def _gauge(name: str, told: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"orders_notifications_{name}", told, value=value)
