"""Whether a cluster answers at its address, found out in seconds: the engines' own clients go on trying for minutes, or
for ever where something listens that does not answer.
"""

from __future__ import annotations

import os
import socket
import time
from typing import Final

__all__ = ["ANSWER", "check_dask", "check_ray"]

ANSWER: Final = 5.0  # seconds in which whoever is at an address must answer
FIRST: Final = 8  # bytes that tell who answers

SPOKEN: Final = ("", "tcp", "ws")
"""Schemes of Dask whose first bytes are known; others, as TLS, are left to its client."""

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""How a client begins HTTP/2, which gRPC speaks: with a frame of settings, none of them (RFC 9113, section 3.4)."""

SETTINGS: Final = 4
"""The kind of the frame that a server begins with, which its fourth byte tells (section 4.1)."""

LARGEST: Final = 2**20
"""More bytes than Dask begins with, how many being the first that it says."""


def check_dask(address: str) -> None:
    """Raise `OSError` or `ValueError` where no Dask scheduler answers at ``address``: it speaks first."""
    scheme, _, where = address.rpartition("://")
    if scheme not in SPOKEN:
        return
    host, port = _host_and_port(where)
    if scheme == "ws":
        socket.create_connection((host, port), timeout=ANSWER).close()
    elif not 0 < int.from_bytes(_first_bytes(host, port, b""), "little") < LARGEST:
        raise ConnectionError("it is not Dask that answers")


def check_ray(address: str) -> None:
    """Raise `OSError` or `ValueError` where no Ray cluster answers at ``address``: it speaks gRPC."""
    host, port = _host_and_port(address.removeprefix("ray://"))
    if os.environ.get("RAY_USE_TLS", "0") not in ("", "0"):
        socket.create_connection((host, port), timeout=ANSWER).close()
    elif _first_bytes(host, port, PREFACE)[3] != SETTINGS:
        raise ConnectionError("it is not Ray that answers")


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    number = int(port)
    if not host or not 0 < number < 2**16:
        raise ValueError("an address is host:port")
    return host.strip("[]"), number


def _first_bytes(host: str, port: int, greeting: bytes) -> bytes:
    """The `FIRST` bytes of whoever listens there, after the ``greeting``; raises `OSError` where they do not come."""
    until, found = time.monotonic() + ANSWER, b""
    with socket.create_connection((host, port), timeout=ANSWER) as connection:
        connection.sendall(greeting)
        while len(found) < FIRST:
            connection.settimeout(max(0.01, until - time.monotonic()))
            part = connection.recv(FIRST - len(found))
            if not part:
                raise ConnectionError("the connection was closed")
            found += part
    return found
