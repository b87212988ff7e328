"""Bring the outbox's tables to this version, from none or from an older one, in one transaction.

Version 1 had no version table, no policies, and deliveries that were pending, delivered or dead. Version 2
forgot nothing.
"""

import sqlalchemy as sa

from resources.errors import PermanentError
from resources.notifications.schema import (
    VERSION,
    attempts,
    deliveries,
    events,
    metadata,
    schema_version,
)

_FROM_1 = (
    "DROP INDEX IF EXISTS deliveries_due",
    "ALTER TABLE attempts RENAME TO attempts_v1",
    "ALTER TABLE deliveries RENAME TO deliveries_v1",
)
_COPY_DELIVERIES = """
INSERT INTO deliveries (seq, delivery_id, event_key, policy, channel, severity, state, reason, thread,
                        shown_key, members, is_resolved, fallback_channel, attempts, spent,
                        first_due_at, due_at, leased_until, settled_at)
SELECT seq, delivery_id, event_key, 'default', channel, 'error', state, '', event_key, event_key,
       0, false, '', attempts, 0, due_at, due_at, leased_until, settled_at
FROM deliveries_v1
"""
_AFTER_1 = (
    _COPY_DELIVERIES,
    "INSERT INTO attempts SELECT delivery_id, number, started_at, ended_at, outcome, error FROM attempts_v1",
    "DROP TABLE attempts_v1",
    "DROP TABLE deliveries_v1",
)


def migrate(connection: sa.Connection, name: str) -> None:
    """Create or change what is missing; the caller holds the only write transaction.

    Raises PermanentError when the tables of the store `name` are of a newer version.
    """
    found = _version(connection)
    if found == VERSION:
        return
    if found > VERSION:
        raise PermanentError(
            f"the outbox {name} has schema {found}, this version knows {VERSION}: use the newer version"
        )
    if found == 1:
        _run(connection, _FROM_1)
    _create(connection)
    if found == 1:
        _run(connection, _AFTER_1)
    connection.execute(sa.delete(schema_version))
    connection.execute(sa.insert(schema_version).values(version=VERSION))


def _version(connection: sa.Connection) -> int:
    """Return the version of what is there, 0 for nothing."""
    tables = set(sa.inspect(connection).get_table_names())
    if schema_version.name in tables:
        return connection.scalar(sa.select(schema_version.c.version)) or 0
    return 1 if {events.name, deliveries.name, attempts.name} <= tables else 0


def _create(connection: sa.Connection) -> None:
    for table in metadata.sorted_tables:
        connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
        for index in sorted(table.indexes, key=lambda i: str(i.name)):
            connection.execute(sa.schema.CreateIndex(index, if_not_exists=True))


def _run(connection: sa.Connection, statements: tuple[str, ...]) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
