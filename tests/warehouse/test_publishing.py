"""Readers are never locked out and never see a torn or a half-written copy."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb
import pytest

from assets.orders.verify import full_hash
from resources.errors import PermanentError
from resources.warehouse.publish import open_copy
from tests.faults.scene import PROJECT, Scene, Victims
from tests.orders.home import Home
from tests.orders.samples import busy_shop

Ask = Callable[[str], str]


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    """The process that forks victims."""
    server = Victims()
    yield server
    server.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home that has published once."""
    home = Home(tmp_path)
    home.settle(busy_shop(0, 20))
    home.publish()
    return home


@contextmanager
def reader(home: Home) -> Iterator[tuple[Ask, "subprocess.Popen[str]"]]:
    """Let a process hold the copy open, and ask it things."""
    command = [sys.executable, "-m", "tests.warehouse.reader", str(home.warehouse.copy)]
    with subprocess.Popen(
        command, cwd=PROJECT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

        def ask(question: str) -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(question + "\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        yield ask, process
        process.stdin.close()
        assert process.wait(timeout=60) == 0


def published_hash(home: Home) -> str:
    with open_copy(home.warehouse) as connection:
        return full_hash(connection)


def test_readers_open_in_a_loop_while_loads_and_publishes_run(home: Home, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    with ExitStack() as stack:
        processes = [stack.enter_context(reader(home))[1] for _ in range(2)]
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(f"loop {stop}\n")
            process.stdin.flush()
        for number in range(1, 7):
            home.settle(busy_shop(number, 20))
            home.publish()
        stop.touch()
        openings = [process.stdout.readline().strip() for process in processes if process.stdout]
    assert all(answer.isdigit() for answer in openings), openings


def test_a_reader_of_an_old_copy_keeps_reading_what_it_opened(home: Home) -> None:
    opened = published_hash(home)
    with reader(home) as (ask, _):
        for number in range(1, 4):
            home.settle(busy_shop(number, 20))
            home.publish()
            assert ask("hash") == opened
    assert published_hash(home) == home.verify().full_hash != opened


@pytest.mark.parametrize("point", ["before_checkpoint", "checkpointed", "before_fsync", "copied", "renamed"])
def test_a_kill_while_publishing_never_shows_a_torn_copy(home: Home, victims: Victims, point: str) -> None:
    home.settle(busy_shop(1, 20))
    home.publish()
    before = published_hash(home)
    home.settle(busy_shop(2, 40))
    home.refresh()
    Scene(home, victims).killed_at(f"publish.{point}")
    after = home.verify().full_hash
    assert published_hash(home) == (after if point == "renamed" else before)
    for torn in home.warehouse.published.glob(".*.syncing"):
        torn.write_bytes(torn.read_bytes()[:20_000] + b"torn" * 9_000)
    home.publish()
    assert published_hash(home) == after


def test_publishing_again_writes_the_change_and_not_the_history(home: Home) -> None:
    home.settle(busy_shop(1, 3_000))
    home.publish()
    home.publish()
    assert home.publish().bytes_written == 3 * 4096
    home.settle(busy_shop(2, 1))
    last = home.publish()
    assert last.bytes_written < last.bytes_total
    assert published_hash(home) == home.verify().full_hash


def test_copies_that_nobody_reads_do_not_pile_up(home: Home) -> None:
    for number in range(1, 5):
        home.settle(busy_shop(number, 2))
        home.publish()
    assert len(list(home.warehouse.published.glob(".copy-*"))) <= 2


def test_the_copy_refuses_to_be_written(home: Home) -> None:
    with open_copy(home.warehouse) as connection, pytest.raises(duckdb.Error, match="read-only"):
        connection.execute("DELETE FROM store.orders")


def test_before_there_is_a_copy_the_way_out_is_named(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match="orders run"):
        open_copy(Home(tmp_path).warehouse)
