"""The exception tree: one base, and whether trying again can help."""


class OrdersError(Exception):
    """A failure whose message is one clear line that names the thing and the way out."""


class TransientError(OrdersError):
    """The same call may succeed later: a lock that is held, a server that is down, a full disk."""


class PermanentError(OrdersError):
    """A rerun cannot help: wrong configuration, a file that cannot be read, a broken invariant."""


class RetryLaterError(TransientError):
    """The other side named the time after which to try again (Retry-After); `retry_after_s` in seconds."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        """Keep the wait beside the message."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class GoneError(PermanentError):
    """The other side is gone for good (410): nothing more is to be sent there until a person says so."""
