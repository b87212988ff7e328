"""Killing a home again and again, and judging what is left against one that was never disturbed."""

import json
import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import MappingProxyType

from assets.orders.verify import full_hash, state_hash
from resources.warehouse.publish import open_copy
from tests.forking import PROJECT, fork_server
from tests.orders.home import Home

_NO_LIMITS: Mapping[str, int] = MappingProxyType({})
_POINT = re.compile(r'reached\(\s*"([a-z._]+)"')


class Victims:
    """The process that forks the processes to be killed."""

    def __init__(self) -> None:
        """Start it."""
        self._server = fork_server("tests.faults.victim")

    def answer(self, order: dict[str, object]) -> int:
        """Let a victim do the order and return its exit code."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._server.communicate()


@dataclass
class Scene:
    """A home whose runs are killed; `files` are the messages that were published, file by file."""

    home: Home
    victims: Victims
    files: list[list[bytes]] = field(default_factory=list)

    def send(self, messages: Sequence[bytes]) -> None:
        """Publish messages as one file."""
        self.files.append(list(messages))
        self.home.send(messages)

    def killed_at(
        self, label: str, passes: int = 1, action: str = "run", limits: Mapping[str, int] = _NO_LIMITS
    ) -> None:
        """Run until the label is reached for the given time, and see that the run died there."""
        assert self.run(action, label, passes, limits) == -signal.SIGKILL, (label, passes)

    def run(self, action: str, label: str, passes: int, limits: Mapping[str, int] = _NO_LIMITS) -> int:
        """Run in a process of its own and return its exit code; `limits` are those of `Home.run`."""
        order = {"action": action, "root": str(self.home.root), "max_bytes": self.home.max_bytes}
        return self.victims.answer({**order, "label": label, "passes": passes, **limits})

    def ends_as_if_undisturbed(self, elsewhere: Path) -> None:
        """Run once more, undisturbed, and compare."""
        self.home.run()
        self.is_as_if_undisturbed(elsewhere)

    def is_as_if_undisturbed(self, elsewhere: Path) -> None:
        """Compare with a home that takes in the same files without a fault."""
        undisturbed = Home(elsewhere, self.home.max_bytes)
        for messages in self.files:
            undisturbed.send(messages)
        undisturbed.run()
        self.holds_each_message_once()
        assert self.home.ledger() == undisturbed.ledger()
        assert self.home.verify().state_hash == undisturbed.verify().state_hash

    def holds_each_message_once(self) -> None:
        """See that nothing is lost, nothing twice, and all that is claimed can be recomputed."""
        assert self.home.inbox.backlog() == 0
        messages = list(chain.from_iterable(self.files))
        landed, accepted, duplicates, rejected = self.home.ledger()[("inbox", "0")]
        assert landed == len(messages)
        assert self.home.query("SELECT count(*) FROM order_events") == [(accepted,)]
        ids = {row[0] for row in self.home.query("SELECT event_id FROM order_events")}
        assert ids == event_ids(messages)
        assert accepted == len(ids)
        assert landed == accepted + duplicates + rejected
        found = self.home.verify()
        assert found.is_clean, found
        assert found.pending == 0
        with open_copy(self.home.warehouse) as connection:
            assert (state_hash(connection), full_hash(connection)) == (found.state_hash, found.full_hash)


def event_ids(messages: Iterable[bytes]) -> set[str]:
    """Return the ids of the messages that are orders; broken ones of `samples.BROKEN` have none."""
    ids = set()
    for body in messages:
        try:
            ids.add(json.loads(body)["id"])
        except (ValueError, TypeError, KeyError):
            continue
    return ids


def labels_in(*folders: str) -> set[str]:
    """Return the labels of all points in the source of the folders."""
    paths = (path for folder in folders for path in (PROJECT / folder).rglob("*.py"))
    return {label for path in paths for label in _POINT.findall(path.read_text(encoding="utf-8"))}
