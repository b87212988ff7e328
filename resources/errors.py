"""The exception tree: one base, and whether trying again can help."""


class OrdersError(Exception):
    """A failure whose message is one clear line that names the thing and the way out."""


class TransientError(OrdersError):
    """The same call may succeed later: a lock that is held, a server that is down, a full disk."""


class PermanentError(OrdersError):
    """A rerun cannot help: wrong configuration, a file that cannot be read, a broken invariant."""
