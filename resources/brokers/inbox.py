"""The embedded broker: a folder into which files of messages are renamed, one message a line.

A file becomes visible by its rename into the folder. It is claimed by renaming it to a unique
increasing number; a message's position is number * LINES_PER_FILE + line. The claim is deleted once
all its lines have landed. Lines end at a line feed; a carriage return belongs to the message.
"""

import os
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa

from resources.brokers.address import Address
from resources.brokers.port import Batch, Outgoing
from resources.crashpoints import reached
from resources.durable import sync_folder
from resources.errors import PermanentError

LINES_PER_FILE = 1_000_000_000
_PARTITION = "0"
_LINE_FEED = 0x0A


def open_url(address: Address, memory: Path | None = None) -> "Inbox":
    """Return the inbox of `inbox:///absolute/path?name=feed`."""
    if address.hosts or not address.path:
        raise PermanentError("an inbox URL needs an absolute path with three slashes: inbox:///absolute/path")
    address.demand_options()
    return Inbox(Path("/", address.path), feed=address.feed("inbox"))


@dataclass(slots=True)
class Inbox:
    """The broker over the folder `folder`; one consumer at a time (the landing lease sees to it)."""

    folder: Path
    feed: str = "inbox"
    _last_landed: int = -1
    _delivered: int = -1
    _reading: "_Reading | None" = field(default=None, repr=False)

    def resume(self, landed: Mapping[str, int]) -> None:
        """Go on after the last landed position; lines up to it are not delivered again."""
        self.close()
        self._last_landed = landed.get(_PARTITION, -1)
        self._delivered = -1

    def watermarks(self) -> Mapping[str, int]:
        """Claim every visible file and return the position after which nothing was there."""
        taken = [number for number, _ in self._claims()]
        number = max([0, self._last_landed // LINES_PER_FILE, *taken])
        for path in self._visible():
            number += 1
            path.rename(self._claim_path(number))
            reached("inbox.claimed")
            taken.append(number)
        if not taken:
            return {}
        return {_PARTITION: (max(taken) + 1) * LINES_PER_FILE - 1}

    def poll(self, *, max_bytes: int, timeout_s: float) -> Batch | None:
        """Return the next lines of the oldest claims; `timeout_s` is not waited: a file is there or not."""
        if self._reading is None:
            claims = self._undelivered() or (self.watermarks() and self._undelivered())
            if not claims:
                return None
            self._reading = _Reading(claims, max_bytes, self._last_landed)
        batch = self._reading.next()
        if batch is None:
            self.close()
            return self.poll(max_bytes=max_bytes, timeout_s=timeout_s)
        self._delivered = batch.through
        return batch

    def keep_alive(self) -> None:
        """Do nothing: a folder waits."""

    def acknowledge(self, batch: Batch) -> None:
        """Delete the claims whose last line is in the batch."""
        if len(batch.positions):
            self._last_landed = int(batch.positions[-1].as_py())
        assert isinstance(batch.token, tuple)
        for claim in batch.token:
            reached("inbox.before_delete")
            claim.unlink()
            reached("inbox.deleted")
        if batch.token:
            sync_folder(self._claimed_folder)

    def backlog(self) -> int:
        """Return how many files wait or are claimed."""
        return len(self._visible()) + len(self._claims())

    def stopped(self) -> Sequence[str]:
        """Return nothing: a folder has one partition, and what is wrong with it raises."""
        return ()

    def publish(self, messages: Iterable[Outgoing]) -> int:
        """Write the messages as one file and make it visible; durable when this returns.

        Raises PermanentError for a message that holds a line feed: one message is one line here.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{time.time_ns():020d}-{uuid4().hex}"
        partial = self.folder / f".{name}.partial"
        count = 0
        try:
            with partial.open("wb") as sink:
                for message in messages:
                    if b"\n" in message.body:
                        raise PermanentError(
                            f"message {count + 1} holds a line feed, and the inbox takes one message "
                            "a line: write its JSON on one line"
                        )
                    sink.write(message.body + b"\n")
                    count += 1
                sink.flush()
                os.fsync(sink.fileno())
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        if count == 0:
            partial.unlink()
            return 0
        partial.rename(self.folder / f"{name}.ndjson")
        sync_folder(self.folder)
        return count

    def close(self) -> None:
        """Stop reading; what was delivered and not acknowledged will come again."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _visible(self) -> list[Path]:
        if not self.folder.exists():
            return []
        # A link would lose its target when it is claimed by a rename.
        files = [
            path
            for path in self.folder.iterdir()
            if path.is_file() and not path.is_symlink() and not path.name.startswith(".")
        ]
        return sorted(files, key=lambda p: (p.stat().st_mtime_ns, p.name))

    @property
    def _claimed_folder(self) -> Path:
        return self.folder / ".claimed"

    def _claims(self) -> list[tuple[int, Path]]:
        if not self._claimed_folder.exists():
            return []
        return sorted((int(p.name), p) for p in self._claimed_folder.iterdir() if p.name.isdigit())

    def _undelivered(self) -> list[tuple[int, Path]]:
        """Return the claims that are not delivered yet, acknowledged or not."""
        return [(n, path) for n, path in self._claims() if (n + 1) * LINES_PER_FILE - 1 > self._delivered]

    def _claim_path(self, number: int) -> Path:
        self._claimed_folder.mkdir(exist_ok=True)
        return self._claimed_folder / f"{number:010d}"


class _Reading:
    """Reads claims in their order, one batch ahead: reading and splitting overlap with landing."""

    def __init__(self, claims: Sequence[tuple[int, Path]], max_bytes: int, last_landed: int) -> None:
        self._pool = ThreadPoolExecutor(1, "inbox")
        self._batches = _batches(claims, max_bytes, last_landed)
        self._upcoming = self._pool.submit(self._advance)

    def next(self) -> Batch | None:
        """Return the next batch, None after the last."""
        batch = self._upcoming.result()
        self._upcoming = self._pool.submit(self._advance)
        return batch

    def close(self) -> None:
        """Close the files."""
        self._pool.shutdown(cancel_futures=True)
        self._batches.close()

    def _advance(self) -> Batch | None:
        return next(self._batches, None)


def _batches(
    claims: Sequence[tuple[int, Path]], max_bytes: int, last_landed: int
) -> Generator[Batch, None, None]:
    """Yield batches of about `max_bytes`; small files share one, a large file fills several."""
    parts: list[_Part] = []
    size = 0
    for number, path in claims:
        for part in _parts(number, path, max_bytes, last_landed):
            parts.append(part)
            size += part.bodies.nbytes
            if size >= max_bytes:
                yield _joined(parts)
                parts, size = [], 0
    if parts:
        yield _joined(parts)


@dataclass(frozen=True, slots=True)
class _Part:
    """Consecutive lines of one claim that have not landed; `finished` is the claim if they are its last."""

    first: int
    bodies: pa.Array
    through: int
    finished: Path | None


def _parts(number: int, path: Path, max_bytes: int, last_landed: int) -> Iterator[_Part]:
    position = number * LINES_PER_FILE
    is_finished = False
    with path.open("rb") as source:
        while not is_finished:
            data = source.read(max_bytes)
            # A line longer than a batch is read to its end: a message is never cut.
            data += source.readline()
            is_finished = not source.peek(1)
            bodies = split_lines(data)
            end = position + len(bodies)
            if end > (number + 1) * LINES_PER_FILE:
                raise PermanentError(f"{path} has more than {LINES_PER_FILE} lines: split it")
            landed = min(max(last_landed - position + 1, 0), len(bodies))
            through = (number + 1) * LINES_PER_FILE - 1 if is_finished else end - 1
            yield _Part(position + landed, bodies.slice(landed), through, path if is_finished else None)
            position = end


def _joined(parts: Sequence[_Part]) -> Batch:
    positions = [np.arange(p.first, p.first + len(p.bodies), dtype=np.int64) for p in parts]
    return Batch(
        partition=_PARTITION,
        through=parts[-1].through,
        positions=pa.array(np.concatenate(positions)),
        bodies=parts[0].bodies if len(parts) == 1 else pa.concat_arrays([p.bodies for p in parts]),
        keys=None,
        headers=None,
        token=tuple(p.finished for p in parts if p.finished is not None),
    )


def split_lines(data: bytes) -> pa.Array:
    """Return the lines of `data` as large_binary, without their line feeds and otherwise untouched."""
    if data and data[-1] != _LINE_FEED:
        data += b"\n"
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == _LINE_FEED)
    # Taking the line feeds out leaves the lines back to back, which is Arrow's own layout.
    offsets = np.zeros(len(ends) + 1, dtype=np.int64)
    offsets[1:] = ends - np.arange(len(ends))
    packed = pa.py_buffer(data.replace(b"\n", b""))
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(ends), [None, pa.py_buffer(offsets), packed]
    )
