"""The one Dagster instance that the UI, the daemon, `orders` and a bare `dagster dev` share.

`python -m orchestration.instance` prepares it: it writes `.env` and brings `dagster.yaml` up to date.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import dagster as dg

from orchestration.settings import PROJECT, Settings, read_settings
from resources.errors import PermanentError
from resources.leases import held

_VARIABLE = "DAGSTER_HOME"
_OPENING_TIMEOUT_S = 60.0


def prepare_home(settings: Settings) -> Path:
    """Make DAGSTER_HOME with the committed `dagster.yaml`, which Dagster reads only there; return it."""
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    committed = (PROJECT / "dagster.yaml").read_bytes()
    target = home / "dagster.yaml"
    if not target.exists() or target.read_bytes() != committed:
        partial = home / f".dagster.yaml.{uuid4().hex}"
        partial.write_bytes(committed)
        partial.rename(target)
    return home


def create_instance(settings: Settings) -> Path:
    """Make the instance ready for several processes of Dagster to open at once; return DAGSTER_HOME."""
    with open_instance(settings) as instance:
        return Path(instance.root_directory)


@contextmanager
def open_instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """Open the instance under ORDERS_HOME, which wins over a DAGSTER_HOME of the environment.

    Raises PermanentError when Dagster cannot open it, TransientError when another process takes too long
    to do so.
    """
    home = prepare_home(settings)
    os.environ[_VARIABLE] = str(home)
    try:
        # The first to open it makes the tables; two at once leave a schema that Dagster refuses from then on.
        with held(home / "opening.lock", _OPENING_TIMEOUT_S, "the Dagster instance"):
            instance = dg.DagsterInstance.get()
    except dg.DagsterError as error:
        raise PermanentError(
            f"the Dagster instance in {settings.dagster_home} cannot be opened "
            f"({str(error).splitlines()[0]}): mend dagster.yaml, or move that folder aside"
        ) from error
    with instance:
        yield instance


def ensure_env_file(project: Path = PROJECT, settings: Settings | None = None) -> Path:
    """Write DAGSTER_HOME, absolute, into the project's `.env` unless it says so already; return the file."""
    file = project / ".env"
    text = file.read_text() if file.exists() else ""
    if not any(line.split("=", 1)[0].strip() == _VARIABLE for line in text.splitlines()):
        home = (settings or read_settings()).dagster_home
        separator = "\n" if text and not text.endswith("\n") else ""
        partial = project / f".env.{uuid4().hex}"
        partial.write_text(f"{text}{separator}{_VARIABLE}={home}\n")
        partial.rename(file)
    return file


def main() -> None:
    """Prepare the instance of the project."""
    settings = read_settings()
    prepare_home(settings)
    ensure_env_file(PROJECT, settings)


if __name__ == "__main__":
    main()
