"""How many events a second 1,000 alert policies are matched to, on one core, against asking each policy."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from benchmarks.report import Report
from resources.notifications.decisions import Circumstances
from resources.notifications.events import Event, EventType, Facts, Severity, Targets
from resources.notifications.policies.deciding import PolicyEngine
from resources.notifications.policies.matching import Matcher, against
from resources.notifications.policies.reading import read_policies

EVENTS_PER_S_TARGET = 1_000
_NOW = datetime(2026, 5, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Plan:
    """How many policies, events through the index, and events through every policy in turn."""

    policies: int = 1_000
    events: int = 20_000
    asked: int = 200


def benchmark(plan: Plan, say: Callable[[str], None]) -> Report:
    """Read a file of policies of every kind of target, and decide on events of every kind."""
    text = _text(plan.policies)
    began = time.process_time()
    book = read_policies(text, "alert_policies.yaml")
    read_s = time.process_time() - began
    engine, matcher = PolicyEngine(book), Matcher(book.policies)
    events = [_event(number, plan.policies) for number in range(plan.events)]
    say(f"{plan.policies:,} policies, {plan.events:,} events")
    circumstances = Circumstances(_NOW)
    began = time.process_time()
    decisions = sum(len(engine(event, circumstances)) for event in events)
    decided_s = time.process_time() - began
    began = time.process_time()
    for event in events[: plan.asked]:
        asked = [policy for policy in book.policies if against(policy, event) is None]
        assert asked == matcher.matches(event)
    asked_s = time.process_time() - began

    report = Report("policies", f"{plan.policies:,} alert policies, {plan.events:,} events, one core")
    per_s = plan.events / decided_s
    report.add("events decided", per_s, "events/s", target=EVENTS_PER_S_TARGET, at_least=True)
    report.add("decisions made", decisions / decided_s, "a second")
    report.add("asking every policy in turn", plan.asked / asked_s, "events/s")
    report.add("faster than asking every policy", per_s * asked_s / plan.asked, "times")
    report.add("reading the file", read_s, "s")
    return report


def _text(count: int) -> str:
    return "alert_policies:\n" + "".join(_policy(number) for number in range(count))


def _policy(number: int) -> str:
    """Return a policy; of a hundred, one hears of every failure, and the others of something narrow."""
    assets = "[ASSET_CHECK_SEVERITY_ERROR, ASSET_FRESHNESS_FAIL]"
    types, more = (
        (
            "[JOB_FAILURE]",
            f"  alert_targets: [{{run_result_target: {{jobs: [{{job_name: job{number}}}]}}}}]\n",
        ),
        (
            "[JOB_FAILURE]",
            f"  alert_targets: [{{run_result_target: {{tags: [{{key: team, value: t{number}}}]}}}}]\n",
        ),
        (assets, f"  alert_targets: [{{asset_key_target: {{asset_key: [a, b{number}]}}}}]\n"),
        (
            assets,
            "  alert_targets: [{asset_selection_target: "
            f"{{asset_selection: 'group:g{number} and kind:sql'}}}}]\n",
        ),
        ("[ORDER_EVENT]", f"  x_order: {{source: [/shops/{number}], min_amount: 100}}\n"),
    )[number % 5]
    if number % 100 == 0:
        types, more = "[JOB_FAILURE, STEP_FAILURE]", ""
    return (
        f"- name: policy {number}\n  event_types: {types}\n"
        f"  notification_service: {{x_console: {{}}}}\n{more}"
    )


def _event(number: int, policies: int) -> Event:
    wanted = number % policies
    kinds = (
        (
            EventType.JOB_FAILURE,
            Targets(job=f"job{wanted}", run_id=f"r{number}", tags={"team": f"t{wanted}"}),
        ),
        (EventType.JOB_FAILURE, Targets(job="other", run_id=f"r{number}", tags={"team": f"t{wanted}"})),
        (EventType.ASSET_CHECK_SEVERITY_ERROR, Targets(assets=(f"a/b{wanted}",), groups=("core",))),
        (EventType.ASSET_FRESHNESS_FAIL, Targets(assets=("x",), groups=(f"g{wanted}",), kinds=("sql",))),
        (EventType.ORDER_EVENT, Targets(feed="inbox")),
    )
    event_type, targets = kinds[number % len(kinds)]
    return Event(
        event_key=f"e-{number}",
        event_type=event_type,
        subject=f"s{wanted}",
        occurred_at=_NOW,
        title="t",
        facts=Facts("w", _NOW, "1", ("team:data",), "n", "http://127.0.0.1/"),
        severity=Severity.ERROR,
        targets=targets,
        details={"source": f"/shops/{wanted}", "status": "placed", "amount": "120.00"},
    )
