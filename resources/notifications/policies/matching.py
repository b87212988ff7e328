"""Which policies an event matches, and what every other policy has against it.

Policies are found by event type and by what the event is about, so a thousand of them cost an event little.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from resources.notifications.events import Event, EventType, Severity
from resources.notifications.policies.policy import Policy
from resources.notifications.policies.targets import Hint, Target, hints_of

WILL_RETRY = "dagster/will_retry"
_SEVERITIES = list(Severity)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a policy matches an event; `against` is the first reason why it does not."""

    policy: str
    against: str | None

    @property
    def matches(self) -> bool:
        """Say whether it matches."""
        return self.against is None


@dataclass(slots=True)
class _Shelf:
    """The policies of one event type: those that any event may match, and those found by a hint."""

    unhinted: list[int] = field(default_factory=list)
    hinted: dict[Hint, list[int]] = field(default_factory=dict)


class Matcher:
    """An index over policies; matching gives the same as asking each policy in turn."""

    def __init__(self, policies: Sequence[Policy]) -> None:
        """Index the policies, whose order is kept in every answer."""
        self.policies = tuple(policies)
        self._shelves: dict[EventType, _Shelf] = {}
        for place, policy in enumerate(self.policies):
            hints = _hints(policy)
            for event_type in watched_types(policy):
                self._put(self._shelves.setdefault(event_type, _Shelf()), place, hints)

    def matches(self, event: Event) -> list[Policy]:
        """Return the policies that the event matches, in their order."""
        shelf = self._shelves.get(event.event_type)
        if shelf is None:
            return []
        places = set(shelf.unhinted)
        if shelf.hinted:
            for hint in hints_of(event):
                places.update(shelf.hinted.get(hint, ()))
        candidates = (self.policies[place] for place in sorted(places))
        return [policy for policy in candidates if against(policy, event) is None]

    def explain(self, event: Event) -> list[Verdict]:
        """Return what each policy says to the event, in their order."""
        return [Verdict(policy.name, against(policy, event)) for policy in self.policies]

    def _put(self, shelf: _Shelf, place: int, hints: Iterable[Hint] | None) -> None:
        if hints is None:
            shelf.unhinted.append(place)
            return
        for hint in hints:
            shelf.hinted.setdefault(hint, []).append(place)


def watched_types(policy: Policy) -> frozenset[EventType]:
    """Return the types of the events that a policy tells: of one that expects something, its absence."""
    return policy.event_types if policy.expectation is None else frozenset({EventType.ASSET_OVERDUE})


def against(policy: Policy, event: Event) -> str | None:
    """Return the first reason why the policy does not match the event, None when it does."""
    if event.event_type not in watched_types(policy):
        return f"{event.event_type} is none of its event types"
    if policy.expectation is not None:
        is_own = event.details.get("policy") == policy.name
        return None if is_own else "it only tells that what it expects itself did not come"
    return _against_kind(policy, event) or selected(policy, event)


def selected(policy: Policy, event: Event) -> str | None:
    """Return why the policy does not select what the event is about, None when it does."""
    if policy.targets and not _any(policy.targets, event):
        return f"it is about none of: {'; '.join(target.told for target in policy.targets)}"
    missed = next((need.told for need in policy.needs if not need.selects(event)), None)
    if missed is not None:
        return f"it does not satisfy {missed}"
    excluded = next((target.told for target in policy.excludes if target.selects(event)), None)
    return None if excluded is None else f"x_exclude leaves out {excluded}"


def is_at_least(severity: Severity, least: Severity) -> bool:
    """Say whether a severity is the other or worse."""
    return _SEVERITIES.index(severity) >= _SEVERITIES.index(least)


def _against_kind(policy: Policy, event: Event) -> str | None:
    if event.is_mere_recovery:
        return None if policy.tells_recovery else "x_recovery is false, and this is a recovery"
    if policy.min_severity is not None and not is_at_least(event.severity, policy.min_severity):
        return f"its severity {event.severity} is below x_min_severity {policy.min_severity}"
    if policy.is_retry_aware and event.targets.tags.get(WILL_RETRY) == "true":
        return "x_retry_aware is true, and Dagster will retry this run"
    if event.event_type is EventType.TICK_FAILURE:
        failures = int(event.details.get("consecutive_failures", policy.consecutive_failures))
        if failures != policy.consecutive_failures:
            return f"it is failure {failures} in a row, and told is number {policy.consecutive_failures}"
    if event.event_type is EventType.ASSET_TABLE_SCHEMA_CHANGE and policy.schema_changes:
        changes = set(str(event.details.get("change_types", "")).replace(",", " ").split())
        if changes and not changes & policy.schema_changes:
            return f"it changes {', '.join(sorted(changes))}, which table_schema_change_types does not name"
    return None


def _any(targets: Iterable[Target], event: Event) -> bool:
    return any(target.selects(event) for target in targets)


def _hints(policy: Policy) -> frozenset[Hint] | None:
    if policy.expectation is not None:
        return frozenset({("policy", policy.name)})
    found = [target.hints for target in policy.targets]
    known = [hints for hints in found if hints is not None]
    if found and len(known) == len(found):
        return frozenset[Hint]().union(*known)
    return next((need.hints for need in policy.needs if need.hints is not None), None)
