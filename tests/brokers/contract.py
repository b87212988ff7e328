"""What every broker promises, inherited by the tests of each.

A test module has a class that inherits `BrokerContract` and a fixture `site`, which gives a place of its
own (a topic, a queue, a folder) on a real server. Nothing here knows which broker it is.
"""

import contextlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from assets.landing.land import Landed, land, landed_positions
from resources.brokers.port import Batch, Broker, Outgoing
from resources.errors import TransientError
from resources.segments import Landing
from tests.brokers.proxy import Proxy
from tests.brokers.waiting import DEADLINE_S, eventually

# STOMP answers once, others more often; each asks for the backlog after that.
_ANSWERS_OF_A_LOGIN = 2
TEN_MB = 10 * 1024 * 1024


class Site(Protocol):
    """A topic, queue or folder of a test's own, empty at first.

    `recognises_landed`: after a resume nothing that has landed comes again, acknowledged or not.
    `counts_messages`: `backlog` counts messages, not files. `has_keys` and `has_headers`: they arrive.
    `proxy`: where there is a server, which `restart` kills and starts again, the network on the way to it.
    """

    recognises_landed: bool
    counts_messages: bool
    has_keys: bool
    has_headers: bool

    @property
    def proxy(self) -> Proxy | None: ...

    def open(self) -> Broker:
        """Return a client of its own, through `proxy`."""
        ...

    def send_with_headers(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Publish one message with headers by the broker's own client, as a foreign producer does."""
        ...

    def restart(self) -> None:
        """Kill the server with SIGKILL and start it again; returns when it serves."""
        ...


class BrokerContract:
    """The promises, each a test."""

    @pytest.fixture
    def site(self) -> Site:
        """Return a place of the test's own."""
        raise NotImplementedError

    @pytest.fixture
    def landing(self, tmp_path: Path) -> Landing:
        """Return an empty landing folder."""
        return Landing(tmp_path / "landing")

    def test_what_is_published_lands_with_its_bytes_once(self, site: Site, landing: Landing) -> None:
        sent = numbered(200)
        assert send(site, sent) == 200
        assert land_all(site, landing).messages == 200
        assert sorted(bodies(landing)) == sorted(sent)
        assert land_all(site, landing).messages == 0

    def test_the_messages_of_a_key_land_in_their_order(self, site: Site, landing: Landing) -> None:
        sent = [Outgoing(b"%d %d" % (key, number), f"o-{key}") for number in range(60) for key in range(4)]
        with closing(site.open()) as broker:
            for start in range(0, len(sent), 50):
                broker.publish(sent[start : start + 50])
        land_all(site, landing, segment_bytes=300)
        for key in range(4):
            numbers = [int(body.split()[1]) for body in bodies(landing) if body.startswith(b"%d " % key)]
            assert numbers == list(range(60))

    def test_keys_arrive(self, site: Site, landing: Landing) -> None:
        if not site.has_keys:
            pytest.skip("this broker carries no keys")
        with closing(site.open()) as broker:
            broker.publish([Outgoing(b"with", "o-é"), Outgoing(b"without")])
        land_all(site, landing)
        assert column(landing, "key")[b"with"] == "o-é"
        assert column(landing, "key")[b"without"] is None

    def test_positions_ascend_and_reach_as_far_as_they_say(self, site: Site, landing: Landing) -> None:
        send(site, numbered(100))
        last: dict[str, int] = {}
        with closing(site.open()) as broker:
            broker.resume({})
            for batch in polled(broker, 100, max_bytes=200):
                positions = batch.positions.to_pylist()
                assert positions == sorted(set(positions))
                assert not positions or positions[0] > last.get(batch.partition, -1)
                assert batch.through >= max(positions, default=-1)
                last[batch.partition] = batch.through

    def test_what_was_not_acknowledged_comes_again(self, site: Site, landing: Landing) -> None:
        sent = numbered(50)
        send(site, sent)
        with closing(site.open()) as broker:
            broker.resume({})
            assert rows(polled(broker, 50)) == 50
        assert land_all(site, landing).messages == 50
        assert sorted(bodies(landing)) == sorted(sent)

    def test_what_was_acknowledged_does_not_come_again(self, site: Site, landing: Landing) -> None:
        send(site, numbered(50))
        land_all(site, landing)
        with closing(site.open()) as broker:
            broker.resume(landed_positions(landing, broker.feed))
            assert rows(everything(broker, within_s=1.0)) == 0

    def test_a_crash_between_landing_and_acknowledging_loses_nothing(
        self, site: Site, landing: Landing
    ) -> None:
        sent = numbered(60)
        send(site, sent)
        with closing(site.open()) as broker:
            broker.resume({})
            for batch in polled(broker, 60):
                keep(landing, broker, batch)
        send(site, later := numbered(20, "later"))
        eventually(lambda: rest_lands(site, landing, sent + later), "everything landed")
        times = Counter(bodies(landing))
        assert times.keys() == set(sent + later)
        if site.recognises_landed:
            assert set(times.values()) == {1}

    def test_landing_goes_on_where_it_stopped(self, site: Site, landing: Landing) -> None:
        sent: list[bytes] = []
        for number in range(4):
            sent += (new := numbered(25, f"round {number}"))
            send(site, new)
            assert land_all(site, landing, segment_bytes=400).messages == 25
        assert sorted(bodies(landing)) == sorted(sent)

    def test_landing_ends_though_messages_keep_coming(self, site: Site, landing: Landing) -> None:
        first = numbered(40)
        send(site, first)
        with closing(site.open()) as broker:
            on_segment = lambda segment: send(site, numbered(5, segment.name))  # noqa: E731
            landed = land(broker, landing, segment_bytes=300, timeout_s=DEADLINE_S, on_segment=on_segment)
        assert landed.messages < 40 + 5 * landed.segments
        assert set(first) <= set(bodies(landing))

    def test_the_backlog_is_what_waits(self, site: Site, landing: Landing) -> None:
        assert backlog(site) == 0
        send(site, numbered(30))
        expected = 30 if site.counts_messages else 1
        eventually(lambda: backlog(site) == expected, f"a backlog of {expected}")
        land_all(site, landing)
        eventually(lambda: backlog(site) == 0, "no backlog")

    def test_looking_at_the_backlog_takes_nothing(self, site: Site, landing: Landing) -> None:
        send(site, numbered(30))
        backlog(site)
        assert land_all(site, landing).messages == 30

    def test_poison_lands_with_its_bytes(self, site: Site, landing: Landing) -> None:
        every_byte = bytes(byte for byte in range(256) if byte != 10)
        sent = [every_byte, b"\xff\xfe\x00", b"{", b"\x00", b"\r", "\ud800".encode("utf-8", "surrogatepass")]
        send(site, sent)
        land_all(site, landing)
        assert sorted(bodies(landing)) == sorted(sent)

    def test_an_empty_message_lands(self, site: Site, landing: Landing) -> None:
        send(site, [b"before", b"", b"after"])
        assert land_all(site, landing).messages == 3
        assert b"" in bodies(landing)

    def test_a_message_of_ten_megabytes_lands(self, site: Site, landing: Landing) -> None:
        large = b"x" * TEN_MB
        send(site, [b"before", large, b"after"])
        land_all(site, landing)
        assert sorted(map(len, bodies(landing))) == [5, 6, TEN_MB]
        assert large in bodies(landing)

    def test_batches_are_bounded_in_bytes(self, site: Site, landing: Landing) -> None:
        send(site, [b"%03d" % number + b"x" * 50_000 for number in range(60)])
        with closing(site.open()) as broker:
            broker.resume({})
            sizes = [batch.bodies.nbytes for batch in polled(broker, 60, max_bytes=500_000)]
        assert max(sizes) < 1_500_000

    def test_headers_land_as_a_json_object(self, site: Site, landing: Landing) -> None:
        if not site.has_headers:
            pytest.skip("this broker carries no headers")
        site.send_with_headers(b"with", {"ce-type": "order.placed", "trace": "ä1"})
        send(site, [b"without"])
        land_all(site, landing)
        text = column(landing, "headers")[b"with"]
        assert text is not None
        found = json.loads(text)
        assert (found["ce-type"], found["trace"]) == ("order.placed", "ä1")

    def test_a_single_message_on_an_idle_partition_comes_at_once(self, site: Site, landing: Landing) -> None:
        send(site, numbered(40))
        land_all(site, landing)
        with closing(site.open()) as broker:
            broker.resume(landed_positions(landing, broker.feed))
            assert rows(everything(broker, within_s=1.0)) == 0
            send(site, [b"the one"])
            begun = time.monotonic()
            batches = list(polled(broker, 1, timeout_s=30.0))
            # Not the whole timeout: whoever waits for a full batch would wait it.
            assert time.monotonic() - begun < 20
            [body] = [body for batch in batches for body in batch.bodies.to_pylist()]
            assert body == b"the one"

    def test_an_empty_poll_ends_in_its_time(self, site: Site) -> None:
        with closing(site.open()) as broker:
            broker.resume({})
            begun = time.monotonic()
            assert rows(b for b in [broker.poll(max_bytes=1_000, timeout_s=0.2)] if b) == 0
            assert time.monotonic() - begun < 10

    def test_publishing_nothing_is_fine(self, site: Site) -> None:
        assert send(site, []) == 0

    def test_closing_twice_is_fine_and_leaves_what_was_not_acknowledged_to_the_next(
        self, site: Site, landing: Landing
    ) -> None:
        send(site, numbered(3))
        broker = site.open()
        broker.resume({})
        assert rows(polled(broker, 3)) == 3
        broker.close()
        broker.close()
        eventually(lambda: rest_lands(site, landing, numbered(3)), "all three with the next")

    def test_a_restart_of_the_broker_loses_nothing(self, site: Site, landing: Landing) -> None:
        demand_network(site)
        sent = numbered(300)
        send(site, sent[:200])
        with closing(site.open()) as broker:
            broker.resume({})
            taken = 0
            while taken < 100:
                batch = next(polled(broker, 1, max_bytes=500))
                keep(landing, broker, batch)
                broker.acknowledge(batch)
                taken += len(batch.positions)
            site.restart()
            # It may say that the connection is gone, or go on by itself.
            with contextlib.suppress(TransientError):
                broker.poll(max_bytes=500, timeout_s=0.5)
        send(site, sent[200:])
        eventually(lambda: rest_lands(site, landing, sent), "everything landed after the restart")
        assert set(bodies(landing)) == set(sent)

    def test_a_connection_cut_in_the_middle_of_a_batch_loses_nothing(
        self, site: Site, landing: Landing
    ) -> None:
        network = demand_network(site)
        sent = [b"%04d " % number + b"x" * 2_000 for number in range(1_000)]
        send(site, sent)
        network.cut_after(300_000)
        eventually(lambda: rest_lands(site, landing, sent), "everything landed after the cut")
        times = Counter(bodies(landing))
        assert times.keys() == set(sent)
        if site.recognises_landed:
            assert set(times.values()) == {1}

    def test_a_connection_cut_at_any_moment_of_connecting_is_trouble_that_passes(self, site: Site) -> None:
        network = demand_network(site)
        send(site, numbered(3))
        assert cut_in_every_answer(network, lambda: backlog(site)) >= _ANSWERS_OF_A_LOGIN
        eventually(lambda: backlog(site) == 3, "all there, and no cut to come")


def numbered(count: int, text: str = "message") -> list[bytes]:
    """Return `count` messages, each its own."""
    return [f"{text} {number}".encode() for number in range(count)]


def send(site: Site, messages: Sequence[bytes]) -> int:
    """Publish by a client of its own; confirmed when this returns."""
    with closing(site.open()) as broker:
        return broker.publish(Outgoing(body, f"o-{number}") for number, body in enumerate(messages))


def land_all(site: Site, landing: Landing, segment_bytes: int = 1 << 20) -> Landed:
    """LAND what is there now, by a client of its own."""
    with closing(site.open()) as broker:
        return land(broker, landing, segment_bytes=segment_bytes, timeout_s=DEADLINE_S)


def rest_lands(site: Site, landing: Landing, sent: Sequence[bytes]) -> bool:
    """LAND once and tell whether all that was sent is there; trouble with the connection is no matter."""
    with contextlib.suppress(TransientError), closing(site.open()) as broker:
        land(broker, landing, segment_bytes=200_000, timeout_s=10)
    return set(sent) <= set(bodies(landing))


def keep(landing: Landing, broker: Broker, batch: Batch) -> None:
    """Land a batch, as LAND does, without telling the broker."""
    if len(batch.positions):
        landing.append(
            feed=broker.feed,
            partition=batch.partition,
            positions=batch.positions,
            bodies=batch.bodies,
            keys=batch.keys,
            headers=batch.headers,
        )


def polled(
    broker: Broker, count: int, *, max_bytes: int = 1 << 20, timeout_s: float = 1.0
) -> Iterator[Batch]:
    """Yield batches until `count` messages came; fails when they do not come in time."""
    deadline = time.monotonic() + DEADLINE_S
    while count > 0:
        assert time.monotonic() < deadline, f"{count} messages did not come"
        batch = broker.poll(max_bytes=max_bytes, timeout_s=timeout_s)
        if batch is not None:
            count -= len(batch.positions)
            yield batch


def everything(broker: Broker, *, within_s: float) -> Iterator[Batch]:
    """Yield whatever comes in a time."""
    deadline = time.monotonic() + within_s
    while (left := deadline - time.monotonic()) > 0:
        batch = broker.poll(max_bytes=1 << 20, timeout_s=left)
        if batch is not None:
            yield batch


def rows(batches: Iterator[Batch]) -> int:
    """Return how many messages batches hold."""
    return sum(len(batch.positions) for batch in batches)


def backlog(site: Site) -> int:
    """Return the backlog as a newcomer sees it, who has not resumed."""
    with closing(site.open()) as broker:
        return broker.backlog()


def bodies(landing: Landing) -> list[bytes]:
    """Return the bodies in landing order."""
    found: list[bytes] = []
    for segment in landing.segments():
        found += landing.read(segment, ["body"])["body"].to_pylist()
    return found


def column(landing: Landing, name: str) -> dict[bytes, str | None]:
    """Return a column by body."""
    tables = [landing.read(segment, ["body", name]) for segment in landing.segments()]
    return {row["body"]: row[name] for table in tables for row in table.to_pylist()}


def cut_in_every_answer(network: Proxy, ask: Callable[[], object]) -> int:
    """Ask again and again, cut in the first, second, ... answer of the server; returns how many there are.

    Going on by itself is fine, and so is an error that calls for another attempt, as a broker that is killed
    and comes back deserves. One that calls for a person, such as a refused login, is not caught here.
    """
    answers = 0
    while True:
        network.cut_in_answer(answers + 1)
        with contextlib.suppress(TransientError):
            ask()
        is_over = network.is_armed
        network.cut()
        if is_over:
            return answers
        answers += 1


def demand_network(site: Site) -> Proxy:
    """Return the network, or skip where there is no server."""
    if site.proxy is None:
        pytest.skip("a folder has no server and no connection")
    return site.proxy
