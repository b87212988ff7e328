"""`orders alerts`: the policies, checked, explained, rehearsed and tried."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestration.cli import alert_notices
from orchestration.cli.output import AsJson, say, show, show_rows, show_rows_as_json
from orchestration.cli.parts import Parts, parts
from resources.errors import OrdersError, PermanentError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resources.notifications.events import Event, Notice
    from resources.notifications.outbox import Outbox
    from resources.notifications.policies.policy import Policies, Problem
    from resources.notifications.port import Channel

app = typer.Typer(rich_markup_mode=None)
app.command()(alert_notices.deliveries)
app.command()(alert_notices.replay)
app.add_typer(alert_notices.silences, name="silence", help="What is not to be told for a while.")
app.command()(alert_notices.reconcile)
app.command()(alert_notices.status)

File = Annotated[Path | None, typer.Argument(help="A policy file; default: ORDERS_ALERT_POLICIES.")]
_PAGE = 10_000


@app.command()
def validate(
    file: File = None,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings count as errors.")] = False,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the format.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check a file of alert policies: every mistake with file, line and key.

    Ends with 1 when there is one.
    """
    if schema:
        from resources.notifications.policies.document import json_schema

        show(json.dumps(json_schema(), ensure_ascii=False, indent=2))
        return
    from orchestration.alerting import check_file

    settings = parts().settings
    path = file or settings.alert_policies
    checked = check_file(settings, path)
    warnings = [*checked.policies.warnings, *_unset(checked.policies, path.name)]
    told = [("error", each) for each in checked.errors] + [("warning", each) for each in warnings]
    rows = [(level, each.file, each.line, each.key, each.text) for level, each in told]
    names = ("level", "file", "line", "key", "problem")
    if as_json:
        show_rows_as_json(names, rows)
    elif rows:
        show_rows(names, rows)
    errors = len(checked.errors) + (len(warnings) if strict else 0)
    if errors:
        raise PermanentError(f"{path} has {errors} mistake{'' if errors == 1 else 's'}")
    active = len(checked.policies.policies)
    say(f"{path} is right: {active} policies in force, {len(checked.policies.services)} channels")


