"""The shop's stream: what makes benchmark runs comparable."""

from itertools import islice

from assets.contract.judge import Accepted, judge
from benchmarks.shop import finished_orders, messages, refunds


def test_the_stream_is_the_same_wherever_it_is_entered() -> None:
    whole = list(messages(0, 30_000))

    assert list(messages(29_000, 1_000)) == whole[29_000:]


def test_every_message_keeps_the_contract_and_has_an_id_of_its_own() -> None:
    # Deep enough in the stream for all four versions to be there.
    sample = [*messages(60_000, 400), *refunds(0, 50, among=10_000), *refunds(1, 50, among=10_000)]

    verdicts = [judge(body, max_bytes=1 << 20) for body in sample]

    assert all(isinstance(verdict, Accepted) for verdict in verdicts)
    assert len({verdict.event_id for verdict in verdicts if isinstance(verdict, Accepted)}) == 500


def test_finished_orders_have_sent_their_last_version() -> None:
    sent = 70_000
    last = finished_orders(sent) - 1
    delivered = [body for body in islice(messages(0, sent), sent) if b"order.delivered" in body]

    assert len(delivered) == last + 1
