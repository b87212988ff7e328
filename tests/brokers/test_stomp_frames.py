"""Messages are cut from the bytes of a STOMP connection as stomp-py reads them, wherever reads end."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stomp.utils import parse_frame

from resources.brokers.stomp_connection import encoded
from resources.brokers.stomp_frames import Cut, Message

RECEIPT = encoded("RECEIPT", {"receipt-id": "1"})
# What is escaped in a header, ends a line or a frame, or looks like a header or a number.
TEXTS = st.text(st.sampled_from("a\\:\n\r\0é7"), max_size=8)
NAMES = st.text(st.sampled_from("a\\:\nnc-"), min_size=1, max_size=4)
BODIES = st.binary(max_size=30) | st.sampled_from([b"\0", b"\n\n", b"\0\nMESSAGE\n\nx\0", b"x" * 300])
MESSAGES = st.lists(st.tuples(st.dictionaries(NAMES, TEXTS, max_size=4), BODIES), max_size=6)


def cut(data: bytes, sizes: list[int]) -> tuple[list[Message], bytes]:
    """Cut what comes in reads of such sizes, in turn, and return the messages and the rest."""
    messages: list[Message] = []
    others: list[bytes] = []
    cutter = Cut(messages.append)
    while data:
        size = sizes[0]
        sizes = [*sizes[1:], size]
        others.append(cutter(data[:size]))
        data = data[size:]
    return messages, b"".join(others)


@given(
    MESSAGES, st.lists(st.integers(1, 90), min_size=1, max_size=5), st.sampled_from([b"", b"\n", b"\r\n\n"])
)
def test_messages_arrive_whole_wherever_reads_end(
    sent: list[tuple[dict[str, str], bytes]], sizes: list[int], between: bytes
) -> None:
    frames = [
        encoded("MESSAGE", {**headers, "content-length": str(len(body))}, body) + between + RECEIPT
        for headers, body in sent
    ]
    messages, others = cut(b"".join(frames), sizes)
    assert [(m.headers, m.body) for m in messages] == [
        ({**headers, "content-length": str(len(body))}, body) for headers, body in sent
    ]
    assert others == RECEIPT * len(sent)


@given(st.dictionaries(NAMES, TEXTS, max_size=4), st.sampled_from(["\n", "\r\n"]))
def test_a_message_is_what_stomp_py_makes_of_it(headers: dict[str, str], line_end: str) -> None:
    frame = encoded("MESSAGE", headers, b"body").replace(b"\n", line_end.encode())
    [message] = cut(frame, [len(frame)])[0]
    theirs = parse_frame(frame[:-1])
    assert message == (theirs.headers, theirs.body)


@pytest.mark.parametrize(
    ("frame", "headers", "body"),
    [
        (b"MESSAGE\n\n\0", {}, b""),
        (b"MESSAGE\nk:1\nk:2\n\nno length\0", {"k": "1"}, b"no length"),
        (b"MESSAGE\r\nk:1\r\ncontent-length:3\r\n\r\n\0\n\0\0", {"k": "1", "content-length": "3"}, b"\0\n\0"),
        (
            b"MESSAGE\ncontent-length: 1 \nk:\\c\\\\\\n\\r\\t\n\nx\0",
            {"content-length": " 1 ", "k": ":\\\n\r\\t"},
            b"x",
        ),
        (b"MESSAGE\nk:\xff\n\nkept\0", {"k": "\ufffd"}, b"kept"),
        (b"MESSAGE\nk:1\r\n\r\nlong after short\0", {"k": "1"}, b"long after short"),
        (b"MESSAGE\r\nk:1\n\nshort after long\0", {"k": "1"}, b"short after long"),
        (b"MESSAGE\r\nk:1\r\n\r\n\nbegins with an end\0", {"k": "1"}, b"\nbegins with an end"),
        (b"MESSAGE\nk:1\n\r\nboth\n\n\0", {"k": "1"}, b"both\n\n"),
        (b"MESSAGE\na\\cb:1\na\\cb:2\n:3\nx\n\n\0", {"a:b": "1"}, b""),
        (b"MESSAGE\nk:1\0\nl:2\n\nnul in the head\0", {"k": "1\0", "l": "2"}, b"nul in the head"),
    ],
)
def test_heads_of_all_kinds(frame: bytes, headers: dict[str, str], body: bytes) -> None:
    for size in range(1, len(frame) + 1):
        assert cut(frame + RECEIPT, [size]) == ([(headers, body)], RECEIPT)


def test_a_large_message_is_not_looked_through_again_and_again() -> None:
    body = Random(1).randbytes(10 * 1024 * 1024)
    frame = encoded("MESSAGE", {"content-length": str(len(body))}, body)
    [message] = cut(frame, [4_096])[0]
    assert message.body == body


def test_a_large_message_without_a_length_is_not_either() -> None:
    body = b"x" * (10 * 1024 * 1024)
    [message] = cut(b"MESSAGE\n\n" + body + b"\0", [1_448])[0]
    assert message.body == body


@pytest.mark.parametrize("length", ["", "x", "-1", "2", "4", "9"])
def test_a_text_with_a_wrong_length_stops_nothing(length: str) -> None:
    # Classic passes on the length of the producer with a body that it made longer or shorter.
    frame = f"MESSAGE\ncontent-length:{length}\n\nabc\0\n".encode()
    messages, others = cut(frame + encoded("MESSAGE", {}, b"next") + RECEIPT, [7])
    assert [message.body for message in messages] == [b"abc", b"next"]
    assert others == RECEIPT


@pytest.mark.parametrize("tail", [b"tail\0\n", b"two\nlines\0\n", b"\0", b"a:b\n\0", b"MESSAGES\n\n\0"])
def test_what_follows_a_nul_in_a_text_takes_no_message_along(tail: bytes) -> None:
    frames = b"MESSAGE\n\na\0" + tail + encoded("MESSAGE", {}, b"next") + RECEIPT
    for size in range(1, len(frames)):
        messages, others = cut(frames, [size])
        assert [message.body for message in messages] == [b"a", b"next"]
        assert others.endswith(RECEIPT)
