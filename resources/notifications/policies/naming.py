"""Names of channels: stable, readable, without secrets; every delivery id holds one."""

import hashlib

from resources.notifications.policies import services as s
from resources.notifications.policies.secrets import Secret

_LONGEST = 80


def chosen(service: s.NotificationService) -> list[tuple[str, s.ServiceSpec]]:
    """Return the keys that are set, with what they hold: exactly one in a correct file."""
    found = ((name, getattr(service, name)) for name in service.__struct_fields__)
    return [(name, spec) for name, spec in found if spec is not None]


def channel_name(kind: str, spec: s.ServiceSpec) -> str:
    """Return `x_name`, or a name made of what the service is and where it leads."""
    if spec.x_name:
        return spec.x_name
    kind = kind.removeprefix("x_")
    place = _place(spec)
    name = f"{kind}:{place}" if place else kind
    return name if len(name) <= _LONGEST else f"{kind}:{_digest(place)}"


def is_same_service(one: s.ServiceSpec, other: s.ServiceSpec) -> bool:
    """Say whether two services lead to the same place in the same way."""
    return one == other


def written_out(spec: s.ServiceSpec) -> list[str]:
    """Return the keys whose secrets stand in the file itself instead of the environment."""
    return [
        name
        for name in spec.__struct_fields__
        for value in _values(getattr(spec, name))
        if isinstance(value, Secret) and value.is_written_out
    ]


def variables(spec: s.ServiceSpec) -> list[str]:
    """Return the names of the variables that the service's secrets refer to."""
    values = (value for name in spec.__struct_fields__ for value in _values(getattr(spec, name)))
    return [name for value in values if isinstance(value, Secret) for name in value.variables]


def _values(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, tuple):
        return [item.value if isinstance(item, s.Header) else item for item in value]
    return [value]


def _place(spec: s.ServiceSpec) -> str:
    if isinstance(spec, s.EmailService):
        return ",".join(spec.email_addresses)
    if isinstance(spec, s.EmailOwnersService):
        return ",".join(spec.default_email_addresses)
    if isinstance(spec, s.SlackService):
        named = "/".join(part for part in (spec.slack_workspace_name, spec.slack_channel_name) if part)
        return named or (spec.x_webhook_url.fingerprint if spec.x_webhook_url else "")
    if isinstance(spec, s.PagerDutyService):
        return spec.integration_key.fingerprint
    if isinstance(spec, s.TeamsService | s.WebhookService):
        return spec.webhook_url.fingerprint
    if isinstance(spec, s.BrokerService):
        return spec.url.fingerprint
    if isinstance(spec, s.AppriseService):
        return _digest(",".join(url.fingerprint for url in spec.urls))
    if isinstance(spec, s.FileService):
        return spec.path
    return spec.function if isinstance(spec, s.ListenerService) else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
