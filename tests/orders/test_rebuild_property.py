"""A rebuild gives the same full hash, whatever came, in whatever batches, and whatever was decided."""

import json
import tempfile
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from assets.orders.rejects import Decision
from tests.orders.home import Home
from tests.orders.samples import BROKEN, histories
from tests.orders.test_arrival import EXAMPLES, SOME, arrive_in_batches

NARROW, WIDE = 700, 100_000


def odd_stream(history: list[bytes], random: Random) -> list[bytes]:
    """Return the events with ids reused, some longer than the narrow contract takes, broken ones between."""
    messages = []
    for body in history:
        event = json.loads(body)
        if random.random() < 0.3:
            event["id"] = random.choice(("e-0", "e-1"))
        if random.random() < 0.3:
            event["note"] = "x" * NARROW
        messages.append(json.dumps(event).encode())
    messages += random.choices(messages, k=3) + random.choices(BROKEN, k=2)
    random.shuffle(messages)
    return messages


@settings(SOME, max_examples=EXAMPLES // 2)
@given(history=histories(), more=histories(max_events=4), seed=st.integers(0, 2**32))
def test_a_rebuild_gives_the_same_full_hash(history: list[bytes], more: list[bytes], seed: int) -> None:
    random = Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder), NARROW)
        arrive_in_batches(home, odd_stream(history, random), random)
        home.max_bytes = WIDE
        home.decide(Decision.DISCARDED, "position % 3 = 0")
        home.arrive(odd_stream(more, random), partition="1")
        home.decide(Decision.REPLAYED)
        home.refresh()
        before = home.verify()
        assert before.is_clean, before
        assert home.rebuild().full_hash == before.full_hash
        assert home.verify() == before
