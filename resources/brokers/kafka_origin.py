"""What the positions of a Kafka feed belong to: the cluster, the topic's identity, and its epoch.

An offset means something only within one topic of one cluster. Its identity is kept in a small file
beside the segments, which hold the positions, and is durable before the first message is taken. A
position is `epoch * EPOCH + offset`; the epoch is 0 until offsets begin anew and somebody chose to go on.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Self

from resources.durable import sync_folder, written_durably
from resources.errors import PermanentError

EPOCH: Final = 1 << 48


@dataclass(frozen=True, slots=True)
class Origin:
    """The identity that positions belong to; `epochs` are those of partitions that are ahead of `epoch`."""

    cluster: str
    topic_id: str
    epoch: int = 0
    epochs: Mapping[str, int] = field(default_factory=dict)

    def is_same(self, other: Self) -> bool:
        """Whether the offsets of both mean the same; an identity that a broker does not tell is no doubt."""
        pairs = ((self.cluster, other.cluster), (self.topic_id, other.topic_id))
        return all(mine == theirs or not mine or not theirs for mine, theirs in pairs)

    def base(self, partition: str) -> int:
        """Return the position of a partition's offset 0."""
        return max(self.epoch, self.epochs.get(partition, 0)) * EPOCH

    def anew(self, other: Self, landed: Mapping[str, int]) -> "Origin":
        """Return the origin of another topic, whose positions all come after the landed ones."""
        last = max((position // EPOCH for position in landed.values()), default=-1)
        return Origin(other.cluster, other.topic_id, epoch=max(self.epoch, last) + 1)

    def partition_anew(self, partition: str) -> "Origin":
        """Return this origin with the offsets of one partition begun anew."""
        return replace(self, epochs={**self.epochs, partition: self.base(partition) // EPOCH + 1})


def read_origin(memory: Path, feed: str) -> Origin | None:
    """Return what was kept for a feed; raises PermanentError when it cannot be understood."""
    path = _path(memory, feed)
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Origin(found["cluster"], found["topic_id"], found["epoch"], found["epochs"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise PermanentError(
            f"{path} does not say which topic the feed {feed} belongs to: restore it from a backup, or "
            "delete it if the topic is still the one that was landed"
        ) from None


def keep_origin(memory: Path, feed: str, origin: Origin) -> None:
    """Keep it, durably when this returns."""
    kept = {
        "cluster": origin.cluster,
        "topic_id": origin.topic_id,
        "epoch": origin.epoch,
        "epochs": dict(origin.epochs),
    }
    with written_durably(_path(memory, feed)) as sink:
        sink.write(json.dumps(kept).encode() + b"\n")
    sync_folder(memory.parent)


def _path(memory: Path, feed: str) -> Path:
    return memory / f"{feed.replace(':', '_')}.json"
