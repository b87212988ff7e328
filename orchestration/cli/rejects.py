"""`orders rejects`: dead letters, listed, shown, replayed, discarded."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.output import AsJson, say, show, show_json, show_rows, show_rows_as_json
from orchestration.cli.parts import Parts, parts
from orchestration.cli.values import to_cell
from resources.errors import PermanentError

if TYPE_CHECKING:
    from assets.orders.rejects import Decision

app = typer.Typer(rich_markup_mode=None)

_COLUMNS = (
    "rejection_id",
    "feed",
    "partition",
    "position",
    "reason",
    "detail",
    "body",
    "rejected_at",
    "state",
)
_LISTED = ("rejection_id", "reason", "detail", "rejected_at", "state", "bytes")
_FIND = """
SELECT rejection_id, feed, partition, position, reason, detail, body, rejected_at, state
FROM rejected_messages
WHERE ($ids IS NULL OR list_contains($ids::VARCHAR[], rejection_id))
  AND ($reason IS NULL OR reason = $reason)
ORDER BY rejected_at, feed, partition, position
"""
_LIST = """
SELECT rejection_id, reason, detail, rejected_at, state, octet_length(body) AS bytes
FROM rejected_messages
WHERE ($state = 'all' OR state = $state) AND ($reason IS NULL OR reason = $reason)
ORDER BY rejected_at, feed, partition, position
"""

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="rejection_id as listed.")]
Reason = Annotated[str | None, typer.Option(help="Only those of this reason.")]
EveryOne = Annotated[bool, typer.Option("--all", help="All that are open, or all of --reason.")]
Later = Annotated[bool, typer.Option("--later", help="Only decide; the next `orders run` acts on it.")]


@app.command("list")
def list_rejects(
    state: Annotated[str, typer.Option(help="open, replayed, discarded or all.")] = "open",
    reason: Reason = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters, the oldest first."""
    _demand_known("--state", state, _states())
    _demand_reason(reason)
    platform = parts()
    rows = _listed(platform, state, reason) if platform.warehouse().exists() else []
    if as_json:
        show_rows_as_json(_LISTED, rows)
    else:
        show_rows(_LISTED, rows)


def _listed(platform: Parts, state: str, reason: str | None) -> list[tuple[object, ...]]:
    with platform.reading() as connection:
        return connection.execute(_LIST, {"state": state, "reason": reason}).fetchall()


@app.command("show")
def show_reject(
    rejection_id: Annotated[str, typer.Argument(metavar="ID", help="rejection_id as listed.")],
    as_json: AsJson = False,
) -> None:
    """Show one dead letter with its bytes (in JSON: base64)."""
    found = _find(parts(), [rejection_id], None)[0]
    if as_json:
        show_json(found)
        return
    body = found.pop("body")
    assert isinstance(body, bytes)
    for name, value in found.items():
        show(f"{name:<13}{to_cell(value)}")
    show(f"body         {len(body)} bytes, bytes that are not UTF-8 as \\x..:")
    show(body.decode("utf-8", "backslashreplace"))


@app.command()
def replay(
    ids: Ids = None,
    every_one: EveryOne = False,
    reason: Reason = None,
    later: Later = False,
    as_json: AsJson = False,
) -> None:
    """Judge dead letters again, under the present contract and limits.

    Ends with 1 when one of them still breaks the contract: it stays open.
    """
    from assets.orders.rejects import Decision

    _decide(Decision.REPLAYED, ids, every_one=every_one, reason=reason, later=later, as_json=as_json)


@app.command()
def discard(
    ids: Ids = None,
    every_one: EveryOne = False,
    reason: Reason = None,
    later: Later = False,
    as_json: AsJson = False,
) -> None:
    """Close dead letters for good; their bytes are kept."""
    from assets.orders.rejects import Decision

    _decide(Decision.DISCARDED, ids, every_one=every_one, reason=reason, later=later, as_json=as_json)


def _decide(
    decision: "Decision",
    ids: list[str] | None,
    *,
    every_one: bool,
    reason: str | None,
    later: bool,
    as_json: bool,
) -> None:
    from assets.orders.rejects import land_decisions

    if bool(ids) == every_one:
        raise typer.BadParameter("give either ids or --all", param_hint="'ID'")
    _demand_reason(reason)
    platform = parts()
    chosen = [row for row in _find(platform, ids or None, reason) if row["state"] == "open"]
    if ids and len(chosen) < len(set(ids)):
        closed = sorted(set(ids) - {str(row["rejection_id"]) for row in chosen})
        raise PermanentError(f"{', '.join(closed)} is not open: see `orders rejects list --state all`")
    land_decisions(platform.landing(), decision, chosen, max_bytes=platform.settings.max_message_bytes)
    if later or not chosen:
        _report(chosen, as_json=as_json)
        say(f"{len(chosen)} dead letters will be {decision} by the next `orders run`")
        return
    _run(platform)
    after = _find(platform, [str(row["rejection_id"]) for row in chosen], None)
    _report(after, as_json=as_json)
    still_open = sum(row["state"] == "open" for row in after)
    if still_open:
        raise PermanentError(
            f"{still_open} of {len(after)} dead letters still break the contract and stay open: "
            "see `orders rejects show ID`"
        )
    say(f"{len(after)} dead letters {decision}")


def _run(platform: Parts) -> None:
    from orchestration.cli.pipeline import execute

    execute(platform)


def _report(rows: Sequence[dict[str, object]], *, as_json: bool) -> None:
    names = ("rejection_id", "state", "reason", "detail")
    values = [[row[name] for name in names] for row in rows]
    if as_json:
        show_rows_as_json(names, values)
    elif values:
        show_rows(names, values)


def _find(platform: Parts, ids: list[str] | None, reason: str | None) -> list[dict[str, object]]:
    with platform.reading() as connection:
        rows = connection.execute(_FIND, {"ids": ids, "reason": reason}).fetchall()
    found = [dict(zip(_COLUMNS, row, strict=True)) for row in rows]
    missing = set(ids or ()) - {str(row["rejection_id"]) for row in found}
    if missing:
        raise PermanentError(
            f"there is no dead letter {', '.join(sorted(missing))} in the published copy: "
            "see `orders rejects list --state all`"
        )
    return found


def _demand_reason(reason: str | None) -> None:
    from assets.contract.reasons import Reason as Known

    if reason is not None:
        _demand_known("--reason", reason, [str(known) for known in Known])


def _demand_known(option: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise typer.BadParameter(f"{value!r} is none of {', '.join(known)}", param_hint=f"'{option}'")


def _states() -> list[str]:
    from assets.contract.tables import REJECTION_STATES

    return [*REJECTION_STATES, "all"]
