"""A file that is no proper CSV fails its own day, clearly, and no other."""

from pathlib import Path

import msgspec
import pytest

from assets.files.daily_csv import read_daily_file
from resources.errors import PermanentError
from tests.files.drops import DAY, HEADER, NEXT, Shop, row

GOOD = row().encode()


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "line 1 holds no column names"),
        (b"\n", "line 1 holds no column names"),
        (b"InvoiceNo,StockCode\n1,2\n", r"line 1 has no column 'InvoiceDate' \(for placed_at\)"),
        (f"{HEADER},Quantity\n".encode(), r"line 1 has 2 columns 'Quantity' \(for quantity\)"),
        (HEADER.encode() + b"\n" + GOOD + b"\n536366,22633,torn", "line 3 has 3 columns where .* 8"),
        (HEADER.encode() + b"\n" + GOOD + b",more\n", "line 2 has 9 columns where .* 8"),
        (HEADER.encode() + b'\n1,"torn\n2,b\n', "line 2 is not CSV"),
        (HEADER.encode() + b'\n1,"a"b,c\n', "line 2 is not CSV"),
        (HEADER.encode() + b"\n" + GOOD + b"\n" + GOOD.replace(b"WHITE", b"\xff"), "line 3 is not utf-8"),
    ],
    ids=["empty", "blank", "column", "twice", "torn", "wide", "quote", "after-quote", "encoding"],
)
def test_the_error_names_file_line_and_way_out(shop: Shop, content: bytes, complaint: str) -> None:
    path = shop.files_dir / "2011-03-01.csv"
    path.write_bytes(content)
    with pytest.raises(PermanentError, match=rf"2011-03-01\.csv {complaint}.*: .*(write|correct|save)"):
        read_daily_file(path, DAY, shop.mapping)


def test_a_bad_file_lands_nothing_and_leaves_the_other_days_alone(shop: Shop) -> None:
    shop.drop(DAY, row("1"), row("2") + ",more")
    shop.drop(NEXT, row("3"))
    intake = shop.take_in()
    assert [day for day, _ in intake.failed] == [DAY]
    assert [message["id"] for message in shop.landed()] == ["3:1"]
    assert shop.changed() == [DAY]


def test_a_mended_file_is_taken_in(shop: Shop) -> None:
    shop.drop(DAY, row("1") + ",more")
    shop.take_in()
    shop.drop(DAY, row("1"))
    assert shop.take_in().failed == ()
    assert [message["id"] for message in shop.landed()] == ["1:1"]


def test_a_file_that_cannot_be_read_counts_as_changed(shop: Shop) -> None:
    (shop.files_dir / "2011-03-01.csv").mkdir()
    shop.drop(NEXT, row("3"))
    ((day, error),) = shop.take_in().failed
    assert (day, "2011-03-01.csv cannot be read" in str(error)) == (DAY, True)
    assert shop.changed() == [DAY]


def test_blank_lines_are_no_rows(shop: Shop) -> None:
    path = shop.drop(DAY, row("1"), "", row("2"), "")
    assert read_daily_file(path, DAY, shop.mapping).row_count == 2


def test_the_file_of_an_invoice_that_stands_there_too_must_be_at_hand(shop: Shop) -> None:
    path = shop.drop(DAY, row())
    shop.take_in()
    path.unlink()
    shop.drop(NEXT, row(sku="B"))
    ((_, error),) = shop.take_in().failed
    assert str(error).startswith("order 536365 also stands in the file of 2011-03-01, and ")


def test_another_encoding_and_delimiter_are_named_in_the_mapping(shop: Shop) -> None:
    file = msgspec.structs.replace(shop.mapping.file, encoding="cp1252", delimiter=";")
    mapping = msgspec.structs.replace(shop.mapping, file=file)
    path = shop.files_dir / "2011-03-01.csv"
    path.write_bytes(f"{HEADER}\n{row(description='CAFÉ')}".replace(",", ";").encode("cp1252"))
    ((line,),) = read_daily_file(path, DAY, mapping).orders.values()
    assert line.description == "CAFÉ"
