"""`orders status`, `orders rejects list` and `show`, `orders verify` and `rebuild`."""

import base64
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import BROKEN, LARGE, fill
from tests.cli.running import Orders, error_line, message


def test_status_of_a_fresh_home_is_empty_and_changes_nothing(fresh: Orders) -> None:
    status = fresh.json("status")
    feed = {"feed": "inbox", "waiting": 0}
    assert status["backlog"] == feed | {"feeds": [feed | {"problem": None}]}
    assert (status["ledger"], status["rejects"], status["runs"], status["outbox"]) == ([], [], [], None)
    assert not fresh.home.exists()


def test_status_shows_ledger_rejects_and_freshness(filled: Orders) -> None:
    status = filled.json("status")
    assert status["ledger"] == [
        {
            "feed": "inbox",
            "partition": "0",
            "landed": 6,
            "accepted": 3,
            "duplicates": 1,
            "rejected": 2,
            "to_load": 0,
        }
    ]
    assert status["rejects"] == [
        {"reason": "not_utf8", "state": "open", "messages": 1},
        {"reason": "too_large", "state": "open", "messages": 1},
    ]
    assert status["freshness"]["is_stale"] is False
    assert status["freshness"]["newest_order_at"] == "2026-05-01T10:00:00.500000Z"


def test_status_shows_what_waits(filled: Orders, tmp_path: Path) -> None:
    home = Orders(shutil.copytree(filled.home, tmp_path / "copy"))
    home("publish", "-", stdin=message("e-9", "o-9"))
    assert home.json("status")["backlog"]["waiting"] == 1
    assert b"1 waiting in feed inbox" in home("status").stdout


def test_dead_letters_are_listed_with_reason_and_without_their_bytes(filled: Orders) -> None:
    listed = filled.json("rejects", "list")
    assert [(row["reason"], row["state"], row["bytes"]) for row in listed] == [
        ("not_utf8", "open", len(BROKEN)),
        ("too_large", "open", len(LARGE)),
    ]
    assert [row["reason"] for row in filled.json("rejects", "list", "--reason", "too_large")] == ["too_large"]
    assert filled.json("rejects", "list", "--state", "replayed") == []


def test_a_fresh_home_has_no_dead_letters(fresh: Orders) -> None:
    assert fresh.json("rejects", "list") == []


def test_a_dead_letter_is_shown_byte_for_byte(filled: Orders) -> None:
    rejection = filled.json("rejects", "list", "--reason", "not_utf8")[0]["rejection_id"]
    shown = filled.json("rejects", "show", rejection)
    assert base64.b64decode(shown["body"]) == BROKEN
    assert b'{"specversion": "1.0", \\xff' in filled("rejects", "show", rejection).stdout


def test_a_dead_letter_that_is_not_there_is_named(filled: Orders) -> None:
    done = filled("rejects", "show", "inbox:0:77")
    assert done.returncode == 1
    assert "inbox:0:77" in error_line(done)


def test_a_rebuild_gives_the_same_hashes(tmp_path: Path) -> None:
    fill(tmp_path, message("e-1", "o-1"), BROKEN)
    orders = Orders(tmp_path, {"ORDERS_MAX_MESSAGE_BYTES": "1500"})
    before = orders.json("verify")
    shutil.rmtree(tmp_path / "warehouse")
    rebuilt = orders.json("rebuild")
    assert (rebuilt["messages"], rebuilt["full_hash"]) == (2, before["full_hash"])
    assert orders.json("verify") == before


def test_verify_ends_with_1_when_the_ledger_disagrees(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    fill(tmp_path, message("e-1", "o-1"))
    with duckdb.connect(tmp_path / "warehouse" / "orders.duckdb") as connection:
        connection.execute("UPDATE store.message_ledger SET accepted = accepted + 1")
    done = Orders(tmp_path)("verify", "--json")
    assert done.returncode == 1
    assert "orders rebuild" in error_line(done)
    assert b"ledger_problems" in done.stdout


def test_verify_without_a_warehouse_says_what_to_do(fresh: Orders) -> None:
    done = fresh("verify")
    assert done.returncode == 1
    assert "orders run" in error_line(done)
