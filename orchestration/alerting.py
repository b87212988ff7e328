"""From the settings to who decides and by which channels: the policy file, read and opened."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from resources.errors import PermanentError
from resources.notifications.policies.policy import Policies
from resources.notifications.policies.reading import Checked, check_policies

if TYPE_CHECKING:
    from pathlib import Path

    from orchestration.settings import Settings
    from resources.brokers.port import Broker
    from resources.notifications.channels.opening import Outside
    from resources.notifications.policies.assets import AssetGraph
    from resources.notifications.port import Channel

_LINEAGE = "no asset graph was given"


@dataclass(frozen=True, slots=True)
class Alerting:
    """The policies, and a channel for each of their services."""

    policies: Policies
    channels: "list[Channel]"


def open_alerting(settings: "Settings", console: TextIO) -> Alerting:
    """Return policies and channels of the settings; nothing is contacted yet.

    Raises PermanentError with file, line and key for a policy file that is wrong.
    """
    from resources.notifications.channels.opening import open_channels

    policies = load_policies(settings)
    return Alerting(policies, open_channels(policies, outside(settings, console)))


def load_policies(settings: "Settings") -> Policies:
    """Return the policies of ORDERS_ALERT_POLICIES; raises PermanentError with file, line and key."""
    return read_file(settings, settings.alert_policies)


def read_file(settings: "Settings", path: "Path") -> Policies:
    """Return the policies of a file; raises PermanentError with file, line and key."""
    checked = check_file(settings, path)
    if not checked.errors:
        return checked.policies
    first, *more = checked.errors
    told = f" (and {len(more)} more: see `orders alerts validate`)" if more else ""
    raise PermanentError(f"{first}{told}")


def check_file(settings: "Settings", path: "Path") -> Checked:
    """Return what a policy file holds and what is wrong with it; raises PermanentError if it is not there.

    The asset graph, which costs an import of all assets, is only made for a file that asks for lineage.
    """
    text = _text(path)
    checked = check_policies(text, path.name)
    if any(_LINEAGE in error.text for error in checked.errors):
        return check_policies(text, path.name, asset_graph(settings))
    return checked


def outside(settings: "Settings", console: TextIO) -> "Outside":
    """Return what channels need of the settings."""
    from orchestration.settings import environment
    from resources.clock import SystemClock
    from resources.notifications.channels.guard import Guard, networks
    from resources.notifications.channels.opening import Outside

    def secret(name: str) -> str:
        value = getattr(settings, name)
        return value.get_secret_value() if value is not None else ""

    return Outside(
        clock=SystemClock(),
        console=console,
        file=settings.notifications_file,
        open_broker=_open_broker,
        environment=environment(),
        guard=Guard(networks(settings.alert_allowed_networks)),
        source=settings.alert_source,
        smtp_url=secret("smtp_url"),
        smtp_from=settings.smtp_from,
        slack_token=secret("slack_token"),
    )


def asset_graph(settings: "Settings") -> "AssetGraph":
    """Return the platform's assets with what selections ask of them."""
    from orchestration.build import build_definitions
    from resources.notifications.policies.assets import Asset, AssetGraph

    graph = build_definitions(settings).resolve_asset_graph()
    assets = {
        key.to_user_string(): Asset(
            key=key.to_user_string(),
            groups=(node.group_name,),
            kinds=tuple(sorted(node.kinds)),
            owners=tuple(node.owners),
            tags=dict(node.tags),
            parents=tuple(sorted(parent.to_user_string() for parent in node.parent_keys)),
        )
        for key in graph.get_all_asset_keys()
        if (node := graph.get(key)) is not None
    }
    return AssetGraph(assets)


def _open_broker(url: str) -> "Broker":
    from resources.brokers.urls import open_broker

    return open_broker(url)


def _text(path: "Path") -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise PermanentError(
            f"the alert policies {path} cannot be read ({reason}): see ORDERS_ALERT_POLICIES"
        ) from error
