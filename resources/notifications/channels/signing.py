"""Standard Webhooks signatures: every key signs, so that keys can be rotated without a gap."""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from resources.errors import PermanentError

if TYPE_CHECKING:
    from standardwebhooks.webhooks import Webhook

_PREFIX = "whsec_"
_LEAST_BYTES = 16


class Signer:
    """Signs a body with every one of its keys, the newest first."""

    __slots__ = ("_hooks",)

    def __init__(self, keys: Sequence[str]) -> None:
        """Take keys as `whsec_` and base64; raises PermanentError for any other, never showing it."""
        self._hooks = [_hook(key, place) for place, key in enumerate(keys, 1)]

    def headers(self, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
        """Return the headers of one attempt; without keys the id and the time alone."""
        found = {"webhook-id": message_id, "webhook-timestamp": str(int(at.timestamp()))}
        if self._hooks:
            text = body.decode()
            signatures = (hook.sign(message_id, at, text) for hook in self._hooks)
            found["webhook-signature"] = " ".join(signatures)
        return found


def _hook(key: str, place: int) -> "Webhook":
    from standardwebhooks.webhooks import Webhook

    encoded = key.removeprefix(_PREFIX)
    try:
        secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) < _LEAST_BYTES:
        raise PermanentError(
            f"signing key {place} of a webhook is no Standard Webhooks key: write whsec_ and at least "
            f"{_LEAST_BYTES} bytes in base64"
        )
    return Webhook(secret)
