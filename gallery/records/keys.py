"""API keys: who may ask the service, and in which role.

A key reads `duet_<key id>_<secret>` with 256 random bits of secret. The database holds
its id and the scrypt hash of the secret. The key itself is shown once, when it is
created. scrypt is slow on purpose (about 50 ms), so a process remembers an HMAC, under
a key of its own, of each secret that was right. Whether the key was revoked is read
from the database at every request.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Integer, Row, exists, insert, literal_column, select, update

from gallery import audit
from gallery.damage import list_whole
from gallery.database.base import Database
from gallery.results import Role
from gallery.tables import api_keys
from utils.errors import InvalidRequestError, KeyNotFoundError, LastAdminKeyError

PREFIX = "duet"
MAX_LABEL = 80
_MAX_KEY = 200
# Tells the rows of SQLite apart, where an id may be damaged
_ROW = literal_column("api_keys.rowid", Integer)
_SCRYPT = {"n": 2**14, "r": 8, "p": 1, "dklen": 32}  # 16 MB and about 50 ms


@dataclass(frozen=True)
class ApiKey:
    """An API key without its secret."""

    key_id: str
    label: str
    role: Role
    created_at: datetime
    revoked_at: datetime | None


class Keys:
    """API keys of a gallery. Shared by all threads."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._hmac_key = secrets.token_bytes(32)
        # HMACs of secrets that were right, by key id.
        self._marks: dict[str, bytes] = {}
        # Bounds the memory that many wrong keys at once can take.
        self._scrypt_turn = threading.Lock()

    def create(
        self, role: Role, label: str = "", *, keep_admin: bool = False
    ) -> tuple[ApiKey, str]:
        """Create a key. Returns it with its text, which nobody can read again.

        `keep_admin`: only if a key of the role admin is in use afterwards. Raises
        InvalidRequestError, LastAdminKeyError.
        """
        if len(label) > MAX_LABEL or not (label.isprintable() or not label):
            raise InvalidRequestError(
                f"The label must be at most {MAX_LABEL} printable characters. Received:"
                f" {label[:40]!r}"
            )
        key_id = secrets.token_hex(4)
        secret = secrets.token_urlsafe(32)
        salt = secrets.token_bytes(16)
        with self._database.write() as connection:
            connection.execute(
                insert(api_keys).values(
                    key_id=key_id,
                    label=label,
                    role=role,
                    salt=salt,
                    hash=_slow_hash(secret, salt),
                    created_at=datetime.now(UTC),
                )
            )
            if keep_admin:
                _refuse_without_admin(connection)
            audit.append(connection, "create_key", str(role), detail={"key_id": key_id})
            row = connection.execute(select(api_keys).where(api_keys.c.key_id == key_id)).one()
        return _as_key(row), f"{PREFIX}_{key_id}_{secret}"

    def list(self) -> tuple[ApiKey, ...]:
        """List all keys, revoked ones too, oldest first."""
        query = select(api_keys).select_from(api_keys)
        query = query.order_by(api_keys.c.created_at, api_keys.c.key_id)
        with self._database.read() as connection:
            return tuple(list_whole(connection, query, api_keys, _as_key, number=_ROW))

    def revoke(self, key_id: str, *, keep_admin: bool = False) -> ApiKey:
        """Revoke a key, in all processes at once.

        Revoking it again changes nothing. `keep_admin`: only if another key of the role
        admin is in use. Raises KeyNotFoundError, LastAdminKeyError.
        """
        with self._database.write() as connection:
            usable = (api_keys.c.key_id == key_id) & api_keys.c.revoked_at.is_(None)
            if connection.execute(
                update(api_keys).where(usable).values(revoked_at=datetime.now(UTC))
            ).rowcount:
                if keep_admin:
                    _refuse_without_admin(connection)
                audit.append(connection, "revoke_key", "revoked", detail={"key_id": key_id})
            row = connection.execute(
                select(api_keys).where(api_keys.c.key_id == key_id)
            ).one_or_none()
        if row is None:
            raise KeyNotFoundError(f"There is no key of this id. Received: {key_id[:40]!r}")
        return _as_key(row)

    def exist(self, *, usable: bool = False) -> bool:
        """Whether a key was ever created.

        From then on nobody is let in without one. `usable`: count only keys that were
        not revoked.
        """
        key = select(api_keys.c.key_id)
        if usable:
            key = key.where(api_keys.c.revoked_at.is_(None))
        with self._database.read() as connection:
            return bool(connection.scalar(select(exists(key))))

    def find(self, text: str, before_slow: Callable[[], None] = lambda: None) -> ApiKey | None:
        """Find the key of this text, revoked or not.

        Returns None when there is no such key. `before_slow` runs before the slow
        comparison and may raise.
        """
        prefix, _, rest = text.partition("_")
        key_id, _, secret = rest.partition("_")
        if prefix != PREFIX or not secret or len(text) > _MAX_KEY or not text.isascii():
            return None
        with self._database.read() as connection:
            row = connection.execute(
                select(api_keys).where(api_keys.c.key_id == key_id)
            ).one_or_none()
        if row is None or not self._is_right(row, secret, before_slow):
            return None
        return _as_key(row)

    def _is_right(self, row: Row[Any], secret: str, before_slow: Callable[[], None]) -> bool:
        mark = hmac.digest(self._hmac_key, row.hash + secret.encode(), "sha256")
        if hmac.compare_digest(mark, self._marks.get(row.key_id, b"")):
            return True
        before_slow()
        with self._scrypt_turn:
            right = hmac.compare_digest(_slow_hash(secret, row.salt), row.hash)
        if right:
            self._marks[row.key_id] = mark
        return right


def labels_of(connection: Connection) -> Mapping[str, str]:
    """What each key is for, by its id."""
    query = select(api_keys.c.key_id, api_keys.c.label).select_from(api_keys)
    rows = list_whole(connection, query, api_keys, tuple, number=_ROW)
    return {key_id: label for key_id, label in rows if label}


def _refuse_without_admin(connection: Connection) -> None:
    """Raise LastAdminKeyError unless a key of the role admin is in use."""
    admins = (api_keys.c.role == Role.ADMIN) & api_keys.c.revoked_at.is_(None)
    if not connection.scalar(select(exists().where(admins))):
        raise LastAdminKeyError(
            "A service with keys needs one of the role admin. No other is in use."
        )


def _slow_hash(secret: str, salt: bytes) -> bytes:
    return hashlib.scrypt(secret.encode(), salt=salt, **_SCRYPT)


def _as_key(row: Row[Any]) -> ApiKey:
    return ApiKey(
        key_id=row.key_id,
        label=row.label,
        role=Role(row.role),
        created_at=row.created_at,
        revoked_at=row.revoked_at,
    )
