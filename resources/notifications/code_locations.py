"""Code locations, as Dagster's web server sees them: it is asked whether each of them could be loaded.

Nothing in Dagster's storage tells of it, and the collector of a location that cannot be loaded does not run:
so this is also asked from outside, by the dispatcher's process.
"""

import json
import logging
import urllib.error
import urllib.request
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from resources.clock import Clock
from resources.notifications.condition_facts import Condition, code_location
from resources.notifications.failures import Surroundings, cause
from resources.notifications.incidents import record_conditions
from resources.notifications.outbox import Outbox

_log = logging.getLogger(__name__)
_TIMEOUT_S: Final = 5.0
_QUERY: Final = """
{ workspaceOrError { __typename ... on Workspace { locationEntries { name loadStatus
  locationOrLoadError { __typename ... on PythonError { message errorChain { error { message } } } } } } } }
"""


class _Error(msgspec.Struct):
    message: str


class _Link(msgspec.Struct):
    error: _Error


class _Loaded(msgspec.Struct, rename={"type_name": "__typename"}):
    type_name: str
    message: str = ""
    errorChain: tuple[_Link, ...] = ()  # noqa: N815 - GraphQL's name


class _Entry(msgspec.Struct, rename="camel"):
    name: str
    load_status: str
    location_or_load_error: _Loaded | None = None


class _Workspace(msgspec.Struct, rename="camel"):
    location_entries: tuple[_Entry, ...] = ()


class _Data(msgspec.Struct, rename="camel"):
    workspace_or_error: _Workspace


class _Answer(msgspec.Struct):
    data: _Data


def look_at_locations(outbox: Outbox, clock: Clock, about: Surroundings) -> int:
    """Record code locations that cannot be loaded, and those that can again; return how many are new.

    A web server that does not answer says nothing of its locations. Needs no Dagster instance.
    """
    return record_conditions(outbox, conditions(errors_at(about.ui_url), clock.now(), about))


def conditions(errors: Mapping[str, str | None], now: datetime, about: Surroundings) -> list[Condition]:
    """Return the condition of each location."""
    return [code_location(name=n, error=e, at=now, about=about) for n, e in sorted(errors.items())]


def errors_at(ui_url: str) -> dict[str, str | None]:
    """Return the error of each code location by name, None for one that is loaded; {} without an answer."""
    request = urllib.request.Request(
        f"{ui_url.rstrip('/')}/graphql",
        json.dumps({"query": _QUERY}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            told = msgspec.json.decode(answer.read(), type=_Answer)
    except (OSError, ValueError, urllib.error.URLError) as error:
        _log.debug("the web server at %s does not tell of its code locations: %s", ui_url, error)
        return {}
    entries = told.data.workspace_or_error.location_entries
    return {entry.name: _error(entry) for entry in entries if entry.load_status == "LOADED"}


def _error(entry: _Entry) -> str | None:
    loaded = entry.location_or_load_error
    if loaded is None or loaded.type_name != "PythonError":
        return None
    return cause([loaded.message, *(link.error.message for link in loaded.errorChain)])
