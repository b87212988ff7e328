"""What becomes of a row: contract form, nothing dropped, nothing judged."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.contract.judge import Accepted, Rejected, judge
from assets.files.invoices import decimal_text, placed_at, whole_number
from assets.files.mapping import TimeFormat
from tests.files.drops import DAY, NEXT, Shop, row

UTC_TIMES = TimeFormat(format="%Y-%m-%d %H:%M:%S", zone="UTC")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def verdict(shop: Shop, *rows: str) -> Accepted | Rejected:
    """Judge the one message that the rows become."""
    shop.drop(DAY, *rows)
    shop.take_in()
    (body,) = shop.bodies()
    return judge(body, max_bytes=1 << 20)


def reason(shop: Shop, *rows: str) -> str:
    """Return the reason for which the one message that the rows become is rejected."""
    judged = verdict(shop, *rows)
    assert isinstance(judged, Rejected)
    return judged.reason


def test_an_invoice_is_one_message_in_contract_form(shop: Shop) -> None:
    shop.drop(DAY, row(), row("536366", "22633"), row(sku="71053", quantity="8", price="3.39"))
    shop.take_in()
    first, second = shop.landed()
    assert first == {
        "specversion": "1.0",
        "id": "536365:1",
        "source": "/files/online-retail",
        "type": "order.placed",
        "subject": "536365",
        "time": "2011-03-01T08:26:00Z",
        "data": {
            "order_id": "536365",
            "version": 1,
            "kind": "sale",
            "status": "placed",
            "currency": "GBP",
            "placed_at": "2011-03-01T08:26:00Z",
            "customer": {"customer_id": "17850", "country": "United Kingdom"},
            "lines": [
                {
                    "line_number": 1,
                    "sku": "85123A",
                    "description": "WHITE HANGING HEART",
                    "quantity": 6,
                    "unit_price": "2.55",
                },
                {
                    "line_number": 2,
                    "sku": "71053",
                    "description": "WHITE HANGING HEART",
                    "quantity": 8,
                    "unit_price": "3.39",
                },
            ],
        },
    }
    assert second["id"] == "536366:1"


def test_the_envelope_carries_order_id_day_version_and_content(shop: Shop) -> None:
    shop.drop(DAY, row())
    shop.take_in()
    (segment,) = shop.landing.segments("files")
    (message,) = shop.landing.read(segment).to_pylist()
    headers = json.loads(message["headers"])
    assert message["key"] == "536365"
    assert (headers.pop("day"), headers.pop("version"), len(headers.pop("content"))) == ("2011-03-01", 1, 64)
    assert headers == {}


def test_an_ordinary_invoice_is_accepted(shop: Shop) -> None:
    judged = verdict(shop, row(), row(sku="71053"))
    assert isinstance(judged, Accepted)
    assert (judged.order_id, judged.country, len(judged.lines)) == ("536365", "United Kingdom", 2)


def test_a_c_number_is_a_return(shop: Shop) -> None:
    judged = verdict(shop, row("C536379", quantity="-1"))
    assert isinstance(judged, Accepted)
    assert (judged.kind, judged.event_type) == ("return", "order.returned")


def test_an_a_number_is_an_adjustment_and_rejected_as_bad_kind(shop: Shop) -> None:
    assert reason(shop, row("A563185", "B", quantity="1", price="-11062.06")) == "bad_kind"


@pytest.mark.parametrize(
    ("invoice", "quantity"), [("1", "-5"), ("1", "0"), ("C1", "5"), ("C1", "0")], ids=str
)
def test_a_quantity_of_the_wrong_sign_is_left_to_the_contract(
    shop: Shop, invoice: str, quantity: str
) -> None:
    assert reason(shop, row(invoice, quantity=quantity)) == "bad_quantity"


@pytest.mark.parametrize(
    ("broken", "expected"),
    [
        (row(quantity="six"), "wrong_type"),
        (row(quantity="6.5"), "wrong_type"),
        (row(quantity=""), "wrong_type"),
        (row(quantity="9" * 30), "wrong_type"),
        (row(at="yesterday"), "bad_timestamp"),
        (row(at="2011-02-30 00:00:00"), "bad_timestamp"),
        (row(price="free"), "bad_money"),
        (row(price="2.55555"), "bad_money"),
        (row(price=""), "bad_money"),
        (row(invoice=""), "missing_field"),
        (row(sku=""), "missing_field"),
    ],
)
def test_a_value_that_cannot_be_mapped_travels_and_is_rejected_by_the_contract(
    shop: Shop, broken: str, expected: str
) -> None:
    assert reason(shop, broken) == expected


def test_rows_without_a_number_are_one_message_a_day(shop: Shop) -> None:
    shop.drop(DAY, row(invoice=""), row(invoice="", sku="B"))
    shop.drop(NEXT, row(invoice="", sku="C"))
    shop.take_in()
    assert [len(message["data"]["lines"]) for message in shop.landed()] == [2, 1]
    assert shop.changed() == []


def test_a_country_is_kept_without_a_customer(shop: Shop) -> None:
    shop.drop(DAY, row(customer=""), row("2", customer="", country=""))
    shop.take_in()
    first, second = (message["data"] for message in shop.landed())
    assert first["customer"] == {"country": "United Kingdom"}
    assert "customer" not in second


def test_placed_at_is_the_earliest_row(shop: Shop) -> None:
    shop.drop(DAY, row(at="2011-03-01 08:27:00"), row(at="2011-03-01 08:26:00"))
    shop.take_in()
    assert shop.landed()[0]["data"]["placed_at"] == "2011-03-01T08:26:00Z"


def test_text_is_kept_as_it_is(shop: Shop) -> None:
    shop.drop(DAY, row(description='"CHARLIE+LOLA ""EXTREMELY BUSY"", 1/2 ☃ \n next "'))
    shop.take_in()
    description = shop.landed()[0]["data"]["lines"][0]["description"]
    assert description == 'CHARLIE+LOLA "EXTREMELY BUSY", 1/2 ☃ \n next '


def test_rows_that_disagree_on_the_customer_keep_every_value(shop: Shop) -> None:
    judged = verdict(shop, row(customer="1.0"), row(customer="2.0"), row(customer=""))
    assert isinstance(judged, Accepted)
    assert judged.customer_id == "1"
    assert json.loads(judged.extra or "") == {"data": {"conflicting_values": {"customer_id": ["1", "2"]}}}


def test_the_bytes_of_a_message_depend_on_the_file_alone(tmp_path: Path) -> None:
    here, there = Shop(tmp_path / "a"), Shop(tmp_path / "b")
    for shop in (here, there):
        shop.drop(DAY, row(), row("2"), row(sku="B"))
        shop.take_in()
    assert here.bodies() == there.bodies()


def test_a_time_of_the_mappings_zone_becomes_utc() -> None:
    london = TimeFormat(format="%d/%m/%Y %H:%M", zone="Europe/London")
    assert placed_at(["01/07/2011 00:30"], london) == "2011-06-30T23:30:00Z"
    assert placed_at(["01/01/2011 00:30"], london) == "2011-01-01T00:30:00Z"


def test_a_time_with_an_offset_keeps_it_whatever_the_zone() -> None:
    zoned = TimeFormat(format="%Y-%m-%dT%H:%M:%S%z", zone="Europe/London")
    assert placed_at(["2011-07-01T00:30:00+02:00"], zoned) == "2011-06-30T22:30:00Z"


def test_one_row_without_a_time_decides_over_the_others() -> None:
    assert placed_at(["2011-03-01 08:26:00", "n/a"], UTC_TIMES) == "n/a"


def test_a_time_beyond_the_calendar_stays_text() -> None:
    east = TimeFormat(format="%Y-%m-%d %H:%M:%S", zone="Asia/Tokyo")
    assert placed_at(["0001-01-01 00:00:00"], east) == "0001-01-01 00:00:00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1e3", "1000"), ("25E-1", "2.5"), ("+2.50", "2.50"), (".5", "0.5"), ("5.", "5"), ("-0.1", "-0.1")],
)
def test_a_price_loses_sign_and_exponent_but_no_digit(text: str, expected: str) -> None:
    assert decimal_text(text) == expected


@pytest.mark.parametrize("text", ["", " 1", "1,5", "NaN", "Infinity", "0x1", "1e9999", "١", "--1", "."])
def test_a_price_that_is_no_decimal_stays_text(text: str) -> None:
    assert decimal_text(text) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6))
def test_a_price_keeps_its_exact_value(value: Decimal) -> None:
    assert Decimal(decimal_text(f"{value:e}")) == value


@given(st.text(max_size=8) | st.integers().map(str))
def test_a_quantity_is_its_number_or_its_text(text: str) -> None:
    found = whole_number(text)
    assert found == text or (isinstance(found, int) and int(text) == found and abs(found) < 2**63)
