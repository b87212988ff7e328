"""Frames of deliveries are cut as pika would, however the bytes come."""

import json
from collections.abc import Sequence

import pika
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pika import frame
from pika.exceptions import AMQPError
from pika.spec import Basic, BasicProperties

from resources.brokers.rabbitmq_deliveries import Connection, Cut, Delivery
from resources.brokers.rabbitmq_messages import keys_and_headers

_FRAME_BYTES = 50
_HEARTBEAT: bytes = frame.Heartbeat().marshal()
_ROUTE = b"\x00\x06orders"

bodies = st.one_of(st.binary(max_size=200), st.just(b"\xce" * 120), st.just(b""))
properties = st.builds(
    BasicProperties,
    content_type=st.none() | st.text(max_size=20),
    headers=st.none() | st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3),
    delivery_mode=st.none() | st.just(2),
)


class Received:
    """What bytes were cut into."""

    def __init__(self, *chunks: bytes) -> None:
        """Take bytes as from a socket."""
        self.deliveries: list[Delivery] = []
        self.others: list[bytes] = []
        cut = Cut(self.deliveries.append, self.others.append)
        self.taken = sum(cut(chunk) for chunk in chunks)


def frames(tag: int, body: bytes, told: BasicProperties) -> list[bytes]:
    """Return the frames of a delivery as pika writes them, the body in small ones."""
    return [
        frame.Method(1, Basic.Deliver("orders", tag, False, "", "orders")).marshal(),
        frame.Header(1, len(body), told).marshal(),
        *(frame.Body(1, body[at : at + _FRAME_BYTES]).marshal() for at in range(0, len(body), _FRAME_BYTES)),
    ]


def chunks(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Return the bytes in chunks that end at `cuts`, and at the end."""
    ends = sorted({cut % len(data) for cut in cuts} - {0}) if data else []
    return [data[begin:end] for begin, end in zip([0, *ends], [*ends, len(data)], strict=True)]


@settings(max_examples=200)
@given(
    messages=st.lists(st.tuples(bodies, properties), min_size=1, max_size=5),
    cuts=st.lists(st.integers(0, 10_000), max_size=30),
    beats=st.sets(st.integers(0, 20)),
)
def test_any_cut_of_the_bytes_gives_the_same_deliveries(
    messages: list[tuple[bytes, BasicProperties]], cuts: list[int], beats: set[int]
) -> None:
    sent = [one for tag, (body, told) in enumerate(messages, 1) for one in frames(tag, body, told)]
    heard = sum(at < len(sent) for at in beats)
    data = b"".join(one + (_HEARTBEAT if at in beats else b"") for at, one in enumerate(sent))
    received = Received(*chunks(data, cuts))
    assert [(one.tag, one.route, one.body) for one in received.deliveries] == [
        (tag, _ROUTE, body) for tag, (body, _) in enumerate(messages, 1)
    ]
    assert [BasicProperties().decode(one.properties) for one in received.deliveries] == [
        told for _, told in messages
    ]
    assert received.others == [_HEARTBEAT] * heard
    # pika takes a connection on which nothing comes for a dead one.
    assert received.taken == len(data) - heard * len(_HEARTBEAT)


def test_what_is_no_delivery_is_left_to_pika_whole() -> None:
    returned = [
        frame.Method(1, Basic.Return(312, "NO_ROUTE", "", "gone")).marshal(),
        frame.Header(1, 4, BasicProperties()).marshal(),
        frame.Body(1, b"back").marshal(),
    ]
    confirmed = frame.Method(1, Basic.Ack(7, multiple=True)).marshal()
    received = Received(
        *chunks(b"".join([*returned, confirmed, *frames(1, b"body", BasicProperties())]), [5, 40])
    )
    assert received.others == [*returned, confirmed]
    assert [one.body for one in received.deliveries] == [b"body"]


def test_an_answer_that_is_no_frame_is_left_to_pika() -> None:
    received = Received(b"AMQP\x00\x00", b"\x09\x01")
    assert b"".join(received.others) == b"AMQP\x00\x00\x09\x01"


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(
            [*frames(1, b"", BasicProperties())[:1], *frames(2, b"x", BasicProperties())], id="within"
        ),
        pytest.param(
            [*frames(1, b"long", BasicProperties())[:2], frame.Body(1, b"longer").marshal()], id="too long"
        ),
        pytest.param([frames(1, b"x", BasicProperties())[0][:-1] + b"\x00"], id="no end"),
    ],
)
def test_bytes_that_break_the_protocol_are_an_error(broken: list[bytes]) -> None:
    with pytest.raises(AMQPError):
        Received(*broken)


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(b"\x00\x00\x00\x04\x01aQ\x00", id="a type that there is not"),
        pytest.param(b"\x00\x00\x00\x0b\x01aT" + (2**62).to_bytes(8, "big"), id="a time out of range"),
        pytest.param(b"\x00\x00\x00\x0b\x01aT\x00", id="cut off"),
    ],
)
def test_properties_that_cannot_be_decoded_stay_with_their_message(headers: bytes) -> None:
    encoded = b"\x20\x00" + headers
    keys, texts = keys_and_headers([Delivery(1, _ROUTE, encoded, b"body")])
    assert keys is None
    assert texts is not None
    assert json.loads(texts[0].as_py()) == {"undecoded_properties": encoded.hex()}


def test_headers_that_are_nested_too_deeply_for_json_stay_with_their_message() -> None:
    nested = b"A\x00\x00\x00\x00"
    for _ in range(700):
        nested = b"A" + len(nested).to_bytes(4, "big") + nested
    table = b"\x01a" + nested
    encoded = b"\x20\x00" + len(table).to_bytes(4, "big") + table
    _, texts = keys_and_headers([Delivery(1, _ROUTE, encoded, b"body")])
    assert texts is not None
    assert json.loads(texts[0].as_py()) == {"undecoded_properties": encoded.hex()}


def test_all_that_comes_by_a_connection_tells_that_the_server_is_alive() -> None:
    taken: list[Delivery] = []
    connection = Connection(pika.ConnectionParameters(), taken.append, internal_connection_workflow=False)
    try:
        for data in (_HEARTBEAT, b"".join(frames(1, b"body", BasicProperties())), _HEARTBEAT):
            before = connection.bytes_received
            connection._proto_data_received(data)
            assert connection.bytes_received == before + len(data)
        assert [one.body for one in taken] == [b"body"]
    finally:
        connection.ioloop.close()


@settings(max_examples=200)
@given(encoded=st.binary(max_size=60), exchange=st.binary(max_size=9), key=st.binary(max_size=9))
def test_no_properties_stop_a_batch(encoded: bytes, exchange: bytes, key: bytes) -> None:
    route = bytes([len(exchange)]) + exchange + bytes([len(key)]) + key
    keys, headers = keys_and_headers([Delivery(1, route, encoded, b"body")])
    assert keys is None or len(keys) == 1
    assert headers is None or isinstance(json.loads(headers[0].as_py() or "{}"), dict)
