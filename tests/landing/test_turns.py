"""One lander a feed at a time, and those who wait learn when enough has landed."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.landing.turns import Questions, landing_lease, take_turn
from resources.errors import TransientError
from resources.leases import Lease, held
from resources.segments import Landing


@pytest.fixture
def landing(tmp_path: Path) -> Landing:
    """A landing folder."""
    return Landing(tmp_path / "landing")


def soon(condition: Callable[[], bool]) -> bool:
    """Wait for a condition with a deadline, looking again and again."""
    pause = threading.Event()
    for _ in range(1_000):
        if condition():
            return True
        pause.wait(0.01)
    return False


def asking(lease: Lease, answers: list[bool]) -> threading.Thread:
    thread = threading.Thread(target=lambda: answers.append(take_turn(lease, 20.0)))
    thread.start()
    return thread


def test_a_free_lease_is_ours_at_once(landing: Landing) -> None:
    lease = landing_lease(landing, "kafka:orders")
    assert take_turn(lease, 0.0)
    assert lease.is_held


def test_who_waits_is_told_when_the_holder_has_landed_enough(landing: Landing) -> None:
    answers: list[bool] = []
    with held(landing_lease(landing, "inbox").path, 1.0, "the test"):
        questions = Questions(landing_lease(landing, "inbox"))
        thread = asking(landing_lease(landing, "inbox"), answers)
        assert soon(lambda: bool(questions.open()))
        for question in questions.open():
            questions.answer(question)
        thread.join(20.0)
    assert answers == [False]
    assert questions.open() == set()


def test_who_waits_takes_the_lease_when_its_holder_ends_without_an_answer(landing: Landing) -> None:
    answers: list[bool] = []
    with held(landing_lease(landing, "inbox").path, 1.0, "the test"):
        thread = asking(landing_lease(landing, "inbox"), answers)
        assert soon(lambda: bool(Questions(landing_lease(landing, "inbox")).open()))
    thread.join(20.0)
    assert answers == [True]


def test_waiting_has_a_bound_and_names_the_holder(landing: Landing) -> None:
    lease = landing_lease(landing, "inbox")
    with held(lease.path, 1.0, "the test"), pytest.raises(TransientError, match="is held by process"):
        take_turn(landing_lease(landing, "inbox"), 0.1)
    assert Questions(lease).open() == set()


def test_an_answer_to_somebody_who_has_gone_is_nothing(landing: Landing) -> None:
    Questions(landing_lease(landing, "inbox")).answer("gone")


def test_a_holder_sees_who_waits_and_lets_them(tmp_path: Path) -> None:
    mine, theirs = Lease(tmp_path / "a.lock", "a"), Lease(tmp_path / "a.lock", "a")
    mine.acquire(1.0)
    assert not mine.is_wanted()
    thread = threading.Thread(target=lambda: theirs.acquire(20.0))
    thread.start()
    assert soon(mine.is_wanted)
    mine.release()
    mine.let_others()
    thread.join(20.0)
    assert theirs.is_held
    assert not mine.try_acquire()
    theirs.release()
