"""Builds that are broken on purpose fail the suite, and the same copy unbroken passes it."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.scene import PROJECT
from tests.marks import IS_FULL, in_checks

pytestmark = [pytest.mark.faults, in_checks]

_KILLS = "tests/faults/test_kills.py::"
_LEFT_ALONE = _KILLS + "test_a_run_that_is_left_alone_ends_well"
_LANDING = _KILLS + "test_a_kill_at_any_point_loses_and_repeats_nothing[landing]"
_COMMITTING = _KILLS + "test_a_kill_at_any_point_loses_and_repeats_nothing[committing]"
_NOTICE_KILLS = "tests/notifications/test_kills.py"
_NOTICE_CLAIMED = f"{_NOTICE_KILLS}::test_a_kill_neither_loses_nor_repeats_a_notice[notify.delivery_claimed]"
_RECORDING = f"{_NOTICE_KILLS}::test_an_event_killed_within_its_recording_is_not_there_by_half"
_SHUFFLED = (
    "tests/orders/test_arrival.py::test_a_busy_shop_delivered_badly_gives_the_state_of_one_delivered_well"
)
_OTHERS = "tests/orders/test_known.py::test_the_keys_of_another_file_with_as_many_loads_are_not_believed"
_LATE = "tests/orders/test_settling.py::test_a_late_version_does_not_overwrite_a_newer_state"


@dataclass(frozen=True, slots=True)
class Break:
    """Replacements of text, each of which stands once in its file, and what the suite must say of them."""

    name: str
    file: str
    changes: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]
    verdict: str


_STREAM = "tests/faults/test_stream_kills.py::"
STREAM_BREAKS = (
    Break(
        "the stream tells the broker before the segment is written",
        "orchestration/stream/feeds.py",
        (
            (
                "            found.append(batch)\n",
                "            found.append(batch)\n            self.broker.acknowledge(batch)\n",
            ),
            (
                '            self.broker.acknowledge(batch)\n            reached("land.acknowledged")\n',
                '            reached("land.acknowledged")\n',
            ),
        ),
        (
            _STREAM + "test_a_stream_that_is_left_alone_ends_well",
            _STREAM + "test_kills_of_the_stream_lose_and_repeat_nothing",
        ),
        "1 failed, 1 passed",
    ),
)
BREAKS = (
    Break(
        "the broker is told before the segment is written",
        "assets/landing/land.py",
        (
            ("            self.broker.acknowledge(batch)\n", ""),
            (
                "            found.append(batch)\n",
                "            found.append(batch)\n            self.broker.acknowledge(batch)\n",
            ),
        ),
        (_LEFT_ALONE, _LANDING),
        "1 failed, 1 passed",
    ),
    *(STREAM_BREAKS if IS_FULL else ()),
    Break(
        "the position is kept in another transaction",
        "assets/orders/load.py",
        (
            ("            _remember_position(connection, plan, load_no)\n", ""),
            (
                '    reached("load.committed")\n',
                '    reached("load.committed")\n    _remember_position(connection, plan, load_no)\n',
            ),
        ),
        (_LEFT_ALONE, _COMMITTING),
        "1 failed, 1 passed",
    ),
    Break(
        "a late event overwrites a newer state",
        "assets/orders/fold.py",
        (('pl.col("row").is_null() | is_later', "pl.lit(True)"),),
        (_SHUFFLED, _LATE),
        "2 failed",
    ),
    Break(
        "the keys of another file are believed",
        "resources/warehouse/runs.py",
        ((" and marks.get(run.last) == run.mark", " and run.last in marks"),),
        (_OTHERS,),
        "1 failed",
    ),
    Break(
        "a notice is settled before it is sent",
        "resources/notifications/lane.py",
        (
            (
                "            self._start(claim)\n",
                "            self._exchange([Result(claim.notice, Outcome.DELIVERED)], 0, now=now)\n"
                "            self._start(claim)\n",
            ),
        ),
        (_NOTICE_CLAIMED,),
        "1 failed",
    ),
    Break(
        "a collector's cursor moves in another transaction",
        "resources/notifications/outbox.py",
        (
            ("            self._move_cursors(connection, cursors_at or {})\n", ""),
            (
                "        recorded_at = self._clock.now()\n",
                "        with self._database.writing() as connection:\n"
                "            self._move_cursors(connection, cursors_at or {})\n"
                "        recorded_at = self._clock.now()\n",
            ),
        ),
        (_RECORDING,),
        "1 failed",
    ),
)


def copy_of_the_tree(folder: Path) -> Path:
    """Copy the packages, so that a build can be broken without touching this one."""
    for room in ("assets", "resources", "orchestration", "sensors", "tests"):
        shutil.copytree(PROJECT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(PROJECT / "pyproject.toml", folder)
    return folder


def breaking(tree: Path, broken: Break) -> None:
    path = tree / broken.file
    text = path.read_text(encoding="utf-8")
    for old, new in broken.changes:
        assert text.count(old) == 1, f"{broken.file} no longer has exactly one:\n{old}"
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")


def what_pytest_says(tree: Path, *tests: str) -> str:
    """Run tests of the tree, on the code of the tree, and return what pytest says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp", tree / "tmp", *tests],
        cwd=tree,
        env=environment | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.skipif(not IS_FULL, reason="the suite itself is unbroken; the copy runs in `make faults`")
def test_an_unbroken_copy_passes(tmp_path: Path) -> None:
    tree = copy_of_the_tree(tmp_path)
    tests = sorted({test for broken in BREAKS for test in broken.tests})
    said = what_pytest_says(tree, *tests)
    assert f"{len(tests)} passed" in said, said
    assert "failed" not in said


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: broken.name.replace(" ", "-"))
def test_a_broken_build_is_caught(broken: Break, tmp_path: Path) -> None:
    tree = copy_of_the_tree(tmp_path)
    breaking(tree, broken)
    said = what_pytest_says(tree, *broken.tests)
    assert broken.verdict in said, said
    assert "AssertionError" in said
