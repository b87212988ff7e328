"""A broker's adapter that is broken on purpose fails the contract of brokers."""

from pathlib import Path

import pytest

from resources.servers.server import Server
from tests.faults.test_broken_builds import Break, breaking, copy_of_the_tree, what_pytest_says
from tests.marks import in_checks

pytestmark = [pytest.mark.faults, in_checks]

ACKNOWLEDGED_AS_IT_IS_READ = Break(
    "messages of ActiveMQ are acknowledged as they are read",
    "resources/brokers/stomp.py",
    (
        (
            "        return self._numbered(messages, consumer) if messages else None\n",
            "        batch = self._numbered(messages, consumer) if messages else None\n"
            "        if batch is not None:\n"
            "            self.acknowledge(batch)\n"
            "        return batch\n",
        ),
    ),
    ("tests/brokers/test_activemq.py::TestClassic::test_what_was_not_acknowledged_comes_again",),
    "1 failed",
)


def test_an_acknowledgement_before_the_fsync_is_caught(activemq: Server, tmp_path: Path) -> None:
    # The fixture skips where there is no ActiveMQ; the copy runs one of its own.
    assert activemq.pid() is not None
    tree = copy_of_the_tree(tmp_path)
    breaking(tree, ACKNOWLEDGED_AS_IT_IS_READ)
    said = what_pytest_says(tree, *ACKNOWLEDGED_AS_IT_IS_READ.tests)
    assert ACKNOWLEDGED_AS_IT_IS_READ.verdict in said, said
    assert "AssertionError" in said
