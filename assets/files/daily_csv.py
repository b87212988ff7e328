"""Read one daily CSV file: all of it or a clear error, every value as the text it is."""

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from assets.files.mapping import Mapping
from resources.errors import PermanentError


class Row(NamedTuple):
    """One row in terms of the contract: the texts of the file, empty where it has none."""

    order_id: str
    placed_at: str
    sku: str
    quantity: str
    unit_price: str
    description: str
    customer_id: str
    customer_name: str
    customer_email: str
    country: str
    currency: str
    status: str


@dataclass(frozen=True, slots=True)
class DailyFile:
    """What a file held at one moment: the SHA-256 of its bytes, and rows by order, in file order."""

    day: date
    name: str
    sha256: str
    orders: dict[str, list[Row]]

    @property
    def row_count(self) -> int:
        """The number of rows below the header."""
        return sum(len(rows) for rows in self.orders.values())


def daily_files(files_dir: Path, mapping: Mapping) -> dict[date, Path]:
    """Return the daily files of the folder by day, earliest first; other files are not looked at.

    Raises PermanentError when the folder cannot be read.
    """
    try:
        days = {mapping.day_of(path.name): path for path in files_dir.iterdir()}
    except OSError as error:
        raise PermanentError(
            f"the folder of daily files {files_dir} cannot be read ({error.strerror}): "
            "create it, or correct ORDERS_FILES_DIR"
        ) from error
    return dict(sorted((day, path) for day, path in days.items() if day is not None))


def content_of(path: Path) -> bytes:
    """Return the bytes of a daily file; raises PermanentError when it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise PermanentError(
            f"{path} cannot be read ({error.strerror}): put the file there and make it readable"
        ) from error


def sha256_of(content: bytes) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read_daily_file(path: Path, day: date, mapping: Mapping) -> DailyFile:
    """Read the file that holds `day`.

    Raises PermanentError naming the file, the line or column, and the way out when the file cannot
    be read, is not in the mapping's encoding, is not CSV, or lacks a column.
    """
    # The bytes are read once, so that the digest is that of the rows even while the file is written.
    content = content_of(path)
    prefix = day.strftime(mapping.order_id_prefix)
    # Rows without a number are one message, for LOAD to reject; no two days may share it.
    unnumbered = f"{prefix}unnumbered-{day.isoformat()}"
    orders: dict[str, list[Row]] = {}
    for row in _rows(path, _decoded(path, content, mapping), mapping):
        key = prefix + row.order_id if row.order_id else unnumbered
        orders.setdefault(key, []).append(row)
    return DailyFile(day, path.name, sha256_of(content), orders)


def _decoded(path: Path, content: bytes, mapping: Mapping) -> str:
    try:
        return content.decode(mapping.file.encoding).removeprefix("\ufeff")
    except UnicodeError as error:
        at = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = content.count(b"\n", 0, at) + 1
        raise PermanentError(
            f"{path} line {line} is not {mapping.file.encoding} ({error}): "
            "save it so, or name its encoding in the mapping"
        ) from error


def _rows(path: Path, text: str, mapping: Mapping) -> Iterator[Row]:
    records = _records(path, text, mapping)
    _, header = next(records, (1, []))
    if not header:
        raise PermanentError(
            f"{path} line 1 holds no column names: the file is empty or torn, write it again"
        )
    pick = itemgetter(*_positions(path, header, mapping))
    endings = [(Row._fields.index(name), end) for name, end in mapping.strip_suffix.items()]
    for line, record in records:
        if len(record) != len(header):
            raise PermanentError(
                f"{path} line {line} has {len(record)} columns where the header has {len(header)}: "
                "correct the line, or write the file again"
            )
        record.append("")
        values = list(pick(record))
        for position, ending in endings:
            values[position] = values[position].removesuffix(ending)
        yield Row._make(values)


def _records(path: Path, text: str, mapping: Mapping) -> Iterator[tuple[int, list[str]]]:
    """Yield the records that are not blank, and the line where each begins.

    The line where it ends says little: a quote that is never closed ends with the file.
    """
    # Python's reader, row by row: it alone of those at hand refuses broken quoting and ragged rows
    # with the line, and a year of half a million rows costs about a second.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mapping.file.delimiter, strict=True)
    line = 1
    try:
        for record in reader:
            if record or line == 1:
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise PermanentError(
            f"{path} line {line} is not CSV ({error}): correct the line, or write the file again"
        ) from error


def _positions(path: Path, header: list[str], mapping: Mapping) -> list[int]:
    """Return where each field of Row stands in a record; -1 is the empty text put at its end."""
    named = mapping.columns.named()
    counts = Counter(header)
    for field, column in named.items():
        if counts[column] != 1:
            found = "has no column" if not counts[column] else f"has {counts[column]} columns"
            raise PermanentError(
                f"{path} line 1 {found} {column!r} (for {field}), but {', '.join(header)}: "
                "write the file again, or name the column in the mapping"
            )
    return [header.index(named[field]) if field in named else -1 for field in Row._fields]
