"""The console and the file keep the contract, and what the file adds."""

import io
import json
import re
from pathlib import Path

import filelock
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.errors import TransientError
from resources.notifications.channels.console import ConsoleChannel
from resources.notifications.channels.file import FileChannel
from resources.notifications.port import Channel, Receipt
from tests.notifications.channel_contract import NASTY, ChannelContract
from tests.notifications.samples import notice


class TestConsoleChannel(ChannelContract):
    """The console."""

    def channel(self, place: Path) -> Channel:
        return ConsoleChannel(_Closing(place / "console.txt"))

    def broken_channel(self, place: Path) -> Channel:
        stream = io.StringIO()
        stream.close()
        return ConsoleChannel(stream)

    def arrived(self, place: Path) -> list[str]:
        text = (place / "console.txt").read_text(encoding="utf-8")
        return [told.strip() for told in re.split(r"(?m)^STEP_FAILURE ", text)[1:]]


class _Closing(io.StringIO):
    """A stream that leaves what was written in a file at each flush."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def flush(self) -> None:
        self._path.write_text(self.getvalue(), encoding="utf-8")


class TestFileChannel(ChannelContract):
    """The file."""

    def channel(self, place: Path) -> Channel:
        return FileChannel(place / "deep" / "notices.ndjson")

    def broken_channel(self, place: Path) -> Channel:
        (place / "folder").mkdir()
        return FileChannel(place / "folder")

    def arrived(self, place: Path) -> list[str]:
        return (place / "deep" / "notices.ndjson").read_text(encoding="utf-8").splitlines()

    def test_an_id_that_the_file_holds_is_refused(self, tmp_path: Path) -> None:
        channel = self.channel(tmp_path)
        channel.send(notice())
        assert channel.send(notice()) is Receipt.ALREADY_DELIVERED
        assert self.channel(tmp_path).send(notice()) is Receipt.ALREADY_DELIVERED
        assert ids_in(tmp_path / "deep" / "notices.ndjson") == [notice().delivery_id]

    def test_an_id_that_another_process_wrote_meanwhile_is_refused(self, tmp_path: Path) -> None:
        here, there = self.channel(tmp_path), self.channel(tmp_path)
        here.send(notice(0))
        there.send(notice(1))
        assert here.send(notice(1)) is Receipt.ALREADY_DELIVERED

    def test_a_file_that_was_rotated_away_begins_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "notices.ndjson"
        channel = self.channel(tmp_path)
        channel.send(notice(0))
        path.rename(path.with_suffix(".1"))
        assert channel.send(notice(1)) is Receipt.DELIVERED
        assert ids_in(path) == [notice(1).delivery_id]

    def test_a_lock_that_stays_held_is_transient(self, tmp_path: Path) -> None:
        path = tmp_path / "notices.ndjson"
        with filelock.FileLock(f"{path}.lock"), pytest.raises(TransientError, match="holds"):
            FileChannel(path, lock_timeout_s=0.01).send(notice())

    def test_a_foreign_line_is_left_alone(self, tmp_path: Path) -> None:
        path = tmp_path / "notices.ndjson"
        path.write_bytes(b"\xff not json\n[1]\n")
        FileChannel(path).send(notice())
        assert path.read_bytes().startswith(b"\xff not json\n[1]\n{")

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_a_line_torn_anywhere_is_neither_lost_nor_merged(
        self, tmp_path: Path, data: st.DataObject
    ) -> None:
        path = tmp_path / "torn.ndjson"
        path.unlink(missing_ok=True)
        FileChannel(path).send(notice(0))
        kept = path.stat().st_size
        FileChannel(path).send(notice(1, error=NASTY))
        whole = path.stat().st_size
        cut = data.draw(st.integers(kept, whole))
        with path.open("r+b") as file:
            file.truncate(cut)

        after_the_crash = FileChannel(path)
        after_the_crash.send(notice(2))
        after_the_crash.send(notice(1, error=NASTY))

        wanted = {notice(number).delivery_id for number in range(3)}
        assert sorted(ids_in(path)) == sorted(wanted)


def ids_in(path: Path) -> list[str]:
    """Return the ids of a notice file, every line of which must be whole."""
    content = path.read_bytes()
    assert content.endswith(b"\n")
    return [json.loads(line)["id"] for line in content.splitlines()]
