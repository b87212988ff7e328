"""A Python function of this process that hears of notices."""

from collections.abc import Callable
from importlib import import_module
from typing import TypeAlias

from resources.errors import OrdersError, PermanentError, TransientError
from resources.notifications.channels.bounded import Bounded
from resources.notifications.events import Notice
from resources.notifications.port import Limits, Receipt

Listener: TypeAlias = Callable[[Notice], None]
_LISTENERS: set[str] = set()


def listener(function: Listener) -> Listener:
    """Mark a function as one that notices may be given to: `x_listener: {function: module:function}`.

    It returns when it has the notice. It may raise TransientError (try again) or PermanentError (never);
    anything else that it raises counts as transient. It gets the same delivery id again after a failure.
    """
    _LISTENERS.add(f"{function.__module__}:{function.__qualname__}")
    return function


def find_listener(name: str) -> Listener:
    """Return the marked function `module:function`; raises PermanentError."""
    module, _, function = name.partition(":")
    try:
        found = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise PermanentError(f"the listener {name} cannot be imported ({error})") from error
    if f"{found.__module__}:{found.__qualname__}" not in _LISTENERS:
        raise PermanentError(f"{name} is no listener: decorate it with @listener")
    marked: Listener = found
    return marked


class ListenerChannel:
    """Calls the function, which a time limit keeps from holding anything else up."""

    def __init__(self, name: str, function: Listener, *, timeout_s: float = 10.0) -> None:
        """Call `function`, for at most `timeout_s`."""
        self.name = name
        self.limits = Limits(timeout_s=timeout_s)
        self._function = function
        self._calls = Bounded[None](f"the listener of channel {name}", timeout_s)

    def send(self, notice: Notice) -> Receipt:
        """Call the function; raises what it raises, TransientError when it takes too long."""
        try:
            self._calls.call(lambda: self._function(notice))
        except OrdersError:
            raise
        except Exception as error:
            raise TransientError(
                f"the listener of channel {self.name} raised {type(error).__name__}; it will be tried again"
            ) from error
        return Receipt.DELIVERED
