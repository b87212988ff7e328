"""Each check finds what it is there for, and nothing on good tables."""

import pytest

from assets.checks import LOAD_RULES, REPORT_RULES, evaluate
from assets.landing.land import land
from assets.orders.load import load
from assets.platform import Platform
from assets.reports.refresh import refresh_customer_value, refresh_days, touched_days
from tests.dagster.shop import Home, events

RULES = {f"{rule.asset}.{rule.name}": rule for rule in (*LOAD_RULES, *REPORT_RULES)}
# What breaks the claim of each check; keys are broken by putting every row in twice.
DAMAGE = {
    "message_ledger.ledger_balances": "UPDATE store.message_ledger SET accepted = accepted - 1",
    "orders.totals_equal_the_sum_of_lines": "DELETE FROM store.order_lines WHERE order_id = 'o-1'",
    "orders.every_order_has_an_event": "DELETE FROM store.order_events WHERE order_id = 'o-1'",
    "order_lines.every_line_has_its_order": "DELETE FROM store.orders WHERE order_id = 'o-1'",
    "order_events.tables_are_fresh": "UPDATE store.loads SET loaded_at = TIMESTAMP '2020-01-01'",
    "rejected_messages.no_dead_letter_is_open": "UPDATE store.rejected_messages SET state = 'open'",
    "daily_sales.net_equals_orders": "UPDATE store.daily_sales SET net = net + 0.0001",
    "product_sales.net_equals_daily_sales": "DELETE FROM store.product_sales",
    "fulfilment_times.median_is_below_p95": "UPDATE store.fulfilment_times SET p95_hours = -1",
    "customer_value.every_value_has_its_customer": "DELETE FROM store.customers WHERE customer_id = 'c-o-1'",
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """Return a platform with good tables, a discarded dead letter and a status step among them."""
    home = Home(tmp_path_factory.mktemp("checks"))
    home.publish(*events(["o-1", "o-2"]), b"{broken", b"{broken too")
    platform = home.platform
    with platform.broker() as broker:
        land(broker, platform.landing)
    load(platform.warehouse, platform.landing)
    refresh_days(platform.warehouse, touched_days(platform.warehouse))
    refresh_customer_value(platform.warehouse)
    with platform.warehouse.writing() as connection:
        connection.execute("UPDATE store.rejected_messages SET state = 'discarded'")
        connection.execute(
            "INSERT INTO store.fulfilment_times BY NAME (SELECT DATE '2026-05-01' AS day, "
            "'placed' AS from_status, 'paid' AS to_status, 1 AS orders, 1 AS median_hours, 2 AS p95_hours)"
        )
        connection.execute(
            "INSERT INTO store.order_anomalies BY NAME "
            "(SELECT 'o-1' AS order_id, 'version_gap' AS anomaly, '2' AS detail, 1 AS order_key)"
        )
    return platform


@pytest.mark.parametrize("name", RULES)
def test_a_check_passes_on_good_tables_and_fails_on_damaged_ones(name: str, loaded: Platform) -> None:
    rule = RULES[name]
    damage = DAMAGE.get(name, f"INSERT INTO store.{rule.asset} FROM store.{rule.asset}")
    with loaded.warehouse.writing() as connection:
        (good,) = evaluate(loaded, [rule], connection)
        connection.execute("BEGIN")
        connection.execute(damage)
        (bad,) = evaluate(loaded, [rule], connection)
        connection.execute("ROLLBACK")
    assert (good.passed, bad.passed) == (True, False)
    assert bad.severity == rule.severity
    assert bad.description is not None
    assert bad.description.endswith(rule.description)


def test_every_damage_belongs_to_a_check() -> None:
    assert DAMAGE.keys() <= RULES.keys()
