"""How a notice travels, as it is written in a policy: Dagster+'s services, and ours, which begin with x_."""

from typing import Annotated, TypeAlias

from msgspec import Meta

from resources.notifications.policies.parts import Part
from resources.notifications.policies.secrets import Secret

Name: TypeAlias = Annotated[
    str,
    Meta(
        pattern="^[A-Za-z0-9][A-Za-z0-9_.:@/#-]{0,79}$",
        description="The channel's name in listings and delivery ids. Give one where a secret is written "
        "out, so that pending notices survive its rotation.",
    ),
]
Addresses: TypeAlias = Annotated[tuple[str, ...], Meta(min_length=1)]
AllowPrivate: TypeAlias = Annotated[
    bool, Meta(description="Also send to private, loopback and link-local addresses.")
]


class EmailService(Part, frozen=True, kw_only=True):
    """E-mail, by the server of ORDERS_SMTP_URL."""

    email_addresses: Addresses
    x_name: Name | None = None


class EmailOwnersService(Part, frozen=True, kw_only=True):
    """E-mail to the owners of the asset that have an address; else to the default ones."""

    default_email_addresses: tuple[str, ...] = ()
    x_name: Name | None = None


class SlackService(Part, frozen=True, kw_only=True):
    """Slack: by `x_webhook_url` if it is there, else by the bot whose token is ORDERS_SLACK_TOKEN."""

    slack_channel_name: str = ""
    slack_workspace_name: str = ""
    x_webhook_url: Secret | None = None
    x_bot_token: Secret | None = None
    x_api_url: str = "https://slack.com/api/chat.postMessage"
    x_name: Name | None = None
    x_allow_private: AllowPrivate = False


class TeamsService(Part, frozen=True, kw_only=True):
    """Microsoft Teams, by the URL of a workflow that posts to a channel."""

    webhook_url: Secret
    x_name: Name | None = None
    x_allow_private: AllowPrivate = False


class PagerDutyService(Part, frozen=True, kw_only=True):
    """PagerDuty's Events API v2: triggers, and resolves on recovery."""

    integration_key: Secret
    x_url: str = "https://events.pagerduty.com/v2/enqueue"
    x_name: Name | None = None
    x_allow_private: AllowPrivate = False


class Header(Part, frozen=True, kw_only=True):
    """One header of a request."""

    key: str
    value: Secret


class WebhookService(Part, frozen=True, kw_only=True):
    """A webhook: CloudEvents 1.0 and Standard Webhooks' signature, or a body of your own."""

    webhook_url: Secret
    headers: dict[str, Secret] | tuple[Header, ...] = ()
    body_template: Annotated[
        str, Meta(description="Instead of the CloudEvents body: text with {{tokens}} as in Dagster+.")
    ] = ""
    x_signing_keys: Annotated[
        tuple[Secret, ...],
        Meta(description="Standard Webhooks keys (whsec_…); all sign, so that they can be rotated."),
    ] = ()
    x_name: Name | None = None
    x_allow_private: AllowPrivate = False


class ConsoleService(Part, frozen=True, kw_only=True):
    """The standard output of the dispatcher."""

    x_name: Name | None = None


class FileService(Part, frozen=True, kw_only=True):
    """A file, one line of JSON a notice; by default `notifications.ndjson` under ORDERS_HOME."""

    path: str = ""
    x_name: Name | None = None


class BrokerService(Part, frozen=True, kw_only=True):
    """A feed of a broker, for other systems: any URL that ORDERS_BROKER_URL takes."""

    url: Secret
    x_name: Name | None = None


class ListenerService(Part, frozen=True, kw_only=True):
    """A Python function of the dispatcher's process, decorated with `@listener`."""

    function: Annotated[str, Meta(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="module:function")]
    x_name: Name | None = None


class AppriseService(Part, frozen=True, kw_only=True):
    """Anything that Apprise speaks."""

    urls: Annotated[tuple[Secret, ...], Meta(min_length=1)]
    x_name: Name | None = None


class NotificationService(Part, frozen=True, kw_only=True):
    """Where notices go; exactly one of the keys."""

    email: EmailService | None = None
    email_owners: EmailOwnersService | None = None
    slack: SlackService | None = None
    microsoft_teams: TeamsService | None = None
    pagerduty: PagerDutyService | None = None
    webhook: WebhookService | None = None
    x_console: ConsoleService | None = None
    x_file: FileService | None = None
    x_broker: BrokerService | None = None
    x_listener: ListenerService | None = None
    x_apprise: AppriseService | None = None


OneService: TypeAlias = Annotated[
    NotificationService, Meta(extra_json_schema={"minProperties": 1, "maxProperties": 1})
]
ServiceSpec: TypeAlias = (
    EmailService
    | EmailOwnersService
    | SlackService
    | TeamsService
    | PagerDutyService
    | WebhookService
    | ConsoleService
    | FileService
    | BrokerService
    | ListenerService
    | AppriseService
)
