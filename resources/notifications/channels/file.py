"""A file: one line of JSON a notice, and no id twice."""

import os
from io import FileIO
from pathlib import Path

import filelock
import msgspec

from resources import crashpoints
from resources.durable import sync_folder
from resources.errors import TransientError
from resources.notifications.events import Notice
from resources.notifications.port import Receipt


class FileChannel:
    """Appends a notice as one line of JSON to a file, and refuses an id that the file holds.

    Any number of processes may append at once, under the lock `<path>.lock`. A line that a killed
    process left unfinished was never reported as delivered: it is cut off, and its notice comes again.
    """

    def __init__(self, path: Path, *, name: str = "file", lock_timeout_s: float = 5.0) -> None:
        """Append to `path`, made with its folder at the first notice."""
        self.name = name
        self._path = path
        self._lock = filelock.FileLock(f"{path}.lock", timeout=lock_timeout_s)
        self._held: set[str] = set()
        self._read_to = 0
        self._inode = -1

    def send(self, notice: Notice) -> Receipt:
        """Append the notice durably; TransientError when the lock is held or the disk refuses."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._lock, self._path.open("a+b", buffering=0) as file:
                return self._append(file, notice)
        except filelock.Timeout as error:
            raise TransientError(
                f"channel {self.name}: another process holds {self._path}.lock; it will be tried again"
            ) from error
        except OSError as error:
            raise TransientError(
                f"channel {self.name} cannot append to {self._path} ({error.strerror}); "
                "see that its disk has room and is writable"
            ) from error

    def _append(self, file: FileIO, notice: Notice) -> Receipt:
        self._catch_up(file)
        is_held = notice.delivery_id in self._held
        if not is_held:
            line = _as_json(notice) + b"\n"
            _write_all(file, line)
            crashpoints.reached("notify.line_written")
        # Also when it is held: who wrote it may have been killed before its own fsync.
        os.fsync(file.fileno())
        if is_held:
            return Receipt.ALREADY_DELIVERED
        if self._read_to == 0:
            sync_folder(self._path.parent)
        self._held.add(notice.delivery_id)
        self._read_to += len(line)
        return Receipt.DELIVERED

    def _catch_up(self, file: FileIO) -> None:
        """Learn the ids that were appended since the last look, and mend an unfinished last line."""
        status = os.fstat(file.fileno())
        if status.st_ino != self._inode or status.st_size < self._read_to:
            self._held, self._read_to, self._inode = set(), 0, status.st_ino
        file.seek(self._read_to)
        *lines, tail = file.readall().split(b"\n")
        ids = [_id_of(line) for line in lines]
        self._read_to += sum(len(line) + 1 for line in lines)
        if tail and (tail_id := _id_of(tail)) is not None:
            _write_all(file, b"\n")
            ids.append(tail_id)
            self._read_to += len(tail) + 1
        elif tail:
            file.truncate(self._read_to)
        self._held.update(held for held in ids if held is not None)


class _Line(msgspec.Struct):
    id: str


def _id_of(line: bytes) -> str | None:
    """Return the id of a whole line, None for anything else."""
    try:
        return msgspec.json.decode(line, type=_Line).id
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _as_json(notice: Notice) -> bytes:
    told = {
        "id": notice.delivery_id,
        "policy": notice.policy,
        "is_resolved": notice.is_resolved,
        "count": notice.count,
        "others": notice.others,
        **msgspec.to_builtins(notice.event),
        "severity": notice.severity.value,
    }
    return msgspec.json.encode(told)


def _write_all(file: FileIO, data: bytes) -> None:
    while data:
        data = data[file.write(data) :]
