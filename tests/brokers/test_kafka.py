"""Kafka keeps the contract of brokers, and what is its own."""

import logging
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import NewPartitions

from assets.landing.land import land, landed_positions
from resources.brokers.address import parse
from resources.brokers.kafka import Kafka, open_url
from resources.brokers.kafka_origin import EPOCH
from resources.brokers.port import Outgoing
from resources.brokers.urls import open_broker
from resources.errors import OrdersError, PermanentError, TransientError
from resources.segments import Landing
from resources.servers.kind import Login, Tls
from resources.servers.server import Server
from tests.brokers.contract import (
    BrokerContract,
    bodies,
    everything,
    land_all,
    numbered,
    polled,
    rows,
    send,
)
from tests.brokers.kafka_site import Topic, topic_of_its_own
from tests.brokers.waiting import eventually
from tests.servers import OwnServer

CANARY = "c4n4ry"


@pytest.fixture
def topic(kafka: Server, tmp_path: Path) -> Iterator[Topic]:
    """A topic of two partitions."""
    with topic_of_its_own(kafka, tmp_path / "landing" / ".origins", partitions=2) as made:
        yield made


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    """An empty landing folder."""
    return Landing(tmp_path / "landing")


class TestKafka(BrokerContract):
    """Inherits the claims."""

    @pytest.fixture
    def site(self, kafka: Server, tmp_path: Path) -> Iterator[Topic]:
        with topic_of_its_own(kafka, tmp_path / "landing" / ".origins") as made:
            yield made


def to_partition(topic: Topic, partition: int, *messages: bytes) -> None:
    """Publish to one partition."""
    producer = topic.producer()
    for message in messages:
        producer.produce(topic.name, message, partition=partition)
    assert producer.flush(10) == 0


def retention_takes(topic: Topic, partition: int, before: int) -> None:
    """Delete the messages before an offset, as retention does."""
    place = TopicPartition(topic.name, partition, before)
    topic.ask(lambda admin: next(iter(admin.delete_records([place]).values())))


def test_a_topic_that_was_created_anew_stops_the_feed_and_names_the_choices(
    topic: Topic, landing: Landing
) -> None:
    send(topic, numbered(10))
    land_all(topic, landing)
    before = len(landing.segments())
    topic.delete()
    topic.create(2)
    send(topic, later := numbered(30, "later"))
    with pytest.raises(PermanentError, match=r"is not the one that was landed.*name=.*on_lost=earliest"):
        land_all(topic, landing)
    assert len(bodies(landing)) == 10
    topic.options = "on_lost=earliest"
    land_all(topic, landing)
    assert sorted(bodies(landing)[10:]) == sorted(later)
    # Their offsets are those of before; their positions come after all that has landed.
    assert min(span.first for s in landing.segments()[before:] for span in s.ranges) >= EPOCH
    topic.options = ""
    assert land_all(topic, landing).messages == 0


def test_an_offset_that_retention_took_stops_its_partition_while_the_others_go_on(
    topic: Topic, landing: Landing
) -> None:
    to_partition(topic, 0, b"a0")
    to_partition(topic, 1, b"b0")
    land_all(topic, landing)
    to_partition(topic, 0, b"a1", b"a2", b"a3")
    to_partition(topic, 1, b"b1")
    retention_takes(topic, 0, before=3)
    line = rf"partition 0 of topic {topic.name} is landed up to offset 0.*offsets 3 to 3.*retention took 2"
    with pytest.raises(PermanentError, match=line):
        land_all(topic, landing)
    assert sorted(bodies(landing)) == [b"a0", b"b0", b"b1"]
    topic.options = "on_lost=earliest"
    land_all(topic, landing)
    assert sorted(bodies(landing)) == [b"a0", b"a3", b"b0", b"b1"]


def test_messages_that_came_and_went_before_they_were_landed_stop_their_partition(
    topic: Topic, landing: Landing
) -> None:
    assert land_all(topic, landing).messages == 0
    with closing(topic.open()) as broker:
        broker.resume({})
        for _ in range(2):
            broker.acknowledge(next(polled(broker, 1)))
    to_partition(topic, 1, b"1", b"2")
    retention_takes(topic, 1, before=2)
    with pytest.raises(PermanentError, match="retention took 2"):
        land_all(topic, landing)


