"""The stack, and what was heard of it."""

import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from standardwebhooks.webhooks import Webhook

from orchestration.settings import PROJECT
from resources.notifications.events import EventType
from resources.notifications.letters import Wanted
from resources.notifications.outbox import Outbox
from resources.notifications.policies.vocabulary import UNOBSERVED
from tests.notifications.acceptance.stack import STARTING_S, Stack, running, until
from tests.notifications.servers import Collector, PostOffice, certificates, mail_server_for

_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_SERVICES = (
    "    notification_service:\n"
    "      webhook: {{webhook_url: '{url}', x_signing_keys: [{key}], x_allow_private: true, x_name: hook}}\n"
    "    x_also:\n"
    "      - email: {{email_addresses: [ops@example.org], x_name: mail}}\n"
)
# An address inside is refused for good, so that its notices are dead at once.
_UNREACHABLE = '      - slack: {x_webhook_url: "http://127.0.0.1:9/hook", x_name: unreachable}\n'
LAUNCH = """
mutation { launchRun(executionParams: {mode: "default", selector: {repositoryLocationName: "shop",
  repositoryName: "__repository__", jobName: "%s"}, executionMetadata: {tags: [%s]}}) {
  __typename ... on PythonError { message } ... on PipelineNotFoundError { message } } }
"""
HELD = '{key: "held", value: "true"}'
BACKFILL = """
mutation { launchPartitionBackfill(backfillParams: {
  assetSelection: [{path: ["split"]}], partitionNames: ["eu"]}) {
  __typename ... on PythonError { message } ... on UnauthorizedError { message } } }
"""
_RELOAD = 'mutation { reloadRepositoryLocation(repositoryLocationName: "fragile") { __typename } }'


def policies(url: str) -> str:
    """Return a policy for each event type that can be observed, all to the webhook at `url` and by mail."""
    services = _SERVICES.format(url=url, key=_KEY)
    lines = ["alert_policies:\n"]
    for event_type in sorted(set(EventType) - set(UNOBSERVED) - {EventType.ASSET_OVERDUE}):
        lines.append(
            f"  - name: {event_type}\n    enabled: true\n    event_types: [{event_type}]\n{services}"
        )
        if event_type is EventType.JOB_FAILURE:
            lines.append(_UNREACHABLE)
        if event_type is EventType.JOB_LONG_RUNNING:
            lines.append(
                "    alert_targets:\n      - long_running_job_threshold_target: {threshold_seconds: 5}\n"
            )
        if event_type is EventType.ORDER_EVENT:
            lines.append('    x_order: {status: [refunded], min_amount: "10"}\n')
    return "".join(lines)


@dataclass
class Notices:
    """What came to the webhook, each under a right signature and with the moment it was first seen."""

    hook: Collector
    seen: dict[str, tuple[float, dict[str, Any]]] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)

    def look(self) -> None:
        """Read what is new."""
        for request in self.hook.requests[len(self.ids) :]:
            told = Webhook(_KEY).verify(request.body, dict(request.headers))
            assert told["id"] == request.headers["webhook-id"]
            self.ids.append(told["id"])
            self.seen.setdefault(told["id"], (time.monotonic(), {**told["data"], "subject": told["subject"]}))

    def all(self) -> list[tuple[float, dict[str, Any]]]:
        """Return the notices in the order of arrival."""
        return sorted(self.seen.values(), key=lambda pair: pair[0])


