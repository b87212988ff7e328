"""Broker, listener and Apprise keep the contract; what cannot be opened waits."""

import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from resources.brokers.port import Broker
from resources.brokers.urls import open_broker
from resources.clock import SystemClock
from resources.errors import PermanentError, TransientError
from resources.notifications.channels.apprise import AppriseChannel
from resources.notifications.channels.base import Words
from resources.notifications.channels.broker import BrokerChannel
from resources.notifications.channels.listener import ListenerChannel, find_listener, listener
from resources.notifications.channels.opening import BrokenChannel, Outside, open_channels
from resources.notifications.events import Notice
from resources.notifications.port import Channel
from tests.notifications.channel_contract import SECRET, ChannelContract
from tests.notifications.policies.samples import policies
from tests.notifications.samples import notice
from tests.notifications.servers import Collector, Reply

HEARD: list[Notice] = []


@listener
def hear(told: Notice) -> None:
    """Keep the notice."""
    HEARD.append(told)


@listener
def fail(told: Notice) -> None:
    """Fail with a secret."""
    raise RuntimeError(SECRET)


def unmarked(told: Notice) -> None:
    """Hear nothing."""


class TestBroker(ChannelContract):
    """The inbox."""

    def channel(self, place: Path) -> Channel:
        url = f"inbox://{quote(str(place / 'inbox'))}"
        return BrokerChannel("broker", lambda: open_broker(url), source="urn:orders:test")

    def broken_channel(self, place: Path) -> Channel:
        def connect() -> Broker:
            raise ConnectionError(f"amqp://me:{SECRET}@host refused")

        return BrokerChannel("broker", connect, source="urn:orders:test")

    def arrived(self, place: Path) -> list[str]:
        files = sorted((place / "inbox").glob("*.ndjson"))
        return [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]

    def test_what_is_published_is_a_cloud_event(self, tmp_path: Path) -> None:
        self.channel(tmp_path).send(notice())
        event = json.loads(self.arrived(tmp_path)[0])
        assert (event["specversion"], event["id"]) == ("1.0", notice().delivery_id)


class TestListener(ChannelContract):
    """A Python function."""

    @pytest.fixture(autouse=True)
    def _forget(self) -> None:
        HEARD.clear()

    def channel(self, place: Path) -> Channel:
        return ListenerChannel("listener", find_listener(f"{__name__}:hear"))

    def broken_channel(self, place: Path) -> Channel:
        return ListenerChannel("listener", find_listener(f"{__name__}:fail"))

    def arrived(self, place: Path) -> list[str]:
        from resources.notifications.channels.console import ConsoleChannel

        found = []
        for told in HEARD:
            ConsoleChannel(stream := io.StringIO()).send(told)
            found.append(stream.getvalue())
        return found

    def test_an_outage_of_the_outside_is_transient(self, tmp_path: Path) -> None:
        with pytest.raises(TransientError) as raised:
            self.broken_channel(tmp_path).send(notice())
        assert SECRET not in str(raised.value)

    def test_what_a_listener_says_of_a_notice_counts(self) -> None:
        def refuse(told: Notice) -> None:
            raise PermanentError("not mine")

        with pytest.raises(PermanentError, match="not mine"):
            ListenerChannel("listener", refuse).send(notice())

    def test_one_that_hangs_is_left_behind_once(self) -> None:
        release, called = threading.Event(), []

        def hang(told: Notice) -> None:
            called.append(told)
            release.wait(20)

        channel = ListenerChannel("listener", hang, timeout_s=0.05)
        for told in ("took over", "still hangs", "still hangs"):
            with pytest.raises(TransientError, match=told):
                channel.send(notice())
        release.set()
        assert len(called) == 1

    @pytest.mark.parametrize("name", ["no.such.module:x", f"{__name__}:nothing", f"{__name__}:unmarked"])
    def test_only_marked_functions_are_called(self, name: str) -> None:
        with pytest.raises(PermanentError, match="listener"):
            find_listener(name)


