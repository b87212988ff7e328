"""`orders query` and `orders status`: looking, without changing or holding up anything."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.output import AsJson, show, show_json, show_rows, show_rows_as_json
from orchestration.cli.parts import parts
from resources.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

_CHUNK = 5_000


def query(
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One SELECT, or anything else that only reads.")],
    as_json: AsJson = False,
) -> None:
    """Read the published copy with SQL."""
    import duckdb

    with parts().reading() as connection:
        _demand_reading(connection, sql)
        try:
            result = connection.execute(sql)
            names = [str(column[0]) for column in result.description or ()]
            rows = _rows(result)
            if as_json:
                show_rows_as_json(names, rows)
            else:
                show_rows(names, rows)
        except duckdb.Error as error:
            raise PermanentError(f"the query failed: {_one_line(error)}") from error


def status(as_json: AsJson = False) -> None:
    """Show backlog, ledger, rejects, freshness, last runs and outbox."""
    from orchestration.cli.overview import look

    overview = look(parts())
    if as_json:
        show_json(overview)
        return
    show(f"home     {overview.home}")
    show(f"backlog  {overview.backlog.text()}")
    show(f"stream   {overview.stream_text()}")
    show(f"data     {overview.freshness.text()}")
    show(f"outbox   {overview.outbox_text()}")
    ledger = [
        (p.feed, p.partition, p.landed, p.accepted, p.duplicates, p.rejected, p.to_load)
        for p in overview.ledger
    ]
    _show_part(
        "ledger", ("feed", "partition", "landed", "accepted", "duplicates", "rejected", "to load"), ledger
    )
    _show_part(
        "rejects",
        ("reason", "state", "messages"),
        [(r.reason, r.state, r.messages) for r in overview.rejects],
    )
    runs = [(r.run_id, r.job, r.status, r.started_at, r.ended_at) for r in overview.runs]
    _show_part("last runs", ("run", "job", "status", "started", "ended"), runs)


def _show_part(title: str, names: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
    show()
    if rows:
        show_rows(names, rows, title=title)
    else:
        show(f"{title}: none")


def _demand_reading(connection: "duckdb.DuckDBPyConnection", sql: str) -> None:
    import duckdb

    reads = {duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN, duckdb.StatementType.MULTI}
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise PermanentError(f"this is not SQL: {_one_line(error)}") from error
    if len(statements) != 1:
        raise typer.BadParameter(f"one statement is expected, not {len(statements)}", param_hint="'SQL'")
    kind = statements[0].type
    if kind not in reads:
        raise typer.BadParameter(
            f"{kind.name} is refused, as the published copy is read-only: use SELECT, FROM, WITH, VALUES, "
            "DESCRIBE, SUMMARIZE, SHOW or EXPLAIN",
            param_hint="'SQL'",
        )


def _rows(result: "duckdb.DuckDBPyConnection") -> "Iterator[tuple[object, ...]]":
    while chunk := result.fetchmany(_CHUNK):
        yield from chunk


def _one_line(error: Exception) -> str:
    return str(error).split("\n\n")[0].strip()
