"""`orders rebuild` and `orders verify`: the tables from the segments alone, and whether they agree."""

from orchestration.cli.output import AsJson, counting, say, show, show_json
from orchestration.cli.parts import parts
from resources.errors import PermanentError


def rebuild(as_json: AsJson = False) -> None:
    """Make the warehouse anew from the landing folder alone, and publish it.

    The present one stays in use until then; one that cannot be read is moved aside.
    """
    from assets.orders.rebuild import rebuild as rebuild_warehouse

    platform = parts()
    with counting("rebuilding", None) as tell:
        rebuilt = rebuild_warehouse(
            platform.warehouse(),
            platform.landing(),
            max_bytes=platform.settings.max_message_bytes,
            on_progress=lambda done, _total: tell(done),
        )
    if as_json:
        show_json(rebuilt)
        return
    show(f"rebuilt from {rebuilt.messages} messages, full hash {rebuilt.full_hash}")
    for path in rebuilt.moved_aside:
        say(f"moved aside, as it could not be read: {path}")


def verify(as_json: AsJson = False) -> None:
    """Recompute the content hashes and the ledger, and compare them with the segments.

    Ends with 1 when anything disagrees.
    """
    from assets.orders.verify import verify as verify_warehouse

    platform = parts()
    verification = verify_warehouse(platform.warehouse(), platform.landing())
    problems = [*verification.ledger_problems, *verification.range_problems]
    if as_json:
        show_json(verification)
    else:
        show(f"state hash  {verification.state_hash}")
        show(f"full hash   {verification.full_hash}")
        show(f"to load     {verification.pending} landed messages")
        for problem in problems:
            show(f"problem     {problem}")
    if problems:
        raise PermanentError(
            f"{len(problems)} problems, the first: {problems[0]}; `orders rebuild` makes the tables anew"
        )
