"""The inbox keeps the contract of brokers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from resources.brokers.inbox import Inbox
from tests.brokers.contract import BrokerContract


@dataclass
class Folder:
    """A folder of a test's own."""

    path: Path
    recognises_landed: bool = True
    counts_messages: bool = False
    has_keys: bool = False
    has_headers: bool = False
    proxy: None = None

    def open(self) -> Inbox:
        return Inbox(self.path)

    def send_with_headers(self, body: bytes, headers: Mapping[str, str]) -> None:
        raise NotImplementedError

    def restart(self) -> None:
        raise NotImplementedError


class TestInbox(BrokerContract):
    """Inherits the claims."""

    @pytest.fixture
    def site(self, tmp_path: Path) -> Folder:
        return Folder(tmp_path / "inbox")
