"""The key of a message is its order id, where it has one."""

import pytest

from assets.keys import order_key


def test_the_key_is_the_order_id() -> None:
    assert order_key(b'{"id": "e", "data": {"lines": [1, {}], "order_id": "o-\xc3\xa9"}}') == "o-\u00e9"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"{}",
        b'{"data": null}',
        b'{"data": 1}',
        b'{"data": {"order_id": 1}}',
        b'{"data": {"order_id": "\xff"}}',
        b'{"x": ' + b"[" * 100_000,
    ],
)
def test_what_is_broken_has_no_key(body: bytes) -> None:
    assert order_key(body) is None
