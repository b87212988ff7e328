"""`orders query`."""

import json
import subprocess
import sys
import textwrap

import pytest

from tests.cli.running import Orders, error_line

_TYPES = """
SELECT 9007199254740993::BIGINT AS whole, 170141183460469231731687303715884105727::HUGEINT AS huge,
       -1.5::DECIMAL(18,4) AS money, DATE '2026-05-01' AS day, TIMESTAMP '2026-05-01 10:00:00' AS moment,
       TIMESTAMP '2026-05-01 10:00:00.25' AS precise, TIMESTAMPTZ '2026-05-01 12:00:00+02' AS zoned,
       '\\xC3\\xBF\\x00'::BLOB AS bytes, NULL AS nothing, true AS yes, 1.5::DOUBLE AS ratio,
       'nan'::DOUBLE AS not_a_number,
       [1.10::DECIMAL(4,2)] AS list, {'a': DATE '2026-05-01'} AS struct, MAP {1: 'x'} AS map,
       INTERVAL '26 hours 90 seconds' AS span, TIME '10:00:00' AS clock
"""


def test_json_keeps_every_value_exactly(filled: Orders) -> None:
    (row,) = filled.json("query", _TYPES)
    assert row == {
        "whole": 9007199254740993,
        "huge": 170141183460469231731687303715884105727,
        "money": "-1.5000",
        "day": "2026-05-01",
        "moment": "2026-05-01T10:00:00Z",
        "precise": "2026-05-01T10:00:00.250000Z",
        "zoned": "2026-05-01T10:00:00Z",
        "bytes": "w78A",
        "nothing": None,
        "yes": True,
        "ratio": 1.5,
        "not_a_number": "NaN",
        "list": ["1.10"],
        "struct": {"a": "2026-05-01"},
        "map": {"1": "x"},
        "span": "P1DT2H1M30S",
        "clock": "10:00:00",
    }


def test_an_empty_result_is_an_empty_array(filled: Orders) -> None:
    assert filled.json("query", "FROM orders WHERE false") == []


def test_columns_of_one_name_are_all_kept(filled: Orders) -> None:
    assert filled.json("query", "SELECT 1 AS a, 2 AS a, 3 AS a_1") == [{"a": 1, "a_2": 2, "a_1": 3}]


def test_elsewhere_than_on_a_terminal_a_table_is_tab_separated(filled: Orders) -> None:
    done = filled("query", "SELECT order_id, total FROM orders ORDER BY ALL LIMIT 1")
    assert done.stdout.decode() == "order_id\ttotal\no-1\t20.2000\n"
    assert done.stderr == b""


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM orders",
        "CREATE TABLE t (i INT)",
        "COPY orders TO '/tmp/o'",
        "SET threads = 1",
        "",
        "FROM a; FROM b",
    ],
)
def test_anything_but_one_reading_statement_is_wrong_use(filled: Orders, sql: str) -> None:
    done = filled("query", sql, "--json")
    assert done.returncode == 2
    assert "SQL" in error_line(done)
    assert done.stdout == b""


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("SELEC 1", "SELEC"),
        ("FROM nowhere", "nowhere"),
        ("SELECT error('late') FROM range(3)", "late"),
        ("FROM read_text('/etc/passwd')", "/etc/passwd"),
        ("EXPLAIN ANALYZE COPY orders TO '/tmp/written-by-query'", "/tmp/written-by-query"),
    ],
)
def test_a_query_that_fails_says_why_and_writes_no_half_document(
    filled: Orders, sql: str, named: str
) -> None:
    done = filled("query", sql, "--json")
    assert done.returncode == 1
    assert named in error_line(done)
    assert done.stdout == b""


def test_before_there_is_a_copy_a_query_fails_with_the_way_out(fresh: Orders) -> None:
    done = fresh("query", "SELECT 1", "--json")
    assert done.returncode == 1
    assert "orders run" in error_line(done)


def test_a_query_waits_until_a_copy_can_be_opened(filled: Orders) -> None:
    holder = """
        import fcntl, sys
        handle = open(sys.argv[1], "rb+")
        fcntl.lockf(handle, fcntl.LOCK_EX)
        print("held", flush=True)
        sys.stdin.readline()
    """
    copy = filled.home / "published" / "orders.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(holder), str(copy)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as locked:
        assert locked.stdout is not None
        assert locked.stdin is not None
        locked.stdout.readline()
        asking = subprocess.Popen(
            [*filled.command, "query", "SELECT 1 AS one", "--json"],
            env=filled.environment,
            stdout=subprocess.PIPE,
        )
        with pytest.raises(subprocess.TimeoutExpired):
            asking.wait(timeout=2.5)
        locked.stdin.write(b"\n")
        locked.stdin.flush()
        answer, _ = asking.communicate(timeout=30)
    assert json.loads(answer) == [{"one": 1}]
