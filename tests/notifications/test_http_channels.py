"""Webhook, Slack, Teams and PagerDuty keep the contract, each in its service's own form."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event
from cloudevents.core.formats.json import JSONFormat
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from resources.clock import SystemClock
from resources.errors import GoneError, PermanentError, TransientError
from resources.notifications.channels.base import Words
from resources.notifications.channels.guard import Guard
from resources.notifications.channels.http import HttpClient
from resources.notifications.channels.message import PolicyWords
from resources.notifications.channels.pagerduty import PagerDutyChannel, dedup_key
from resources.notifications.channels.signing import Signer
from resources.notifications.channels.slack import SlackChannel
from resources.notifications.channels.teams import TeamsChannel
from resources.notifications.channels.webhook import WebhookChannel, WebhookOptions
from resources.notifications.port import Channel
from tests.notifications.channel_contract import SECRET, ChannelContract, long_notice, resolved
from tests.notifications.samples import notice
from tests.notifications.servers import Collector, Reply

_KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
_OLD_KEY = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


class HttpContract(ChannelContract):
    """The contract over a collecting server."""

    server: Collector

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with Collector().running() as self.server:
            yield

    def client(self) -> HttpClient:
        """Return a client that may reach loopback."""
        return HttpClient(Guard(allows_private=True), timeout_s=5.0)

    def make(self, url: str, words: Words) -> Channel:
        """Return the channel on a URL."""
        raise NotImplementedError

    def channel(self, place: Path) -> Channel:
        return self.make(f"{self.server.url}/{SECRET}", Words())

    def broken_channel(self, place: Path) -> Channel:
        channel = self.channel(place)
        self.server.default = Reply(500, body=SECRET.encode())
        return channel

    def arrived(self, place: Path) -> list[str]:
        return [request.body.decode() for request in self.server.requests]

    def sent(self) -> dict[str, Any]:
        """Return the last document that arrived."""
        document: dict[str, Any] = json.loads(self.server.requests[-1].body)
        return document

    def test_the_policys_words_are_in_the_notice(self, tmp_path: Path) -> None:
        words = Words({"default": PolicyWords(owner="team:night", next_step="call Ann")})
        self.make(self.server.url, words).send(notice())
        text = self.arrived(tmp_path)[0]
        assert isinstance(self, TestWebhook) or ("call Ann" in text and "team:night" in text)


def webhook(
    url: str, client: HttpClient, words: Words, keys: tuple[str, ...] = (), template: str = ""
) -> Channel:
    """Return a webhook channel."""
    options = WebhookOptions("urn:orders:test", {"Authorization": f"Bearer {SECRET}"}, template)
    return WebhookChannel(
        "webhook", url, client, words, signer=Signer(keys), options=options, clock=SystemClock()
    )


class TestWebhook(HttpContract):
    """Any endpoint."""

    def make(self, url: str, words: Words) -> Channel:
        return webhook(url, self.client(), words, (_KEY,))

    def test_the_body_is_a_cloud_event(self, tmp_path: Path) -> None:
        self.channel(tmp_path).send(notice())
        request = self.server.requests[0]
        event = from_structured_event(HTTPMessage(dict(request.headers), request.body), JSONFormat())
        assert event.get_specversion() == "1.0"
        assert event.get_id() == notice().delivery_id == request.headers["webhook-id"]
        assert event.get_source() == "urn:orders:test"
        assert event.get_type() == "orders.alert.step_failure"
        assert event.get_time() == notice().event.occurred_at
        assert event.get_data()["what_broke"] == notice().event.facts.what_broke

    def test_the_signature_is_verified_by_the_reference_library(self, tmp_path: Path) -> None:
        self.channel(tmp_path).send(notice())
        request = self.server.requests[0]
        headers = dict(request.headers)
        assert Webhook(_KEY).verify(request.body, headers)["id"] == notice().delivery_id
        with pytest.raises(WebhookVerificationError):
            Webhook(_KEY).verify(request.body + b" ", headers)
        with pytest.raises(WebhookVerificationError):
            Webhook(_OLD_KEY).verify(request.body, headers)

    def test_while_keys_are_rotated_both_verify(self) -> None:
        webhook(self.server.url, self.client(), Words(), (_KEY, _OLD_KEY)).send(notice())
        request = self.server.requests[0]
        for key in (_KEY, _OLD_KEY):
            Webhook(key).verify(request.body, dict(request.headers))

    def test_attempts_differ_in_their_time_alone(self, tmp_path: Path) -> None:
        channel = self.channel(tmp_path)
        channel.send(notice())
        channel.send(replace(notice(), attempt=2))
        first, second = self.server.requests
        assert first.body == second.body
        assert first.headers["webhook-id"] == second.headers["webhook-id"]

    def test_a_body_of_ones_own_is_filled_and_stays_json(self) -> None:
        told = replace(notice(), event=replace(notice().event, title='a "quote"\\ and {{ 7*7 }}'))
        template = '{"text": "{{alert_summary}}", "by": "{{alert_policy_name}}", "k": "{{env.TOKEN}}"}'
        words = Words(environment={"TOKEN": 'a"b'})
        webhook(self.server.url, self.client(), words, template=template).send(told)
        assert self.sent() == {"text": '[ERROR] a "quote"\\ and {{ 7*7 }}', "by": "default", "k": 'a"b'}

    @pytest.mark.parametrize(
        "template",
        [
            "{{nothing}}",
            "{{env.MISSING}}",
            "{{ ''.__class__.__mro__ }}",
            "{% for i in range(10**9) %}x{% endfor %}",
            "{{",
        ],
    )
    def test_a_template_that_cannot_be_filled_is_permanent(self, template: str) -> None:
        with pytest.raises(PermanentError, match="template"):
            webhook(self.server.url, self.client(), Words(), template=template).send(notice())
        assert self.server.requests == []


def test_the_reference_vector_of_standard_webhooks_is_signed_as_published() -> None:
    at = datetime.fromtimestamp(1614265330, UTC)
    headers = Signer([_KEY]).headers("msg_p5jXN8AQM9LWM0D4loKWxJek", at, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("key", ["", "whsec_", "whsec_!!", "whsec_c2hvcnQ=", SECRET])
def test_a_key_that_is_none_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(PermanentError, match="signing key 2") as raised:
        Signer([_KEY, key])
    assert SECRET not in str(raised.value)


class TestSlackWebhook(HttpContract):
    """An incoming webhook."""

    longest = 6_000

    def make(self, url: str, words: Words) -> Channel:
        return SlackChannel("slack", url, self.client(), words)

    def test_texts_are_within_slacks_limits_and_escaped(self, tmp_path: Path) -> None:
        self.channel(tmp_path).send(long_notice())
        header, section, *_ = self.sent()["blocks"]
        assert len(header["text"]["text"]) <= 150
        assert len(section["text"]["text"]) <= 3000
        told = replace(notice(), event=replace(notice().event, title="<!channel> & <b>"))
        self.channel(tmp_path).send(told)
        assert "&lt;!channel&gt; &amp;" in self.sent()["blocks"][1]["text"]["text"]


class TestSlackBot(HttpContract):
    """A bot that posts to a channel."""

    longest = 6_000

    def make(self, url: str, words: Words) -> Channel:
        self.server.default = Reply(body=b'{"ok": true}')
        return SlackChannel("slack", url, self.client(), words, channel="alerts", token=SECRET)

    def broken_channel(self, place: Path) -> Channel:
        channel = self.channel(place)
        self.server.default = Reply(body=b'{"ok": false, "error": "fatal_error"}')
        return channel

    def test_it_posts_to_its_channel_with_its_token(self, tmp_path: Path) -> None:
        self.channel(tmp_path).send(notice())
        assert self.sent()["channel"] == "alerts"
        assert self.server.requests[0].headers["authorization"] == f"Bearer {SECRET}"

    @pytest.mark.parametrize(
        ("body", "kind"),
        [
            (b'{"ok": false, "error": "is_archived"}', GoneError),
            (b'{"ok": false, "error": "msg_too_long"}', PermanentError),
            (b'{"ok": false, "error": "not_in_channel"}', TransientError),
            (b"<html>", TransientError),
        ],
    )
    def test_slacks_refusals_mean_what_they_say(
        self, tmp_path: Path, body: bytes, kind: type[Exception]
    ) -> None:
        channel = self.channel(tmp_path)
        self.server.default = Reply(body=body)
        with pytest.raises(kind):
            channel.send(notice())


class TestTeams(HttpContract):
    """A workflow."""

    longest = 28_000

    def make(self, url: str, words: Words) -> Channel:
        self.server.default = Reply(202)
        return TeamsChannel("teams", url, self.client(), words)

    def test_the_card_is_an_adaptive_card_with_a_link(self, tmp_path: Path) -> None:
        self.channel(tmp_path).send(notice())
        (attachment,) = self.sent()["attachments"]
        card = attachment["content"]
        assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
        assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
        assert card["actions"][0]["url"] == notice().event.facts.link


class TestPagerDuty(HttpContract):
    """The Events API."""

    longest = 500_000

    def make(self, url: str, words: Words) -> Channel:
        self.server.default = Reply(202)
        return PagerDutyChannel("pagerduty", url, self.client(), words, key="routing-key")

    def test_an_incident_is_triggered_and_resolved_under_one_key(self, tmp_path: Path) -> None:
        channel = self.channel(tmp_path)
        opening = replace(notice(), thread="thread-1")
        channel.send(opening)
        opened = self.sent()
        channel.send(resolved(opening))
        closed = self.sent()
        assert (opened["event_action"], closed["event_action"]) == ("trigger", "resolve")
        assert opened["dedup_key"] == closed["dedup_key"]
        assert opened["payload"]["severity"] in ("info", "warning", "error", "critical")

    def test_summary_and_key_are_within_pagerdutys_limits(self, tmp_path: Path) -> None:
        told = replace(long_notice(), thread="k" * 1000)
        self.channel(tmp_path).send(told)
        assert len(self.sent()["payload"]["summary"]) <= 1024
        assert len(dedup_key(told)) <= 255
        assert dedup_key(told) == dedup_key(resolved(told))
