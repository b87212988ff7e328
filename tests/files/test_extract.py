"""Which messages a file brings, given what has been landed before."""

from pathlib import Path

import msgspec
import pytest

from assets.files.extract import changed_days, take_in_day, take_in_days
from assets.landing.turns import landing_lease
from resources.errors import PermanentError, TransientError
from resources.leases import held
from tests.files.drops import DAY, NEXT, Shop, row


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_day_says_what_it_brought(shop: Shop) -> None:
    shop.drop(DAY, row(), row(sku="B"), row("2"))
    (day,) = shop.take_in().days
    assert (day.day, day.rows, day.invoices, day.messages, day.unchanged) == (DAY, 3, 2, 2, 0)


def test_a_new_file_is_a_changed_day_until_it_is_taken_in(shop: Shop) -> None:
    shop.drop(DAY, row())
    assert shop.changed() == [DAY]
    shop.take_in()
    assert shop.changed() == []


def test_files_that_are_not_named_like_a_day_are_left_alone(shop: Shop) -> None:
    for name in ("README.md", "2011-3-1.csv", "2011-02-30.csv", ".2011-03-01.csv.partial"):
        (shop.files_dir / name).write_text("not mine")
    assert shop.changed() == []


def test_reading_a_day_again_changes_nothing(shop: Shop) -> None:
    shop.drop(DAY, row(), row("2"))
    shop.take_in()
    before = [segment.name for segment in shop.landing.segments()]
    (again,) = shop.take_in([DAY]).days
    assert (again.messages, again.unchanged) == (0, 2)
    assert [segment.name for segment in shop.landing.segments()] == before


def test_a_changed_day_brings_just_what_differs(shop: Shop) -> None:
    shop.drop(DAY, row(), row("2"), row("3"))
    shop.take_in()
    shop.drop(DAY, row(), row("2", quantity="7"), row("3"), row("4"))
    assert shop.changed() == [DAY]
    shop.take_in()
    assert [message["id"] for message in shop.landed()] == ["536365:1", "2:1", "3:1", "2:2", "4:1"]


def test_a_file_that_differs_in_no_value_brings_no_message(shop: Shop) -> None:
    path = shop.drop(DAY, row(), row("2"))
    shop.take_in()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert shop.changed() == [DAY]
    (day,) = shop.take_in().days
    assert (day.messages, day.unchanged) == (0, 2)
    assert shop.changed() == []


def test_a_change_back_is_a_change(shop: Shop) -> None:
    for quantity in ("6", "7", "6"):
        shop.drop(DAY, row(quantity=quantity))
        shop.take_in()
    landed = shop.landed()
    assert [message["data"]["version"] for message in landed] == [1, 2, 3]
    assert landed[0]["data"]["lines"] == landed[2]["data"]["lines"]


def test_an_invoice_that_is_gone_is_observed_once_and_never_deleted(shop: Shop) -> None:
    shop.drop(DAY, row(), row("2"))
    shop.take_in()
    shop.drop(DAY, row())
    assert shop.take_in().days[0].missing == 1
    shop.drop(DAY, row(quantity="9"))
    assert shop.take_in().days[0].missing == 0
    assert shop.observed() == [("missing_in_source", "2")]


def test_an_observation_names_order_feed_and_day(shop: Shop) -> None:
    shop.drop(DAY, row("2"))
    shop.take_in()
    path = shop.drop(DAY)
    shop.take_in()
    missing, taken = shop.landed("observations")[-2:]
    assert missing == {
        "observation": "missing_in_source",
        "order_id": "2",
        "feed": "files",
        "day": "2011-03-01",
    }
    assert taken.pop("sha256")
    assert taken == {"observation": "file_taken_in", "file": path.name, "day": "2011-03-01"}


def test_an_invoice_that_is_back_unchanged_is_observed_without_a_message(shop: Shop) -> None:
    for rows in ((row(), row("2")), (row(),), (row(), row("2")), (row(), row("2"), row("3"))):
        shop.drop(DAY, *rows)
        shop.take_in()
    assert shop.observed() == [("missing_in_source", "2"), ("present_in_source", "2")]
    assert [message["id"] for message in shop.landed()] == ["536365:1", "2:1", "3:1"]


