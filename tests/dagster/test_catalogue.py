"""Every asset says what it is, and the graph is the one that was agreed."""

import ast
from pathlib import Path

import dagster as dg
import pytest
import yaml
from pydantic import SecretStr

from assets.contract.tables import TABLES
from orchestration.build import build_definitions
from orchestration.settings import PROJECT
from tests.dagster.shop import Home

GRAPH = {
    "feeds/inbox": [],
    "feeds/files": [],
    "order_files": ["feeds/files"],
    "order_messages": ["feeds/inbox", "order_files"],
    "order_events": ["order_messages"],
    "rejected_messages": ["order_messages"],
    "message_ledger": ["order_messages"],
    "merged_segments": ["message_ledger"],
    "orders": ["order_events"],
    "order_lines": ["order_events"],
    "order_anomalies": ["order_events"],
    "customers": ["orders"],
    "daily_sales": ["orders"],
    "product_sales": ["order_lines", "orders"],
    "fulfilment_times": ["order_events", "orders"],
    "customer_value": ["orders"],
    "published_copy": sorted(TABLES),
    "notifications": [],
}
FEEDS = {"feeds/inbox", "feeds/files"}


@pytest.fixture(scope="module")
def definitions(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    """Return the definitions of an empty home."""
    return build_definitions(Home(tmp_path_factory.mktemp("catalogue")).settings)


@pytest.fixture(scope="module")
def specs(definitions: dg.Definitions) -> dict[str, dg.AssetSpec]:
    """Return every asset by key."""
    return {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}


def test_the_graph_is_the_one_that_was_agreed(specs: dict[str, dg.AssetSpec]) -> None:
    found = {k: sorted(dep.asset_key.to_user_string() for dep in spec.deps) for k, spec in specs.items()}
    assert found == GRAPH


def test_lineage_starts_at_each_feed_whatever_its_broker(home: Home) -> None:
    urls = "kafka://h/eu.orders amqp://h/?queue=orders rabbitmq-stream://h/?stream=o stomp://h/queue/a.b"
    settings = home.settings.model_copy(update={"broker_url": SecretStr(urls)})
    graph = build_definitions(settings).resolve_asset_graph()
    found = {key.to_user_string() for key in graph.get(dg.AssetKey("order_messages")).parent_keys}
    assert len(found - {"order_files"}) == 4
    assert "feeds/kafka:eu.orders" in found


@pytest.mark.parametrize("key", sorted(GRAPH.keys() - FEEDS))
def test_every_asset_says_what_it_is(
    key: str, specs: dict[str, dg.AssetSpec], definitions: dg.Definitions
) -> None:
    spec = specs[key]
    assert spec.description
    assert spec.owners == ["team:data-platform"]
    assert spec.group_name != "default"
    assert spec.kinds
    assert spec.metadata.get("dagster/freshness_policy") or spec.freshness_policy
    graph = definitions.resolve_asset_graph()
    assert [c for c in graph.asset_check_keys if c.asset_key == spec.key], "an asset without a check"


def test_every_table_of_the_contract_is_an_asset_with_its_columns(specs: dict[str, dg.AssetSpec]) -> None:
    for name, table in TABLES.items():
        schema = specs[name].metadata["dagster/column_schema"]
        assert [column.name for column in schema.columns] == [column.name for column in table.columns]


def test_feeds_are_external_and_described(specs: dict[str, dg.AssetSpec]) -> None:
    for key in FEEDS:
        assert specs[key].description
        assert not specs[key].freshness_policy


def test_the_ledger_check_blocks(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    key = dg.AssetCheckKey(dg.AssetKey("message_ledger"), "ledger_balances")
    assert graph.get_check_spec(key).blocking


def test_reports_are_daily_from_the_first_day_to_tomorrow(definitions: dg.Definitions, home: Home) -> None:
    asset = definitions.resolve_assets_def("daily_sales")
    assert asset.partitions_def is not None
    keys = asset.partitions_def.get_partition_keys()
    assert keys[0] == "2000-01-01"
    assert keys[-1] == home.platform.last_day.isoformat()
    assert asset.backfill_policy == dg.BackfillPolicy.single_run()


def test_sensors_run_by_default_and_schedules_wait(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    running = {sensor.name for sensor in repository.sensor_defs if sensor.default_status.value == "RUNNING"}
    assert running == {
        "backlog",
        "restatement",
        "automation",
        "notification_collector",
        "data_collector",
        "notification_reconciliation",
    }
    assert {s.name: s.default_status.value for s in repository.schedule_defs} == {
        "batch_hourly": "STOPPED",
        "reports_daily": "STOPPED",
    }


def test_jobs_run_in_one_process_and_tell_of_failed_steps(definitions: dg.Definitions) -> None:
    for name in ("ingest", "reports"):
        job = definitions.resolve_job_def(name)
        assert job.executor_def is dg.in_process_executor
        assert job.hook_defs


def test_all_writers_share_pools_and_the_committed_limits_hold(definitions: dg.Definitions) -> None:
    pools = {
        node.name: node.definition.pool
        for job in ("ingest", "reports")
        for node in definitions.resolve_job_def(job).nodes
    }
    assert {pools[name] for name in ("order_files", "order_messages")} == {"landing"}
    writers = ("load", "merged_segments", "daily_reports", "customer_value", "published_copy")
    writers += ("load_checks", "report_checks")
    assert {pools[name] for name in writers} == {"warehouse"}
    settings = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    assert settings["concurrency"]["pools"] == {"default_limit": 1, "granularity": "op"}
    assert settings["run_monitoring"]["free_slots_after_run_end_seconds"] > 0
    assert settings["telemetry"] == {"enabled": False}


def test_assets_are_thin() -> None:
    for path in (PROJECT / "assets").glob("*/definitions.py"):
        for function in _bodies(path):
            assert function[1] < 25, f"{function[0]} in {path.name} has {function[1]} lines"


def _bodies(path: Path) -> list[tuple[str, int]]:
    nested = [
        node
        for outer in ast.parse(path.read_text()).body
        if isinstance(outer, ast.FunctionDef)
        for node in outer.body
        if isinstance(node, ast.FunctionDef)
    ]
    return [(node.name, (node.end_lineno or 0) - node.lineno) for node in nested]
