"""AMQP 1.0 as streams hold it: what is packed comes back, and what is none is left alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rstream import AMQPMessage, Properties

from resources.brokers.amqp10 import pack, unpack

KEYS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=300)


@given(st.binary(max_size=600), KEYS)
def test_what_is_packed_comes_back(body: bytes, key: str | None) -> None:
    found = unpack(pack(body, key))
    assert found == (body, key, None)


@given(st.binary(max_size=80))
def test_bytes_in_no_form_are_their_own_body(message: bytes) -> None:
    if not message.startswith(b"\x00S"):
        assert unpack(message).body == message


@given(st.binary(max_size=60), st.integers(0, 80))
def test_a_message_cut_short_is_kept_whole(body: bytes, length: int) -> None:
    whole = pack(body, "o-1")
    cut = whole[: min(length, len(whole) - 1)]
    # After its last whole section it is a message without a body.
    assert unpack(cut).body == (b"" if cut == pack(b"", "o-1")[:-5] else cut)


@given(st.binary(min_size=1, max_size=60).map(b"\x00S".__add__))
def test_no_bytes_break_the_reader(message: bytes) -> None:
    assert isinstance(unpack(message).body, bytes)


def nested(levels: int) -> bytes:
    """Return a list within a list, and so on, with sizes of four bytes."""
    value = b"\x45"
    for _ in range(levels):
        value = b"\xd0" + (4 + len(value)).to_bytes(4, "big") + b"\0\0\0\x01" + value
    return value


@pytest.mark.parametrize(
    "section",
    [
        *(bytes([kind]) + value for kind in b"rstu" for value in (b"@", b"A", b"\x55\x01", b"\xa1\x01x")),
        b"t\xc1\x05\x02\x45\xa1\x01x",
        b"w" + nested(10_000),
        b"w\xf0\0\0\0\x05\xff\xff\xff\xff@",
    ],
)
def test_a_section_that_holds_what_it_must_not_leaves_the_message_whole(section: bytes) -> None:
    assert unpack(b"\0S" + section) == (b"\0S" + section, None, None)


def test_what_is_nested_and_an_array_are_read() -> None:
    assert unpack(b"\0Sw" + nested(3)).body == b"[[[[]]]]"
    assert unpack(b"\0Sw\xe0\x05\x03P\x01\x02\x03").body == b"[1, 2, 3]"


@pytest.mark.parametrize("size", [0, 10, 255, 256, 70_000])
def test_another_client_s_message_is_understood(size: int) -> None:
    told = {"key": "o-1", "trace": "ä", "n": 7, "flag": True, "list": [1, 2], "big": 2**40}
    properties = Properties(message_id="m-1", user_id=b"shop", correlation_id="c-1", content_type="text/x")
    sent = AMQPMessage(body=b"x" * size, application_properties=told, properties=properties)
    found = unpack(bytes(sent))
    assert (found.body, found.key) == (b"x" * size, "o-1")
    del told["key"]
    assert found.headers == told | {"message_id": "m-1", "correlation_id": "c-1", "content_type": "text/x"}
