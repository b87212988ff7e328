"""The outbox as Dagster code gets it: by the resource key `notification_outbox`."""

import dagster as dg
from pydantic import Field

from resources.notifications.failures import DEFAULT_UI_URL, Surroundings
from resources.notifications.outbox import Outbox

RESOURCE_KEY = "notification_outbox"


class NotificationOutbox(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Where sensors and hooks record, and what their notices say around the failure."""

    url: str = Field(description="The outbox: a path or sqlite:///path.")
    ui_url: str = Field(
        default=DEFAULT_UI_URL, description="Base address of the web UI, for the links in notices."
    )
    owners: dict[str, list[str]] = Field(
        default_factory=dict, description="Owners by asset key (a/b) or step key."
    )

    def open(self) -> Outbox:
        """Open the outbox, to be closed by the caller; TransientError or PermanentError."""
        return Outbox(self.url)

    def surroundings(self) -> Surroundings:
        """Return what a notice says beyond the failure itself."""
        return Surroundings(ui_url=self.ui_url, owners=self.owners)
