"""The order of arrival does not matter: any shuffle, repetition and cut into batches gives one state."""

import os
import tempfile
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assets.contract.tables import TABLES
from assets.frames import frame, select_frame, table_from
from assets.transforms import orders as transforms
from tests.orders.home import Home
from tests.orders.samples import busy_shop, histories, with_noise

EXAMPLES = 100 if os.environ.get("ORDERS_FAULTS") == "full" else 4
SOME = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    print_blob=True,
)


def arrive_in_batches(home: Home, messages: list[bytes], random: Random) -> None:
    """Land the messages in up to three pieces over two partitions, loading after some of them."""
    cuts = sorted(random.choices(range(len(messages) + 1), k=2))
    for piece in (messages[: cuts[0]], messages[cuts[0] : cuts[1]], messages[cuts[1] :]):
        if piece:
            home.arrive(piece, partition=random.choice("01"))
        if random.random() < 0.6:
            home.load(batch_rows=random.choice((1, 5, 100)))
    home.load(batch_rows=100)


@SOME
@given(history=histories(), seed=st.integers(0, 2**32))
def test_any_shuffle_and_repetition_gives_the_same_state(history: list[bytes], seed: int) -> None:
    random = Random(seed)
    shuffled = history + random.choices(history, k=random.randint(0, 5))
    random.shuffle(shuffled)
    with tempfile.TemporaryDirectory() as folder:
        in_order, mixed = Home(Path(folder) / "in-order"), Home(Path(folder) / "mixed")
        in_order.settle(history)
        in_order.refresh()
        arrive_in_batches(mixed, shuffled, random)
        mixed.refresh()
        assert mixed.verify().state_hash == in_order.verify().state_hash
        assert mixed.verify().is_clean


@SOME
@given(history=histories(), seed=st.integers(0, 2**32))
def test_customers_kept_up_to_date_are_those_of_all_orders(history: list[bytes], seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        arrive_in_batches(home, history, Random(seed))
        with home.warehouse.writing() as connection:
            connection.execute("CREATE TEMP TABLE all_orders AS " + select_frame(TABLES["orders"]))
            table_from(connection, "expected", transforms.customers(frame(connection, "all_orders")))
            names = ", ".join(column for column in connection.table("expected").columns)
            kept, computed = f"SELECT {names} FROM store.customers", f"SELECT {names} FROM expected"
            wrong = f"({kept} EXCEPT ALL {computed}) UNION ALL ({computed} EXCEPT ALL {kept})"
            assert connection.execute(wrong).fetchall() == []


def test_a_busy_shop_delivered_badly_gives_the_state_of_one_delivered_well(tmp_path: Path) -> None:
    messages = busy_shop(7, 150)
    well, badly = Home(tmp_path / "well"), Home(tmp_path / "badly")
    well.settle(messages)
    well.refresh()
    arrive_in_batches(badly, with_noise(messages, 7), Random(7))
    badly.refresh()
    assert badly.verify().state_hash == well.verify().state_hash
