"""A kill -9 at any point from the inbox to the published copy loses nothing and repeats nothing."""

from pathlib import Path

import pytest

from assets.orders.compaction import merge_small_segments
from assets.orders.rejects import Decision, land_decisions
from tests.faults.scene import PROJECT, Scene, labels_in
from tests.orders.samples import busy_shop, order, with_noise

pytestmark = pytest.mark.faults

# Each chain kills the same home at one point after another, with new messages before each run. The
# number says at which pass of the point.
CHAINS = {
    "landing": [
        ("inbox.claimed", 1),
        ("land.before_write", 2),
        ("land.written", 1),
        ("land.fsynced", 2),
        ("land.renamed", 1),
        ("land.durable", 2),
    ],
    "acknowledging": [
        ("land.before_acknowledge", 2),
        ("inbox.before_delete", 1),
        ("inbox.deleted", 1),
        ("land.acknowledged", 2),
    ],
    "loading": [
        ("load.before_transaction", 2),
        ("load.folded", 1),
        ("load.settled", 2),
        ("reports.before_commit", 1),
    ],
    "committing": [("load.before_commit", 1), ("load.committed", 1)],
    "keeping keys": [("runs.written", 1), ("runs.written", 3), ("runs.written", 2), ("runs.merged", 1)],
    "publishing": [
        ("publish.before_checkpoint", 1),
        ("publish.checkpointed", 1),
        ("publish.before_fsync", 1),
        ("publish.copied", 1),
        ("publish.renamed", 1),
    ],
}
MERGING = (
    "merge.written",
    "merge.before_commit",
    "merge.recorded",
    "merge.renamed",
    "merge.durable",
    "merge.before_delete",
    "merge.deleted",
)
REBUILDING = ("rebuild.built", "rebuild.before_swap", "rebuild.swapped")
# Small limits, so that each point is passed more than once.
SMALL: dict[str, int] = {"segment_bytes": 4_000, "batch_rows": 6}


@pytest.mark.parametrize("chain", CHAINS)
def test_a_kill_at_any_point_loses_and_repeats_nothing(scene: Scene, tmp_path: Path, chain: str) -> None:
    for number, (label, passes) in enumerate(CHAINS[chain]):
        scene.send(with_noise(busy_shop(number, 12), number))
        scene.killed_at(label, passes, limits=SMALL)
    scene.ends_as_if_undisturbed(tmp_path / "undisturbed")


def test_a_run_that_is_left_alone_ends_well(scene: Scene, tmp_path: Path) -> None:
    scene.send(with_noise(busy_shop(1, 12), 1))
    assert scene.run("run", "", 0, SMALL) == 0
    scene.ends_as_if_undisturbed(tmp_path / "undisturbed")


def test_a_kill_while_a_dead_letter_is_replayed_is_made_good(scene: Scene, tmp_path: Path) -> None:
    scene.home.max_bytes = 1_000
    scene.send([order("o-1"), order("o-2", note="x" * 1_000), order("o-2", 2)])
    scene.home.run()
    scene.home.max_bytes = 100_000
    land_decisions(scene.home.landing, Decision.REPLAYED, scene.home.records("FROM rejected_messages"))
    scene.killed_at("load.replayed")
    scene.home.run()
    scene.holds_each_message_once()
    before = scene.home.verify()
    assert scene.home.rebuild().full_hash == before.full_hash


def test_a_kill_while_rebuilding_leaves_a_warehouse_that_goes_on(scene: Scene, tmp_path: Path) -> None:
    scene.send(busy_shop(9, 12))
    scene.home.run()
    for number, label in enumerate(REBUILDING):
        scene.send(with_noise(busy_shop(number, 12), number))
        scene.home.land()
        scene.killed_at(label, action="rebuild")
    scene.ends_as_if_undisturbed(tmp_path / "undisturbed")


def test_a_kill_while_segments_are_merged_is_made_good(scene: Scene, tmp_path: Path) -> None:
    for number, label in enumerate(MERGING):
        scene.send(with_noise(busy_shop(number, 12), number))
        scene.killed_at(label, action="merge", limits={"segment_bytes": 4_000})
    scene.ends_as_if_undisturbed(tmp_path / "undisturbed")
    before = scene.home.verify()
    assert scene.home.rebuild().full_hash == before.full_hash
    merge_small_segments(scene.home.warehouse, scene.home.landing, most=100, fan_in=2)
    assert len(scene.home.landing.segments()) == 1
    assert scene.home.verify() == before


def test_a_kill_between_moving_a_broken_file_aside_and_replacing_it_is_made_good(
    scene: Scene, tmp_path: Path
) -> None:
    scene.send(busy_shop(1, 12))
    scene.home.run()
    scene.home.warehouse.path.write_bytes(b"not a database")
    scene.killed_at("rebuild.moved_aside", action="rebuild")
    scene.ends_as_if_undisturbed(tmp_path / "undisturbed")
    [aside] = scene.home.warehouse.path.parent.glob("*.unreadable-*")
    assert aside.read_bytes() == b"not a database"


def test_every_point_in_the_source_has_its_kill() -> None:
    killed = {label for chain in CHAINS.values() for label, _ in chain}
    killed |= {*MERGING, *REBUILDING, "rebuild.moved_aside", "load.replayed"}
    assert len(killed) >= 12
    points = labels_in("resources", "assets", "sensors", "orchestration")
    assert killed <= points
    # Files and notifications have suites of their own, which name their points.
    others = {point for point in points - killed if point.startswith(("files.", "notify."))}
    assert points - killed == others
    texts = [
        path.read_text(encoding="utf-8")
        for room in ("files", "notifications")
        for path in (PROJECT / "tests" / room).rglob("*.py")
    ]
    assert [point for point in sorted(others) if not any(f'"{point}"' in text for text in texts)] == []
