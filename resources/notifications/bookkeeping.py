"""Read the books of a plan from the outbox, and write back what the plan made of them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from resources.notifications.database import Database
from resources.notifications.decisions import Decision
from resources.notifications.events import Event, Severity
from resources.notifications.planning import (
    Books,
    Group,
    Planned,
    Standing,
    StandingKey,
    group_id_of,
    groups_of,
)
from resources.notifications.schema import deliveries, groups, standings


def plan_and_store(
    connection: sa.Connection,
    database: Database,
    decided: Sequence[tuple[Event, Sequence[Decision]]],
    now: datetime,
) -> list[bool]:
    """Plan and store the deliveries; say of each event whether it has any."""
    touched = {event.incident for event, _ in decided if event.incident}
    books = Books(now, standings=_standings(connection, touched))
    named = groups_of(decision for _, decisions in decided for decision in decisions)
    named |= {standing.group_id for standing in books.standings.values() if standing.group_id}
    books.groups = _groups(connection, named)
    books.is_open = _open_in(connection, named)
    matched = [books.plan(event, decisions) for event, decisions in decided]
    _write_deliveries(connection, books)
    _write_groups(connection, database, books)
    _write_standings(connection, books)
    return matched


def read_standing(row: sa.Row[Any], *, channel: str = "") -> Standing:
    """Return a stored standing, for another `channel` where one is named."""
    decision = msgspec.json.decode(row.decision, type=Decision)
    if channel:
        decision = replace(decision, channel=channel, fallback_channel="")
    return Standing(row.incident, group_id_of(decision), decision, row.is_told, row.remind_at)


def standing_values(standing: Standing) -> dict[str, object]:
    """Return a standing as a row."""
    return {
        "incident": standing.incident,
        "policy": standing.decision.policy,
        "channel": standing.decision.channel,
        "group_id": standing.group_id,
        "decision": msgspec.json.encode(standing.decision).decode(),
        "is_told": standing.is_told,
        "remind_at": standing.remind_at,
    }


def _standings(connection: sa.Connection, names: Iterable[str]) -> dict[StandingKey, Standing]:
    query = sa.select(standings).where(standings.c.incident.in_(list(names)))
    rows = connection.execute(query)
    return {(row.incident, row.policy, row.channel): read_standing(row) for row in rows}


def _groups(connection: sa.Connection, ids: Iterable[str]) -> dict[str, Group]:
    rows = connection.execute(sa.select(groups).where(groups.c.group_id.in_(list(ids)))).all()
    leaders = _leaders(connection, [row.delivery_id for row in rows])
    return {row.group_id: Group(leaders[row.delivery_id], row.floor_at, row.next_at) for row in rows}


def _leaders(connection: sa.Connection, ids: Sequence[str]) -> dict[str, Planned]:
    """Return leaders; those that can still be joined are locked, so that none is sent meanwhile."""
    wanted = sa.select(deliveries).where(deliveries.c.delivery_id.in_(ids))
    joinable = wanted.where(deliveries.c.state == "pending", deliveries.c.attempts == 0)
    locked = {row.delivery_id: row for row in connection.execute(joinable.with_for_update())}
    rest = [delivery_id for delivery_id in ids if delivery_id not in locked]
    others = connection.execute(sa.select(deliveries).where(deliveries.c.delivery_id.in_(rest))).all()
    return {row.delivery_id: _planned(row) for row in [*locked.values(), *others]}


def _planned(row: sa.Row[Any]) -> Planned:
    return Planned(
        delivery_id=row.delivery_id,
        event_key=row.event_key,
        policy=row.policy,
        channel=row.channel,
        severity=Severity(row.severity),
        state=row.state,
        due_at=row.due_at,
        thread=row.thread,
        shown_key=row.shown_key,
        members=row.members,
        is_resolved=row.is_resolved,
        after_id=row.after_id,
        fallback_channel=row.fallback_channel,
        attempts=row.attempts,
        is_stored=True,
    )


def _open_in(connection: sa.Connection, ids: Iterable[str]) -> Counter[str]:
    query = sa.select(standings.c.group_id, sa.func.count()).where(
        standings.c.group_id.in_(list(ids)), standings.c.is_told
    )
    return Counter(dict(connection.execute(query.group_by(standings.c.group_id)).all()))


def _write_deliveries(connection: sa.Connection, books: Books) -> None:
    if books.planned:
        connection.execute(sa.insert(deliveries), [_values(one, books.now) for one in books.planned])
    leaders = {books.groups[group_id].leader.delivery_id: group_id for group_id in books.touched_groups}
    joined = [books.groups[group_id].leader for group_id in leaders.values()]
    changed = [{"of": one.delivery_id, **_joined_values(one)} for one in joined if one.is_stored]
    if changed:
        update = sa.update(deliveries).where(deliveries.c.delivery_id == sa.bindparam("of"))
        names = [name for name in changed[0] if name != "of"]
        connection.execute(update.values({name: sa.bindparam(name) for name in names}), changed)


def _joined_values(leader: Planned) -> dict[str, object]:
    return {
        "first_due_at": leader.due_at,
        "due_at": leader.due_at,
        "members": leader.members,
        "shown_key": leader.shown_key,
        "is_resolved": leader.is_resolved,
        "severity": leader.severity.value,
    }


def _values(delivery: Planned, now: datetime) -> dict[str, object]:
    return {
        "delivery_id": delivery.delivery_id,
        "event_key": delivery.event_key,
        "policy": delivery.policy,
        "channel": delivery.channel,
        "severity": delivery.severity.value,
        "state": delivery.state,
        "reason": delivery.reason,
        "thread": delivery.thread,
        "carried_by": delivery.carried_by,
        "shown_key": delivery.shown_key,
        "members": delivery.members,
        "is_resolved": delivery.is_resolved,
        "after_id": delivery.after_id,
        "fallback_channel": delivery.fallback_channel,
        "first_due_at": delivery.due_at,
        "due_at": delivery.due_at,
        "settled_at": None if delivery.state == "pending" else now,
    }


def _write_groups(connection: sa.Connection, database: Database, books: Books) -> None:
    rows = [
        {
            "group_id": group_id,
            "delivery_id": books.groups[group_id].leader.delivery_id,
            "floor_at": books.groups[group_id].floor_at,
            "next_at": books.groups[group_id].next_at,
        }
        for group_id in sorted(books.touched_groups)
    ]
    if not rows:
        return
    insert = database.insert(groups)
    names = ("delivery_id", "floor_at", "next_at")
    changes = {name: insert.excluded[name] for name in names}
    connection.execute(insert.on_conflict_do_update(index_elements=["group_id"], set_=changes), rows)


def _write_standings(connection: sa.Connection, books: Books) -> None:
    touched = sorted(books.touched_standings)
    if not touched:
        return
    key = sa.tuple_(standings.c.incident, standings.c.policy, standings.c.channel)
    connection.execute(sa.delete(standings).where(key.in_(touched)))
    rows = [standing_values(books.standings[one]) for one in touched if one in books.standings]
    if rows:
        connection.execute(sa.insert(standings), rows)
