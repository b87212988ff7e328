"""`orders alerts`: what was sent and what was not, silences, and the proof that nobody was left out."""

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli.output import AsJson, say, show, show_json, show_rows, show_rows_as_json
from orchestration.cli.parts import Parts, parts
from resources.errors import PermanentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resources.notifications.outbox import Outbox

silences = typer.Typer(rich_markup_mode=None)

_LETTER = (
    "delivery_id",
    "event_key",
    "event_type",
    "title",
    "policy",
    "channel",
    "state",
    "reason",
    "attempts",
    "due_at",
    "settled_at",
    "carried_by",
    "members",
    "last_error",
)
_LISTED = ("delivery_id", "title", "policy", "channel", "state", "attempts", "last_error")
_SILENCE = ("silence_id", "matchers", "starts_at", "until", "reason", "author")
_CHANNEL = (
    "channel",
    "state",
    "pending",
    "dead",
    "failures",
    "failing_since",
    "paused_until",
    "off_since",
    "reason",
)


def deliveries(
    delivery_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Only this delivery.")] = None,
    state: Annotated[str | None, typer.Option(help="pending, delivered, grouped, muted or dead.")] = None,
    channel: Annotated[str | None, typer.Option(help="Only by this channel.")] = None,
    event: Annotated[str | None, typer.Option(help="Only of the event with this key.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List deliveries, the newest first, with what became of them."""
    from resources.notifications.letters import Wanted
    from resources.notifications.schema import STATES

    if state is not None and state not in STATES:
        raise typer.BadParameter(f"{state!r} is none of {', '.join(STATES)}", param_hint="'--state'")
    with parts().outbox() as outbox:
        found = outbox.letters(Wanted(state, channel, delivery_id, event, limit))
    if delivery_id is not None and not found:
        raise PermanentError(f"there is no delivery {delivery_id}: see `orders alerts deliveries`")
    if as_json:
        show_rows_as_json(_LETTER, [[getattr(letter, name) for name in _LETTER] for letter in found])
    elif delivery_id is not None:
        for name in _LETTER:
            show(f"{name:<12} {getattr(found[0], name)}")
    else:
        show_rows(_LISTED, [[getattr(letter, name) for name in _LISTED] for letter in found])


def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Dead deliveries.")] = None,
    every_one: Annotated[bool, typer.Option("--all", help="All that are dead.")] = False,
    channel: Annotated[
        str | None, typer.Option(help="All of this channel, which is turned on again.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Let dead deliveries be tried again, under their old ids."""
    if bool(ids) + every_one + (channel is not None) != 1:
        raise typer.BadParameter("give ids, or --all, or --channel", param_hint="'ID'")
    with parts().outbox() as outbox:
        is_turned_on = channel is not None and outbox.turn_on(channel)
        count = outbox.replay(ids or None, channel=channel)
    if ids and count < len(set(ids)):
        raise PermanentError(
            f"{len(set(ids)) - count} of them are not dead: see `orders alerts deliveries --state dead`"
        )
    if as_json:
        show_json({"replayed": count, "channel_turned_on": is_turned_on})
    else:
        show(f"{count} deliveries will be tried again")
    if is_turned_on:
        say(f"channel {channel} is on again")


@silences.command("add")
def add_silence(
    matchers: Annotated[
        list[str],
        typer.Argument(metavar="NAME=VALUE...", help="job=ingest, policy=…, tag:team=ml; * in values."),
    ],
    duration: Annotated[str, typer.Option("--for", help="How long: 30m, 2h, 1d.")] = "1h",
    reason: Annotated[str, typer.Option(help="Why.")] = "",
    author: Annotated[str, typer.Option(help="Who says so.")] = "",
    as_json: AsJson = False,
) -> None:
    """Tell nobody of events that all matchers fit, from now on for a while.

    An incident that is still open when the silence ends is told then.
    """
    from uuid import uuid4

    from resources.clock import SystemClock
    from resources.notifications.decisions import Silence
    from resources.notifications.events import one_line
    from resources.notifications.policies.durations import seconds_in
    from resources.notifications.policies.silencing import demand_matchers

    pairs = [each.partition("=") for each in matchers]
    if any(not separator for _, separator, _ in pairs):
        raise typer.BadParameter("write name=value", param_hint="'NAME=VALUE'")
    named = {name: value for name, _, value in pairs}
    demand_matchers(named)
    try:
        until_s = seconds_in(duration)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--for'") from error
    now = SystemClock().now()
    silence = Silence(
        silence_id=f"sil_{uuid4().hex[:12]}",
        matchers=named,
        starts_at=now,
        until=now + timedelta(seconds=until_s),
        reason=one_line(reason),
        author=one_line(author),
    )
    with parts().outbox() as outbox:
        outbox.silence(silence)
    if as_json:
        show_json(asdict(silence))
    else:
        show(f"{silence.silence_id} until {silence.until:%Y-%m-%d %H:%M} UTC")


@silences.command("list")
def list_silences(as_json: AsJson = False) -> None:
    """List the silences in force."""
    with parts().outbox() as outbox:
        found = outbox.silences()
    if as_json:
        show_rows_as_json(_SILENCE, [[getattr(each, name) for name in _SILENCE] for each in found])
        return
    rows = [
        [_pairs(each.matchers) if name == "matchers" else getattr(each, name) for name in _SILENCE]
        for each in found
    ]
    show_rows(_SILENCE, rows)


@silences.command("end")
def end_silence(
    silence_id: Annotated[str, typer.Argument(metavar="ID", help="As listed.")], as_json: AsJson = False
) -> None:
    """End a silence now."""
    with parts().outbox() as outbox:
        if not outbox.end_silence(silence_id):
            raise PermanentError(f"no silence {silence_id} is in force: see `orders alerts silence list`")
    if as_json:
        show_json({"silence_id": silence_id, "ended": True})
    else:
        show(f"{silence_id} is over")


def reconcile(as_json: AsJson = False) -> None:
    """Prove that nobody was left out: every event decided, every delivery in exactly one state.

    Ends with 1 when the books do not balance.
    """
    with parts().outbox() as outbox:
        audit = outbox.audit()
    counts = audit.counts
    if as_json:
        show_json({**asdict(audit), "is_clean": audit.is_clean})
    else:
        show(
            f"events {counts.events} = matched {counts.matched} + unmatched {counts.unmatched} "
            f"+ undecided {counts.undecided}"
        )
        show(
            f"deliveries {counts.deliveries} = delivered {counts.delivered} + grouped {counts.grouped} "
            f"+ muted {counts.muted} + dead {counts.dead} + pending {counts.pending}"
        )
        for name, value in asdict(audit).items():
            if name != "counts":
                show(f"{name.replace('_', ' ')}: {value}")
    if not audit.is_clean:
        raise PermanentError("the outbox does not balance: keep its file, and see the figures above")
    say("nobody was left out")


def status(as_json: AsJson = False) -> None:
    """Show the policies in force, how the channels fare, silences, and what waits."""
    platform = parts()
    with platform.outbox() as outbox:
        counts, muted = outbox.counts(), outbox.silences()
        rows = _channels(platform, outbox)
    if as_json:
        listed = [dict(zip(_CHANNEL, row, strict=True)) for row in rows]
        show_json(
            {"counts": asdict(counts), "channels": listed, "silences": [asdict(each) for each in muted]}
        )
        return
    oldest = (
        f", the oldest since {counts.oldest_pending_at:%Y-%m-%d %H:%M} UTC"
        if counts.oldest_pending_at
        else ""
    )
    show(f"{counts.events} events, {counts.undecided} undecided; {counts.pending} deliveries pending{oldest}")
    show(f"{counts.delivered} delivered, {counts.grouped} grouped, {counts.muted} muted, {counts.dead} dead")
    show(f"{len(muted)} silences in force")
    show()
    show_rows(_CHANNEL, rows, title="channels")


def _channels(platform: Parts, outbox: "Outbox") -> "Sequence[Sequence[object]]":
    """Return a row for each channel that the policies name, or that has something to send."""
    import sys

    from orchestration.alerting import open_alerting
    from resources.notifications.channels.opening import BrokenChannel

    states = {each.channel: each for each in outbox.channel_states()}
    opened = {channel.name: channel for channel in open_alerting(platform.settings, sys.stderr).channels}
    rows = []
    for name in [*opened, *(name for name in states if name not in opened)]:
        state, channel = states.get(name), opened.get(name)
        reason = channel.reason if isinstance(channel, BrokenChannel) else state.off_reason if state else ""
        word = (
            "in no policy"
            if channel is None
            else "cannot be opened"
            if isinstance(channel, BrokenChannel)
            else "on"
        )
        if state is not None and state.off_since is not None:
            word = "off"
        elif state is not None and state.failures and word == "on":
            word = "failing"
        rows.append(
            [name, word, *([state.pending, state.dead, state.failures] if state else [0, 0, 0])]
            + ([state.failing_since, state.paused_until, state.off_since] if state else [None] * 3)
            + [reason]
        )
    return rows


def _pairs(matchers: "Mapping[str, str]") -> str:
    return " ".join(f"{name}={value}" for name, value in matchers.items())
