"""From a broker URL to the broker: the one setting that points the platform elsewhere."""

from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from resources.brokers.inbox import Inbox
from resources.brokers.port import Broker
from resources.errors import PermanentError


def open_broker(url: str) -> Broker:
    """Return the broker that a URL names; nothing is contacted yet.

    `inbox:///path?name=feed` is a folder. Raises PermanentError for a URL that is not understood; the
    message never holds the URL's credentials.
    """
    parts = urlsplit(url)
    options = {key: values[-1] for key, values in parse_qs(parts.query, keep_blank_values=True).items()}
    if parts.scheme != "inbox":
        raise PermanentError(
            f"ORDERS_BROKER_URL has the kind {parts.scheme or 'none'!r}, which is not known: "
            "use inbox:///absolute/path"
        )
    if parts.netloc or not parts.path.startswith("/"):
        raise PermanentError("an inbox URL needs an absolute path with three slashes: inbox:///absolute/path")
    unknown = options.keys() - {"name"}
    if unknown:
        raise PermanentError(f"an inbox URL takes the option name only, not {', '.join(sorted(unknown))}")
    return Inbox(Path(unquote(parts.path)), feed=feed_name(options.get("name", "inbox")))


def feed_name(name: str) -> str:
    """Return a feed's name; raises PermanentError when it is empty, reserved or not plain."""
    if name in ("decisions", "observations", "files"):
        raise PermanentError(f"the feed name {name!r} is the platform's own: choose another in name=")
    if not name or not all(c.isalnum() or c in "-_:." for c in name):
        raise PermanentError(f"the feed name {name!r} may hold letters, digits and -_:. only")
    return name
