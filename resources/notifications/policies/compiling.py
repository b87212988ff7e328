"""From a policy as it is written to one as the engine uses it, and what Dagster+ would say to it."""

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from resources.notifications.decisions import MOST_REPEATS
from resources.notifications.events import EventType
from resources.notifications.policies import parts
from resources.notifications.policies.assets import AssetGraph
from resources.notifications.policies.document import PolicyDocument
from resources.notifications.policies.durations import days_of, seconds_in, time_of_day, zone_of
from resources.notifications.policies.naming import channel_name, chosen, is_same_service, written_out
from resources.notifications.policies.policy import (
    Expectation,
    Grouping,
    Inhibition,
    Policy,
    Quiet,
)
from resources.notifications.policies.selection import SelectionError
from resources.notifications.policies.services import (
    NotificationService,
    ServiceSpec,
    SlackService,
)
from resources.notifications.policies.targets import (
    Target,
    TargetError,
    compile_order_filter,
    compile_tags,
    compile_target,
)
from resources.notifications.policies.vocabulary import (
    ALIASES,
    ASSET_EVENTS,
    RENOTIFIED,
    UNOBSERVED,
    UNOBSERVED_TARGETS,
    category,
)
from resources.notifications.policies.yaml_text import Path

_T = TypeVar("_T")
_Made = TypeVar("_Made")
_SHORTEST_REPEAT_S = 60.0


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem at a path within a policy."""

    path: Path
    text: str


@dataclass(slots=True)
class Compiled:
    """A policy, its channels by name, and its problems; without errors the policy can be used."""

    policy: Policy | None = None
    services: dict[str, ServiceSpec] = field(default_factory=dict)
    errors: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)


def compile_policy(document: PolicyDocument, line: int, graph: AssetGraph | None) -> Compiled:
    """Return the compiled policy with everything that is wrong with it."""
    return _Compiler(document, graph).run(line)


class _Compiler:
    def __init__(self, document: PolicyDocument, graph: AssetGraph | None) -> None:
        self._document = document
        self._graph = graph
        self._done = Compiled()

    def run(self, line: int) -> Compiled:
        written, options = self._document, self._document.policy_options
        types = self._event_types(written.event_types, ("event_types",))
        targets = self._targets(written.alert_targets, "alert_targets")
        long_running = tuple(
            target.long_running_job_threshold_target.threshold_seconds
            for target in written.alert_targets
            if target.long_running_job_threshold_target is not None
        )
        policy = Policy(
            name=written.name,
            line=line,
            description=written.description,
            says_description=options.include_description_in_notification,
            event_types=types,
            channels=self._channels(),
            targets=targets,
            needs=self._needs(types),
            excludes=self._targets(written.x_exclude, "x_exclude"),
            fallback=self._fallback(),
            grouping=self._at("x_group", _grouping, written.x_group),
            repeat_s=self._repeat_s(),
            repeats=written.x_repeat.times if written.x_repeat else MOST_REPEATS,
            inhibitions=tuple(self._inhibition(i, each) for i, each in enumerate(written.x_inhibit)),
            tells_recovery=written.x_recovery,
            expectation=self._at("x_absence", _expectation, written.x_absence),
            severity=written.x_severity,
            min_severity=written.x_min_severity,
            quiet=tuple(
                quiet
                for i, each in enumerate(written.x_quiet_hours)
                if (quiet := self._at("x_quiet_hours", _quiet, each, i)) is not None
            ),
            is_retry_aware=written.x_retry_aware,
            consecutive_failures=options.consecutive_failure_threshold or 1,
            schema_changes=frozenset(options.table_schema_change_types),
            long_running_s=long_running if EventType.JOB_LONG_RUNNING in types else (),
            owner=written.x_owner,
            next_step=written.x_next_step,
            template=written.x_template,
        )
        self._judge(policy)
        self._done.policy = policy
        return self._done

    def _error(self, text: str, *path: str | int) -> None:
        self._done.errors.append(Fault(path, text))

    def _warn(self, text: str, *path: str | int) -> None:
        self._done.warnings.append(Fault(path, text))

    def _at(self, key: str, make: Callable[[_T], _Made], value: _T | None, *more: int) -> _Made | None:
        """Make a part of the policy; what its values have against it is an error at its key."""
        if value is None:
            return None
        try:
            return make(value)
        except ValueError as error:
            self._error(str(error), key, *more)
            return None

    def _event_types(self, names: Sequence[str], path: Path) -> frozenset[EventType]:
        found: set[EventType] = set()
        for place, name in enumerate(names):
            if name in ALIASES:
                self._warn(f"{name} is another name of {ALIASES[name]}", *path, place)
            known = ALIASES.get(name) or EventType.__members__.get(name)
            if known is None:
                self._error(f"{name} is no event type{_meant(name)}", *path, place)
                continue
            found.add(known)
            if known in UNOBSERVED:
                self._warn(f"{known} is accepted, and never comes: {UNOBSERVED[known]}", *path, place)
        return frozenset(found)

    def _targets(self, written: Sequence[parts.AlertTarget], *path: str | int) -> tuple[Target, ...]:
        found = (self._target(each, *path, place) for place, each in enumerate(written))
        return tuple(target for target in found if target is not None)

    def _target(self, written: parts.AlertTarget, *path: str | int) -> Target | None:
        names = [name for name in written.__struct_fields__ if getattr(written, name) is not None]
        if len(names) != 1:
            self._error(f"a target has exactly one key, not {', '.join(names) or 'none'}", *path)
            return None
        if names[0] in UNOBSERVED_TARGETS:
            self._warn(f"{names[0]} is accepted, and selects nothing: open source has no such data", *path)
        try:
            return compile_target(written, self._graph)
        except SelectionError as error:
            self._error(str(error), *path, names[0], "asset_selection")
        except TargetError as error:
            self._error(str(error), *path, names[0], error.key)
        return None

    def _needs(self, types: frozenset[EventType]) -> tuple[Target, ...]:
        """Return what events must satisfy besides one of the targets: the old tags, and x_order."""
        written, needed = self._document, list[Target]()
        if written.tags:
            self._warn("tags is the old form: write run_result_target with tags", "tags")
            tags = written.tags
            pairs = [parts.Tag(key=k, value=v) for k, v in tags.items()] if isinstance(tags, dict) else tags
            needed.append(compile_tags(pairs))
        if written.x_order is not None:
            if types != {EventType.ORDER_EVENT}:
                self._error("x_order is for the event type ORDER_EVENT alone", "x_order")
            needed.append(compile_order_filter(written.x_order))
        return tuple(needed)

    def _services(self, written: Sequence[NotificationService], *path: str) -> tuple[str, ...]:
        return tuple(
            name
            for place, service in enumerate(written)
            if (name := self._channel(service, *path, place)) is not None
        )

    def _channels(self) -> tuple[str, ...]:
        written = self._document
        first = self._channel(written.notification_service, "notification_service")
        names = [*([first] if first else []), *self._services(written.x_also, "x_also")]
        return tuple(dict.fromkeys(names))

    def _channel(self, service: NotificationService, *path: str | int) -> str | None:
        found = chosen(service)
        if len(found) != 1:
            keys = ", ".join(kind for kind, _ in found)
            self._error(f"a notification service has exactly one key, not {keys or 'none'}", *path)
            return None
        kind, spec = found[0]
        name = channel_name(kind, spec)
        for key in written_out(spec):
            self._warn(f"the secret stands in the file: write {key}: {{env: NAME}}", *path, kind, key)
        if isinstance(spec, SlackService) and not spec.x_webhook_url and not spec.slack_channel_name:
            self._error("slack needs slack_channel_name, or x_webhook_url", *path, kind)
        if not is_same_service(self._done.services.setdefault(name, spec), spec):
            self._error(f"two services are called {name}: give each its own x_name", *path, kind)
        return name

    def _fallback(self) -> str:
        service = self._document.x_fallback
        return "" if service is None else self._channel(service, "x_fallback") or ""

    def _repeat_s(self) -> float:
        minutes = self._document.policy_options.renotify_interval_minutes
        if self._document.x_repeat is None and minutes is not None:
            return minutes * 60.0
        return self._at("x_repeat", _repeat, self._document.x_repeat) or 0.0

    def _inhibition(self, place: int, written: parts.Inhibit) -> Inhibition:
        path = ("x_inhibit", place)
        return Inhibition(
            self._event_types(written.event_types, (*path, "event_types")),
            self._targets(written.alert_targets, *path, "alert_targets"),
            tuple(written.equal),
        )

    def _judge(self, policy: Policy) -> None:
        """Apply the rules of Dagster+: those that make sense anywhere as errors, the rest as warnings."""
        written, types = self._document, policy.event_types
        categories = sorted({str(category(known)) for known in types if category(known)})
        if len(categories) > 1:
            self._warn(f"Dagster+ refuses to mix {', '.join(categories)} events in one policy", "event_types")
        if EventType.JOB_LONG_RUNNING in types and not policy.long_running_s:
            told = "JOB_LONG_RUNNING needs long_running_job_threshold_target with threshold_seconds"
            self._error(told, "alert_targets" if written.alert_targets else "event_types")
        options = written.policy_options
        if EventType.ASSET_TABLE_SCHEMA_CHANGE in types and not options.table_schema_change_types:
            told = (
                "without policy_options.table_schema_change_types every change is told; Dagster+ demands it"
            )
            self._warn(told, "event_types")
        if options.consecutive_failure_threshold is not None and types != {EventType.TICK_FAILURE}:
            told = "consecutive_failure_threshold is for the event type TICK_FAILURE alone"
            self._error(told, "policy_options", "consecutive_failure_threshold")
        if options.renotify_interval_minutes is not None and not types <= RENOTIFIED:
            told = "Dagster+ knows renotify_interval_minutes for TICK_FAILURE, AGENT_UNAVAILABLE and "
            self._warn(f"{told}CODE_LOCATION_ERROR alone", "policy_options", "renotify_interval_minutes")
        is_to_owners = written.notification_service.email_owners is not None
        if is_to_owners and not types & ASSET_EVENTS:
            self._warn("email_owners is for asset events: others have no owner", "notification_service")


def _grouping(written: parts.Group) -> Grouping:
    return Grouping(tuple(written.by), seconds_in(written.wait), seconds_in(written.interval))


def _repeat(written: parts.Repeat) -> float:
    every_s = seconds_in(written.every)
    if every_s < _SHORTEST_REPEAT_S:
        raise ValueError(f"every must be at least {_SHORTEST_REPEAT_S:g} s")
    return every_s


def _expectation(written: parts.Absence) -> Expectation:
    zone, days = zone_of(written.timezone), days_of(written.days)
    return Expectation(time_of_day(written.expected_by), zone, days)


def _quiet(written: parts.QuietHours) -> Quiet:
    start, end = time_of_day(written.start), time_of_day(written.end)
    if start == end:
        raise ValueError("start and end are the same time")
    return Quiet(
        start,
        end,
        zone_of(written.timezone),
        days_of(written.days),
        written.action == "drop",
        written.except_from,
    )


def _meant(name: str) -> str:
    near = difflib.get_close_matches(name.upper(), [*EventType.__members__, *ALIASES], n=1)
    return f": did you mean {near[0]}?" if near else ""