def test_retention_that_overtakes_a_reader_stops_its_partition_while_it_reads(topic: Topic) -> None:
    # With so little room it has one or two of the messages, and not those that are taken.
    topic.options = "queued.max.messages.kbytes=64&fetch.message.max.bytes=1024"
    for _ in range(8):
        to_partition(topic, 0, os.urandom(200_000))
    delivered = 0
    with closing(topic.open()) as broker:
        broker.resume({})

        def is_reading() -> bool:
            nonlocal delivered
            batch = broker.poll(max_bytes=1, timeout_s=0.2)
            delivered += 0 if batch is None else len(batch.positions)
            return delivered > 0

        def is_stopped() -> bool:
            is_reading()
            return bool(broker.stopped())

        # A reader that has asked for nothing yet would begin where retention ends, and rightly so.
        eventually(is_reading, "it reads")
        retention_takes(topic, 0, before=8)
        to_partition(topic, 0, b"later")
        eventually(is_stopped, "it stops")
        assert f"retention took {8 - delivered}" in broker.stopped()[0]
        # Another partition may still tell that it is read to its end: a batch with no messages.
        assert rows(everything(broker, within_s=0.5)) == 0


def test_positions_that_are_ahead_of_a_topic_stop(topic: Topic, landing: Landing) -> None:
    to_partition(topic, 0, b"1")
    with closing(topic.open()) as broker:
        broker.resume({"0": 41})
        assert "landed up to offset 41" in broker.stopped()[0]
        assert "cut back" in broker.stopped()[0]
        assert "0" not in broker.watermarks()


def test_another_host_and_password_leave_the_positions_as_they_are(topic: Topic, landing: Landing) -> None:
    send(topic, numbered(10))
    land_all(topic, landing)
    direct = f"kafka://{topic.servers}/{topic.name}"
    with closing(open_broker(direct, topic.memory)) as broker:
        assert land(broker, landing, timeout_s=30).messages == 0


def test_aborted_messages_never_land_and_a_marker_at_the_end_is_no_backlog(
    topic: Topic, landing: Landing
) -> None:
    producer = topic.producer(transactional_id=topic.name)
    producer.init_transactions(20)
    for is_kept in (True, False):
        producer.begin_transaction()
        for number in range(5):
            producer.produce(topic.name, b"%d %r" % (number, is_kept), partition=1)
        if is_kept:
            producer.commit_transaction(20)
        else:
            producer.abort_transaction(20)
    assert land_all(topic, landing).messages == 5
    assert bodies(landing) == [b"%d True" % number for number in range(5)]
    with closing(topic.open()) as broker:
        assert broker.backlog() == 0


def test_a_transaction_that_stays_open_does_not_keep_batch_mode_from_ending(
    topic: Topic, landing: Landing
) -> None:
    to_partition(topic, 0, b"before")
    producer = topic.producer(transactional_id=topic.name)
    producer.init_transactions(20)
    producer.begin_transaction()
    producer.produce(topic.name, b"open", partition=0)
    producer.flush(10)
    assert land_all(topic, landing).messages == 1
    producer.commit_transaction(20)
    assert land_all(topic, landing).messages == 1
    assert bodies(landing) == [b"before", b"open"]


def test_new_partitions_are_taken_up_from_their_first_message(topic: Topic, landing: Landing) -> None:
    to_partition(topic, 0, b"old")
    with closing(topic.open()) as broker:
        assert isinstance(broker, Kafka)
        broker.look_again_s = 0.1
        broker.resume({})
        found: list[bytes] = []
        for batch in polled(broker, 1):
            found += batch.bodies.to_pylist()
        topic.ask(lambda admin: admin.create_partitions([NewPartitions(topic.name, 3)])[topic.name])
        to_partition(topic, 2, b"new")
        for batch in polled(broker, 1, timeout_s=0.2):
            found += batch.bodies.to_pylist()
        assert found == [b"old", b"new"]
    assert land_all(topic, landing).messages == 2


def test_the_group_is_told_so_that_lag_tools_see_it(topic: Topic, landing: Landing) -> None:
    to_partition(topic, 0, *numbered(7))
    topic.options = "group=lag-tools"
    land_all(topic, landing)
    consumer = Consumer({"bootstrap.servers": topic.servers, "group.id": "lag-tools"})
    [place] = consumer.committed([TopicPartition(topic.name, 0)], timeout=20)
    consumer.close()
    assert place.offset == 7


def test_what_the_group_was_told_is_no_position(topic: Topic, landing: Landing, tmp_path: Path) -> None:
    send(topic, sent := numbered(10))
    land_all(topic, landing)
    elsewhere = Landing(tmp_path / "elsewhere")
    assert land_all(topic, elsewhere).messages == 10
    assert sorted(bodies(elsewhere)) == sorted(sent)


