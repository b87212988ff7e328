"""What `orders status` shows, gathered without taking a lease or a message."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.cli.parts import Parts
from resources.errors import OrdersError

if TYPE_CHECKING:
    import duckdb

    from assets.landing.health import StreamHealth
    from resources.brokers.port import Broker
    from resources.notifications.auditing import Counts

_LAST_RUNS = 5
_LEDGER = "SELECT feed, partition, landed, accepted, duplicates, rejected FROM message_ledger"
_REJECTS = "SELECT reason, state, count(*) FROM rejected_messages GROUP BY ALL ORDER BY ALL"
_FRESHNESS = "SELECT (SELECT max(loaded_at) FROM store.loads), (SELECT max(updated_at) FROM orders)"


@dataclass(frozen=True, slots=True)
class Feed:
    """What waits in the broker of a feed, None with the `problem` when it cannot be asked."""

    feed: str
    waiting: int | None
    problem: str | None = None

    def text(self) -> str:
        """Return it as a line."""
        return f"{self.waiting} waiting in feed {self.feed}" if self.problem is None else self.problem


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the brokers: messages, or files where a broker is an inbox folder."""

    feed: str
    waiting: int
    feeds: tuple[Feed, ...]

    def text(self) -> str:
        """Return it as a line."""
        return "; ".join(feed.text() for feed in self.feeds)


@dataclass(frozen=True, slots=True)
class Place:
    """The ledger of one partition; `to_load` messages have landed and are not in the published copy."""

    feed: str
    partition: str
    landed: int
    accepted: int
    duplicates: int
    rejected: int
    to_load: int


@dataclass(frozen=True, slots=True)
class Rejects:
    """How many dead letters there are of one reason and state."""

    reason: str
    state: str
    messages: int


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old the published copy is; None where there is none yet. `is_stale` by ORDERS_FRESHNESS_HOURS."""

    loaded_at: datetime | None
    published_at: datetime | None
    newest_order_at: datetime | None
    is_stale: bool

    def text(self) -> str:
        """Return it as a line."""
        if self.published_at is None:
            return "nothing published yet: run `orders run`"
        stale = ", stale" if self.is_stale else ""
        return f"loaded {_moment(self.loaded_at)}, published {_moment(self.published_at)}{stale}"


@dataclass(frozen=True, slots=True)
class Run:
    """A run of Dagster."""

    run_id: str
    job: str
    status: str
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that `orders status` shows; `outbox` is None before the first notice was looked for."""

    home: Path
    backlog: Backlog
    freshness: Freshness
    ledger: tuple[Place, ...]
    rejects: tuple[Rejects, ...]
    runs: tuple[Run, ...]
    outbox: "Counts | None"
    stream: "StreamHealth | None" = None

    def stream_text(self) -> str:
        """Return how stream mode is doing, as a line."""
        if self.stream is None:
            return "not running: `orders up` or `orders stream` starts it, `orders run` works without"
        s = self.stream
        feeds = "; ".join(
            f"{f.feed} {f.state}, lag {f.lag}" + (f" ({f.reason})" if f.reason else "") for f in s.feeds
        )
        waits = f"; {s.reason}" if s.reason else ""
        return f"process {s.pid}, last load {_moment(s.loaded_at)} in {s.load_s * 1e3:.0f} ms; {feeds}{waits}"

    def outbox_text(self) -> str:
        """Return the outbox as a line."""
        if self.outbox is None:
            return "empty"
        o = self.outbox
        return f"{o.events} events, {o.delivered} delivered, {o.pending} pending, {o.dead} dead"


def look(parts: Parts) -> Overview:
    """Gather the overview; raises what the outbox raises."""
    from assets.landing.health import read_health

    backlog = _backlog(parts)
    landed = _landed(parts)
    if not parts.warehouse().copy.exists():
        freshness = Freshness(None, None, None, is_stale=False)
        ledger = [Place(feed, partition, 0, 0, 0, 0, rows) for (feed, partition), rows in landed.items()]
        rejects: list[Rejects] = []
    else:
        with parts.reading() as connection:
            freshness = _freshness(connection, parts)
            ledger = [_place(row, landed) for row in connection.execute(_LEDGER).fetchall()]
            ledger += [Place(feed, partition, 0, 0, 0, 0, rows) for (feed, partition), rows in landed.items()]
            rejects = [Rejects(*row) for row in connection.execute(_REJECTS).fetchall()]
    return Overview(
        home=parts.settings.root,
        backlog=backlog,
        freshness=freshness,
        ledger=tuple(sorted(ledger, key=lambda place: (place.feed, place.partition))),
        rejects=tuple(rejects),
        runs=tuple(_last_runs(parts)),
        outbox=_outbox(parts),
        stream=read_health(parts.settings.health_file, datetime.now(UTC)),
    )


def _backlog(parts: Parts) -> Backlog:
    with parts.brokers() as brokers:
        feeds = tuple(_feed(broker) for broker in brokers)
    return Backlog(", ".join(f.feed for f in feeds), sum(f.waiting or 0 for f in feeds), feeds)


def _feed(broker: "Broker") -> Feed:
    try:
        return Feed(broker.feed, broker.backlog())
    except OrdersError as error:
        return Feed(broker.feed, None, str(error))


def _place(row: tuple[Any, ...], landed: dict[tuple[str, str], int]) -> Place:
    """Return a row of the ledger, and take its place out of what has landed."""
    feed, partition, settled, accepted, duplicates, rejected = row
    to_load = landed.pop((feed, partition), settled) - settled
    return Place(feed, partition, settled, accepted, duplicates, rejected, to_load)


def _landed(parts: Parts) -> dict[tuple[str, str], int]:
    rows: dict[tuple[str, str], int] = {}
    for segment in parts.landing().segments():
        for span in segment.ranges:
            place = (span.feed, span.partition)
            rows[place] = rows.get(place, 0) + span.rows
    return rows


def _freshness(connection: "duckdb.DuckDBPyConnection", parts: Parts) -> Freshness:
    row = connection.execute(_FRESHNESS).fetchone()
    assert row is not None
    loaded_at, newest = (moment and moment.replace(tzinfo=UTC) for moment in row)
    published_at = datetime.fromtimestamp(parts.warehouse().copy.stat().st_mtime, UTC)
    limit = timedelta(hours=parts.settings.freshness_hours)
    is_stale = loaded_at is None or datetime.now(UTC) - loaded_at > limit
    return Freshness(loaded_at, published_at, newest, is_stale)


def _last_runs(parts: Parts) -> list[Run]:
    if not (parts.settings.dagster_home / "dagster.yaml").exists():
        return []
    from orchestration.instance import open_instance

    with open_instance(parts.settings) as instance:
        records = instance.get_run_records(limit=_LAST_RUNS)
    return [
        Run(
            record.dagster_run.run_id,
            record.dagster_run.job_name,
            record.dagster_run.status.value,
            _from_epoch(record.start_time),
            _from_epoch(record.end_time),
        )
        for record in records
    ]


def _outbox(parts: Parts) -> "Counts | None":
    url = parts.settings.state_address().get_secret_value()
    is_file = url.startswith("sqlite:///")
    if is_file and not Path(url.removeprefix("sqlite:///")).exists():
        return None
    with parts.outbox() as outbox:
        return outbox.counts()


def _from_epoch(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _moment(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
