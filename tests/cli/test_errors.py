"""Exit codes and error lines of `orders`."""

import subprocess
import sys

import pytest

from tests.cli.running import PROJECT, Orders, error_line


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("run", "--nonsense"),
        ("publish",),
        ("rejects",),
        ("rejects", "replay"),
        ("rejects", "replay", "id", "--all"),
        ("rejects", "list", "--state", "lost"),
        ("rejects", "list", "--reason", "boredom"),
        ("simulate", "--rate", "fast"),
        ("simulate", "--rate", "-1"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(fresh: Orders, arguments: tuple[str, ...]) -> None:
    done = fresh(*arguments)
    assert done.returncode == 2
    assert "--help" in error_line(done)
    assert done.stdout == b""
    assert not fresh.home.exists()


def test_a_wrong_setting_is_named_without_its_value(fresh: Orders) -> None:
    done = Orders(fresh.home, {"ORDERS_UI_PORT": "hush"})("status")
    assert done.returncode == 1
    line = error_line(done)
    assert "ORDERS_UI_PORT" in line
    assert "hush" not in line


def test_credentials_of_the_broker_stay_out_of_errors(fresh: Orders) -> None:
    done = Orders(fresh.home, {"ORDERS_BROKER_URL": "carrier-pigeon://coo:secret@loft/1"})("status")
    assert done.returncode == 1
    assert "ORDERS_BROKER_URL" in error_line(done)
    assert b"secret" not in done.stderr


def test_the_traceback_comes_with_debug_only_wherever_it_stands(fresh: Orders) -> None:
    for arguments in (("--debug", "query", "SELECT 1"), ("query", "SELECT 1", "--debug")):
        done = fresh(*arguments)
        assert done.returncode == 1
        assert b"Traceback" in done.stderr
    assert b"Traceback" not in fresh("query", "SELECT 1").stderr


def test_a_defect_is_one_line_too(fresh: Orders) -> None:
    fresh.home.write_text("a file where the home should be")
    done = fresh("publish", "-", stdin=b"a\n")
    assert done.returncode == 1
    assert "--debug" in error_line(done)


def test_without_a_command_the_help_is_shown(fresh: Orders) -> None:
    done = fresh()
    assert done.returncode == 0
    for command in (
        "demo",
        "up",
        "publish",
        "run",
        "status",
        "query",
        "rejects",
        "rebuild",
        "verify",
        "simulate",
    ):
        assert f"  {command} ".encode() in done.stdout


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from orchestration.__main__ import main; main(['--help']); "
        "print(sorted({'dagster', 'structlog', 'duckdb', 'polars', 'pydantic'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, cwd=PROJECT, check=True)
    assert done.stdout.decode().splitlines()[-1] == "[]"
