"""The simulated shop, and `orders simulate`."""

import json
from collections import Counter
from datetime import UTC, datetime
from itertools import islice

from assets.contract.judge import Accepted, judge
from assets.contract.reasons import Reason
from orchestration.simulate import Shop, demo_messages, keep_pace
from tests.cli.running import Orders

_START = datetime(2026, 5, 1, tzinfo=UTC)


def _bodies(shop: Shop, count: int) -> list[bytes]:
    return [message.body for message in islice(shop.messages(), count)]


def test_the_same_seed_gives_the_same_messages() -> None:
    assert _bodies(Shop(7, _START), 500) == _bodies(Shop(7, _START), 500)
    assert _bodies(Shop(7, _START), 500) != _bodies(Shop(8, _START), 500)


def test_a_shop_without_breakage_keeps_the_contract() -> None:
    verdicts = [judge(body, max_bytes=10**6) for body in _bodies(Shop(1, _START, broken_share=0.0), 2_000)]
    assert all(isinstance(verdict, Accepted) for verdict in verdicts)


def test_every_broken_message_breaks_the_contract_for_several_reasons() -> None:
    verdicts = [judge(body, max_bytes=10**6) for body in _bodies(Shop(1, _START, broken_share=1.0), 500)]
    broken = [verdict for verdict in verdicts if not isinstance(verdict, Accepted)]
    assert len(broken) > 450
    assert len({verdict.reason for verdict in broken}) >= 5
    assert {verdict.reason for verdict in broken} <= set(Reason)


def test_the_demo_has_late_repeated_broken_and_returned_orders() -> None:
    verdicts = [judge(message.body, max_bytes=10**6) for message in demo_messages()]
    accepted = [verdict for verdict in verdicts if isinstance(verdict, Accepted)]
    times = Counter(verdict.event_id for verdict in accepted)
    assert 0 < len(verdicts) - len(accepted) < 30
    assert max(times.values()) == 2
    assert "return" in {verdict.kind for verdict in accepted}
    newest: dict[str, int] = {}
    late = 0
    for verdict in accepted:
        late += verdict.version < newest.get(verdict.order_id, 0)
        newest[verdict.order_id] = max(verdict.version, newest.get(verdict.order_id, 0))
    assert late > 0


def test_the_pace_follows_the_clock_and_not_the_work() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    due = []
    for batch in keep_pace(Shop(1, _START).messages(), rate=100, total=130, now=lambda: now[0], sleep=sleep):
        due.append((round(now[0], 3), len(batch)))
        now[0] += 0.2
    assert due == [(0.5, 50), (1.0, 50), (1.3, 30)]


def test_simulate_publishes_as_many_as_rate_and_seconds_say(fresh: Orders) -> None:
    told = fresh.json("simulate", "--rate", "100", "--seconds", "0.6", "--seed", "5")
    assert told == {"feed": "inbox", "published": 60, "seed": 5}
    lines = [line for path in (fresh.home / "inbox").iterdir() for line in path.read_bytes().splitlines()]
    assert len(lines) == 60
    assert json.loads(lines[0])["specversion"] == "1.0"