class TestApprise(ChannelContract):
    """Apprise, with its JSON service on a local server."""

    longest = 10_000
    server: Collector

    @pytest.fixture(autouse=True)
    def _serve(self) -> Iterator[None]:
        with Collector().running() as self.server:
            yield

    def channel(self, place: Path) -> Channel:
        return AppriseChannel("apprise", [f"json://me:{SECRET}@127.0.0.1:{self.server.port}/x"], Words())

    def broken_channel(self, place: Path) -> Channel:
        self.server.default = Reply(500)
        return self.channel(place)

    def arrived(self, place: Path) -> list[str]:
        return [request.body.decode() for request in self.server.requests]

    def test_a_url_that_is_not_known_is_refused_and_not_shown(self) -> None:
        with pytest.raises(PermanentError, match="URL 1") as raised:
            AppriseChannel("apprise", [f"nothing-like-it://{SECRET}"], Words())
        assert SECRET not in str(raised.value)


_ALL = """alert_policies:
- name: all
  event_types: [STEP_FAILURE]
  notification_service: {x_console: {}}
  x_also:
  - x_file: {}
  - webhook:
      webhook_url: https://example.com/${TOKEN}
      headers: {A: 'b {{env.TOKEN}}'}
      x_signing_keys: [{env: KEY}]
  - email: {email_addresses: [a@b.c]}
  - email_owners: {}
  - slack: {slack_channel_name: alerts}
  - slack: {x_webhook_url: {env: TOKEN}}
  - microsoft_teams: {webhook_url: {env: TOKEN}}
  - pagerduty: {integration_key: {env: TOKEN}}
  - x_broker: {url: 'inbox:///tmp/${TOKEN}'}
  - x_listener: {function: 'tests.notifications.test_other_channels:hear'}
  - x_apprise: {urls: ['json://${TOKEN}@127.0.0.1/']}
"""


def _outside(place: Path, environment: dict[str, str]) -> Outside:
    return Outside(
        clock=SystemClock(),
        console=io.StringIO(),
        file=place / "notices.ndjson",
        open_broker=open_broker,
        environment=environment,
        smtp_url=f"smtp://me:{SECRET}@localhost",
        smtp_from="orders@example.org",
        slack_token=SECRET,
    )


def test_every_service_of_a_policy_is_opened_under_its_name(tmp_path: Path) -> None:
    book = policies(_ALL)
    environment = {"TOKEN": SECRET, "KEY": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    channels = open_channels(book, _outside(tmp_path, environment))
    assert [channel.name for channel in channels] == list(book.policies[0].channels)
    assert not [channel for channel in channels if isinstance(channel, BrokenChannel)]


def test_no_secret_is_in_any_repr_name_or_warning(tmp_path: Path) -> None:
    text = _ALL.replace("{env: TOKEN}", SECRET).replace("${TOKEN}", SECRET)
    book = policies(text)
    environment = {"KEY": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "TOKEN": SECRET}
    outside = _outside(tmp_path, environment)
    shown = [repr(book), repr(outside), *map(repr, open_channels(book, outside)), *map(str, book.warnings)]
    assert SECRET not in "".join(shown)
    assert [warning.key for warning in book.warnings].count("x_webhook_url") == 1


def test_a_channel_that_cannot_be_opened_keeps_its_notices_waiting_with_the_reason(tmp_path: Path) -> None:
    channels = open_channels(policies(_ALL), replace(_outside(tmp_path, {}), smtp_url="", slack_token=""))
    broken = {channel.name: channel for channel in channels if isinstance(channel, BrokenChannel)}
    assert len(broken) == len(channels) - 3
    with pytest.raises(TransientError, match="TOKEN, which is not set"):
        next(channel for name, channel in broken.items() if name.startswith("pagerduty")).send(notice())