@app.command()
def explain(
    event: Annotated[str | None, typer.Argument(metavar="[EVENT_KEY]", help="A recorded event.")] = None,
    event_type: Annotated[str | None, typer.Option("--type", help="Or one made up: its type,")] = None,
    job: Annotated[str, typer.Option(help="its job,")] = "",
    asset: Annotated[list[str] | None, typer.Option(help="its assets (a/b),")] = None,
    group: Annotated[list[str] | None, typer.Option(help="its asset groups,")] = None,
    kind: Annotated[list[str] | None, typer.Option(help="its asset kinds,")] = None,
    owner: Annotated[list[str] | None, typer.Option(help="its owners,")] = None,
    location: Annotated[str, typer.Option(help="its code location,")] = "",
    instigator: Annotated[str, typer.Option(help="its schedule or sensor,")] = "",
    tag: Annotated[list[str] | None, typer.Option(help="its run's tags (key=value),")] = None,
    detail: Annotated[list[str] | None, typer.Option(help="its details (status=shipped),")] = None,
    severity: Annotated[str, typer.Option(help="its severity.")] = "error",
    file: Annotated[Path | None, typer.Option(help="Another policy file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say which policies an event matches, and why not the others."""
    from resources.clock import SystemClock
    from resources.notifications.policies.matching import Matcher

    if (event is None) == (event_type is None):
        raise typer.BadParameter(
            "give an event's key, or --type and what it is about", param_hint="EVENT_KEY"
        )
    platform = parts()
    book = _policies(platform, file)
    if event is not None:
        told = _recorded(platform, event)
    else:
        from resources.notifications.policies.inventing import invented

        told = invented(
            event_type or "",
            SystemClock().now(),
            severity=severity,
            job=job,
            assets=tuple(asset or ()),
            groups=tuple(group or ()),
            kinds=tuple(kind or ()),
            owners=tuple(owner or ()),
            location=location,
            instigator=instigator,
            tags=_pairs("--tag", tag),
            details=_pairs("--detail", detail),
        )
    channels = {policy.name: ", ".join(policy.channels) for policy in book.policies}
    rows = [
        (
            verdict.policy,
            verdict.matches,
            channels[verdict.policy] if verdict.matches else "",
            verdict.against,
        )
        for verdict in Matcher(book.policies).explain(told)
    ]
    names = ("policy", "matches", "channels", "reason")
    if as_json:
        show_rows_as_json(names, rows)
        return
    show_rows(names, [(policy, "yes" if yes else "no", where, why or "") for policy, yes, where, why in rows])


@app.command("dry-run")
def dry_run(
    file: File = None,
    since: Annotated[str, typer.Option(help="How far to look back: 12h, 30d.")] = "30d",
    as_json: AsJson = False,
) -> None:
    """Say what a policy file would have sent for the events that were recorded."""
    from resources.clock import SystemClock
    from resources.notifications.policies.deciding import PolicyEngine
    from resources.notifications.policies.durations import seconds_in
    from resources.notifications.policies.rehearsing import Rehearsal

    try:
        back_s = seconds_in(since)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'--since'") from error
    platform = parts()
    rehearsal = Rehearsal(PolicyEngine(_policies(platform, file)))
    now = SystemClock().now()
    with platform.outbox() as outbox:
        rehearsal.play(_history(outbox, now - timedelta(seconds=back_s), now))
    rows = [tuple(asdict(row).values()) for row in rehearsal.results()]
    names = ("policy", "channel", "events", "notices", "grouped", "muted", "recoveries", "example")
    if as_json:
        show_rows_as_json(names, rows)
    else:
        show_rows(names, rows)
    say(f"{rehearsal.events} events since {since}, {rehearsal.unmatched} of them matched by no policy")


@app.command("send-sample")
def send_sample(
    channel: Annotated[list[str] | None, typer.Option(help="Only by this channel.")] = None,
    policy: Annotated[str | None, typer.Option(help="Only by the channels of this policy.")] = None,
    file: Annotated[Path | None, typer.Option(help="Another policy file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send a sample notice by the channels at once, to see that they work.

    Ends with 1 when one of them does not.
    """
    import sys

    from orchestration.alerting import outside
    from resources.clock import SystemClock
    from resources.notifications.channels.opening import open_channels
    from resources.notifications.policies.inventing import sample_notice

    platform = parts()
    book = _policies(platform, file)
    wanted = _wanted(book, channel, policy)
    console = sys.stderr if as_json else sys.stdout
    opened = [
        each for each in open_channels(book, outside(platform.settings, console)) if each.name in wanted
    ]
    names_of = {name: each.name for each in book.policies for name in each.channels}
    url = platform.settings.ui_url
    now = SystemClock().now()
    rows = [
        _tried(each, sample_notice(each.name, policy or names_of.get(each.name, ""), url, now))
        for each in opened
    ]
    if as_json:
        show_rows_as_json(("channel", "outcome", "error"), rows)
    else:
        show_rows(("channel", "outcome", "error"), rows)
    failed = sum(outcome == "failed" for _, outcome, _ in rows)
    if failed:
        raise PermanentError(f"{failed} of {len(rows)} channels did not take the sample")


def _tried(channel: "Channel", notice: "Notice") -> tuple[str, str, str]:
    try:
        return channel.name, channel.send(notice).value, ""
    except OrdersError as error:
        return channel.name, "failed", str(error)


def _wanted(book: "Policies", channel: list[str] | None, policy: str | None) -> set[str]:
    known = {each.name: {*each.channels, *filter(None, [each.fallback])} for each in book.policies}
    if policy is not None and policy not in known:
        raise PermanentError(f"no policy in force is called {policy!r}: see `orders alerts validate`")
    names = known[policy] if policy is not None else set(book.services)
    missing = set(channel or ()) - set(book.services)
    if missing:
        raise PermanentError(
            f"no channel is called {', '.join(sorted(missing))}: the policies have {', '.join(book.services)}"
        )
    return names & set(channel) if channel else names


def _policies(platform: Parts, file: Path | None) -> "Policies":
    from orchestration.alerting import read_file

    return read_file(platform.settings, file or platform.settings.alert_policies)


def _recorded(platform: Parts, key: str) -> "Event":
    with platform.outbox() as outbox:
        found = outbox.event(key)
    if found is None:
        raise PermanentError(f"no event {key} is recorded: see `orders alerts deliveries`")
    return found


def _history(outbox: "Outbox", since: datetime, until: datetime) -> "Iterator[Event]":
    from resources.notifications.events import EventType

    seen: set[str] = set()
    while page := outbox.recorded_between(since, until, list(EventType), _PAGE):
        new = [event for event in page if event.event_key not in seen]
        yield from new
        if len(page) < _PAGE or not new:
            return
        since = page[-1].occurred_at
        seen = {event.event_key for event in page if event.occurred_at == since}


def _unset(book: "Policies", name: str) -> "list[Problem]":
    """Return a warning for each variable that the policies refer to and that is not set."""
    from orchestration.settings import environment
    from resources.notifications.policies.naming import variables
    from resources.notifications.policies.policy import Problem

    known = environment()
    return [
        Problem(name, 1, channel, f"refers to {variable}, which is not set")
        for channel, spec in book.services.items()
        for variable in variables(spec)
        if not known.get(variable)
    ]


def _pairs(option: str, given: list[str] | None) -> dict[str, str]:
    pairs = [each.partition("=") for each in given or ()]
    if any(not separator or not key for key, separator, _ in pairs):
        raise typer.BadParameter("write key=value", param_hint=f"'{option}'")
    return {key: value for key, _, value in pairs}
