"""Take daily files into the landing folder: one message for each invoice that differs.

What to land follows from the file and the landing folder alone, and a file counts as taken in only
once its messages are durable: after a kill the next call finds what is there and goes on.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import msgspec

from assets.files.daily_csv import content_of, daily_files, read_daily_file, sha256_of
from assets.files.landed import FEED, OBSERVATIONS, PARTITION, LandedInvoices, Observation, digests
from assets.files.mapping import Mapping
from assets.files.plan import DayIntake, Plan, plan_day
from assets.landing.turns import landing_lease
from resources.crashpoints import reached
from resources.errors import PermanentError
from resources.leases import held
from resources.segments import Landing

_DAYS_PER_OBSERVATION_SEGMENT = 100


@dataclass(frozen=True, slots=True)
class Intake:
    """What a call took in, by day, and the days that failed with their reasons."""

    days: tuple[DayIntake, ...]
    failed: tuple[tuple[date, PermanentError], ...]


def changed_days(files_dir: Path, landing: Landing, mapping: Mapping) -> list[date]:
    """Return the days whose file is new or differs from what was last taken in, ascending.

    A file that cannot be read counts as changed: taking it in says why. Raises PermanentError when
    the folder itself cannot be read.
    """
    known = digests(landing)
    files = daily_files(files_dir, mapping)
    return [day for day, path in files.items() if known.get(path.name) != _digest(path)]


def take_in_day(day: date, *, files_dir: Path, landing: Landing, mapping: Mapping) -> DayIntake:
    """Take in the file of one day; see `take_in_days`, but raises the day's PermanentError."""
    intake = take_in_days([day], files_dir=files_dir, landing=landing, mapping=mapping)
    for _, error in intake.failed:
        raise error
    return intake.days[0]


def take_in_days(
    days: Iterable[date],
    *,
    files_dir: Path,
    landing: Landing,
    mapping: Mapping,
    on_day: Callable[[DayIntake], None] | None = None,
    timeout_s: float = 60.0,
) -> Intake:
    """Take in the files of some days, changed or not, in the order given.

    A file that cannot be read fails its day, lands nothing of it, and leaves the other days alone.
    Raises TransientError when the lease of the feed is held for longer than `timeout_s` or the disk
    is nearly full; what was landed until then stays, and the next call goes on from there.
    """
    taken: list[DayIntake] = []
    failed: list[tuple[date, PermanentError]] = []
    with held(landing_lease(landing, FEED).path, timeout_s, f"the landing lease of feed {FEED}"):
        writer = _Writer(landing, LandedInvoices.of(landing))
        for day in days:
            try:
                file = read_daily_file(files_dir / mapping.file_name(day), day, mapping)
                plan = plan_day(file, files_dir, writer.landed, mapping)
            except PermanentError as error:
                failed.append((day, error))
                continue
            writer.land(plan)
            taken.append(plan.intake(file))
            if on_day is not None:
                on_day(taken[-1])
        writer.flush()
    return Intake(tuple(taken), tuple(failed))


def _digest(path: Path) -> str:
    try:
        return sha256_of(content_of(path))
    except PermanentError:
        return ""


@dataclass(slots=True)
class _Writer:
    """Lands plans, messages at once and observations in stretches of days.

    A batch of LOAD holds either orders or observations, so a segment of observations after each
    day would cost LOAD two transactions a day.
    """

    landing: Landing
    landed: LandedInvoices
    _pending: list[Observation] = field(default_factory=list)
    _days: int = 0

    def land(self, plan: Plan) -> None:
        if plan.messages:
            self._append(
                FEED,
                bodies=[invoice.message(headers.version) for invoice, headers in plan.messages],
                keys=[invoice.key for invoice, _ in plan.messages],
                headers=[msgspec.json.encode(headers).decode() for _, headers in plan.messages],
            )
            reached("files.messages_landed")
        for invoice, headers in plan.messages:
            self.landed.add(invoice.key, headers)
        for observation in plan.observations:
            self.landed.observe(observation)
        self._pending += plan.observations
        self._days += 1
        if self._days >= _DAYS_PER_OBSERVATION_SEGMENT:
            self.flush()

    def flush(self) -> None:
        if self._pending:
            bodies = [msgspec.json.encode(observation) for observation in self._pending]
            self._append(OBSERVATIONS, bodies=bodies)
            reached("files.observed")
        self._pending, self._days = [], 0

    def _append(
        self,
        feed: str,
        *,
        bodies: list[bytes],
        keys: list[str | None] | None = None,
        headers: list[str | None] | None = None,
    ) -> None:
        last = self.landing.last_position(feed, PARTITION)
        first = 0 if last is None else last + 1
        self.landing.append(
            feed=feed,
            partition=PARTITION,
            positions=range(first, first + len(bodies)),
            bodies=bodies,
            keys=keys,
            headers=headers,
        )
