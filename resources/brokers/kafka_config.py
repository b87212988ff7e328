"""From a Kafka URL to the properties of librdkafka, and from its errors to ours."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from resources.brokers.address import Address
from resources.errors import OrdersError, PermanentError, TransientError

_log = logging.getLogger(__name__)

_PATIENCE_S: Final = 3.0
# What the promises rest on: nobody sets these from outside.
_OURS: Final = frozenset(
    {
        "acks",
        "auto.offset.reset",
        "bootstrap.servers",
        "delivery.report.only.error",
        "enable.auto.commit",
        "enable.auto.offset.store",
        "enable.idempotence",
        "enable.partition.eof",
        "group.id",
        "isolation.level",
        "request.required.acks",
        "transactional.id",
    }
)
_SECRET = re.compile(r"password|secret|sasl\.username|\.pem$|jaas")
_REFUSED: Final = frozenset(
    {
        KafkaError._AUTHENTICATION,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.ILLEGAL_SASL_STATE,
        KafkaError.UNSUPPORTED_SASL_MECHANISM,
    }
)
_IN_VAIN: Final = _REFUSED | {KafkaError._SSL}
_FORBIDDEN: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
    }
)
_ABSENT: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError.TOPIC_EXCEPTION,
    }
)
_TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG_SIZE})


@dataclass(slots=True)
class Client:
    """How one feed's clients are made, and what librdkafka said of its connections last."""

    feed: str
    topic: str
    servers: str
    group: str
    properties: Mapping[str, str] = field(repr=False)
    _complaint: KafkaError | None = field(default=None, repr=False)

    def settings(self, **own: str | int | bool) -> dict[str, Any]:
        """Return the properties of a client; `own` are those of its kind, an underscore for each dot."""
        return {
            "client.id": "order-data-platform",
            "reconnect.backoff.max.ms": 2_000,
            **self.properties,
            "bootstrap.servers": self.servers,
            "error_cb": self._complain,
            "logger": _Quiet(self),
            **{name.replace("_", "."): value for name, value in own.items()},
        }

    def complaint(self, waited_s: float) -> KafkaError | None:
        """Return a complaint after which waiting on is in vain: no login, or nobody answers for a while."""
        complaint = self._complaint
        if complaint is None or (waited_s < _PATIENCE_S and complaint.code() not in _IN_VAIN):
            return None
        return complaint

    def is_well(self) -> None:
        """Forget the complaint: somebody answered."""
        self._complaint = None

    def failure(self, doing: str, error: KafkaError) -> OrdersError:
        """Return the one line for an error of librdkafka."""
        code = error.code()
        feed, topic = self.feed, self.topic
        if code in _REFUSED:
            return PermanentError(
                f"{feed}: {self.servers} refuses the login ({self._reason(error)}): mend user and password "
                "in ORDERS_BROKER_URL, or security.protocol and sasl.mechanism"
            )
        if code in _FORBIDDEN:
            return PermanentError(
                f"{feed}: no permission for {doing} ({self._reason(error)}): "
                f"allow the user READ, to publish WRITE, on topic {topic} and READ on group {self.group}"
            )
        if code in _ABSENT:
            return PermanentError(
                f"{feed}: {self.servers} has no topic {topic}: create it, or mend ORDERS_BROKER_URL"
            )
        if code in _TOO_LARGE:
            return PermanentError(
                f"{feed}: a message is larger than topic {topic} takes: raise its max.message.bytes, "
                "or send a smaller message"
            )
        if code == KafkaError._SSL:
            return PermanentError(
                f"{feed}: no TLS with {self.servers} ({self._reason(error)}): mend security.protocol "
                "and ssl.ca.location in ORDERS_BROKER_URL"
            )
        return TransientError(
            f"{feed}: {doing} failed, {self.servers} does not answer as it should ({self._reason(error)}): "
            "see that the broker is up and that ORDERS_BROKER_URL names it"
        )

    def redacted(self, text: str) -> str:
        """Return one line of text without a value that is or may be secret."""
        for name, value in self.properties.items():
            if _SECRET.search(name) and len(value) > 2:
                text = text.replace(value, "***")
        return " ".join(text.split())

    def _reason(self, error: KafkaError) -> str:
        # The error of a call says that it timed out; why, librdkafka has told its error callback.
        told = self._complaint if self._complaint is not None else error
        plain = re.sub(r"^\S+: | \(after \d+ms in state \w+\)", "", told.str())
        return self.redacted(plain)[:300]

    def _complain(self, error: KafkaError) -> None:
        is_worse = self._complaint is None or self._complaint.code() not in _REFUSED
        # "All brokers are down" says less than what came before it.
        if is_worse and (error.code() != KafkaError._ALL_BROKERS_DOWN or self._complaint is None):
            self._complaint = error


