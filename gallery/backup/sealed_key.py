"""A copy of the encryption key for a backup, sealed with a passphrase.

The passphrase becomes a key by scrypt (RFC 7914) with 64 MiB of memory, and AES-256-GCM
seals with it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os

from utils.errors import BackupUnusableError, InvalidRequestError

LEAST_PASSPHRASE = 12
_SCRYPT = {"n": 1 << 16, "r": 8, "p": 1}
_MEMORY = 128 << 20
_ABOUT = b"duet encryption key"
_SALT_BYTES = 16
_NONCE_BYTES = 12


def seal_key(key: str, passphrase: str) -> str:
    """Seal the text of a key, as JSON. Raises InvalidRequestError for a short passphrase."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(passphrase) < LEAST_PASSPHRASE:
        raise InvalidRequestError(
            f"The passphrase must have {LEAST_PASSPHRASE} characters or more. Received:"
            f" {len(passphrase)}"
        )
    salt = os.urandom(_SALT_BYTES)
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(_derive(passphrase, salt)).encrypt(nonce, key.encode(), _ABOUT)
    parts = {"salt": salt, "nonce": nonce, "sealed": sealed}
    return json.dumps({name: base64.b64encode(part).decode() for name, part in parts.items()})


def open_key(document: str, passphrase: str) -> str:
    """Recover the text of a key.

    Raises InvalidRequestError for a wrong passphrase, BackupUnusableError for a document
    that is none.
    """
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        parts = {name: base64.b64decode(text) for name, text in json.loads(document).items()}
        key = AESGCM(_derive(passphrase, parts["salt"])).decrypt(
            parts["nonce"], parts["sealed"], _ABOUT
        )
    except InvalidTag:
        raise InvalidRequestError("The passphrase is not the one that sealed the key.") from None
    except (ValueError, KeyError, AttributeError, TypeError, binascii.Error) as error:
        raise BackupUnusableError("The file of the sealed key is damaged.") from error
    return key.decode()


def _derive(passphrase: str, salt: bytes) -> bytes:
    return hashlib.scrypt(
        passphrase.encode(),
        salt=salt,
        n=_SCRYPT["n"],
        r=_SCRYPT["r"],
        p=_SCRYPT["p"],
        maxmem=_MEMORY,
        dklen=32,
    )
