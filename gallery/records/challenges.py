"""Challenges: digits that a clip must say, each for a short time and one clip.

They lie in the database, so that whichever replica gets the clip knows them. A challenge
is deleted when its time is over. Its id states that time, so that an old id is told from
one that never was.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from gallery.database.base import Database
from gallery.records.clock import SKEW
from gallery.tables import challenges
from utils.errors import (
    ChallengeError,
    ChallengeExpiredError,
    ChallengeForeignError,
    ChallengeUnknownError,
    ChallengeUsedError,
)

AGAIN_S = 600.0
"""Seconds for which the clip that answered may come again."""
# What lasts longer was made before the clock was set back
_FAR = timedelta(seconds=AGAIN_S) + SKEW

TOO_LATE = "The time of the challenge is over."

_ID = re.compile(r"([0-9]{10,12})-[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class IssuedChallenge:
    """A challenge as it is stored.

    Attributes:
        challenge_id: what the clip carries.
        digits: what must be said, as "482913".
        language: code of the language it is said in.
        expires_at: when its time is over.
    """

    challenge_id: str
    digits: str
    language: str
    expires_at: datetime


class Challenges:
    """The challenges of a gallery. Shared by all threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def issue(
        self, digits: str, language: str, *, asker: str, seconds: float, now: datetime | None = None
    ) -> IssuedChallenge:
        """Store a challenge for `asker` alone, and delete those whose time is over.

        Raises StorageFullError, StoreUnavailableError.
        """
        now = now or datetime.now(UTC)
        expires_at = (now + timedelta(seconds=seconds)).replace(microsecond=0)
        issued = IssuedChallenge(
            challenge_id=f"{int(expires_at.timestamp())}-{secrets.token_hex(16)}",
            digits=digits,
            language=language,
            expires_at=expires_at,
        )
        with self._database.write() as connection:
            sweep(connection, now)
            connection.execute(insert(challenges).values(**vars(issued), asker=_hash(asker)))
        return issued

    def redeem(
        self, challenge_id: str, clip_sha256: str, *, asker: str, now: datetime | None = None
    ) -> IssuedChallenge:
        """Use up a challenge of `asker` with a clip.

        The clip may come again for `AGAIN_S`, to be enrolled after it was identified. Another
        one may not.

        Raises ChallengeUnknownError, ChallengeExpiredError, ChallengeForeignError,
        ChallengeUsedError, StoreUnavailableError.
        """
        now = now or datetime.now(UTC)
        own = challenges.c.challenge_id == challenge_id
        claim = {"clip_sha256": clip_sha256, "expires_at": now + timedelta(seconds=AGAIN_S)}
        unused = own & challenges.c.clip_sha256.is_(None)
        with self._database.write() as connection:
            row = connection.execute(select(challenges).where(own)).one_or_none()
            _check(row, challenge_id, asker, now)
            connection.execute(update(challenges).where(unused).values(claim))
            row = connection.execute(select(challenges).where(own)).one()
            if row.clip_sha256 != clip_sha256:
                raise ChallengeUsedError("A challenge is for one clip. It is used already.")
        return IssuedChallenge(row.challenge_id, row.digits, row.language, row.expires_at)


def sweep(connection: Connection, now: datetime) -> None:
    """Delete challenges whose time is over."""
    ends = challenges.c.expires_at
    connection.execute(delete(challenges).where(or_(ends <= now, ends > now + _FAR)))


def _check(row: Row[Any] | None, challenge_id: str, asker: str, now: datetime) -> None:
    """Check that a challenge is there, in time, and of `asker`."""
    if row is None:
        raise _explain_missing(challenge_id, now)
    if row.asker != _hash(asker):
        raise ChallengeForeignError("A challenge is for the key and the address that asked for it.")
    if not now < row.expires_at <= now + _FAR:
        raise ChallengeExpiredError(TOO_LATE)


def _explain_missing(challenge_id: str, now: datetime) -> ChallengeError:
    shape = _ID.fullmatch(challenge_id)
    if shape and int(shape.group(1)) <= now.timestamp():
        return ChallengeExpiredError(TOO_LATE)
    return ChallengeUnknownError(
        f"The challenge must be one that was made here. Received: {challenge_id[:60]!a}"
    )


def _hash(asker: str) -> str:
    return hashlib.sha256(asker.encode()).hexdigest()