@dataclass(frozen=True, slots=True)
class _Quiet:
    """Takes librdkafka's log lines, which would go to stderr: each failed attempt writes several."""

    client: Client

    def log(self, level: int, text: str, *arguments: object) -> None:
        """Log a line, quietly: what matters of it comes as an error of a call."""
        line = self.client.redacted(text % arguments if arguments else text)
        is_lasting = "CONFWARN" in line
        _log.log(logging.INFO if is_lasting else logging.DEBUG, "%s: %s", self.client.feed, line)


def client_of(address: Address) -> Client:
    """Return how to make clients for a URL; raises PermanentError for one that lacks something."""
    if not address.hosts:
        raise PermanentError("a kafka URL needs a host: kafka://host:9092/topic")
    if not address.path or not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", address.path):
        raise PermanentError("a kafka URL needs one topic as its path: kafka://host:9092/topic")
    address.demand_options("group", "config", "on_lost", pattern=r"[a-z0-9]+(\.[a-z0-9]+)+")
    properties = _file(address.options.get("config"))
    properties |= {name: value for name, value in address.options.items() if "." in name}
    if ours := sorted(_OURS & properties.keys()):
        raise PermanentError(f"a kafka URL does not take {', '.join(ours)}: the platform sets it")
    if address.user is not None:
        properties |= _login(properties, *address.credentials("", ""))
    servers = ",".join(f"[{h}]:{p or 9092}" if ":" in h else f"{h}:{p or 9092}" for h, p in address.hosts)
    return Client(
        feed=address.feed(f"kafka:{address.path}"),
        topic=address.path,
        servers=servers,
        group=address.options.get("group", "order-data-platform"),
        properties=properties,
    )


def refused_settings(client: Client, error: KafkaException) -> PermanentError:
    """Return the line for properties that librdkafka does not take, without their values."""
    named = re.search(r'property:? "([a-z0-9._]+)"', str(error))
    name = f"the property {named[1]}" if named else "the properties"
    reason = "" if named and _SECRET.search(named[1]) else f" ({client.redacted(error.args[0].str())})"
    return PermanentError(
        f"{client.feed}: librdkafka does not take {name} of ORDERS_BROKER_URL or its config= file{reason}: "
        "see its CONFIGURATION.md"
    )


def _login(properties: Mapping[str, str], user: str, password: str) -> dict[str, str]:
    login = {"sasl.username": user, "sasl.password": password}
    # A password goes over TLS unless the URL says otherwise.
    if "security.protocol" not in properties:
        login["security.protocol"] = "SASL_SSL"
    if not {"sasl.mechanism", "sasl.mechanisms"} & properties.keys():
        login["sasl.mechanism"] = "PLAIN"
    return login


def _file(path: str | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise PermanentError(f"config={path} of a kafka URL cannot be read: {reason}") from None
    properties: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith(("#", "!")):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise PermanentError(f"config={path} of a kafka URL: line {number} is not name=value")
        properties[name.strip()] = value.strip()
    return properties
