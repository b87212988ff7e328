"""Take in a real year of orders and compare what comes out with its published totals.

    .venv/bin/python scripts/verify_online_retail.py [DATA] [--expected FILE]

DATA is `online_retail_by_day.tar.zst` or a folder of its daily CSV files; by default it is looked for
in `../shared/data` beside the project. Everything is stored in a temporary ORDERS_HOME. Ends with 0
when invoices, rows and money of accepted and rejected orders together equal
`online_retail_expected.json` in total, by month and by country, to the third decimal; with 1 when
they do not; and with 0 and the reason when the data is not there.
"""

import json
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import duckdb
import pyarrow as pa
import typer
from rich.console import Console
from rich.table import Table

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from assets.files.extract import changed_days, take_in_days  # noqa: E402
from assets.files.mapping import built_in_mapping  # noqa: E402
from assets.orders.load import load  # noqa: E402
from assets.orders.schema import DDL, SCHEMA_ID  # noqa: E402
from resources.errors import OrdersError  # noqa: E402
from resources.segments import Landing  # noqa: E402
from resources.warehouse.warehouse import Warehouse  # noqa: E402

DATA = PROJECT.parent / "shared" / "data" / "online_retail_by_day.tar.zst"
EXPECTED = "online_retail_expected.json"

# Every invoice once, accepted or rejected; what a rejected one is worth stands in its message.
_SETTLED = """
CREATE TEMP TABLE settled AS
SELECT order_id, placed_at, country, line_count, subtotal AS amount, 'accepted' AS verdict FROM orders
UNION ALL
SELECT data ->> 'order_id', (data ->> 'placed_at')::TIMESTAMP, data ->> '$.customer.country',
       len(lines), list_sum(list_transform(lines, lambda line: line.quantity * line.unit_price)), reason
FROM (SELECT reason, decode(body)::JSON -> 'data' AS data FROM rejected_messages WHERE state = 'open'),
     LATERAL (SELECT from_json(data -> 'lines',
                               '[{"quantity": "BIGINT", "unit_price": "DECIMAL(18,4)"}]') AS lines)
"""
_TOTALS = "count(DISTINCT order_id), sum(line_count), sum(amount) FROM settled"
_OVERALL = f"SELECT 'in all', {_TOTALS}"
_BY_MONTH = f"SELECT strftime(placed_at, '%Y-%m'), {_TOTALS} GROUP BY ALL ORDER BY ALL"
_BY_COUNTRY = f"SELECT country, {_TOTALS} GROUP BY ALL ORDER BY 4 DESC"
_BY_VERDICT = f"SELECT verdict, {_TOTALS} GROUP BY ALL ORDER BY ALL"


@dataclass(frozen=True, slots=True)
class Total:
    """Invoices, rows and money (GBP, to the third decimal)."""

    invoices: int
    rows: int
    net: Decimal

    @classmethod
    def of(cls, invoices: int, rows: int, net: Decimal | str) -> "Total":
        """Make a total with its money to the third decimal."""
        return cls(int(invoices), int(rows), Decimal(net).quantize(Decimal("0.001")))


Totals = dict[str, Total]


def main(
    data: Annotated[Path, typer.Argument(help="the archive, or a folder of daily CSV files")] = DATA,
    expected: Annotated[Path | None, typer.Option(help=f"default: {EXPECTED} beside DATA")] = None,
) -> None:
    """Take in a real year of orders and compare it with its published totals."""
    console = Console()
    truth = expected or data.parent / EXPECTED
    for path in (data, truth):
        if not path.exists():
            console.print(f"skipped: {path} is not there (UCI Online Retail is not part of the project)")
            raise typer.Exit(0)
    with tempfile.TemporaryDirectory(prefix="orders-verify-") as folder:
        try:
            connection = settled(data, Path(folder), console)
        except OrdersError as error:
            console.print(f"failed: {error}", style="red")
            raise typer.Exit(1) from None
        with connection:
            console.print(table("Settled as", fetch(connection, _BY_VERDICT)))
            agree = compare(connection, json.loads(truth.read_text(encoding="utf-8")), console)
    console.print("equal to the published totals" if agree else "NOT equal to the published totals")
    raise typer.Exit(0 if agree else 1)


