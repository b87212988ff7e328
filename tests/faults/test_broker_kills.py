"""kill -9 of consumers and of the broker: what was confirmed is loaded, each once."""

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest

from resources.brokers.port import Outgoing
from resources.brokers.urls import open_broker
from resources.errors import TransientError
from resources.servers.server import Server
from tests.faults.brokers import BROKERS
from tests.forking import fork_server
from tests.marks import IS_FULL, in_checks
from tests.orders.home import Home
from tests.orders.samples import order
from tests.servers import Servers

MESSAGES, CONSUMER_KILLS, BROKER_KILLS = (100_000, 100, 10) if IS_FULL else (5_000, 5, 1)
_LIVES_AT_MOST_S = 0.8
_LANDS_WITHIN_S = 10.0
_PUBLISHING_S = 120.0

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(7_200 if IS_FULL else 600),
    in_checks,
]


class Consumers:
    """The process that forks consumers of one URL into one home."""

    def __init__(self, url: str, home: Home) -> None:
        """Start it."""
        self._order = {"url": url, "root": str(home.root)}
        self._server = fork_server("tests.faults.consumer")

    def start(self, *, is_last: bool = False) -> int:
        """Start a consumer and return its process id."""
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps({**self._order, "is_last": is_last}) + "\n")
        self._server.stdin.flush()
        return self._answer()

    def end(self) -> int:
        """Wait for the consumer's end and return its exit code."""
        return self._answer()

    def close(self) -> None:
        """End it."""
        self._server.communicate()

    def _answer(self) -> int:
        assert self._server.stdout is not None
        return int(self._server.stdout.readline())


@dataclass
class Story:
    """Messages are published, consumers die, the broker dies, and at the end all must be there once."""

    url: str
    server: Server
    home: Home
    random: Random = field(default_factory=lambda: Random(1))
    confirmed: set[str] = field(default_factory=set)

    def publish(self, count: int) -> None:
        """Publish new messages until they are confirmed, again where the broker died under them."""
        start = len(self.confirmed)
        numbers = range(start, start + count)
        messages = [Outgoing(order(f"o-{n // 5}", n % 5 + 1), f"o-{n // 5}") for n in numbers]
        deadline = time.monotonic() + _PUBLISHING_S
        while True:
            try:
                with closing(open_broker(self.url)) as broker:
                    assert broker.publish(messages) == count
                break
            except TransientError:
                assert time.monotonic() < deadline, "the broker did not take messages in time"
                time.sleep(0.2)
        self.confirmed |= {f"o-{n // 5}:{n % 5 + 1}" for n in numbers}

    def kill_a_consumer(self, consumers: Consumers, *, with_broker: bool) -> None:
        """Let a consumer live for a random time, kill it, and kill the broker under it if asked to."""
        before = len(self.home.landing.segments())
        process = consumers.start()
        if self.random.random() < 0.7:
            # On a busy machine it would otherwise always die before it has landed anything.
            self._wait_for_more_than(before)
        time.sleep(self.random.uniform(0.05, _LIVES_AT_MOST_S))
        if with_broker:
            self.server.kill()
            time.sleep(self.random.uniform(0, 0.3))
            self.server.restart()
            time.sleep(self.random.uniform(0.05, _LIVES_AT_MOST_S))
        os.kill(process, signal.SIGKILL)
        assert consumers.end() == -signal.SIGKILL

    def _wait_for_more_than(self, segments: int) -> None:
        deadline = time.monotonic() + _LANDS_WITHIN_S
        while len(self.home.landing.segments()) <= segments and time.monotonic() < deadline:
            time.sleep(0.01)

    def everything_is_there_once(self) -> None:
        """Compare what was loaded with what was confirmed, and the books with themselves."""
        ids = [row[0] for row in self.home.query("SELECT event_id FROM order_events")]
        assert len(ids) == len(set(ids)), "an event counts twice"
        assert set(ids) == self.confirmed, f"{len(self.confirmed - set(ids))} confirmed events are missing"
        for landed, accepted, duplicates, rejected in self.home.ledger().values():
            assert landed == accepted + duplicates + rejected
            assert rejected == 0
        found = self.home.verify()
        assert found.is_clean, found
        assert found.pending == 0


@pytest.fixture(params=BROKERS)
def story(request: pytest.FixtureRequest, servers: Servers, tmp_path: Path) -> Story:
    """A topic or queue of its own on a server of each kind, and an empty home."""
    kind = BROKERS[request.param]
    server = servers.shared(kind.server)
    return Story(kind.url(server, f"faults-{uuid4().hex[:8]}"), server, Home(tmp_path / "home"))


@pytest.fixture
def consumers(story: Story) -> Iterator[Consumers]:
    """The process that forks consumers."""
    forking = Consumers(story.url, story.home)
    yield forking
    forking.close()


def test_kills_of_consumers_and_of_the_broker_lose_and_repeat_nothing(
    story: Story, consumers: Consumers
) -> None:
    with_broker = kills_spread(BROKER_KILLS, CONSUMER_KILLS)
    for number in range(CONSUMER_KILLS):
        story.publish(MESSAGES // CONSUMER_KILLS)
        story.kill_a_consumer(consumers, with_broker=number in with_broker)
    consumers.start(is_last=True)
    assert consumers.end() == 0
    story.everything_is_there_once()


def kills_spread(few: int, many: int) -> Sequence[int]:
    """Return at which of many kills the few happen too."""
    return [number * many // few + many // (2 * few) for number in range(few)]
