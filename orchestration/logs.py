"""Logs on stderr: text for an operator, or one JSON object a line; never the body of an order.

Modules log through the standard library. What a line is about is bound around the work, with
`logs.about(run_id=…)`, or given in `extra=`.
"""

import logging
import sys
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

if TYPE_CHECKING:
    import dagster as dg

IDS = ("run_id", "step_key", "segment", "order_id", "rejection_id", "delivery_id")
"""The keys of `extra=` that reach the log."""
_HANDLER = "orders"


def configure(*, log_format: str, level: str) -> None:
    """Let all loggers write to stderr in `log_format` (text, json) from `level` on; again replaces it."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(allow=IDS),
        _as_dagster_means_it,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.name = _HANDLER
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    for old in [h for h in root.handlers if h.name == _HANDLER]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    # Dagster's storage opens its schema many times a run, and tells each time.
    logging.getLogger("alembic").setLevel(max(root.level, logging.WARNING))


def about(**ids: str) -> AbstractContextManager[None]:
    """Put ids (`run_id`, `segment`, `order_id`) on every line that is logged within the `with`."""
    return structlog.contextvars.bound_contextvars(**ids)


def run_logger(*, log_format: str = "text", level: str = "WARNING") -> "dg.LoggerDefinition":
    """Return the logger `console` of the jobs: what a run says comes here, with its id.

    A run that the daemon starts has a process of its own, which is configured with format and level.
    """
    import dagster as dg

    @dg.logger(config_schema={"log_level": dg.Field(str, default_value="WARNING")})
    def console(context: dg.InitLoggerContext) -> logging.Logger:
        """Write to the logs of the platform, from `log_level` on."""
        if not any(handler.name == _HANDLER for handler in logging.getLogger().handlers):
            configure(log_format=log_format, level=level)
        logger = logging.getLogger("orders.run")
        logger.setLevel(context.logger_config["log_level"])
        return logger

    return console


def _as_dagster_means_it(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Take run, step and the message itself out of a record of Dagster, whose text holds them all."""
    meta = getattr(event.get("_record"), "dagster_meta", None)
    if meta:
        event["event"] = meta["orig_message"]
        event.update({key: meta[key] for key in ("run_id", "step_key") if meta.get(key)})
    return event
