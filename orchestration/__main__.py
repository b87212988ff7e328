"""The command `orders`: `.venv/bin/orders`, or `python -m orchestration`."""

import sys
import traceback
from collections.abc import Sequence

from typer import TyperException

from resources.errors import OrdersError

FAILED = 1
WRONG_USE = 2
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong use.

    Every error is one line on stderr; `--debug`, anywhere before `--`, adds the traceback.
    """
    from orchestration.cli.app import app

    arguments, is_debug = _without_debug(sys.argv[1:] if argv is None else list(argv))
    try:
        code = app(arguments or ["--help"], prog_name="orders", standalone_mode=False)
    except SystemExit as stopped:
        return stopped.code if isinstance(stopped.code, int) else FAILED
    except Exception as error:  # noqa: BLE001 - the rim: whatever went wrong becomes one line and a code
        return _tell(error, is_debug=is_debug)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED
    return code if isinstance(code, int) else 0


def _without_debug(arguments: list[str]) -> tuple[list[str], bool]:
    end = arguments.index("--") if "--" in arguments else len(arguments)
    options = [a for a in arguments[:end] if a != "--debug"]
    return options + arguments[end:], len(options) < end


def _tell(error: Exception, *, is_debug: bool) -> int:
    if is_debug:
        traceback.print_exception(error)
    is_usage = isinstance(error, TyperException)
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    line = " ".join(text.split())
    if not isinstance(error, OrdersError | TyperException):
        line = f"{type(error).__name__}: {line} (add --debug for the traceback)"
    if is_usage:
        command = getattr(getattr(error, "ctx", None), "command_path", "orders")
        line = f"{line.rstrip('.')}: see `{command} --help`"
    print(f"error: {line}", file=sys.stderr)  # noqa: T201
    return getattr(error, "exit_code", FAILED) if is_usage else FAILED


if __name__ == "__main__":
    sys.exit(main())
