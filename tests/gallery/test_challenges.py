"""Challenges: for one asker, one clip and a short time, in every replica."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from gallery.records.challenges import AGAIN_S, Challenges
from gallery.store import Store
from gallery.tables import challenges as table
from utils.errors import (
    ChallengeExpiredError,
    ChallengeForeignError,
    ChallengeUnknownError,
    ChallengeUsedError,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLIP = "a" * 64


@pytest.fixture
def challenges(store: Store) -> Challenges:
    return Challenges(store.database)


def after(seconds: float) -> datetime:
    """The moment `seconds` after the challenge was made."""
    return NOW + timedelta(seconds=seconds)


def test_a_challenge_is_answered_once_and_by_who_was_asked(challenges: Challenges) -> None:
    made = challenges.issue("482913", "ko", asker="key 1", seconds=45, now=NOW)
    for wrong in ("", "1767225645", f"{made.challenge_id}0", "1767225645-" + "0" * 32):
        with pytest.raises(ChallengeUnknownError):
            challenges.redeem(wrong, CLIP, asker="key 1", now=NOW)
    with pytest.raises(ChallengeForeignError):
        challenges.redeem(made.challenge_id, CLIP, asker="key 2", now=NOW)
    answered = challenges.redeem(made.challenge_id, CLIP, asker="key 1", now=after(44))
    assert (answered.digits, answered.language) == ("482913", "ko")
    with pytest.raises(ChallengeUsedError):
        challenges.redeem(made.challenge_id, "b" * 64, asker="key 1", now=after(44))


def test_the_clip_that_answered_may_come_again_to_be_enrolled(challenges: Challenges) -> None:
    made = challenges.issue("482913", "ko", asker="key 1", seconds=45, now=NOW)
    challenges.redeem(made.challenge_id, CLIP, asker="key 1", now=NOW)
    again = challenges.redeem(made.challenge_id, CLIP, asker="key 1", now=after(AGAIN_S - 1))
    assert again.digits == "482913"
    with pytest.raises(ChallengeExpiredError):
        challenges.redeem(made.challenge_id, CLIP, asker="key 1", now=after(3 * AGAIN_S))


def test_an_old_challenge_is_deleted_and_still_told_from_an_unknown_one(
    challenges: Challenges, store: Store
) -> None:
    made = challenges.issue("482913", "en", asker="key 1", seconds=45, now=NOW)
    with pytest.raises(ChallengeExpiredError):
        challenges.redeem(made.challenge_id, CLIP, asker="key 1", now=after(46))
    challenges.issue("123456", "en", asker="key 1", seconds=45, now=after(46))
    with store.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(table)) == 1
    with pytest.raises(ChallengeExpiredError):
        challenges.redeem(made.challenge_id, CLIP, asker="key 1", now=after(47))
    store.forget_expired()
    with store.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(table)) == 0


def test_a_challenge_does_not_outlast_a_clock_that_is_set_back(challenges: Challenges) -> None:
    made = challenges.issue("482913", "en", asker="key 1", seconds=45, now=NOW)
    with pytest.raises(ChallengeExpiredError):
        challenges.redeem(made.challenge_id, CLIP, asker="key 1", now=after(-7200))
    challenges.issue("123456", "en", asker="key 1", seconds=45, now=after(-7200))
    with pytest.raises(ChallengeUnknownError):  # it is swept
        challenges.redeem(made.challenge_id, CLIP, asker="key 1", now=after(-7200))


def test_of_two_clips_at_once_one_answers(challenges: Challenges) -> None:
    made = challenges.issue("482913", "en", asker="key 1", seconds=45, now=NOW)

    def answer(number: int) -> bool:
        try:
            challenges.redeem(made.challenge_id, f"{number:064}", asker="key 1", now=NOW)
        except ChallengeUsedError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(answer, range(8))) == 1
