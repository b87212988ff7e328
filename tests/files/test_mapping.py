"""The mapping: a small file that says clearly what is wrong with it."""

from datetime import date
from pathlib import Path

import pytest

from assets.files.extract import take_in_days
from assets.files.mapping import built_in_mapping, load_mapping
from resources.errors import PermanentError
from tests.files.drops import Shop

OTHER_SHOP = """
source = "/files/till"
order_id_prefix = "till-"

[file]
name = "orders_%d.%m.%Y.txt"
delimiter = ";"

[time]
format = "%d.%m.%Y %H:%M"
zone = "Europe/Berlin"

[columns]
order_id = "Bon"
placed_at = "Zeit"
sku = "Artikel"
quantity = "Menge"
unit_price = "Preis"
currency = "Währung"
customer_email = "Mail"

[constants]
status = "delivered"

[[kinds]]
prefix = ""
kind = "sale"
event_type = "order.placed"
"""


def test_the_built_in_mapping_is_that_of_online_retail() -> None:
    mapping = built_in_mapping()
    assert mapping.source == "/files/online-retail"
    assert mapping.file_name(date(2011, 3, 1)) == "2011-03-01.csv"
    assert [mapping.kind_of(number).kind for number in ("536365", "C1", "A1")] == [
        "sale",
        "return",
        "adjustment",
    ]


def test_another_export_needs_nothing_but_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "till.toml"
    path.write_text(OTHER_SHOP, encoding="utf-8")
    shop = Shop(tmp_path, load_mapping(path))
    rows = ("7;01.07.2011 00:30;X1;2;9.99;EUR;a@example.org",)
    shop.drop(date(2011, 7, 1), *rows, header="Bon;Zeit;Artikel;Menge;Preis;Währung;Mail")
    take_in_days(shop.changed(), files_dir=shop.files_dir, landing=shop.landing, mapping=shop.mapping)
    (message,) = shop.landed()
    assert message["id"] == "till-7:1"
    assert message["data"] == {
        "order_id": "till-7",
        "version": 1,
        "kind": "sale",
        "status": "delivered",
        "currency": "EUR",
        "placed_at": "2011-06-30T22:30:00Z",
        "customer": {"email": "a@example.org"},
        "lines": [{"line_number": 1, "sku": "X1", "quantity": 2, "unit_price": "9.99"}],
    }


@pytest.mark.parametrize(
    ("wrong", "right", "complaint"),
    [
        ('sku = "Artikel"\n', "", r"missing required field `sku` - at `\$\.columns`"),
        ('sku = "Artikel"', "sku = 3", r"Expected `str`, got `int` - at `\$\.columns\.sku`"),
        ('sku = "Artikel"', 'sku = "Artikel"\nskuu = "A"', r"unknown field `skuu` - at `\$\.columns`"),
        ('source = "/files/till"', 'source = ""', "`source` is empty"),
        ('"orders_%d.%m.%Y.txt"', '"orders_%m.%Y.txt"', r"`file\.name` .* one file for each day"),
        ('"orders_%d.%m.%Y.txt"', '"../%d.%m.%Y.txt"', r"`file\.name` .* one file for each day"),
        ('delimiter = ";"', 'delimiter = "; "', r"`file\.delimiter` .* is not one character"),
        ('delimiter = ";"', 'encoding = "utf-88"', r"`file\.encoding` 'utf-88' is unknown"),
        ("Europe/Berlin", "Europe/Nowhere", r"`time\.zone` 'Europe/Nowhere' is no time zone"),
        ("%d.%m.%Y %H:%M", "%H:%M", r"`time\.format` '%H:%M' does not give a date"),
        ('status = "delivered"', "", "`status` belongs in exactly one of"),
        ('status = "delivered"', 'status = "paid"\ncurrency = "EUR"', "`currency` belongs in exactly one"),
        ('prefix = ""', 'prefix = "R"', "`kinds` must end with"),
        ("[constants]", '[strip_suffix]\nskuu = ".0"\n[constants]', r"`strip_suffix\.skuu` is no field"),
        ("[constants]", "[constants", "is not TOML: .*line"),
    ],
)
def test_the_error_names_file_and_key(tmp_path: Path, wrong: str, right: str, complaint: str) -> None:
    path = tmp_path / "till.toml"
    assert wrong in OTHER_SHOP
    path.write_text(OTHER_SHOP.replace(wrong, right), encoding="utf-8")
    with pytest.raises(PermanentError, match=rf"{path} .*{complaint}"):
        load_mapping(path)


def test_a_mapping_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"none\.toml cannot be read"):
        load_mapping(tmp_path / "none.toml")
