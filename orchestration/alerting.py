"""The alert policies of the settings, read from their file."""

from typing import TYPE_CHECKING

from resources.errors import PermanentError
from resources.notifications.policies.policy import Policies
from resources.notifications.policies.reading import read_policies

if TYPE_CHECKING:
    from orchestration.settings import Settings
    from resources.notifications.policies.assets import AssetGraph


def load_policies(settings: "Settings", graph: "AssetGraph | None" = None) -> Policies:
    """Return the policies of ORDERS_ALERT_POLICIES; raises PermanentError with file, line and key."""
    return read_policies(policy_text(settings), str(settings.alert_policies), graph)


def policy_text(settings: "Settings") -> str:
    """Return the text of the policy file; raises PermanentError when it cannot be read."""
    try:
        return settings.alert_policies.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(
            f"the alert policies {settings.alert_policies} cannot be read ({error}): "
            "set ORDERS_ALERT_POLICIES to a file of policies"
        ) from error
