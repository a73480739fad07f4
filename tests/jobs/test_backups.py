"""The nightly backup of the service: when it is due, who makes it, and what health says."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gallery.backup.folder import find_backups
from gallery.store import Store, open_store
from jobs.backups import BackupThread, last_backup, last_night
from tests.support.waiting import until
from utils.config import Settings
from utils.errors import StoreUnavailableError

IDS = {"face": "face-1", "voice": "voice-1"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.of(data_dir=tmp_path / "data", backup_dir=tmp_path / "kept", backup_keep=2)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    opened = open_store(settings)
    opened.create_person("ann")
    yield opened
    opened.close()


def test_one_backup_a_night_and_the_latest_are_kept(store: Store, settings: Settings) -> None:
    thread = BackupThread(store, settings, IDS)
    assert last_backup(settings) is None
    first = thread.back_up_if_due()
    assert first is not None
    assert last_backup(settings) == first.manifest.made_at
    assert thread.back_up_if_due(first.manifest.made_at) is None
    nights = [datetime.now(UTC) + timedelta(days=days) for days in (1, 2)]
    # As of a later night the first backup is of the night before
    made = [thread.back_up_if_due(now) for now in nights]
    assert all(made)
    kept = find_backups(settings.backup.backup_dir or Path())
    assert [backup.path for backup in kept] == [backup.path for backup in made if backup]


def test_a_backup_of_a_clock_that_was_ahead_stops_no_other(
    store: Store, settings: Settings
) -> None:
    thread = BackupThread(store, settings, IDS)
    first = thread.back_up_if_due()
    assert first is not None
    ahead = first.path.rename(first.path.with_name("duet-29990101T000000Z"))
    second = thread.back_up_if_due(datetime.now(UTC) - timedelta(days=400))
    assert second is not None
    assert second.path != ahead
    assert second.path.is_dir()


def test_of_two_services_one_makes_it(store: Store, settings: Settings) -> None:
    folder = settings.backup.backup_dir or Path()
    folder.mkdir()
    with (folder / ".lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert BackupThread(store, settings, IDS).back_up_if_due() is None
    assert find_backups(folder) == []


def test_the_thread_makes_it_and_outlives_a_failure(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[str] = []
    real = BackupThread.back_up_if_due

    def fail_first(thread: BackupThread) -> object:
        attempts.append("")
        if len(attempts) == 1:
            raise StoreUnavailableError("locked")
        return real(thread)

    monkeypatch.setattr(BackupThread, "back_up_if_due", fail_first)
    monkeypatch.setattr("jobs.backups.LOOK_S", 0.01)
    thread = BackupThread(store, settings, IDS)
    thread.start()
    until(lambda: last_backup(settings) is not None)
    thread.stop()


def test_the_night_begins_at_three() -> None:
    morning = datetime(2026, 11, 29, 9, 30).astimezone()
    assert last_night(morning) == datetime(2026, 11, 29, 3).astimezone()
    early = datetime(2026, 11, 29, 2, 59).astimezone()
    assert last_night(early) == datetime(2026, 11, 28, 3).astimezone()


@pytest.fixture
def in_helsinki(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the clock of the machine to a zone whose summer time changes at three, as in 2026."""
    with monkeypatch.context() as set_for_now:
        set_for_now.setenv("TZ", "EET-2EEST-3,M3.5.0/3,M10.5.0/4")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("in_helsinki")
@pytest.mark.parametrize(
    ("now", "night"),
    [
        ("2026-03-29T00:59", "2026-03-28T01:00"),
        ("2026-03-29T01:00", "2026-03-29T01:00"),
        ("2026-03-30T00:00", "2026-03-30T00:00"),
        ("2026-10-25T00:30", "2026-10-25T00:00"),
        ("2026-10-25T01:30", "2026-10-25T00:00"),
        ("2026-10-26T00:59", "2026-10-25T00:00"),
    ],
)
def test_a_change_of_summer_time_makes_no_second_night(now: str, night: str) -> None:
    assert last_night(moment(now)) == moment(night)


def moment(utc: str) -> datetime:
    return datetime.fromisoformat(utc).replace(tzinfo=UTC)
