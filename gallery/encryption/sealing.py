"""Stored form of biometric values: in the clear, or sealed with AES-256-GCM.

Sealed form (NIST SP 800-38D): nonce (12 bytes, fresh and random for every value) |
ciphertext | tag (16 bytes), 28 bytes more than the value. With random nonces one key
may seal 2^32 values. What a value belongs to (template id, kind, ...) is the associated
data, so a value that was moved to another row does not open there. The id of a key is
the first 16 hex digits of a hash of it, which tell nothing about the key.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import logging
import os
import re
from pathlib import Path
from typing import Protocol

from gallery.damage import DamagedError, damage_error
from utils.config import Settings
from utils.errors import ConfigError, StoreUnavailableError
from utils.settings.subject import PREFIX
from utils.short_file import read_short
from utils.whole_file import KEY_BYTES as KEY_BYTES

log = logging.getLogger("duet.gallery")

NONCE_BYTES = 12
_HOW = f"A key is {KEY_BYTES} random bytes in base64: `cli.py keys new-encryption-key` makes one."


class Codec(Protocol):
    """Translates between a value and its stored form.

    `about` says what the value belongs to: the same texts when sealing and when
    opening.
    """

    @property
    def key_id(self) -> str | None:
        """Id of the key, as it is noted in `sealed_by` (None = in the clear)."""

    def seal(self, value: bytes, *about: str) -> bytes:
        """Make the stored form of a value."""

    def open(self, stored: bytes, sealed_by: str | None, *about: str) -> bytes:
        """Recover a value from its stored form.

        Raises StoreUnavailableError when another key sealed it, or when what is stored
        is damaged or belongs elsewhere.
        """


class PlainText:
    """Codec that stores values in the clear."""

    key_id = None

    def seal(self, value: bytes, *_about: str) -> bytes:
        """Return the value itself."""
        return value

    def open(self, stored: bytes, sealed_by: str | None, *_about: str) -> bytes:
        """Return the value itself."""
        if sealed_by is not None:
            raise other_key(sealed_by)
        return stored


class Sealer:
    """Codec that seals values with one key of 32 bytes.

    Raises ConfigError for a key of another length.
    """

    def __init__(self, key: bytes) -> None:
        # This import takes 50 ms, which only encrypted galleries pay.
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if len(key) != KEY_BYTES:
            raise ConfigError(
                f"An encryption key must have {KEY_BYTES} bytes. Received: {len(key)} bytes", _HOW
            )
        self._cipher = AESGCM(key)
        self.key_id = hashlib.sha256(b"duet encryption key\0" + key).hexdigest()[:16]

    def seal(self, value: bytes, *about: str) -> bytes:
        """Encrypt a value: nonce, ciphertext and tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, _associated_data(about))

    def open(self, stored: bytes, sealed_by: str | None, *about: str) -> bytes:
        """Check the tag, and decrypt a value."""
        from cryptography.exceptions import InvalidTag

        if sealed_by != self.key_id:
            raise other_key(sealed_by)
        try:
            return self._cipher.decrypt(
                stored[:NONCE_BYTES], stored[NONCE_BYTES:], _associated_data(about)
            )
        except (InvalidTag, ValueError):  # ValueError: shorter than a nonce and a tag
            raise DamagedError(
                f"The encrypted value of {', '.join(about)} is damaged, or was exchanged.",
                "Restore the database from a backup, or delete the template.",
            ) from None


def _associated_data(about: tuple[str, ...]) -> bytes:
    return json.dumps(about).encode()


def other_key(sealed_by: str | None) -> StoreUnavailableError:
    """Make the error for a value that the key in use did not seal.

    It is a DamagedError where what is stored names no key.
    """
    if sealed_by is not None and not _is_key_id(sealed_by):
        return damage_error("a word that names no key")
    sealed = "without a key" if sealed_by is None else f"with the key {sealed_by}"
    return StoreUnavailableError(
        f"The gallery is stored {sealed}, which is not how this program opens it.",
        "The encryption of the gallery was changed: restart the service with the key of the"
        " gallery.",
    )


def _is_key_id(stored: object) -> bool:
    return isinstance(stored, str) and re.fullmatch("[0-9a-f]{16}", stored) is not None


def new_key() -> str:
    """Make a fresh key, as text."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def parse_key(text: str, source: str) -> Sealer:
    """Read a key from its text (base64, standard or URL-safe).

    `source` says in an error where it came from. Raises ConfigError.
    """
    if text.lstrip().startswith("-----BEGIN"):
        raise ConfigError(
            f"{source} must hold an encryption key. It is a key or a certificate for https (PEM).",
            _HOW,
        )
    try:
        key = base64.b64decode(text.strip().replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigError(
            f"{source} must hold a key in base64. Its {len(text.strip())} characters are not"
            " base64.",
            _HOW,
        ) from None
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"{source} must hold a key of {KEY_BYTES} bytes. Received: {len(key)} bytes", _HOW
        )
    return Sealer(key)


def read_key(path: Path, source: str) -> Sealer:
    """Read a key from its file. Raises ConfigError."""
    try:
        text = read_short(path)
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no text"
        raise ConfigError(
            f"{source} must be a file with a key. Received: {path} ({why})", _HOW
        ) from error
    if mode & 0o077:
        log.warning("other users of this machine can read the encryption key: chmod 600 %s", path)
    return parse_key(text, source)


def key_text(settings: Settings) -> str:
    """Text of the key that `codec_of` reads, "" without one. Raises OSError, ValueError."""
    file = settings.privacy.encryption_key_file
    return read_short(file) if file else settings.privacy.encryption_key


def codec_of(settings: Settings) -> Codec:
    """Make the codec of `settings`: the key of the variable or of the file, or none.

    Raises ConfigError.
    """
    if settings.privacy.encryption_key and settings.privacy.encryption_key_file:
        raise ConfigError(
            f"Both {PREFIX}ENCRYPTION_KEY and {PREFIX}ENCRYPTION_KEY_FILE are set.",
            "Unset one of them.",
        )
    if settings.privacy.encryption_key_file:
        return read_key(settings.privacy.encryption_key_file, f"{PREFIX}ENCRYPTION_KEY_FILE")
    if settings.privacy.encryption_key:
        return parse_key(settings.privacy.encryption_key, f"{PREFIX}ENCRYPTION_KEY")
    return PlainText()
