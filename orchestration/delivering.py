"""From the settings to a dispatcher: policies, channels, and the chores that it does besides."""

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TextIO

from orchestration.alerting import open_alerting
from resources.clock import SystemClock
from resources.errors import TransientError
from resources.notifications.code_locations import look_at_locations
from resources.notifications.decisions import Engine
from resources.notifications.dispatcher import Chore, Dispatcher
from resources.notifications.expectations import ExpectationWatch
from resources.notifications.failures import Surroundings
from resources.notifications.outbox import Outbox
from resources.notifications.policies.deciding import PolicyEngine
from resources.notifications.policies.policy import Policies
from resources.notifications.port import Channel
from resources.notifications.watchdog import DaemonWatch, HeartbeatOut

if TYPE_CHECKING:
    from orchestration.settings import Settings

_log = logging.getLogger(__name__)
_WATCH_EVERY_S = 15.0
_FORGET_EVERY_S = 3_600.0


@dataclass(frozen=True, slots=True)
class Routes:
    """Who decides, the channels that notices go by, and what is expected to come."""

    engine: Engine
    channels: Sequence[Channel]
    policies: Policies


def routes(settings: "Settings", console: TextIO) -> Routes:
    """Return the engine and the channels of the policy file; nothing is contacted yet.

    Raises PermanentError with file, line and key for a policy file that is wrong.
    """
    alerting = open_alerting(settings, console)
    return Routes(PolicyEngine(alerting.policies), alerting.channels, alerting.policies)


def expectation_watch(settings: "Settings", outbox: Outbox, policies: Policies) -> ExpectationWatch:
    """Return what looks whether the events that policies expect came in time."""
    return ExpectationWatch(outbox, policies.policies, SystemClock(), settings.ui_url)


def dispatch_until(stop: threading.Event, settings: "Settings", outbox: Outbox, console: TextIO) -> None:
    """Deliver until `stop` is set, watch the daemon, and tell Prometheus and the dead man's switch.

    Raises PermanentError when the outbox is broken.
    """
    from resources.notifications.metrics import Metrics

    clock = SystemClock()
    chosen = routes(settings, console)
    metrics = Metrics(outbox, clock)
    dispatcher = Dispatcher(outbox, chosen.channels, clock, engine=chosen.engine, observer=metrics)
    dispatcher.chores = [*_chores(settings, outbox, dispatcher, chosen.policies)]
    with ExitStack() as stack:
        if settings.metrics_port:
            try:
                stack.enter_context(metrics.served(settings.metrics_port))
            except TransientError as error:
                # A second dispatcher on this machine must deliver all the same.
                _log.warning("no figures for Prometheus: %s", error)
        dispatcher.run(stop)


def _chores(settings: "Settings", outbox: Outbox, dispatcher: Dispatcher, policies: Policies) -> list[Chore]:
    clock = SystemClock()
    watch = DaemonWatch(
        outbox, lambda: daemon_beats(settings), clock, settings.daemon_timeout_s, clock.now(), settings.ui_url
    )
    expected = expectation_watch(settings, outbox, policies)
    about = Surroundings(ui_url=settings.ui_url)

    def look_at_code() -> None:
        # From outside: the collector of a location that cannot be loaded does not run.
        look_at_locations(outbox, clock, about)

    def forget() -> None:
        outbox.prune(clock.now() - timedelta(days=settings.notifications_keep_days))

    chores = [
        Chore("forgetting what was told long ago", _FORGET_EVERY_S, forget),
        Chore("the watch over the daemon", _WATCH_EVERY_S, watch.look),
        Chore("the watch over code locations", _WATCH_EVERY_S, look_at_code),
        Chore("the watch for what is expected", _WATCH_EVERY_S, expected.look),
    ]
    if settings.heartbeat_url is not None:
        out = HeartbeatOut(settings.heartbeat_url.get_secret_value(), dispatcher.is_well)
        chores.append(Chore("the heartbeat", settings.heartbeat_interval_s, out.beat))
    return chores


def daemon_beats(settings: "Settings") -> Mapping[str, datetime]:
    """Return the last heartbeat of each part of Dagster's daemon that ever ran on this instance."""
    if not (settings.dagster_home / "dagster.yaml").exists():
        return {}
    from orchestration.instance import open_instance

    with open_instance(settings) as instance:
        beats = instance.get_daemon_heartbeats()
    return {str(kind): datetime.fromtimestamp(beat.timestamp, UTC) for kind, beat in beats.items()}