def test_a_lost_note_of_the_origin_is_adopted_anew(topic: Topic, landing: Landing) -> None:
    send(topic, numbered(5))
    land_all(topic, landing)
    [note] = topic.memory.iterdir()
    note.unlink()
    assert land_all(topic, landing).messages == 0
    assert note.exists()


def test_tls_and_a_login_pass_through_by_url_and_by_file(
    own_server: OwnServer, certificates: Tls, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = own_server("kafka", tls=certificates, login=Login("shop", CANARY))
    place = f"127.0.0.1:{server.ports['client']}"
    with topic_of_its_own(server, tmp_path / "origins") as topic:
        by_url = f"kafka://shop:{CANARY}@{place}/{topic.name}?ssl.ca.location={certificates.authority}"
        config = tmp_path / "client.properties"
        config.write_text(
            f"# a comment\nsecurity.protocol=SASL_SSL\nsasl.mechanism = PLAIN\nsasl.username=shop\n"
            f"sasl.password={CANARY}\nssl.ca.location={certificates.authority}\n"
        )
        for url in (by_url, f"kafka://{place}/{topic.name}?config={config}"):
            with closing(open_broker(url)) as broker:
                assert CANARY not in repr(broker)
                assert broker.publish([Outgoing(b"1")]) == 1
        wrong = {
            by_url.replace(CANARY, CANARY + "x"): "refuses the login",
            by_url.partition("?")[0]: "no TLS",
        }
        for url, said in wrong.items():
            line = refusal(url)
            assert said in line
            assert CANARY not in line
    assert CANARY not in caplog.text


def refusal(url: str) -> str:
    """Return the error of the first use of a URL."""
    with pytest.raises(OrdersError) as caught, closing(open_broker(url)) as broker:
        broker.publish([Outgoing(b"1")])
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_broker_that_is_down_is_one_line() -> None:
    with pytest.raises(TransientError, match=r"kafka:orders: .*127\.0\.0\.1:1 .*Connection refused"):
        open_broker("kafka://127.0.0.1:1/orders").backlog()


def test_a_missing_topic_is_named(topic: Topic) -> None:
    url = f"kafka://{topic.servers}/nowhere"
    for use in (lambda broker: broker.backlog(), lambda broker: broker.publish([Outgoing(b"1")])):
        with closing(open_broker(url)) as broker, pytest.raises(PermanentError, match="has no topic nowhere"):
            use(broker)


def test_a_message_that_the_topic_does_not_take_fails_the_publishing(topic: Topic) -> None:
    small = Topic(topic.server, topic.proxy, topic.memory, topic.name + "-small")
    small.create(1, max_message_bytes="1000")
    with pytest.raises(PermanentError, match=r"max\.message\.bytes"):
        send(small, [os.urandom(5_000)])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("kafka:///orders", "needs a host"),
        ("kafka://host", "needs one topic"),
        ("kafka://host/a/b", "needs one topic"),
        ("kafka://host/orders?on_lost=latest", "on_lost="),
        ("kafka://host/orders?enable.auto.commit=true", r"enable\.auto\.commit"),
        ("kafka://host/orders?nonsense=1", "nonsense"),
        ("kafka://host/orders?config=/nowhere", "config=/nowhere"),
    ],
)
def test_a_url_that_lacks_something_says_what(url: str, said: str) -> None:
    with pytest.raises(PermanentError, match=said):
        open_broker(url)


def test_a_property_that_librdkafka_does_not_know_is_named_without_its_value() -> None:
    with pytest.raises(PermanentError, match=r"no\.such\.password") as caught:
        open_broker(f"kafka://127.0.0.1:1/orders?no.such.password={CANARY}").backlog()
    assert CANARY not in str(caught.value)


def test_no_repr_of_a_broker_shows_a_secret() -> None:
    broker = open_url(parse(f"kafka://u:{CANARY}@host/orders?ssl.key.password={CANARY}"))
    assert CANARY not in repr(broker)
    assert broker.feed == "kafka:orders"


def test_positions_of_partitions_are_found_in_the_landing_folder(topic: Topic, landing: Landing) -> None:
    to_partition(topic, 0, *numbered(3))
    to_partition(topic, 1, *numbered(2))
    land_all(topic, landing)
    assert landed_positions(landing, f"kafka:{topic.name}") == {"0": 2, "1": 1}
