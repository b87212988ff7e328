"""A policy and the file of policies as they are written; the JSON Schema of the file."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from resources.notifications.events import Severity
from resources.notifications.policies.parts import (
    Absence,
    EventTypeName,
    Group,
    Inhibit,
    OrderFilter,
    Part,
    PolicyOptions,
    QuietHours,
    Repeat,
    Tag,
    Targets,
)
from resources.notifications.policies.secrets import Secret
from resources.notifications.policies.services import OneService

SCHEMA_ID = "urn:orders:alert-policies"


class PolicyDocument(Part, frozen=True, kw_only=True):
    """One policy: which events, about what, tell whom, and how often."""

    name: Annotated[str, Meta(min_length=1, max_length=200, description="Unique in the file.")]
    event_types: Annotated[tuple[EventTypeName, ...], Meta(min_length=1)]
    notification_service: OneService
    description: str = ""
    enabled: bool = True
    alert_targets: Targets = ()
    policy_options: PolicyOptions = PolicyOptions()
    tags: Annotated[
        tuple[Tag, ...] | dict[str, str],
        Meta(description="Old form of run_result_target.tags: runs with all of these tags."),
    ] = ()
    x_also: Annotated[
        tuple[OneService, ...], Meta(description="Further services that get the same notices.")
    ] = ()
    x_exclude: Annotated[Targets, Meta(description="Not these, whatever alert_targets selects.")] = ()
    x_group: Group | None = None
    x_repeat: Repeat | None = None
    x_inhibit: tuple[Inhibit, ...] = ()
    x_recovery: Annotated[bool, Meta(description="Also tell when the incident is over.")] = True
    x_absence: Absence | None = None
    x_severity: Annotated[
        Severity | None, Meta(description="Severity of the notices, instead of the event's own.")
    ] = None
    x_min_severity: Annotated[Severity | None, Meta(description="Leave milder events out.")] = None
    x_fallback: Annotated[
        OneService | None, Meta(description="Where a notice goes when its own channel has given it up.")
    ] = None
    x_quiet_hours: tuple[QuietHours, ...] = ()
    x_retry_aware: Annotated[
        bool, Meta(description="Leave out failures of runs that Dagster will retry by itself.")
    ] = False
    x_order: OrderFilter | None = None
    x_owner: Annotated[str, Meta(description="Owner to name where the event has none.")] = ""
    x_template: Annotated[
        str, Meta(description="The text of the notices, instead of the usual one: Jinja, in a sandbox.")
    ] = ""
    x_next_step: Annotated[str, Meta(description="What to do next, instead of the event's own advice.")] = ""


class PolicyFile(Part, frozen=True, kw_only=True):
    """The file: a list of policies."""

    alert_policies: tuple[PolicyDocument, ...] | PolicyDocument


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of the file, for editors and other checkers."""
    schema = msgspec.json.schema(PolicyFile, schema_hook=_schema_of)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "alert_policies.yaml",
        **schema,
    }


def to_document(data: object) -> PolicyDocument:
    """Return the policy that plain data says; raises msgspec.ValidationError with a path."""
    return msgspec.convert(data, PolicyDocument, dec_hook=_decoded)


def _decoded(wanted: type, value: object) -> Secret:
    assert wanted is Secret
    return Secret.read(value)


def _schema_of(wanted: type) -> dict[str, Any]:
    assert wanted is Secret
    reference = {
        "type": "object",
        "properties": {"env": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"}},
        "required": ["env"],
        "additionalProperties": False,
    }
    told = "A secret: {env: NAME}, or a text in which ${NAME} stands for a variable."
    return {"description": told, "anyOf": [{"type": "string", "minLength": 1}, reference]}
