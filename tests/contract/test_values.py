"""Single values, and whole messages, against what is known of them otherwise."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from assets.contract.judge import Accepted, Rejected, judge
from assets.contract.model import MAX_INT64, MIN_INT64
from assets.contract.values import moment, money_from_number, money_from_text, whole_number
from tests.contract.corpus import MAX_BYTES
from tests.contract.strategies import mutated_documents, mutated_messages, valid_messages
from tests.contract.styles import Style, styles, write

_numbers = st.from_regex(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,7})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)
_decimals = st.from_regex(r"-?[0-9]{1,15}(\.[0-9]{1,7})?", fullmatch=True)


def _by_decimal(text: str) -> int | None:
    with localcontext(prec=200):
        amount = Decimal(text.translate({ord("E"): "e"}))
        scaled = amount * 10_000
        return int(scaled) if scaled == int(scaled) and abs(amount) < 10**12 else None


@given(_numbers)
def test_a_number_is_money_just_as_decimal_arithmetic_says(text: str) -> None:
    assert money_from_number(text) == _by_decimal(text)


@given(_decimals)
def test_a_text_is_money_just_as_decimal_arithmetic_says(text: str) -> None:
    assert money_from_text(text) == money_from_number(text) == _by_decimal(text)


@given(st.integers(-(2**70), 2**70) | st.sampled_from([MAX_INT64, MAX_INT64 + 1, MIN_INT64, MIN_INT64 - 1]))
def test_a_whole_number_is_read_if_64_bits_hold_it(number: int) -> None:
    assert whole_number(str(number)) == (number if MIN_INT64 <= number <= MAX_INT64 else None)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-1439, 1439))
def test_a_moment_is_the_same_in_every_offset(instant: datetime, minutes: int) -> None:
    try:
        local = instant.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:
        return
    assert moment(local.isoformat()) == instant.replace(tzinfo=None)


@given(valid_messages())
def test_valid_messages_are_accepted(body: bytes) -> None:
    assert isinstance(judge(body, max_bytes=MAX_BYTES), Accepted)


@given(mutated_messages())
def test_no_message_makes_the_judge_raise(body: bytes) -> None:
    verdict = judge(body, max_bytes=MAX_BYTES)
    assert isinstance(verdict, Accepted) or verdict.detail.startswith("$")


@given(mutated_documents(), styles)
def test_blanks_escapes_and_the_order_of_fields_change_no_verdict(document: object, style: Style) -> None:
    plain = judge(write(document, Style(b"", "few", False)), max_bytes=MAX_BYTES)  # type: ignore[arg-type]
    styled = judge(write(document, style), max_bytes=MAX_BYTES)  # type: ignore[arg-type]
    if isinstance(plain, Rejected):
        assert isinstance(styled, Rejected)
        assert styled.reason is plain.reason
    else:
        assert isinstance(styled, Accepted)
        assert _without_extra(styled) == _without_extra(plain)


def _without_extra(order: Accepted) -> Accepted:
    return replace(order, extra=None, lines=tuple(replace(line, extra=None) for line in order.lines))
