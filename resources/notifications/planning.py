"""From decisions to deliveries: grouping, flapping, and who is owed a recovery. Pure, no input or output.

A group is one policy, channel and group key. Its first delivery leads a notice; what comes before that
notice was tried joins it as `grouped`. What comes later leads the next notice, which waits until the group's
interval is over; only a first recovery may go sooner, once it has lasted. So a thing that flaps makes two
notices: the opening, and a digest with the number.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from hashlib import sha256

from resources.notifications.decisions import Decision
from resources.notifications.events import Event, EventType, Severity, delivery_id

_RANK = {severity: rank for rank, severity in enumerate(Severity)}
StandingKey = tuple[str, str, str]
"""Incident, policy, channel."""


@dataclass(slots=True)
class Planned:
    """A delivery as it is planned, or a leader that is there already and may still be joined."""

    delivery_id: str
    event_key: str
    policy: str
    channel: str
    severity: Severity
    state: str
    due_at: datetime
    thread: str
    shown_key: str
    reason: str = ""
    carried_by: str | None = None
    members: int = 0
    is_resolved: bool = False
    after_id: str | None = None
    fallback_channel: str = ""
    attempts: int = 0
    is_stored: bool = False

    @property
    def can_be_joined(self) -> bool:
        """Whether it leads a notice that nobody has tried to send yet."""
        return self.state == "pending" and self.attempts == 0


@dataclass(slots=True)
class Group:
    """A group's last leader, the time before which that could not go, and before which no next may."""

    leader: Planned
    floor_at: datetime
    next_at: datetime


@dataclass(slots=True)
class Standing:
    """A channel that was told of an incident by a policy, or will be at `remind_at`."""

    incident: str
    group_id: str
    decision: Decision
    is_told: bool
    remind_at: datetime | None = None


