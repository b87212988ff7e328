"""Settings, lock, workspace and shell files say the same as the code."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

from orchestration.settings import PROJECT, Settings

_SETTING = re.compile(r"^# (ORDERS_[A-Z_]+)=(.*)$", re.MULTILINE)


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Path) and value.is_relative_to(PROJECT):
        return str(value.relative_to(PROJECT))
    return str(value)


def test_env_example_lists_every_setting_with_its_default() -> None:
    listed = dict(_SETTING.findall((PROJECT / ".env.example").read_text()))
    assert listed == {
        f"ORDERS_{name.upper()}": _shown(field.default) for name, field in Settings.model_fields.items()
    }


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        str(path.relative_to(PROJECT))
        for room in ("orchestration", "sensors", "assets", "resources")
        for path in (PROJECT / room).rglob("*.py")
        if re.search(r"os\.getenv|environ\.get\(\s*[\"']ORDERS_|environ\[[\"']ORDERS_", path.read_text())
    }
    assert readers == set()


def test_the_lock_has_hashes_and_no_addresses() -> None:
    lock = (PROJECT / "requirements.lock").read_text()
    assert "://" not in lock
    packages = re.findall(r"^[a-z0-9][^\s]*==", lock, re.MULTILINE)
    assert len(packages) > 50
    assert lock.count("--hash=sha256:") >= len(packages)


def test_no_lock_with_addresses_is_committed() -> None:
    assert not {path.name for path in _committed()} & {
        "uv.lock",
        "pylock.toml",
        "poetry.lock",
        "Pipfile.lock",
    }


def test_pyproject_leaves_the_code_location_to_the_workspace() -> None:
    tools = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]
    assert not {"dagster", "dg"} & tools.keys()
    workspace = (PROJECT / "workspace.yaml").read_text()
    assert "orchestration.definitions" in workspace
    assert re.search(r"working_directory:\s*\.\s*$", workspace, re.MULTILINE)


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    wanted = project["dependencies"] + project["optional-dependencies"]["dev"]
    names = {re.split(r"[\[<>=!~ ;]", line, maxsplit=1)[0].lower().replace("_", "-") for line in wanted}
    lock = (PROJECT / "requirements.lock").read_text()
    assert {name for name in names if not re.search(rf"^{name}==", lock, re.MULTILINE)} == set()


def test_make_knows_its_targets() -> None:
    targets = ["setup", "demo", "up", "test", "check", "bench", "faults", "lock"]
    done = subprocess.run(["make", "--dry-run", *targets], cwd=PROJECT, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_ci_is_a_valid_script_that_runs_the_same_check() -> None:
    script = PROJECT / ".ci" / "run"
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert script.stat().st_mode & 0o111
    text = script.read_text()
    assert "set -euo pipefail" in text
    assert text.rstrip().endswith("make check")


def _committed() -> Iterator[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PROJECT, capture_output=True, check=False)
    yield from (PROJECT / name for name in listed.stdout.decode().split("\0") if name)
