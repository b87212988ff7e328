"""What a command shows: results on stdout, everything else on stderr."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import Annotated

import typer

from orchestration.cli.values import to_cell, to_json, unique_names

AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Row = Sequence[object]
_SPOOL_BYTES = 8 * 1024 * 1024
_SHOWN_ROWS = 200


def say(text: str) -> None:
    """Write one line for a person to stderr."""
    print(text, file=sys.stderr)  # noqa: T201


def show(text: str = "") -> None:
    """Write one line of the result to stdout."""
    _write(f"{text}\n")


def show_json(document: object) -> None:
    """Write one JSON document to stdout."""
    _write(json.dumps(to_json(document), ensure_ascii=False, allow_nan=False, indent=2) + "\n")


def show_rows_as_json(names: Sequence[str], rows: Iterable[Row]) -> None:
    """Write the rows as an array of objects; nothing at all when reading them fails midway."""
    keys = unique_names(names)
    with SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        spool.write(b"[")
        for number, row in enumerate(rows):
            line = json.dumps(
                {key: to_json(value) for key, value in zip(keys, row, strict=True)},
                ensure_ascii=False,
                allow_nan=False,
            )
            spool.write(f"{',' if number else ''}\n{line}".encode())
        spool.write(b"\n]\n" if spool.tell() > 1 else b"]\n")
        spool.seek(0)
        while chunk := spool.read(1 << 20):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def show_rows(names: Sequence[str], rows: Iterable[Row], *, title: str | None = None) -> None:
    """Write a table for a terminal; elsewhere a header and tab-separated lines."""
    if sys.stdout.isatty():
        _show_table(names, rows, title)
        return
    if title is not None:
        _write(f"# {title}\n")
    _write("\t".join(to_cell(name) for name in names) + "\n")
    for row in rows:
        _write("\t".join(to_cell(value) for value in row) + "\n")


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal that long work goes on; the lent function changes the text."""
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    from rich.console import Console

    with Console(stderr=True).status(what) as status:
        yield status.update


@contextmanager
def counting(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on a terminal; the lent function is told how much is done, of `total` if that is known."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.update(task, completed=done)


def _show_table(names: Sequence[str], rows: Iterable[Row], title: str | None) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(*map(escape, names), title=title, title_justify="left")
    count = 0
    for count, row in enumerate(rows, 1):
        if count <= _SHOWN_ROWS:
            table.add_row(*(escape(to_cell(value)) for value in row))
    Console().print(table)
    if count > _SHOWN_ROWS:
        say(f"{count} rows, of which the first {_SHOWN_ROWS} are shown: --json has them all")


def _write(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()