@dataclass(slots=True)
class Books:
    """What is known before a plan, and how the plan changes it; `is_open` counts open incidents by group."""

    now: datetime
    standings: dict[StandingKey, Standing] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    is_open: Counter[str] = field(default_factory=Counter)
    planned: list[Planned] = field(default_factory=list)
    touched_groups: set[str] = field(default_factory=set)
    touched_standings: set[StandingKey] = field(default_factory=set)

    def plan(self, event: Event, decisions: Sequence[Decision]) -> bool:
        """Plan the deliveries of one event; say whether there are any."""
        targets = {(d.policy, d.channel): d for d in decisions}
        owed: dict[tuple[str, str], Decision] = {}
        if event.incident and event.is_recovery:
            owed = self._owed(event.incident, targets)
        elif event.opens:
            for decision in targets.values():
                self._open(event.incident, decision)
        as_any_other = event if event.is_mere_recovery else replace(event, is_recovery=False)
        for key, decision in (targets | owed).items():
            told = event if key in owed else as_any_other
            self._deliver(told, _without_the_failed(told, decision))
        return bool(targets or owed)

    def _owed(
        self, incident: str, targets: Mapping[tuple[str, str], Decision]
    ) -> dict[tuple[str, str], Decision]:
        """Close the incident; return what those who were told of it get, silences or not."""
        owed: dict[tuple[str, str], Decision] = {}
        for key in [key for key in self.standings if key[0] == incident]:
            standing = self.standings.pop(key)
            self.touched_standings.add(key)
            if not standing.is_told:
                continue
            self.is_open[standing.group_id] -= 1
            told = standing.decision
            if told.tells_recovery or key[1:] in targets:
                owed[(told.policy, told.channel)] = told
        return owed

    def _open(self, incident: str, decision: Decision) -> None:
        key = (incident, decision.policy, decision.channel)
        known = self.standings.get(key)
        is_told = not decision.muted
        if known is not None and (known.is_told or not is_told):
            return
        group_id = group_id_of(decision)
        remind_at = decision.muted_until if decision.muted else _later(self.now, decision.repeat_s)
        kept = replace(decision, muted="", muted_until=None)
        self.standings[key] = Standing(incident, group_id, kept, is_told, remind_at)
        self.touched_standings.add(key)
        self.is_open[group_id] += is_told

    def _deliver(self, event: Event, decision: Decision) -> None:
        delivery = _delivery(event, decision, self.now)
        self.planned.append(delivery)
        if decision.muted:
            delivery.state, delivery.reason = "muted", decision.muted
        elif decision.group_key:
            self._group(event, decision, delivery)

    def _group(self, event: Event, decision: Decision, delivery: Planned) -> None:
        group_id = group_id_of(decision)
        group = self.groups.get(group_id)
        delivery.is_resolved = event.is_recovery and self.is_open[group_id] <= 0
        if group is not None and group.leader.can_be_joined:
            self._join(group, delivery, event, decision)
        else:
            self.groups[group_id] = group = self._lead(group, delivery, event, decision)
        group.next_at = group.leader.due_at + timedelta(seconds=decision.group_interval_s)
        self.touched_groups.add(group_id)

    def _lead(self, group: Group | None, delivery: Planned, event: Event, decision: Decision) -> Group:
        floor = max(self.now + timedelta(seconds=decision.group_wait_s), delivery.due_at)
        delivery.due_at = floor
        if group is not None:
            if group.leader.state == "pending":
                delivery.after_id = group.leader.delivery_id
            floor = delivery.due_at = max(floor, group.next_at)
            if event.is_recovery:
                lasting = self.now + timedelta(seconds=decision.recovery_wait_s)
                delivery.due_at = max(min(floor, lasting), decision.not_before or self.now)
        return Group(delivery, floor, floor)

    def _join(self, group: Group, delivery: Planned, event: Event, decision: Decision) -> None:
        leader = group.leader
        due_at = max(leader.due_at, group.floor_at)
        if event.is_recovery != leader.is_resolved:
            latest = group.floor_at + timedelta(seconds=decision.group_interval_s)
            lasting = self.now + timedelta(seconds=decision.recovery_wait_s)
            due_at = max(group.floor_at, min(lasting, latest))
        leader.due_at = due_at
        leader.members += 1
        leader.shown_key = event.event_key
        leader.is_resolved = delivery.is_resolved
        leader.severity = max(leader.severity, delivery.severity, key=_RANK.__getitem__)
        delivery.state, delivery.carried_by = "grouped", leader.delivery_id


def group_id_of(decision: Decision) -> str:
    """Return the id of the decision's group; what waits for a time of day is not held up by what does not."""
    if not decision.group_key:
        return ""
    held = decision.not_before.isoformat() if decision.not_before else ""
    parts = (decision.policy, decision.channel, decision.group_key, held)
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:40]


def groups_of(decisions: Iterable[Decision]) -> set[str]:
    """Return the ids of the groups that the decisions name."""
    return {group_id_of(decision) for decision in decisions if decision.group_key}


def _delivery(event: Event, decision: Decision, now: datetime) -> Planned:
    return Planned(
        delivery_id=delivery_id(event.event_key, decision.channel, decision.policy),
        event_key=event.event_key,
        policy=decision.policy,
        channel=decision.channel,
        severity=decision.severity or event.severity,
        state="pending",
        due_at=max(now, decision.not_before or now),
        thread=decision.group_key or event.incident or event.event_key,
        shown_key=event.event_key,
        is_resolved=event.is_recovery,
        fallback_channel=decision.fallback_channel,
    )


def _without_the_failed(event: Event, decision: Decision) -> Decision:
    """Mute news of a dead channel on that very channel, where it would only die as well."""
    is_own = event.event_type is EventType.NOTIFICATION_DEAD and (
        event.details.get("channel") == decision.channel
    )
    if not is_own or event.is_recovery:
        return decision
    return replace(decision, muted="this is the channel that failed", muted_until=None)


def _later(now: datetime, seconds: float) -> datetime | None:
    return now + timedelta(seconds=seconds) if seconds > 0 else None
