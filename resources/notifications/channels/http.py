"""The way out for every channel that speaks HTTP: guarded, bounded in time and size, without redirects."""

import email.utils
import ssl
import time
import weakref
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from resources.errors import GoneError, OrdersError, PermanentError, RetryLaterError, TransientError
from resources.notifications.channels.guard import Guard

_MAX_ANSWER_BYTES = 64 * 1024
_MAX_RETRY_AFTER_S = 86_400.0
_NEVER_BETTER = frozenset({400, 413, 414, 415, 422})
_deadline: ContextVar[float] = ContextVar("deadline")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service said: its status, and at most 64 KiB of its body."""

    status: int
    body: bytes


class HttpClient:
    """Posts to one service; a post takes at most `timeout_s`, resolving and answering included.

    Safe for several threads. Errors name the host alone: paths and queries hold secrets.
    """

    def __init__(self, guard: Guard, *, timeout_s: float = 10.0, tls: ssl.SSLContext | None = None) -> None:
        """Connect to nothing yet; `tls` replaces the usual certificates."""
        self._timeout_s = timeout_s
        pool = httpcore.ConnectionPool(
            ssl_context=tls or _tls(),
            max_connections=20,
            max_keepalive_connections=5,
            keepalive_expiry=15.0,
            network_backend=_GuardedBackend(guard),
        )
        self._client = httpx.Client(
            transport=_Transport(pool), timeout=timeout_s, follow_redirects=False, trust_env=False
        )
        # Whoever lets go of the client need not close it: its sockets go with it.
        self._finalizer = weakref.finalize(self, self._client.close)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Post and return a 2xx answer; anything else is an error of this module's docs.

        Raises GoneError (410), RetryLaterError (Retry-After), PermanentError (a redirect, an address that
        may not be reached, a request that never will be right), TransientError (the rest).
        """
        host = _host(url)
        token = _deadline.set(time.monotonic() + self._timeout_s)
        try:
            answer, answered = self._post(url, body, headers)
        except OrdersError:
            raise
        except (httpx.HTTPError, httpcore.TimeoutException, httpcore.NetworkError, OSError) as error:
            raise TransientError(
                f"{host} did not take the notice ({_kind(error)}); it will be tried again"
            ) from None
        except (httpcore.ProtocolError, httpx.InvalidURL, ValueError) as error:
            raise TransientError(
                f"{host} does not speak HTTP ({_kind(error)}); see that its URL is right"
            ) from None
        finally:
            _deadline.reset(token)
        _demand_success(host, answer, answered)
        return answer

    def close(self) -> None:
        """Close all connections."""
        self._finalizer()

    def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[Answer, httpx.Headers]:
        with self._client.stream(
            "POST", url, content=body, headers={**headers, "Accept-Encoding": "identity"}
        ) as got:
            kept = bytearray()
            for chunk in got.iter_raw(16 * 1024):
                kept += chunk
                if len(kept) >= _MAX_ANSWER_BYTES:
                    break
            return Answer(got.status_code, bytes(kept[:_MAX_ANSWER_BYTES])), got.headers


def _demand_success(host: str, answer: Answer, headers: httpx.Headers) -> None:
    status = answer.status
    if 200 <= status < 300:
        return
    if status == 410:
        raise GoneError(f"{host} says that this address is gone for good (410)")
    if 300 <= status < 400:
        raise PermanentError(f"{host} redirects ({status}), which is not followed: set the final URL")
    if status in _NEVER_BETTER:
        raise PermanentError(f"{host} refuses the notice ({status})")
    told = f"{host} answered {status}; it will be tried again"
    wait_s = retry_after_s(headers.get("retry-after"), datetime.now(UTC))
    if wait_s is not None:
        raise RetryLaterError(told, wait_s)
    raise TransientError(told)


def retry_after_s(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, at most a day; None without a usable one."""
    if value is None:
        return None
    text = value.strip()
    if text.isdecimal():
        return min(float(text[:12]), _MAX_RETRY_AFTER_S)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), _MAX_RETRY_AFTER_S)


class _GuardedBackend(httpcore.NetworkBackend):
    """Resolves, checks and connects in one step; what is connected to is what was checked."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = self._guard.resolve(host, port, _left(timeout))
        for place, address in enumerate(addresses):
            try:
                stream = self._sockets.connect_tcp(
                    address, port, _left(timeout), local_address, socket_options
                )
            except (httpcore.NetworkError, httpcore.TimeoutException):
                if place == len(addresses) - 1:
                    raise
            else:
                return _Stream(stream)
        raise httpcore.ConnectError("no address")


@dataclass(slots=True)
class _Stream(httpcore.NetworkStream):
    """A connection none of whose waits outlives the post's own time limit, however slowly bytes drip."""

    inner: httpcore.NetworkStream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.inner.read(max_bytes, _left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.inner.write(buffer, _left(timeout))

    def close(self) -> None:
        self.inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Stream(self.inner.start_tls(ssl_context, server_hostname, _left(timeout)))

    def get_extra_info(self, info: str) -> Any:
        return self.inner.get_extra_info(info)


@dataclass(slots=True)
class _Transport(httpx.BaseTransport):
    """httpx on a pool with our own network, which httpx itself cannot be given."""

    pool: httpcore.ConnectionPool = field(repr=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        assert isinstance(request.stream, httpx.SyncByteStream)
        answer = self.pool.handle_request(
            httpcore.Request(
                request.method,
                target,
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        assert isinstance(answer.stream, Iterable)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer), extensions=answer.extensions
        )

    def close(self) -> None:
        self.pool.close()


@dataclass(slots=True)
class _Body(httpx.SyncByteStream):
    answer: httpcore.Response

    def __iter__(self) -> Any:
        return self.answer.iter_stream()

    def close(self) -> None:
        self.answer.close()


def _left(timeout: float | None) -> float:
    """Return what is left of the post's time, at most `timeout`; raises when nothing is."""
    left = _deadline.get() - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time limit of the post is over")
    return left if timeout is None else min(timeout, left)


def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _host(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PermanentError("a URL of alert_policies.yaml does not begin with https://host")
    return parts.hostname


def _kind(error: Exception) -> str:
    """Say what happened in words that hold no address: messages of these errors can hold the URL."""
    return type(error).__name__
