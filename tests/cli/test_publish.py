"""`orders publish`."""

import resource
import subprocess
from pathlib import Path

from tests.cli.running import Orders, error_line


def _inbox(orders: Orders) -> list[bytes]:
    return [path.read_bytes() for path in sorted((orders.home / "inbox").glob("*.ndjson"))]


def test_bytes_are_untouched(fresh: Orders, tmp_path: Path) -> None:
    content = b'{"a": 1}\r\n\n\xff\x00 not JSON \n{"last": "without a line feed"}'
    file = tmp_path / "messages.ndjson"
    file.write_bytes(content)
    assert fresh.json("publish", str(file)) == {"feed": "inbox", "published": 4, "files": [str(file)]}
    assert _inbox(fresh) == [content + b"\n"]


def test_a_dash_is_stdin(fresh: Orders) -> None:
    done = fresh("publish", "-", stdin=b"a\nb\n")
    assert (done.returncode, done.stdout) == (0, b"published 2 messages to feed inbox\n")
    assert _inbox(fresh) == [b"a\nb\n"]


def test_several_files_are_published_together(fresh: Orders, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_text(name)
    assert fresh.json("publish", str(tmp_path / "one"), str(tmp_path / "two"))["published"] == 2
    assert _inbox(fresh) == [b"one\ntwo\n"]


def test_a_missing_file_is_wrong_use_and_nothing_is_published(fresh: Orders, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("one")
    done = fresh("publish", str(tmp_path / "one"), str(tmp_path / "missing"))
    assert done.returncode == 2
    assert str(tmp_path / "missing") in error_line(done)
    assert not (fresh.home / "inbox").exists()


def test_an_empty_file_publishes_nothing(fresh: Orders, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert fresh.json("publish", str(tmp_path / "empty"))["published"] == 0
    assert _inbox(fresh) == []


def test_a_file_larger_than_the_memory_is_streamed(fresh: Orders, tmp_path: Path) -> None:
    file = tmp_path / "large"
    line = b"x" * 4095 + b"\n"
    with file.open("wb") as sink:
        for _ in range(60):
            sink.write(line * 1024)
    # The interpreter and its libraries alone map less than this; the file does not fit beside them.
    limit = 200 * 1024 * 1024

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    done = subprocess.run(
        [*fresh.command, "publish", str(file)],
        env=fresh.environment,
        preexec_fn=bounded,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert sum(path.stat().st_size for path in (fresh.home / "inbox").glob("*.ndjson")) == file.stat().st_size
