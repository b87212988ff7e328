"""The outbox as Dagster code gets it: by the resource key `notification_outbox`."""

from functools import lru_cache
from pathlib import Path

import dagster as dg
from pydantic import Field

from resources.notifications.condition_facts import Limits
from resources.notifications.failures import DEFAULT_UI_URL, Surroundings
from resources.notifications.interest import Interest, interest_of
from resources.notifications.outbox import Outbox
from resources.notifications.policies.assets import AssetGraph
from resources.notifications.policies.reading import check_policies

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
    groups: dict[str, str] = Field(default_factory=dict, description="Group by asset key.")
    kinds: dict[str, list[str]] = Field(default_factory=dict, description="Kinds by asset key.")
    policies_file: str = Field(
        default="", description="The alert policies: which successes and orders are worth recording."
    )

    queued_runs: int = Field(default=100, description="So many runs in Dagster's queue are a backlog.")
    queued_s: float = Field(default=600.0, description="A run that waits longer is a backlog; seconds.")
    waiting: int = Field(default=10_000, description="So many messages in the broker are a backlog.")

    def open(self) -> Outbox:
        """Open the outbox, to be closed by the caller; TransientError or PermanentError."""
        return Outbox(self.url)

    def surroundings(self) -> Surroundings:
        """Return what a notice says beyond the failure itself."""
        return Surroundings(ui_url=self.ui_url, owners=self.owners, groups=self.groups, kinds=self.kinds)

    def limits(self) -> Limits:
        """Return from where on a condition is worth an event."""
        return Limits(queued_runs=self.queued_runs, queued_s=self.queued_s, waiting=self.waiting)

    def interest(self) -> Interest | None:
        """Return which quiet facts are worth recording; None when the policies cannot be read now."""
        return read_interest(Path(self.policies_file)) if self.policies_file else Interest()


def read_interest(file: Path) -> Interest | None:
    """Return what the policies in the file subscribe to, None when it cannot be read or understood.

    Policies that are wrong do not keep the others from being heard; `orders alerts validate` names them.
    """
    try:
        status = file.stat()
        return _interest_at(file, status.st_mtime_ns, status.st_size)
    except (OSError, UnicodeDecodeError):
        return None


@lru_cache(maxsize=4)
def _interest_at(file: Path, changed_ns: int, size: int) -> Interest | None:
    del changed_ns, size  # a file that changes is another one to the cache
    checked = check_policies(file.read_text(encoding="utf-8"), str(file), AssetGraph({}))
    if checked.errors and not checked.policies.policies:
        return None
    return interest_of(checked.policies)
