"""Sorted runs say at which numbers keys stand: all of them, and no others."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.errors import TransientError
from resources.warehouse.runs import Run, Runs

# Few distinct keys, so that they meet: in one run, in several, at the ends of the type.
KEYS = st.sampled_from([0, 1, 2, 3, 2**63, 2**64 - 2, 2**64 - 1])


@given(
    batches=st.lists(st.lists(KEYS, max_size=5), max_size=20),
    wanted=st.lists(st.lists(KEYS, max_size=5), max_size=3),
    slice_keys=st.integers(1, 50),
)
def test_each_number_of_a_key_is_found_and_no_other(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[list[int]],
    wanted: list[list[int]],
    slice_keys: int,
) -> None:
    runs = Runs(tmp_path_factory.mktemp("runs") / "keys", slice_keys)
    trusted: list[Run] = []
    for number, batch in enumerate(batches, 1):
        keys, numbers = np.array(batch, np.uint64), np.full(len(batch), number, np.uint32)
        trusted = runs.add(Run(number, number, number, len(batch)), keys, numbers, trusted)
    expected = [[no for no, batch in enumerate(batches, 1) if set(batch) & set(keys)] for keys in wanted]
    found = runs.find([np.array(keys, np.uint64) for keys in wanted], trusted)
    assert [numbers.tolist() for numbers in found] == expected
    assert runs.whole({number: number for number in range(len(batches) + 1)}) == trusted


def test_a_key_that_many_ask_for_and_that_stands_often_is_found_in_little_memory(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "keys")
    keys, numbers = np.full(20_000, 7, np.uint64), np.ones(20_000, np.uint32)
    trusted = runs.add(Run(1, 1, 1, 20_000), keys, numbers, [])
    tracemalloc.start()
    try:
        assert runs.find([keys], trusted)[0].tolist() == [1]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


def add(runs: Runs, number: int, trusted: list[Run]) -> list[Run]:
    keys = np.arange(10, dtype=np.uint64)
    return runs.add(Run(number, number, number, 10), keys, np.full(10, number, np.uint32), trusted)


def test_what_does_not_follow_or_has_another_mark_is_deleted(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "keys")
    trusted: list[Run] = []
    for number in range(1, 5):
        trusted = add(runs, number, trusted)
    assert runs.whole({1: 1, 2: 2, 3: -3, 4: 4}) == trusted[:2]
    assert [run.last for run in trusted[:2]] == runs.numbers()


def test_the_parts_of_a_merged_run_that_a_kill_left_are_deleted(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "keys")
    trusted: list[Run] = []
    left: dict[str, bytes] = {}
    for number in range(1, 9):
        left |= {path.name: path.read_bytes() for path in (tmp_path / "keys").glob("*")}
        trusted = add(runs, number, trusted)
    assert [(run.first, run.last) for run in trusted] == [(1, 8)]
    for name, data in left.items():
        (tmp_path / "keys" / name).write_bytes(data)
    assert runs.whole({number: number for number in range(1, 9)}) == trusted
    assert len(list((tmp_path / "keys").iterdir())) == 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("a file")
    with pytest.raises(TransientError, match="keys of loaded events cannot be kept in"):
        add(Runs(tmp_path / "keys"), 1, [])