@dataclass
class Scene:
    """The stack, what it has told, and when each act was over."""

    stack: Stack
    notices: Notices
    office: PostOffice
    over: dict[str, float] = field(default_factory=dict)
    _actor: "subprocess.Popen[bytes] | None" = None

    def perform(self, act: str, timeout_s: float = 480.0) -> None:
        """Perform an act of the timeline, in a process beside the stack's."""
        actor = self._actor = self._actor or self._new_actor()
        assert actor.stdin is not None
        assert actor.stdout is not None
        actor.stdin.write(f"{act}\n".encode())
        actor.stdin.flush()
        has_told = select.select([actor.stdout], [], [], timeout_s)[0]
        told = actor.stdout.readline() if has_told else b"nothing"
        assert told == f"{act}\n".encode(), self.stack.logs()
        self.over[act] = time.monotonic()

    def end(self) -> None:
        """End the process of the timeline."""
        if self._actor is not None:
            self._actor.kill()
            self._actor.communicate(timeout=30)

    def mend(self) -> None:
        """Let everything go well again."""
        (self.stack.home / "fragile.broken").unlink()
        self.perform("is_mended")
        self.stack.ask(_RELOAD)

    def heard(self, event_type: str, subject: str, *, is_resolved: bool = False) -> dict[str, Any] | None:
        """Return the first notice of this kind, None so far; an empty subject is any."""
        self.notices.look()
        for _, notice in self.notices.all():
            is_about = subject in ("", notice["subject"])
            if is_about and (notice["event_type"], notice["is_resolved"]) == (event_type, is_resolved):
                return notice
        return None

    def expect(
        self, event_type: str, subject: str, *, within_s: float, of: str, is_resolved: bool = False
    ) -> dict[str, Any]:
        """Return the notice that must come within seconds of the end of an act."""
        left = self.over[of] + within_s - time.monotonic()
        until(
            lambda: self.heard(event_type, subject, is_resolved=is_resolved) is not None,
            max(left, 1.0),
            lambda: f"no {event_type} of {subject}; heard {self._kinds()}\n{self.stack.logs()}",
        )
        found = self.heard(event_type, subject, is_resolved=is_resolved)
        assert found is not None
        return found

    def recorded_recoveries(self) -> set[tuple[str, str]]:
        """Return event type and subject of the recoveries that are recorded, told or not."""
        now = datetime.now(UTC)
        with Outbox(self.stack.outbox) as outbox:
            found = outbox.recorded_between(now - timedelta(hours=1), now, list(EventType))
        return {(event.event_type.value, event.subject) for event in found if event.is_recovery}

    def mailed(self) -> list[str]:
        """Return the delivery ids of the mails that came."""
        return [mail["Message-ID"].strip("<>").partition("@")[0] for mail in self.office.mails]

    def told_by_mail(self) -> dict[str, str]:
        """Return the policy of each delivery that the outbox says went by mail, by its id."""
        with Outbox(self.stack.outbox) as outbox:
            letters = outbox.letters(Wanted(state="delivered", limit=1000))
        return {found.delivery_id: found.policy for found in letters if found.channel.endswith("mail")}

    def _new_actor(self) -> "subprocess.Popen[bytes]":
        with (self.stack.home / "timeline.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.notifications.acceptance.timeline"],
                cwd=PROJECT,
                env=self.stack.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def _kinds(self) -> list[str]:
        return sorted(f"{n['event_type']} {n['subject']}" for _, n in self.notices.all())


@contextmanager
def _post_office(folder: Path) -> Iterator[tuple[PostOffice, str]]:
    """Run an SMTP server that demands STARTTLS; yield what it keeps, and its URL."""
    office, certificate = PostOffice(), certificates()
    with mail_server_for(office, tls_context=certificate.server, require_starttls=True) as port:
        yield office, f"smtp://127.0.0.1:{port}?cafile={quote(str(certificate.ca_file(folder)))}"


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A running stack to which everything has happened that `timeline` lets go wrong."""
    with (
        Collector().running() as hook,
        _post_office(tmp_path) as (office, smtp_url),
        running(tmp_path, policies(hook.url), smtp_url) as stack,
    ):
        scene = Scene(stack, Notices(hook), office)
        try:
            for query in (BACKFILL, LAUNCH % ("fails", ""), LAUNCH % ("succeeds", HELD)):
                stack.ask(query)
            stack.start_daemon()
            scene.perform("breaks")
            stack.start_dispatcher()
            with Outbox(stack.outbox) as outbox:
                # What goes well is asked for from the first look of the collector on.
                until(lambda: outbox.cursor("subscriptions") is not None, STARTING_S, stack.logs)
            scene.perform("goes_well")
            yield scene
        finally:
            scene.end()
