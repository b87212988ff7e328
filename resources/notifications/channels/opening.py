"""From the services of the policies to channels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from resources.clock import Clock
from resources.errors import OrdersError, PermanentError, TransientError
from resources.notifications.channels.base import Words
from resources.notifications.channels.console import ConsoleChannel
from resources.notifications.channels.file import FileChannel
from resources.notifications.channels.guard import Guard
from resources.notifications.channels.message import PolicyWords
from resources.notifications.events import Notice
from resources.notifications.policies import services as s
from resources.notifications.policies.policy import Policies, Policy
from resources.notifications.policies.secrets import Secret
from resources.notifications.port import Channel, Limits, Receipt

if TYPE_CHECKING:
    from resources.brokers.port import Broker
    from resources.notifications.channels.http import HttpClient
    from resources.notifications.channels.mail import MailServer


@dataclass(frozen=True, slots=True)
class Outside:
    """What channels need besides the policies; `environment` holds the variables of secrets.

    `smtp_url`, `smtp_from` and `slack_token` are the settings' own, "" where not set; `source` names this
    installation in CloudEvents.
    """

    clock: Clock
    console: TextIO
    file: Path
    open_broker: "Callable[[str], Broker]"
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    guard: Guard = field(default_factory=Guard)
    source: str = "urn:orders"
    smtp_url: str = field(default="", repr=False)
    smtp_from: str = ""
    slack_token: str = field(default="", repr=False)
    timeout_s: float = 10.0


def open_channels(policies: Policies, around: Outside) -> list[Channel]:
    """Return a channel for each service of the policies; nothing is contacted yet.

    One that cannot be opened (a variable that is not set, a library that is missing) stands in its place
    and fails every notice with the reason, so that one mistake does not hold up the rest.
    """
    words = Words({policy.name: _words(policy) for policy in policies.policies}, around.environment)
    return [open_channel(name, spec, words, around) for name, spec in policies.services.items()]


def open_channel(name: str, spec: s.ServiceSpec, words: Words, around: Outside) -> Channel:
    """Return the channel of one service, or one that says why it could not be opened."""
    try:
        return _Opening(name, words, around).open(spec)
    except OrdersError as error:
        return BrokenChannel(name, str(error))


class BrokenChannel:
    """Stands for a channel that could not be opened: its notices wait, as in an outage."""

    limits = Limits()

    def __init__(self, name: str, reason: str) -> None:
        """Fail because of `reason`."""
        self.name = name
        self.reason = reason

    def send(self, notice: Notice) -> Receipt:
        """Raise TransientError with the reason."""
        del notice
        raise TransientError(f"channel {self.name} could not be opened: {self.reason}")


def _words(policy: Policy) -> PolicyWords:
    return PolicyWords(
        description=policy.description if policy.says_description else "",
        owner=policy.owner,
        next_step=policy.next_step,
        template=policy.template,
    )


@dataclass(frozen=True, slots=True)
class _Opening:
    name: str
    words: Words
    around: Outside

    def open(self, spec: s.ServiceSpec) -> Channel:
        if isinstance(spec, s.ConsoleService):
            return ConsoleChannel(self.around.console, name=self.name, words=self.words)
        if isinstance(spec, s.FileService):
            return FileChannel(Path(spec.path) if spec.path else self.around.file, name=self.name)
        if isinstance(spec, s.EmailService | s.EmailOwnersService):
            return self._mail(spec)
        if isinstance(spec, s.BrokerService):
            return self._broker(spec)
        if isinstance(spec, s.ListenerService):
            from resources.notifications.channels.listener import ListenerChannel, find_listener

            return ListenerChannel(self.name, find_listener(spec.function), timeout_s=self.around.timeout_s)
        if isinstance(spec, s.AppriseService):
            from resources.notifications.channels.apprise import AppriseChannel

            return AppriseChannel(self.name, [self._reveal(url) for url in spec.urls], self.words)
        return self._http(spec)

    def _http(self, spec: s.SlackService | s.TeamsService | s.PagerDutyService | s.WebhookService) -> Channel:
        if isinstance(spec, s.SlackService):
            return self._slack(spec)
        if isinstance(spec, s.WebhookService):
            return self._webhook(spec)
        client = self._client(spec.x_allow_private)
        if isinstance(spec, s.TeamsService):
            from resources.notifications.channels.teams import TeamsChannel

            return TeamsChannel(self.name, self._reveal(spec.webhook_url), client, self.words)
        from resources.notifications.channels.pagerduty import PagerDutyChannel

        key = self._reveal(spec.integration_key)
        return PagerDutyChannel(self.name, spec.x_url, client, self.words, key=key)

    def _slack(self, spec: s.SlackService) -> Channel:
        from resources.notifications.channels.slack import SlackChannel

        client = self._client(spec.x_allow_private)
        if spec.x_webhook_url is not None:
            return SlackChannel(self.name, self._reveal(spec.x_webhook_url), client, self.words)
        token = self._reveal(spec.x_bot_token) if spec.x_bot_token else self.around.slack_token
        if not token:
            raise PermanentError(
                "Slack needs x_webhook_url in the policy, or a bot's token: ORDERS_SLACK_TOKEN"
            )
        channel = spec.slack_channel_name
        return SlackChannel(self.name, spec.x_api_url, client, self.words, channel=channel, token=token)

    def _webhook(self, spec: s.WebhookService) -> Channel:
        from resources.notifications.channels.signing import Signer
        from resources.notifications.channels.webhook import WebhookChannel, WebhookOptions

        listed = (
            spec.headers.items()
            if isinstance(spec.headers, dict)
            else ((h.key, h.value) for h in spec.headers)
        )
        headers = {key: self._filled(value) for key, value in listed}
        return WebhookChannel(
            self.name,
            self._filled(spec.webhook_url),
            self._client(spec.x_allow_private),
            self.words,
            signer=Signer([self._reveal(key) for key in spec.x_signing_keys]),
            options=WebhookOptions(self.around.source, headers, spec.body_template),
            clock=self.around.clock,
        )

    def _mail(self, spec: s.EmailService | s.EmailOwnersService) -> Channel:
        from resources.notifications.channels.mail import MailChannel, mail_server

        if not self.around.smtp_url:
            raise PermanentError("e-mail needs a server: set ORDERS_SMTP_URL and ORDERS_SMTP_FROM")
        server: MailServer = mail_server(self.around.smtp_url, self.around.smtp_from)
        if isinstance(spec, s.EmailService):
            return MailChannel(self.name, server, self.words, to=spec.email_addresses)
        return MailChannel(self.name, server, self.words, to=spec.default_email_addresses, to_owners=True)

    def _broker(self, spec: s.BrokerService) -> Channel:
        from resources.notifications.channels.broker import BrokerChannel

        url, connect = self._reveal(spec.url), self.around.open_broker
        return BrokerChannel(self.name, lambda: connect(url), source=self.around.source)

    def _client(self, allows_private: bool) -> "HttpClient":
        from resources.notifications.channels.http import HttpClient

        guard = Guard(self.around.guard.allowed, self.around.guard.allows_private or allows_private)
        return HttpClient(guard, timeout_s=self.around.timeout_s)

    def _reveal(self, secret: Secret) -> str:
        return secret.reveal(self.around.environment)

    def _filled(self, secret: Secret) -> str:
        """Reveal a value of a webhook, in which Dagster+ also takes `{{env.NAME}}`."""
        from resources.notifications.channels.templates import render

        text = self._reveal(secret)
        return render(text, {}, self.around.environment, in_json=False) if "{{" in text else text
