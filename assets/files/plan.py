"""Decide what is to be landed of one daily file, given what has been landed before; lands nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from assets.files.daily_csv import DailyFile, Row, read_daily_file
from assets.files.invoices import Invoice, invoice_of
from assets.files.landed import FEED, Headers, LandedInvoices, Observation, Seen
from assets.files.mapping import Mapping
from resources.errors import PermanentError


@dataclass(frozen=True, slots=True)
class DayIntake:
    """What one daily file brought, in numbers of rows, invoices and messages.

    `messages` invoices were new or differed and were landed, `unchanged` ones were not; `missing`
    ones are newly gone from the file, `returned` ones had been missing and are back.
    """

    day: date
    rows: int
    invoices: int
    messages: int
    unchanged: int
    missing: int
    returned: int


@dataclass(slots=True)
class Plan:
    """What is to be landed of one file."""

    messages: list[tuple[Invoice, Headers]] = field(default_factory=list)
    observations: list[Observation] = field(default_factory=list)
    missing: int = 0
    returned: int = 0
    unchanged: int = 0

    def intake(self, file: DailyFile) -> DayIntake:
        """Return the numbers of the plan, which is that of `file`."""
        return DayIntake(
            day=file.day,
            rows=file.row_count,
            invoices=len(file.orders),
            messages=len(self.messages),
            unchanged=self.unchanged,
            missing=self.missing,
            returned=self.returned,
        )


def plan_day(file: DailyFile, files_dir: Path, landed: LandedInvoices, mapping: Mapping) -> Plan:
    """Compare a file with what has been landed and return what differs.

    Raises PermanentError when an invoice also stands in another day's file that cannot be read.
    """
    plan = Plan()
    for key, rows, days in _standing(file, files_dir, landed, mapping):
        if rows:
            _plan_standing(plan, file, invoice_of(key, rows, mapping), days, landed)
        elif not landed.is_missing(key):
            plan.missing += 1
            plan.observations.append(_seen(Seen.MISSING, key, file.day))
    if landed.digest(file.name) != file.sha256:
        plan.observations.append(
            Observation(Seen.FILE_TAKEN_IN, file.day, file=file.name, sha256=file.sha256)
        )
    return plan


def _plan_standing(
    plan: Plan, file: DailyFile, invoice: Invoice, days: tuple[date, ...], landed: LandedInvoices
) -> None:
    latest = landed.latest(invoice.key)
    is_unchanged = latest is not None and latest.content == invoice.content
    if is_unchanged:
        plan.unchanged += 1
    else:
        version = 1 if latest is None else latest.version + 1
        elsewhere = () if days == (file.day,) else days
        plan.messages.append((invoice, Headers(file.day, version, invoice.content, elsewhere)))
    is_back = landed.is_missing(invoice.key)
    plan.returned += is_back
    # One that moved here from another day's file brings no message: only this says where it stands.
    has_moved = is_unchanged and not set(days) <= landed.days(invoice.key)
    if is_back or has_moved:
        plan.observations += [_seen(Seen.PRESENT, invoice.key, day) for day in days]


def _standing(
    file: DailyFile, files_dir: Path, landed: LandedInvoices, mapping: Mapping
) -> Iterator[tuple[str, list[Row], tuple[date, ...]]]:
    """Yield the invoices of a file and those gone from it: key, rows (none if gone), days.

    An invoice whose rows stand in the files of several days is one order: its rows are those of all
    of them, by day, whichever file is taken in, so that they do not overwrite one another in turn.
    """
    files = {file.day: file}
    gone = sorted(landed.keys(file.day) - file.orders.keys())
    for key in (*file.orders, *gone):
        rows: list[Row] = []
        days: list[date] = []
        for day in sorted(landed.days(key) | {file.day}):
            if day not in files:
                files[day] = _other_file(key, day, files_dir, mapping)
            if key in files[day].orders:
                rows += files[day].orders[key]
                days.append(day)
        yield key, rows, tuple(days)


def _seen(what: Seen, key: str, day: date) -> Observation:
    return Observation(what, day, order_id=key, feed=FEED)


def _other_file(key: str, day: date, files_dir: Path, mapping: Mapping) -> DailyFile:
    try:
        return read_daily_file(files_dir / mapping.file_name(day), day, mapping)
    except PermanentError as error:
        raise PermanentError(f"order {key} also stands in the file of {day}, and {error}") from error
