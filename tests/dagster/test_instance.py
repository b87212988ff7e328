"""The UI, the daemon, `orders` and a bare `dagster dev` share one instance."""

import os
import subprocess
import sys
from pathlib import Path

from dotenv import dotenv_values

from orchestration.instance import ensure_env_file, open_instance, prepare_home
from orchestration.settings import PROJECT
from tests.dagster.shop import Home


def test_a_bare_dagster_and_orders_use_the_same_home(home: Home, tmp_path: Path) -> None:
    file = ensure_env_file(tmp_path, home.settings)
    with open_instance(home.settings) as instance:
        assert dotenv_values(file)["DAGSTER_HOME"] == instance.root_directory == str(home.root / "dagster")


def test_the_home_of_orders_wins_over_the_environment(home: Home) -> None:
    os.environ["DAGSTER_HOME"] = "/somewhere/else"
    with open_instance(home.settings) as instance:
        assert instance.root_directory == str(home.root / "dagster")


def test_the_committed_settings_are_kept_in_step(home: Home) -> None:
    target = prepare_home(home.settings) / "dagster.yaml"
    target.write_text("telemetry: {enabled: true}\n")
    prepare_home(home.settings)
    assert target.read_bytes() == (PROJECT / "dagster.yaml").read_bytes()


def test_several_processes_may_open_a_new_home_at_once(home: Home) -> None:
    """Dagster alone fails here: each of them makes the tables."""
    code = (
        "from orchestration.instance import open_instance; from orchestration.settings import read_settings\n"
        "with open_instance(read_settings()): pass"
    )
    environment = {**os.environ, "ORDERS_HOME": str(home.root)}
    processes = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=PROJECT, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    complaints = [process.communicate(timeout=120)[1] for process in processes]
    assert complaints == [b""] * 4


def test_an_env_file_of_the_user_keeps_its_lines(home: Home, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("ORDERS_OWNER=team:shop")
    ensure_env_file(tmp_path, home.settings)
    ensure_env_file(tmp_path, home.settings)
    assert (tmp_path / ".env").read_text() == f"ORDERS_OWNER=team:shop\nDAGSTER_HOME={home.root}/dagster\n"


def test_pools_of_the_instance_have_one_slot(home: Home) -> None:
    with open_instance(home.settings) as instance:
        assert instance.global_op_concurrency_default_limit == 1


def test_nothing_of_the_arrow_world_is_loaded_with_the_code_location(home: Home) -> None:
    """It would cost more than the 2.5 s that a code location may take."""
    code = (
        "import sys; from orchestration.definitions import definitions; definitions().get_repository_def();"
        "print([m for m in ('polars', 'duckdb', 'pyarrow', 'narwhals', 'pandas') if m in sys.modules])"
    )
    environment = {**os.environ, "ORDERS_HOME": str(home.root)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout.strip() == "[]", done.stderr
