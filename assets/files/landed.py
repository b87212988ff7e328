"""What has been landed of files so far, found from the landing folder alone.

Invoices are in the feed `files`: a message's key is the order id, its headers are `Headers`. What
messages cannot tell (a file was taken in, an invoice is gone) is in the feed `observations`.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TypeVar

import msgspec
import pyarrow.compute as pc

from resources.errors import PermanentError
from resources.segments import Landing

FEED = "files"
OBSERVATIONS = "observations"
PARTITION = "0"


class Seen(StrEnum):
    """What can be observed of a file, or of an invoice in it."""

    FILE_TAKEN_IN = "file_taken_in"
    MISSING = "missing_in_source"
    PRESENT = "present_in_source"


_Shape = TypeVar("_Shape")


class Headers(msgspec.Struct, frozen=True, omit_defaults=True):
    """The headers of a landed invoice: its file's day, its version, the SHA-256 of its data.

    `days` is there only when its rows stand in other files than that of `day`.
    """

    day: date
    version: int
    content: str
    days: tuple[date, ...] = ()


class Observation(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of an observation; about an invoice it has `order_id`, about a file `file`."""

    observation: Seen
    day: date
    order_id: str = ""
    feed: str = ""
    file: str = ""
    sha256: str = ""


@dataclass(slots=True)
class LandedInvoices:
    """An index of what was landed, built once by `of`, then told of all that is landed after.

    Facts are applied in landing order; to apply one twice in a row changes nothing, so that a
    segment and a merged one that repeats it may both be read.
    """

    _latest: dict[str, Headers] = field(default_factory=dict)
    _days: dict[str, set[date]] = field(default_factory=dict)
    _keys: dict[date, set[str]] = field(default_factory=lambda: defaultdict(set))
    _missing: set[str] = field(default_factory=set)
    _digests: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, landing: Landing) -> "LandedInvoices":
        """Build the index; of messages it reads key and headers alone.

        Raises PermanentError when headers or observations are not what this module writes.
        """
        index = cls()
        facts = [*_facts(landing, FEED, "headers"), *_facts(landing, OBSERVATIONS, "body")]
        for fact in sorted(facts, key=lambda fact: (fact.received_at, fact.position)):
            if fact.feed == FEED:
                index.add(fact.key, _decoded(fact, Headers))
            else:
                index.observe(_decoded(fact, Observation))
        return index

    def add(self, key: str, headers: Headers) -> None:
        """Take note of a landed message of the invoice `key`."""
        self._latest[key] = headers
        for day in self._days.pop(key, ()):
            self._keys[day].discard(key)
        for day in headers.days or (headers.day,):
            self._stands_in(key, day)

    def observe(self, fact: Observation) -> None:
        """Take note of a landed observation."""
        match fact.observation:
            case Seen.FILE_TAKEN_IN:
                self._digests[fact.file] = fact.sha256
            case Seen.PRESENT:
                self._missing.discard(fact.order_id)
                self._stands_in(fact.order_id, fact.day)
            case Seen.MISSING:
                self._missing.add(fact.order_id)
                self._days.get(fact.order_id, set()).discard(fact.day)
                self._keys[fact.day].discard(fact.order_id)

    def latest(self, key: str) -> Headers | None:
        """Return the headers of the invoice's last landed version, None if there is none."""
        return self._latest.get(key)

    def days(self, key: str) -> set[date]:
        """Return the days in whose files the invoice stood when they were last taken in."""
        return set(self._days.get(key, ()))

    def keys(self, day: date) -> set[str]:
        """Return the invoices that stood in the file of `day` when it was last taken in."""
        return set(self._keys.get(day, ()))

    def is_missing(self, key: str) -> bool:
        """Tell whether the invoice was last observed to be gone from its source."""
        return key in self._missing

    def digest(self, file: str) -> str | None:
        """Return the SHA-256 of the file when it was last taken in, None if it never was."""
        return self._digests.get(file)

    def _stands_in(self, key: str, day: date) -> None:
        self._days.setdefault(key, set()).add(day)
        self._keys[day].add(key)


def digests(landing: Landing) -> dict[str, str]:
    """Return file name -> SHA-256 of the files taken in, reading observations alone.

    Raises PermanentError when an observation is not what this module writes.
    """
    found: dict[str, str] = {}
    facts = _facts(landing, OBSERVATIONS, "body")
    for fact in sorted(facts, key=lambda fact: (fact.received_at, fact.position)):
        observation = _decoded(fact, Observation)
        if observation.observation is Seen.FILE_TAKEN_IN:
            found[observation.file] = observation.sha256
    return found


@dataclass(frozen=True, slots=True)
class _Fact:
    feed: str
    received_at: datetime
    position: int
    key: str
    content: str | bytes


def _facts(landing: Landing, feed: str, column: str) -> Iterator[_Fact]:
    columns = ["feed", "received_at", "position", "key", column]
    for segment in landing.segments(feed):
        table = landing.read(segment, columns)
        own = table.filter(pc.equal(table["feed"], feed))
        for row in zip(*(own[name].to_pylist() for name in columns), strict=True):
            yield _Fact(*row)


def _decoded(fact: _Fact, shape: type[_Shape]) -> _Shape:
    try:
        return msgspec.json.decode(fact.content, type=shape)
    except (msgspec.MsgspecError, TypeError) as error:
        raise PermanentError(
            f"feed {fact.feed} position {fact.position} in the landing folder is not what the file "
            f"source lands ({error}): restore the segment from a backup"
        ) from error
