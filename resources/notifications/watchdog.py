"""Chores of a running dispatcher: it sees that the daemon lives, and lets others see that it lives itself.

A daemon that is dead cannot say so, and a dispatcher that is dead cannot either: so the first is watched from
here, and the second by whoever misses its heartbeat (a dead man's switch).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from resources.clock import Clock
from resources.errors import PermanentError, TransientError
from resources.notifications.events import Event, EventType, Facts, Severity
from resources.notifications.outbox import Outbox

Beats: TypeAlias = Callable[[], Mapping[str, datetime]]
"""Gives the last heartbeat (aware UTC) of each of the daemon's parts that ever had one."""
_CURSOR = "watchdog/daemon"
_PING_TIMEOUT_S = 10.0


@dataclass(slots=True)
class DaemonWatch:
    """Records DAEMON_UNAVAILABLE when no part of the daemon has beaten for `limit_s`, and its recovery.

    `started_at` is when the watch began: a daemon that starts beside it gets as long. One that never ran
    (`orders run` needs none) is not missed.
    """

    outbox: Outbox
    beats: Beats
    clock: Clock
    limit_s: float
    started_at: datetime
    ui_url: str = ""

    def look(self) -> None:
        """Compare the last heartbeat with the clock; raises what the outbox and Dagster's storage raise."""
        last = max(self.beats().values(), default=None)
        if last is None:
            return
        now = self.clock.now()
        missing_since = self.outbox.cursor(_CURSOR)
        is_missing = now - max(last, self.started_at) > timedelta(seconds=self.limit_s)
        is_alive = now - last <= timedelta(seconds=self.limit_s)
        if is_missing and not missing_since:
            self.outbox.record([self._missing(last, now)], cursors_at={_CURSOR: last.isoformat()})
        elif is_alive and missing_since:
            since = datetime.fromisoformat(missing_since)
            self.outbox.record([self._back(since, now)], cursors_at={_CURSOR: ""})

    def _missing(self, last: datetime, now: datetime) -> Event:
        facts = Facts(
            what_broke="Dagster's daemon: no schedule, sensor or queued run starts while it is away",
            since=last,
            how_many="1 daemon",
            owners=(),
            next_step="see whether its process lives (`orders up`, dagster-daemon run) and what its log says",
            link=f"{self.ui_url.rstrip('/')}/deployment/daemons",
        )
        title = f"Dagster's daemon has not been heard of for {(now - last).total_seconds():.0f} s"
        return _daemon_event(f"{last.isoformat()}", now, title, facts)

    def _back(self, since: datetime, now: datetime) -> Event:
        facts = Facts(
            what_broke="nothing any more: Dagster's daemon is back",
            since=since,
            how_many="1 daemon",
            owners=(),
            next_step="nothing; schedules catch up by themselves",
            link=f"{self.ui_url.rstrip('/')}/deployment/daemons",
        )
        key = f"recovered/{since.isoformat()}"
        return _daemon_event(key, now, "Dagster's daemon is back", facts, is_recovery=True)


@dataclass(frozen=True, slots=True)
class HeartbeatOut:
    """Tells a dead man's switch that this dispatcher works: by a GET, or by touching a file.

    `url` may hold a secret, and is in no error, log or repr. Nothing is told while `is_well` says no.
    """

    url: str
    is_well: Callable[[], bool]

    def __repr__(self) -> str:
        """Show no address."""
        return "HeartbeatOut()"

    def beat(self) -> None:
        """Tell it; TransientError when nobody listens, PermanentError for an address of no known kind."""
        if not self.is_well():
            raise TransientError("no heartbeat goes out: this dispatcher is behind with its decisions")
        parts = urlsplit(self.url)
        if parts.scheme == "file":
            path = Path(unquote(parts.path))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        elif parts.scheme in ("http", "https"):
            _get(self.url)
        else:
            raise PermanentError("ORDERS_HEARTBEAT_URL must begin with https://, http:// or file:///")


def _get(url: str) -> None:
    import httpx

    try:
        status = httpx.get(url, timeout=_PING_TIMEOUT_S, follow_redirects=False).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        # The error's own text names the address, which may hold a secret.
        kind = type(error).__name__
        raise TransientError(f"the heartbeat (ORDERS_HEARTBEAT_URL) reached nobody ({kind})") from None
    if status >= 300:
        raise TransientError(f"the heartbeat (ORDERS_HEARTBEAT_URL) was answered with {status}")


def _daemon_event(key: str, now: datetime, title: str, facts: Facts, *, is_recovery: bool = False) -> Event:
    return Event(
        event_key=f"{EventType.DAEMON_UNAVAILABLE}/{key}",
        event_type=EventType.DAEMON_UNAVAILABLE,
        subject="daemon",
        occurred_at=now,
        title=title,
        facts=facts,
        severity=Severity.INFO if is_recovery else Severity.CRITICAL,
        incident="daemon",
        is_recovery=is_recovery,
    )
