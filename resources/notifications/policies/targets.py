"""What a policy selects: compiled targets, each a predicate on an event and the keys it can be found by."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from resources.notifications.events import Event, EventType
from resources.notifications.policies import parts
from resources.notifications.policies.assets import AssetGraph, assets_of, holds
from resources.notifications.policies.selection import (
    Attribute,
    Both,
    Either,
    Selection,
    needs_graph,
    parse_selection,
)

Hint: TypeAlias = tuple[str, str]
"""A name and a value that an event must have (`("job", "ingest")`) for a target to be worth a look."""


@dataclass(frozen=True, slots=True)
class Target:
    """One compiled target. `hints` is None when any event may be selected; `told` names it for people."""

    told: str
    selects: Callable[[Event], bool]
    hints: frozenset[Hint] | None


class TargetError(ValueError):
    """A target that cannot be used; `key` is the key at fault."""

    def __init__(self, key: str, problem: str) -> None:
        """Keep where and what."""
        super().__init__(problem)
        self.key = key


def hints_of(event: Event) -> list[Hint]:
    """Return what targets may be found by, of this event."""
    about = event.targets
    found: list[Hint] = [("asset", key) for key in about.assets]
    found += [("group", group) for group in about.groups]
    found += [("tag", f"{key}={value}") for key, value in about.tags.items()]
    for name, value in (
        ("job", about.job),
        ("location", about.location),
        ("instigator", about.instigator),
        ("status", event.details.get("status")),
        ("source", event.details.get("source")),
        ("policy", event.details.get("policy")),
    ):
        if value:
            found.append((name, str(value)))
    return found


def compile_target(target: parts.AlertTarget, graph: AssetGraph | None) -> Target:
    """Return the compiled target; raises TargetError for one that open source cannot answer."""
    if (runs := target.run_result_target) is not None:
        return _runs(runs.jobs, runs.tags, runs.location_names, None)
    if (long := target.long_running_job_threshold_target) is not None:
        return _runs(long.jobs, long.tags, long.location_names, long.threshold_seconds)
    if (one := target.asset_key_target) is not None:
        key = "/".join(one.asset_key)
        return Target(f"asset {key}", lambda e: key in e.targets.assets, frozenset({("asset", key)}))
    if (group := target.asset_group_target) is not None:
        return _group(group)
    if (chosen := target.asset_selection_target) is not None:
        return _selection(chosen.asset_selection, graph)
    if (ticks := target.schedule_or_sensor_target) is not None:
        return _instigators(ticks)
    if (places := target.code_location_target) is not None:
        names = frozenset(places.location_names)
        told = f"locations {', '.join(sorted(names)) or 'all'}"
        return Target(told, lambda e: not names or e.targets.location in names, _hints("location", names))
    return Target(f"{_name(target)}, which open source cannot observe", lambda e: False, frozenset())


def compile_tags(tags: Sequence[parts.Tag]) -> Target:
    """Return the target of runs that have all the tags."""
    return _runs([], tags, [], None)


def compile_order_filter(wanted: parts.OrderFilter) -> Target:
    """Return the target of order events."""
    from decimal import Decimal

    statuses, sources = frozenset(wanted.status), frozenset(wanted.source)
    currencies = frozenset(wanted.currency)
    least = None if wanted.min_amount is None else Decimal(str(wanted.min_amount))

    def selects(event: Event) -> bool:
        told = event.details
        if statuses and told.get("status") not in statuses:
            return False
        if sources and told.get("source") not in sources:
            return False
        if currencies and told.get("currency") not in currencies:
            return False
        return least is None or ("amount" in told and Decimal(str(told["amount"])) >= least)

    return Target("x_order", selects, _hints("status", statuses) or _hints("source", sources))


def _runs(
    jobs: Sequence[parts.Job], tags: Sequence[parts.Tag], places: Sequence[str], threshold_s: float | None
) -> Target:
    wanted = [(job.job_name, job.location_name) for job in jobs]
    needed = [(tag.key, tag.value) for tag in tags]
    locations = frozenset(places)

    def selects(event: Event) -> bool:
        about = event.targets
        if event.event_type is EventType.JOB_LONG_RUNNING and not _is_over(event, threshold_s):
            return False
        if wanted and not any(about.job == name and _same(about.location, place) for name, place in wanted):
            return False
        if locations and about.location not in locations:
            return False
        return all(about.tags.get(key) == value for key, value in needed)

    names = ", ".join(name for name, _ in wanted) or "all jobs"
    more = "".join(f", tag {key}={value}" for key, value in needed)
    more += f", over {threshold_s:g} s" if threshold_s is not None else ""
    more += f", locations {', '.join(sorted(locations))}" if locations else ""
    hints = _hints("job", (name for name, _ in wanted)) or _hints("tag", (f"{k}={v}" for k, v in needed[:1]))
    return Target(f"runs of {names}{more}", selects, hints or _hints("location", locations))


def _is_over(event: Event, threshold_s: float | None) -> bool:
    """A long run is told once at each threshold; who does not say which, says how long it runs."""
    if threshold_s is None:
        return False
    crossed = event.details.get("threshold_seconds")
    if crossed is not None:
        return float(crossed) == threshold_s
    return float(event.details.get("running_seconds", threshold_s)) >= threshold_s


def _group(target: parts.AssetGroupTarget) -> Target:
    name, place = target.asset_group, target.location_name

    def selects(event: Event) -> bool:
        return name in event.targets.groups and _same(event.targets.location, place)

    return Target(f"asset group {name}", selects, frozenset({("group", name)}))


def _selection(text: str, graph: AssetGraph | None) -> Target:
    tree = parse_selection(text)
    if not needs_graph(tree):
        return Target(
            f"selection {text}",
            lambda e: any(holds(tree, asset) for asset in assets_of(e)),
            _selection_hints(tree),
        )
    if graph is None:
        raise TargetError(
            "asset_selection", f"the selection {text!r} asks for lineage, and no asset graph was given"
        )
    keys = graph.select(tree)
    return Target(f"selection {text}", lambda e: not keys.isdisjoint(e.targets.assets), _hints("asset", keys))


def _instigators(target: parts.InstigatorTarget) -> Target:
    wanted = [(one.name, one.location_name) for one in target.schedules_or_sensors]
    locations, types = frozenset(target.location_names), frozenset(target.types)

    def selects(event: Event) -> bool:
        about = event.targets
        if wanted and not any(about.instigator == name and _same(about.location, at) for name, at in wanted):
            return False
        if locations and about.location not in locations:
            return False
        kind = str(event.details.get("instigator_type", "")).upper()
        return not types or not kind or kind in types

    names = ", ".join(name for name, _ in wanted) or "all schedules and sensors"
    return Target(names, selects, _hints("instigator", (name for name, _ in wanted)))


def _selection_hints(tree: Selection) -> frozenset[Hint] | None:
    """Return keys of which an event must have one, None where nothing is certain."""
    if isinstance(tree, Attribute):
        if tree.pattern is None and tree.value is not None and tree.name in ("key", "group"):
            return frozenset({("asset" if tree.name == "key" else "group", tree.value)})
        return None
    if isinstance(tree, Both):
        return next((found for part in tree.parts if (found := _selection_hints(part)) is not None), None)
    if isinstance(tree, Either):
        known = [hints for part in tree.parts if (hints := _selection_hints(part)) is not None]
        return frozenset[Hint]().union(*known) if len(known) == len(tree.parts) else None
    return None


def _hints(name: str, values: Iterable[str]) -> frozenset[Hint] | None:
    return frozenset((name, value) for value in values) or None


def _same(location: str, wanted: str) -> bool:
    """An event that does not know its location, or a target that names none, is no contradiction."""
    return not wanted or not location or location == wanted


def _name(target: parts.AlertTarget) -> str:
    return next(name for name in target.__struct_fields__ if getattr(target, name) is not None)
