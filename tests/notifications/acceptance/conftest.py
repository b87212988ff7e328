"""The stack, and what was heard of it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from orchestration.settings import PROJECT
from resources.notifications.events import EventType
from resources.notifications.outbox import Outbox
from resources.notifications.policies.vocabulary import UNOBSERVED
from tests.notifications.acceptance.stack import STARTING_S, Notices, Stack, running, until

_SERVICE = "    notification_service: {x_file: {}}\n"
# An address inside is refused for good, so that its notices are dead at once.
_UNREACHABLE = '    x_also: [{slack: {x_webhook_url: "http://127.0.0.1:9/hook", x_name: unreachable}}]\n'
_LAUNCH = """
mutation { launchRun(executionParams: {mode: "default", selector: {repositoryLocationName: "shop",
  repositoryName: "__repository__", jobName: "succeeds"}}) { __typename ... on PythonError { message } } }
"""
_RELOAD = 'mutation { reloadRepositoryLocation(repositoryLocationName: "fragile") { __typename } }'


def policies() -> str:
    """Return a policy for each event type that can be observed, all to the file channel."""
    lines = ["alert_policies:\n"]
    for event_type in sorted(set(EventType) - set(UNOBSERVED) - {EventType.ASSET_OVERDUE}):
        lines.append(
            f"  - name: {event_type}\n    enabled: true\n    event_types: [{event_type}]\n{_SERVICE}"
        )
        if event_type is EventType.JOB_LONG_RUNNING:
            lines.append(
                "    alert_targets:\n      - long_running_job_threshold_target: {threshold_seconds: 5}\n"
            )
        if event_type is EventType.JOB_FAILURE:
            lines.append(_UNREACHABLE)
        if event_type is EventType.ORDER_EVENT:
            lines.append('    x_order: {status: [refunded], min_amount: "10"}\n')
    return "".join(lines)


@dataclass
class Scene:
    """The stack, its notices, and when each act was over."""

    stack: Stack
    notices: Notices
    over: dict[str, float] = field(default_factory=dict)

    def perform(self, act: str) -> None:
        """Perform an act of the timeline, in a process of its own."""
        command = [sys.executable, "-m", "tests.notifications.acceptance.timeline", act]
        done = subprocess.run(
            command, cwd=PROJECT, env=self.stack.environment, capture_output=True, check=False, timeout=240
        )
        self.over[act] = time.monotonic()
        assert done.returncode == 0, done.stderr.decode()[-3000:]

    def mend(self) -> None:
        """Let everything go well again."""
        (self.stack.home / "fragile.broken").unlink()
        self.perform("is_mended")
        self.stack.ask(_RELOAD)

    def heard(self, event_type: str, subject: str, *, is_recovery: bool = False) -> dict[str, Any] | None:
        """Return the first notice of this kind, None so far; an empty subject is any."""
        self.notices.look()
        for _, notice in self.notices.all():
            is_about = subject in ("", notice["subject"])
            if is_about and (notice["event_type"], notice["is_recovery"]) == (event_type, is_recovery):
                return notice
        return None

    def expect(
        self, event_type: str, subject: str, *, within_s: float, of: str, is_recovery: bool = False
    ) -> dict[str, Any]:
        """Return the notice that must come within seconds of the end of an act."""
        left = self.over[of] + within_s - time.monotonic()
        until(
            lambda: self.heard(event_type, subject, is_recovery=is_recovery) is not None,
            max(left, 1.0),
            lambda: f"no {event_type} of {subject}; heard {self._kinds()}\n{self.stack.logs()}",
        )
        found = self.heard(event_type, subject, is_recovery=is_recovery)
        assert found is not None
        return found

    def _kinds(self) -> list[str]:
        return sorted(f"{n['event_type']} {n['subject']}" for _, n in self.notices.all())


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A running stack to which everything has happened that `timeline` lets go wrong."""
    with running(tmp_path, policies()) as stack:
        scene = Scene(stack, Notices(stack.notices))
        with Outbox(stack.outbox) as outbox:
            # What goes well is asked for from the first look of the collector on.
            until(lambda: outbox.cursor("subscriptions") is not None, STARTING_S, stack.logs)
        stack.ask(_LAUNCH)
        scene.perform("breaks")
        yield scene
