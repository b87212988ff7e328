"""Selections select what Dagster's syntax says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.notifications.events import EventType, Targets
from resources.notifications.policies.assets import Asset, AssetGraph, holds
from resources.notifications.policies.selection import Selection, SelectionError, needs_graph, parse_selection
from tests.notifications.policies.samples import event, policy

_ASSET = Asset("shop/orders", ("core",), ("duckdb", "sql"), ("team:data",), {"tier": "1"}, "prod")
_GRAPH = AssetGraph(
    {
        asset.key: asset
        for asset in (
            Asset("raw"),
            Asset("orders", groups=("core",), parents=("raw",)),
            Asset("lines", groups=("core",), parents=("raw",)),
            Asset("sales", groups=("reports",), parents=("orders", "lines")),
            Asset("copy", parents=("sales",)),
        )
    }
)


@pytest.mark.parametrize(
    ("text", "is_held"),
    [
        ("*", True),
        ("shop/orders", True),
        ('"shop/orders"', True),
        ('key:"shop/orders"', True),
        ("key:shop/*", True),
        ("key:*lines", False),
        ("key_substring:op/or", True),
        ("group:core", True),
        ('group:"co*"', True),
        ("group:<null>", False),
        ("kind:sql and kind:duckdb", True),
        ("kind:sql and not kind:duckdb", False),
        ('owner:"team:data"', True),
        ("tag:tier", True),
        ("tag:tier=1", True),
        ('tag:"tier"="2"', False),
        ("code_location:prod", True),
        ("group:reports or (kind:sql and key:shop/orders)", True),
        ("group:reports or kind:sql and key:nothing", False),
        ("not (group:reports or group:core)", False),
        ("not not group:core", True),
    ],
)
def test_a_selection_holds_an_asset(text: str, is_held: bool) -> None:
    assert holds(parse_selection(text), _ASSET) is is_held


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("+sales", "raw orders lines sales"),
        ("1+sales", "orders lines sales"),
        ("raw+", "raw orders lines sales copy"),
        ("raw+1", "raw orders lines"),
        ("1+sales+1", "orders lines sales copy"),
        ("+orders and group:core", "orders"),
        ("sinks(group:core or sales)", "sales"),
        ("roots(+sales)", "raw"),
        ("not raw+1", "sales copy"),
    ],
)
def test_a_selection_walks_the_graph(text: str, keys: str) -> None:
    assert _GRAPH.select(parse_selection(text)) == frozenset(keys.split())


def test_lineage_in_a_policy_selects_by_the_graph() -> None:
    target = "alert_targets: [{asset_selection_target: {asset_selection: '+sales'}}]"
    chosen = policy(target, types="[ASSET_CHECK_PASSED]", graph=_GRAPH)
    about = [event(EventType.ASSET_CHECK_PASSED, targets=Targets(assets=(key,))) for key in ("raw", "copy")]
    assert [chosen.targets[0].selects(each) for each in about] == [True, False]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "and",
        "a and",
        "a b",
        "(a",
        "a)",
        "key:",
        "color:red",
        "column:x",
        'key:"a',
        "not",
        "+",
        "a or or b",
        "(",
        "(" * 80 + "a" + ")" * 80,
        "not " * 80 + "a",
    ],
)
def test_what_is_no_selection_is_refused(text: str) -> None:
    with pytest.raises(SelectionError):
        parse_selection(text)


@given(st.text(alphabet='ab*:"()+=2 notadrkey', max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        tree = parse_selection(text)
    except SelectionError:
        return
    if not needs_graph(tree):
        holds(tree, _ASSET)


_TERMS = st.sampled_from(
    ["*", "key:shop/*", "group:core", "group:reports", "kind:sql", "tag:tier=1", "nothing"]
)


@given(st.recursive(_TERMS, lambda part: st.tuples(part, st.sampled_from(["and", "or"]), part), max_leaves=8))
def test_and_or_and_not_are_those_of_logic(tree: object) -> None:
    def text(node: object) -> str:
        return node if isinstance(node, str) else f"({text(node[0])} {node[1]} {text(node[2])})"  # type: ignore[index]

    def truth(node: object) -> bool:
        if isinstance(node, str):
            return holds(parse_selection(node), _ASSET)
        left, word, right = node  # type: ignore[misc]
        return truth(left) and truth(right) if word == "and" else truth(left) or truth(right)

    parsed: Selection = parse_selection(text(tree))
    assert holds(parsed, _ASSET) is truth(tree)
    assert holds(parse_selection(f"not {text(tree)}"), _ASSET) is not truth(tree)
