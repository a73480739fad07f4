"""Settings of the server: where it listens, and how much it takes on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from utils.errors import ConfigError
from utils.settings.subject import PREFIX, Subject, setting
from utils.settings.values import host_of, is_address

_BASE_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*", re.ASCII)
LOG_FORMS = ("text", "json")


@dataclass(frozen=True)
class ServerSettings(Subject):
    """Where the service listens, and who may reach it."""

    host: str = setting(
        "127.0.0.1", "Address to listen on. Any address but loopback needs an API key."
    )
    port: int = setting(5000, "TCP port.", 1, 65535)
    url: str = setting(
        "",
        "Address at which clients reach the service: printed at start, and asked by Request.py"
        " and `cli.py client`. Empty: this machine at DUET_PORT.",
    )
    api_key: str = setting(
        "",
        "An admin key for the header X-API-Key, beside those of `cli.py keys`. Without any key"
        " the service listens on loopback only.",
        secret=True,
    )
    tls_cert: Path | None = setting(
        None,
        "Certificate with its chain, in a PEM file. With it, the service speaks HTTPS.",
    )
    tls_key: Path | None = setting(None, "Private key of the certificate, in a PEM file.")
    log: str = setting(
        "text", "Form of the log: text, or json with one object a line and the request id."
    )
    otlp_endpoint: str = setting(
        "",
        "Address of an OpenTelemetry receiver, to which the figures of /metrics are pushed over"
        " HTTP (usually port 4318). Empty: none.",
    )
    trusted_proxies: int = setting(
        0,
        "Number of proxies before the service that set X-Forwarded-For, -Proto, -Host and -Prefix.",
        0,
        10,
    )
    base_path: str = setting(
        "",
        "Path of a proxy below which the service is, such as /duet. Empty: the root of the host,"
        " or what a trusted proxy states in X-Forwarded-Prefix.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError(f"{PREFIX}TLS_CERT and {PREFIX}TLS_KEY must be set together.")
        if self.log not in LOG_FORMS:
            raise ConfigError(
                f"{PREFIX}LOG must be one of {', '.join(LOG_FORMS)}. Received: {self.log[:40]!r}"
            )
        if self.otlp_endpoint and not _is_receiver(self.otlp_endpoint):
            raise ConfigError(
                f"{PREFIX}OTLP_ENDPOINT must be an address such as http://127.0.0.1:4318, without a"
                f" user name and a query. Received: {host_of(self.otlp_endpoint)!r}"
            )
        if not _BASE_PATH.fullmatch(self.base_path):
            raise ConfigError(
                f"{PREFIX}BASE_PATH must be a path such as /duet, without a slash at its end."
                f" Received: {self.base_path[:80]!r}"
            )


@dataclass(frozen=True)
class LimitSettings(Subject):
    """How much the service takes on."""

    rate_limit: str = setting(
        "1200/minute",
        "Clips that each key, or each address without one, may send. Ten times as many other"
        " requests are allowed. Empty: no limit.",
    )
    max_upload_mb: int = setting(64, "Largest request body, in MB.", 1, 4096)
    threads: int = setting(32, "Requests that are served at the same time.", 1, 256)
    slots: int = setting(
        2,
        "Clips that are analysed at the same time. Others wait, at most half as many as there"
        " are threads.",
        1,
        64,
    )


def _is_receiver(url: str) -> bool:
    """Whether the path of OTLP can be put to an address."""
    return is_address(url) and "?" not in url
