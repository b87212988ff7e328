"""The contract as data: validator, frames, tables and docs say the same."""

import subprocess
import sys
from dataclasses import fields

import duckdb
import pytest

from assets.contract import ddl, docs
from assets.contract.frames import EVENT_FRAME, LINE_FRAME
from assets.contract.judge import Accepted, AcceptedLine
from assets.contract.model import CONTRACT_KEYS, FIELDS, MAX_MESSAGE_BYTES, RULES, FieldType
from assets.contract.reasons import MEANINGS, RANK, Reason
from assets.contract.tables import TABLES, TableSpec

PUBLIC = {
    "order_events": "source event_id event_type order_id version kind status occurred_at received_at feed "
    "partition position segment",
    "orders": "order_id version kind status currency customer_id country placed_at updated_at line_count "
    "units subtotal shipping discount tax total",
    "order_lines": "order_id line_number sku description quantity unit_price amount",
    "customers": "customer_id name email country first_order_at last_order_at order_count",
    "rejected_messages": "rejection_id feed partition position reason detail body rejected_at state",
    "message_ledger": "feed partition landed accepted duplicates rejected",
    "order_anomalies": "order_id anomaly detail",
    "daily_sales": "day currency country orders units gross returns net",
    "product_sales": "day sku currency units net",
    "customer_value": "customer_id currency recency_days frequency monetary segment",
    "fulfilment_times": "day from_status to_status orders median_hours p95_hours",
}
REASONS = (
    "too_large not_utf8 not_json not_an_event missing_field wrong_type bad_timestamp bad_money bad_currency "
    "bad_status bad_kind no_lines bad_quantity duplicate_line"
)
REQUIRED = (
    "$.specversion $.id $.source $.type $.time $.data $.data.order_id $.data.kind $.data.status "
    "$.data.currency $.data.placed_at $.data.lines $.data.lines[].line_number $.data.lines[].sku "
    "$.data.lines[].quantity $.data.lines[].unit_price"
)


def test_reasons_are_the_agreed_ones_in_the_agreed_order() -> None:
    assert [*Reason] == REASONS.split()
    assert sorted(RANK, key=RANK.__getitem__) == [*Reason]
    assert [*MEANINGS] == [*Reason]


def test_required_fields_are_the_agreed_ones() -> None:
    assert {field.path for field in FIELDS if field.required} == {*REQUIRED.split()}


def test_a_message_may_have_16_mebibytes_unless_the_settings_say_otherwise() -> None:
    assert MAX_MESSAGE_BYTES == 16_777_216


def test_every_field_stands_once_in_its_place_and_has_a_rule() -> None:
    assert len({field.path for field in FIELDS}) == len(FIELDS) == sum(map(len, CONTRACT_KEYS.values()))
    assert {field.type for field in FIELDS} == {*FieldType} == {*RULES}


def test_the_judge_fills_exactly_the_columns_of_the_frames() -> None:
    columns = [field.name for field in fields(Accepted)]
    assert columns == [*(name for name, _ in EVENT_FRAME[1:]), "lines"]
    assert [field.name for field in fields(AcceptedLine)] == [name for name, _ in LINE_FRAME[1:]]


def test_public_columns_are_the_agreed_ones() -> None:
    assert {name: [column.name for column in table.columns] for name, table in TABLES.items()} == {
        name: columns.split() for name, columns in PUBLIC.items()
    }


@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_a_table_is_described_and_unique_by_columns_that_are_never_null(table: TableSpec) -> None:
    columns = {column.name: column for column in table.all_columns}
    assert len(columns) == len(table.all_columns)
    assert not any(columns[name].nullable for name in table.key)
    assert table.description
    assert all(column.description for column in table.all_columns)


def test_duckdb_makes_the_tables_and_views_as_they_are_described() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE SCHEMA store")
        for statement in ddl.ddl():
            connection.execute(statement)
        for schema, public in (("store", False), ("main", True)):
            for table in TABLES.values():
                described = connection.execute(f'DESCRIBE "{schema}"."{table.name}"').fetchall()
                expected = table.columns if public else table.all_columns
                assert [row[:2] for row in described] == [(c.name, c.sql_type) for c in expected]


def test_docs_hold_every_field_reason_and_column() -> None:
    assert all(f"`{field.path}`" in docs.fields_table() for field in FIELDS)
    assert all(f"`{reason}`" in docs.reasons_table() for reason in Reason)
    for table in TABLES.values():
        assert docs.columns_table(table).count("\n") == len(table.columns) + 2


def test_the_contract_needs_nothing_but_the_standard_library() -> None:
    script = (
        "import importlib, pkgutil, sys, assets.contract as room\n"
        "before = {*sys.modules}\n"
        "names = [module.name for module in pkgutil.iter_modules(room.__path__)]\n"
        "assert 'judge' in names\n"
        "for name in names: importlib.import_module(f'assets.contract.{name}')\n"
        "new = {name.partition('.')[0] for name in {*sys.modules} - before}\n"
        "sys.exit(', '.join(sorted(new - sys.stdlib_module_names - {'assets'})) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
