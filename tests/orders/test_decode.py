"""The fast decoder gives every message the verdict that the exact reference gives it."""

import os
from collections.abc import Iterable, Sequence

import pyarrow as pa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.contract.judge import Accepted, judge
from assets.orders.decode import decode
from assets.orders.rules import EVENTS_SCHEMA, LINES_SCHEMA
from tests.contract.corpus import cases, large_cases
from tests.contract.documents import ACCEPTED
from tests.contract.strategies import mutated_messages, valid_messages

LIMIT = 16 * 1024 * 1024
Verdict = tuple[dict[str, object], list[dict[str, object]]] | tuple[str, str]


def judged(bodies: Iterable[bytes]) -> list[Verdict]:
    """Return the reference's verdicts, in the form of `decoded`."""
    return [_as_rows(judge(body, max_bytes=LIMIT)) for body in bodies]


def _as_rows(verdict: object) -> Verdict:
    if not isinstance(verdict, Accepted):
        return str(verdict.reason), verdict.detail  # type: ignore[attr-defined]
    head = {name: getattr(verdict, name) for name in EVENTS_SCHEMA.names[1:]}
    lines = [{name: getattr(line, name) for name in LINES_SCHEMA.names[1:]} for line in verdict.lines]
    return head, sorted(lines, key=lambda line: str(line["line_number"]))


def decoded(bodies: Sequence[bytes]) -> list[Verdict]:
    """Return the decoder's verdict on each message; each has exactly one."""
    tables = decode(pa.array(bodies, pa.large_binary()), max_bytes=LIMIT)
    lines: dict[int, list[dict[str, object]]] = {}
    for row in tables.lines.to_pylist():
        lines.setdefault(row.pop("event_seq"), []).append(row)
    verdicts: dict[int, Verdict] = {}
    for row in tables.events.to_pylist():
        seq = row.pop("event_seq")
        verdicts[seq] = row, sorted(lines.pop(seq), key=lambda line: str(line["line_number"]))
    for row in tables.rejects.to_pylist():
        assert row["event_seq"] not in verdicts
        verdicts[row["event_seq"]] = row["reason"], row["detail"]
    assert not lines
    return [verdicts[seq] for seq in range(len(bodies))]


def test_the_whole_corpus_gets_the_verdicts_of_the_reference() -> None:
    corpus = cases()
    bodies = [case.body for case in corpus]
    found = decoded(bodies)
    wrong = [
        (case.label, mine, reference)
        for case, mine, reference in zip(corpus, found, judged(bodies), strict=True)
        if mine != reference or (mine[0] if isinstance(mine[0], str) else ACCEPTED) != case.expected
    ]
    assert wrong == []


def test_large_messages_get_the_verdicts_of_the_contract() -> None:
    for case in large_cases():
        [verdict] = decoded([case.body])
        assert (verdict[0] if isinstance(verdict[0], str) else ACCEPTED) == case.expected, case.label


@settings(
    max_examples=3_000 if os.environ.get("ORDERS_FAULTS") == "full" else 60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(bodies=st.lists(st.one_of(valid_messages(), mutated_messages()), min_size=1, max_size=20))
def test_mutated_messages_get_the_verdicts_of_the_reference(bodies: list[bytes]) -> None:
    assert decoded(bodies) == judged(bodies)