def test_an_invoice_that_is_back_with_other_content_is_its_next_version(shop: Shop) -> None:
    for rows in ((row(), row("2")), (row(),), (row(), row("2", quantity="1"))):
        shop.drop(DAY, *rows)
        shop.take_in()
    assert [message["id"] for message in shop.landed()][-1] == "2:2"
    assert shop.observed()[-1] == ("present_in_source", "2")


def test_positions_go_on_from_the_landing_folder(shop: Shop) -> None:
    shop.drop(DAY, row(), row("2"))
    shop.take_in()
    shop.drop(NEXT, row("3"))
    shop.take_in()
    spans = [segment.ranges[0] for segment in shop.landing.segments("files")]
    assert [(span.first, span.last) for span in spans] == [(0, 1), (2, 2)]


def test_an_invoice_on_two_days_is_one_order_with_the_lines_of_both(shop: Shop) -> None:
    shop.drop(DAY, row(sku="A"))
    shop.drop(NEXT, row(sku="B", at="2011-03-02 00:01:00"), row("2"))
    shop.take_in()
    last = [message for message in shop.landed() if message["subject"] == "536365"][-1]
    assert [line["sku"] for line in last["data"]["lines"]] == ["A", "B"]
    assert last["data"]["placed_at"] == "2011-03-01T08:26:00Z"


def test_an_invoice_on_two_days_does_not_alternate_between_them(shop: Shop) -> None:
    shop.drop(DAY, row(sku="A"))
    shop.drop(NEXT, row(sku="B"))
    shop.take_in()
    landed = shop.bodies()
    for day in (DAY, NEXT, DAY):
        assert shop.take_in([day]).days[0].messages == 0
    assert shop.bodies() == landed


def test_an_invoice_that_moved_to_another_day_is_not_missing(shop: Shop) -> None:
    shop.drop(DAY, row(), row("2"))
    shop.drop(NEXT, row("3"))
    shop.take_in()
    shop.drop(DAY, row())
    shop.drop(NEXT, row("2"), row("3"))
    shop.take_in([NEXT, DAY])
    assert shop.observed() == [("present_in_source", "2")]
    assert [message["id"] for message in shop.landed()] == ["536365:1", "2:1", "3:1"]


def test_a_prefix_with_the_day_keeps_numbers_of_each_day_apart(shop: Shop) -> None:
    numbered_daily = Shop(shop.root, msgspec.structs.replace(shop.mapping, order_id_prefix="till-7-%Y%m%d-"))
    numbered_daily.drop(DAY, row("C1", quantity="-1"))
    numbered_daily.drop(NEXT, row("C1", quantity="-2"))
    numbered_daily.take_in()
    messages = numbered_daily.landed()
    assert [message["subject"] for message in messages] == ["till-7-20110301-C1", "till-7-20110302-C1"]
    assert {message["data"]["kind"] for message in messages} == {"return"}


def test_a_file_that_is_not_there_fails_its_day(shop: Shop) -> None:
    with pytest.raises(PermanentError, match=r"2011-03-01\.csv cannot be read .*put the file there"):
        take_in_day(DAY, files_dir=shop.files_dir, landing=shop.landing, mapping=shop.mapping)


def test_a_folder_that_is_not_there_is_named(shop: Shop) -> None:
    shop.files_dir.rmdir()
    with pytest.raises(PermanentError, match=r"drops cannot be read .*ORDERS_FILES_DIR"):
        changed_days(shop.root / "drops", shop.landing, shop.mapping)


def test_another_process_that_takes_in_files_is_waited_for_with_a_bound(shop: Shop) -> None:
    shop.drop(DAY, row())
    with (
        held(landing_lease(shop.landing, "files").path, 1, "the test"),
        pytest.raises(TransientError, match="files is held"),
    ):
        take_in_days(
            [DAY],
            files_dir=shop.files_dir,
            landing=shop.landing,
            mapping=shop.mapping,
            timeout_s=0.05,
        )
