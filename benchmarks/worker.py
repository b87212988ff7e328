"""The process around one measured task: `python -m benchmarks.worker module.function '{"argument": …}'`."""

import importlib
import json
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder

from resources.memory import give_back_at_once


class _WithoutPandas(MetaPathFinder):
    """Hides pandas, which only the development tools bring: pyarrow imports it where it finds it."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: object = None) -> None:
        if fullname == "pandas":
            raise ImportError("pandas is no dependency of the platform")


def main() -> None:
    """Run the task that the command line names and print what it returns as the last line."""
    module, _, function = sys.argv[1].partition(".")
    if module == "stream":
        give_back_at_once()
    if module in ("pipeline", "backlog", "stream", "kafka", "rabbitmq", "activemq"):
        # Polars only asks whether pandas is there, and does not take no for an answer.
        importlib.import_module("polars")
        sys.meta_path.insert(0, _WithoutPandas())
    task = getattr(importlib.import_module(f"benchmarks.tasks.{module}"), function)
    print(json.dumps(task(**json.loads(sys.argv[2]))))


if __name__ == "__main__":
    main()
