"""Which addresses may be connected to: none that lies inside, unless it is allowed.

The check is on the address that is connected to, after the name was resolved, so a name that changes its
address between check and connection (DNS rebinding) gains nothing, nor does an IPv4 address in IPv6 clothes.
"""

import ipaddress
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from queue import Empty, SimpleQueue
from typing import TypeAlias

from resources.errors import PermanentError, TransientError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_METADATA = frozenset(
    ipaddress.ip_address(text)
    for text in ("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "192.0.0.192")
) | {ipaddress.ip_address("fd00:ec2::254")}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_NAT64_LOCAL = ipaddress.IPv6Network("64:ff9b:1::/48")
_COMPATIBLE = ipaddress.IPv6Network("::/96")


@dataclass(frozen=True, slots=True)
class Guard:
    """What may be reached: every public address, the networks `allowed`, and, on demand, private ones.

    Metadata addresses of clouds are only reached when a network of `allowed` names them.
    """

    allowed: tuple[Network, ...] = ()
    allows_private: bool = False

    def resolve(self, host: str, port: int, timeout_s: float) -> list[str]:
        """Return the addresses to connect to.

        Raises PermanentError when any of the name's addresses may not be reached, TransientError when the
        name is not found in time.
        """
        found = _looked_up(host, port, timeout_s)
        for address in found:
            reason = self.against(address)
            if reason is not None:
                raise PermanentError(
                    f"{host} leads to {address}, which is {reason}: allow it by x_allow_private in the "
                    "policy, or by ORDERS_ALERT_ALLOWED_NETWORKS"
                )
        return [str(address) for address in found]

    def against(self, address: Address) -> str | None:
        """Return why the address may not be reached, None when it may."""
        faces = _faces(address)
        if any(
            face in network for face in faces for network in self.allowed if face.version == network.version
        ):
            return None
        if any(face in _METADATA for face in faces):
            return "a metadata service"
        reason = next((why for face in faces if (why := _inside(face)) is not None), None)
        return None if self.allows_private and reason in _PRIVATE else reason


def networks(text: str) -> tuple[Network, ...]:
    """Return the networks of a setting, separated by commas or blanks; raises PermanentError."""
    try:
        return tuple(ipaddress.ip_network(part) for part in text.replace(",", " ").split())
    except ValueError as error:
        raise PermanentError(
            f"ORDERS_ALERT_ALLOWED_NETWORKS: {error}; write networks such as 10.0.0.0/8"
        ) from error


_PRIVATE = ("a private address", "a loopback address", "a link-local address")


def _inside(address: Address) -> str | None:
    if address.is_loopback:
        return "a loopback address"
    if address.is_link_local:
        return "a link-local address"
    if address.is_unspecified or address.is_multicast or address.is_reserved:
        return "no address of one host"
    return None if address.is_global else "a private address"


def _faces(address: Address) -> list[Address]:
    """Return the address and every IPv4 address that it stands for."""
    faces: list[Address] = [address]
    if isinstance(address, IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        faces = [face for face in inner if face is not None]
        if address in _NAT64 or address in _NAT64_LOCAL or (address in _COMPATIBLE and int(address) > 0xFFFF):
            faces.append(IPv4Address(int(address) & 0xFFFFFFFF))
        # A mapped address is nothing but its IPv4 address; the others are reached as what they are, too.
        if address.ipv4_mapped is None:
            faces.append(address)
    return faces


def _looked_up(host: str, port: int, timeout_s: float) -> list[Address]:
    try:
        return [ipaddress.ip_address(host.strip("[]"))]
    except ValueError:
        pass
    answers: SimpleQueue[Sequence[object] | OSError] = SimpleQueue()
    # The resolver takes no time limit; a thread of our own can be left behind, bounded by the resolver's.
    threading.Thread(target=_ask, args=(host, port, answers), daemon=True, name=f"resolve {host}").start()
    try:
        answer = answers.get(timeout=timeout_s)
    except Empty:
        raise TransientError(
            f"{host} was not resolved within {timeout_s:.0f} s; it will be tried again"
        ) from None
    if isinstance(answer, OSError):
        raise TransientError(f"{host} cannot be resolved ({answer.strerror}); see that the name is right")
    texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in answer)  # type: ignore[index]
    return [ipaddress.ip_address(text) for text in texts]


def _ask(host: str, port: int, answers: "SimpleQueue[Sequence[object] | OSError]") -> None:
    try:
        answers.put(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except OSError as error:
        answers.put(error)
    except UnicodeError:
        answers.put(OSError(0, "this is no host name"))