def settled(data: Path, home: Path, console: Console) -> duckdb.DuckDBPyConnection:
    """Take in and load the data under `home`; return a connection with the table `settled`.

    Raises OrdersError when a day fails or is not done after it was taken in.
    """
    files_dir = data if data.is_dir() else unpack(data, home / "files")
    landing, mapping = Landing(home / "landing"), built_in_mapping()
    start = time.perf_counter()
    intake = take_in_days(
        changed_days(files_dir, landing, mapping), files_dir=files_dir, landing=landing, mapping=mapping
    )
    taken_in = time.perf_counter()
    for _, error in intake.failed:
        raise error
    if left := changed_days(files_dir, landing, mapping):
        raise OrdersError(f"{len(left)} files still count as changed after they were taken in")
    warehouse = Warehouse(home / "warehouse" / "orders.duckdb", home / "published", DDL, SCHEMA_ID)
    loading = time.perf_counter()
    load(warehouse, landing)
    loaded = time.perf_counter()
    rows = sum(day.rows for day in intake.days)
    console.print(
        f"{len(intake.days)} files, {rows:,} rows: "
        f"taken in {taken_in - start:.1f} s, loaded {loaded - loading:.1f} s"
    )
    connection = duckdb.connect(warehouse.path, read_only=True)
    connection.execute(_SETTLED)
    return connection


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack the CSV files of a zstd-compressed tar archive into `folder`, side by side."""
    folder.mkdir(parents=True)
    stream = pa.CompressedInputStream(pa.OSFile(str(archive)), "zstd")
    with stream, tarfile.open(fileobj=stream, mode="r|") as members:
        for member in members:
            content = members.extractfile(member) if member.name.endswith(".csv") else None
            if content is not None:
                (folder / Path(member.name).name).write_bytes(content.read())
    return folder


def compare(connection: duckdb.DuckDBPyConnection, truth: dict[str, Any], console: Console) -> bool:
    """Print what came out beside what is published; tell whether all of it is equal."""
    overview = truth["overview"]
    in_all = Total.of(overview["n_invoices"], overview["n_rows"], truth["totals"]["net_all"])
    groups = [
        ("In all", _OVERALL, {"in all": in_all}),
        ("By month", _BY_MONTH, published(truth["by_month"], "m")),
        ("By country", _BY_COUNTRY, published(truth["by_country"], "country")),
    ]
    agree = True
    for title, query, wanted in groups:
        found = fetch(connection, query)
        console.print(table(title, found, wanted))
        agree &= found == wanted
    return agree


def published(groups: list[dict[str, Any]], name: str) -> Totals:
    """Return the published totals of groups, by the value of `name`."""
    return {group[name]: Total.of(group["n_invoices"], group["n_rows"], group["net"]) for group in groups}


def fetch(connection: duckdb.DuckDBPyConnection, query: str) -> Totals:
    """Return the totals that a query gives, by its first column."""
    return {row[0]: Total.of(*row[1:]) for row in connection.execute(query).fetchall()}


def table(title: str, found: Totals, wanted: Totals | None = None) -> Table:
    """Return a table of totals, beside the published ones if there are any."""
    columns = ["", "invoices", "rows", "net GBP"]
    shown = Table(*columns, *(["published net", ""] if wanted is not None else []), title=title)
    for column in shown.columns[1:]:
        column.justify = "right"
    for name in dict.fromkeys([*found, *(wanted or {})]):
        total = found.get(name, Total.of(0, 0, "0"))
        cells = [str(name), f"{total.invoices:,}", f"{total.rows:,}", f"{total.net:,}"]
        if wanted is not None:
            other = wanted.get(name)
            cells += ["none" if other is None else f"{other.net:,}", "equal" if other == total else "DIFFERS"]
        shown.add_row(*cells)
    return shown


if __name__ == "__main__":
    typer.run(main)
