"""Where the service listens: its addresses, whether a port is free, who can connect."""

from __future__ import annotations

import errno
import socket

from utils.config import Settings, is_loopback
from utils.errors import ConfigError
from utils.settings.subject import PREFIX

WYOMING_PORT = "WYOMING_PORT"
"""The one port with an address of its own."""


def url_of(settings: Settings) -> str:
    """Write the address at which a browser finds the service: DUET_URL, or this machine."""
    return settings.server.url.rstrip("/") or local_url(settings)


def local_url(settings: Settings) -> str:
    """Write the address at which this machine finds the service, without any proxy."""
    any_address = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
    host = any_address.get(settings.server.host, settings.server.host)
    scheme = "https" if settings.server.tls_cert else "http"
    return f"{scheme}://{bracket(host)}:{settings.server.port}{settings.server.base_path}"


def bracket(host: str) -> str:
    """Put an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def is_reachable(settings: Settings) -> bool:
    """Whether others than this machine may be able to connect."""
    return bool(settings.server.trusted_proxies) or not is_loopback(settings.server.host)


def check_port(settings: Settings, name: str, port: int) -> None:
    """Raise ConfigError unless the port of this setting can be listened on."""
    is_wyoming = name == WYOMING_PORT
    host = settings.live.wyoming_host if is_wyoming else settings.server.host
    where = f"{PREFIX}{'WYOMING_' if is_wyoming else ''}HOST={host} {PREFIX}{name}={port}"
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"The port is in use by another program. Received: {where}",
                f"Stop the other program, or choose another port: {PREFIX}{name}={port + 1}.",
            ) from error
        raise ConfigError(
            f"The service cannot listen on this address ({error.strerror}). Received: {where}"
        ) from error
