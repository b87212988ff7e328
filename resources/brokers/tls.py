"""TLS towards a broker, from the options of its URL: `ca`, `cert` and `key` are files."""

import ssl
from pathlib import Path

from resources.brokers.address import Address
from resources.errors import PermanentError

TLS_OPTIONS = ("ca", "cert", "key")


def client_context(address: Address) -> ssl.SSLContext:
    """Return a context that checks the server's name and certificate.

    `ca=` is a file of authorities instead of the system's, `cert=` and `key=` our own certificate.
    Raises PermanentError naming the option whose file cannot be read.
    """
    files = {name: _readable(name, address.options[name]) for name in TLS_OPTIONS if name in address.options}
    if "key" in files and "cert" not in files:
        raise PermanentError("key= in a broker URL belongs to cert=, which is not there")
    try:
        context = ssl.create_default_context(cafile=files.get("ca"))
        if "cert" in files:
            # Without a password OpenSSL would ask for one on the terminal; an empty one fails instead.
            context.load_cert_chain(files["cert"], files.get("key"), password="")
    except (ssl.SSLError, ValueError):
        names = ", ".join(f"{name}=" for name in files)
        raise PermanentError(
            f"the files of {names} are of no use for TLS: PEM is needed, and a key without passphrase"
        ) from None
    return context


def _readable(option: str, path: str) -> str:
    try:
        with Path(path).open("rb"):
            return path
    except OSError as error:
        raise PermanentError(f"the file of {option}= cannot be read ({error.strerror}): {path}") from None
