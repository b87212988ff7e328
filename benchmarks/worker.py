"""The process around one measured task: `python -m benchmarks.worker module.function '{"argument": …}'`."""

import importlib
import json
import sys

from resources.memory import give_back_at_once, keep_pandas_out


def main() -> None:
    """Run the task that the command line names and print what it returns as the last line."""
    module, _, function = sys.argv[1].partition(".")
    if module == "stream":
        give_back_at_once()
    if module in ("pipeline", "backlog", "stream", "kafka", "rabbitmq", "activemq"):
        # Only the development tools bring it.
        keep_pandas_out()
    task = getattr(importlib.import_module(f"benchmarks.tasks.{module}"), function)
    print(json.dumps(task(**json.loads(sys.argv[2]))))


if __name__ == "__main__":
    main()
