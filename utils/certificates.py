"""Checks of the certificate and key for https, at start."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

from utils.errors import ConfigError
from utils.settings.subject import PREFIX


def check_files(certificate: Path, key: Path) -> None:
    """Check that both files can be read, belong together, and are valid now.

    Raises ConfigError.
    """
    _check_readable(certificate, "TLS_CERT")
    _check_readable(key, "TLS_KEY")
    try:
        # A key with a passphrase would make OpenSSL ask for it on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
            certificate, key, password=_no_passphrase
        )
    except _PassphraseError:
        raise ConfigError(
            f"{PREFIX}TLS_KEY must be a key without passphrase. Received: {key.name}",
            "Remove it with: openssl pkey -in key.pem -out plain.pem",
        ) from None
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(
                f"{PREFIX}TLS_KEY must be the key of {PREFIX}TLS_CERT. Received: {key.name},"
                " another one's"
            ) from None
        raise ConfigError(
            f"{PREFIX}TLS_CERT and {PREFIX}TLS_KEY must be a certificate and its key in PEM files. "
            f"Received: {certificate.name}, {key.name} ({error.reason or 'not PEM'})"
        ) from None
    _check_dates(certificate)


def _check_readable(path: Path, setting: str) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigError(
            f"{PREFIX}{setting} must be a file that the service can read. Received: {path}"
            f" ({error.strerror})"
        ) from None


def read_dates(certificate: Path) -> tuple[datetime, datetime]:
    """Read from when and until when a certificate is valid."""
    from cryptography import x509

    # The service's own stands first, before the chain
    leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
    return leaf.not_valid_before_utc, leaf.not_valid_after_utc


def _check_dates(certificate: Path) -> None:
    begin, end = read_dates(certificate)
    now = datetime.now(UTC)
    if not begin <= now <= end:
        raise ConfigError(
            f"{PREFIX}TLS_CERT must be a certificate that is valid now. Received:"
            f" {certificate.name}, valid from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC",
            "Renew the certificate.",
        )


class _PassphraseError(Exception):
    pass


def _no_passphrase() -> str:
    raise _PassphraseError
