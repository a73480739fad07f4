"""A clock that is wrong deletes nobody: 1970, and 400 days ahead."""

from __future__ import annotations

import ctypes
import logging
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import delete, update

from gallery.records import clock
from gallery.records.jobs import Jobs, NewItem, NewJob
from gallery.records.people import NewPerson
from gallery.store import Store
from gallery.tables import meta, people
from tests.support.templates import face

DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 2, tzinfo=UTC)


class Machine:
    """The clock of a machine, and how long it has been up."""

    def __init__(self) -> None:
        self.shown = datetime.now(UTC)
        self.boot = "first"
        self.up_s = 1000.0
        self.is_synchronised = False

    def wait(self, passed: timedelta) -> None:
        """Let time pass while the machine is on."""
        self.shown += passed
        self.up_s += passed.total_seconds()

    def switch_off(self, shown: datetime) -> None:
        """Start the machine anew, with this time on the clock."""
        self.shown = shown
        self.boot += "+"
        self.up_s = 5.0


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(clock, "now", lambda: made.shown)
    monkeypatch.setattr(clock, "uptime", lambda: (made.boot, made.up_s))
    monkeypatch.setattr(clock, "is_synchronised", lambda: made.is_synchronised)
    return made


@pytest.fixture
def due(store: Store, machine: Machine) -> Store:
    """A store with a person whose term ends in 30 days, looked at now."""
    store.enroll(NewPerson("ann", retention_days=30), [face()])
    assert store.forget_expired() == 0
    return store


def days_off(store: Store) -> float:
    return store.clock_jump.days if store.clock_jump else 0.0


@pytest.mark.parametrize("jump", [400 * DAY, 31 * DAY, -400 * DAY])
def test_a_jump_deletes_nobody_until_the_clock_agrees_again(
    due: Store, machine: Machine, jump: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    right = machine.shown
    machine.shown += jump
    with caplog.at_level(logging.WARNING, logger="duet.gallery"):
        assert due.forget_expired() == 0
        assert due.forget_expired() == 0
    assert caplog.text.count("Nothing is deleted by term") == 1
    assert days_off(due) == pytest.approx(jump / DAY, abs=0.01)
    machine.shown = right
    assert due.forget_expired() == 0
    assert days_off(due) == 0
    machine.wait(30 * DAY)
    assert due.forget_expired() == 1
    outcomes = [event.outcome for event in due.events(action="clock")]
    assert outcomes == ["agrees", "doubted"]


def test_the_operator_releases_it(due: Store, machine: Machine) -> None:
    machine.switch_off(machine.shown + 90 * DAY)
    assert due.forget_expired() == 0
    jump = due.trust_clock()
    assert jump is not None
    assert due.forget_expired() == 1
    assert due.events(action="trust_clock")[0].detail == {"days": 90.0}


def test_the_operator_releases_it_for_all_machines(due: Store, machine: Machine) -> None:
    machine.shown += 10 * DAY
    due.trust_clock()
    machine.boot = "west"
    assert due.forget_expired() == 0
    machine.boot = "first"
    machine.shown -= 10 * DAY
    assert due.trust_clock()
    machine.boot = "west"
    assert due.find_clock_jump() is None


@pytest.mark.parametrize("passed", [20 * timedelta(hours=1), 40 * DAY])
def test_time_that_passes_while_the_machine_is_on_is_no_jump(
    due: Store, machine: Machine, passed: timedelta
) -> None:
    machine.wait(passed)
    assert due.forget_expired() == int(passed > 30 * DAY)
    assert due.clock_jump is None


def test_a_night_switched_off_is_no_jump(due: Store, machine: Machine) -> None:
    machine.switch_off(machine.shown + 0.6 * DAY)
    assert due.forget_expired() == 0
    assert due.clock_jump is None


def test_weeks_switched_off_are_believed_once_a_time_server_sets_the_clock(
    due: Store, machine: Machine
) -> None:
    machine.switch_off(machine.shown + 40 * DAY)
    assert due.forget_expired() == 0
    machine.wait(timedelta(minutes=2))
    assert due.forget_expired() == 0
    assert days_off(due) == pytest.approx(40, abs=0.1)
    machine.is_synchronised = True
    assert due.find_clock_jump() is None
    assert due.forget_expired() == 1
    machine.shown += 40 * DAY
    assert due.forget_expired() == 0
    assert days_off(due) == pytest.approx(40, abs=0.1), "a jump while it is on"


@pytest.mark.parametrize("jumps", ["first", "west"])
def test_a_time_server_is_not_believed_about_a_jump_while_a_machine_is_on(
    due: Store, machine: Machine, jumps: str
) -> None:
    for machine.boot in (jumps, "first"):  # another one may have noted the time last
        assert due.forget_expired() == 0
    machine.boot = jumps
    machine.is_synchronised = True
    machine.shown += 400 * DAY
    assert due.forget_expired() == 0
    machine.wait(timedelta(minutes=2))
    assert due.forget_expired() == 0
    assert days_off(due) == pytest.approx(400, abs=0.1)


def test_days_without_a_question_to_any_of_several_machines_are_no_jump(
    due: Store, machine: Machine
) -> None:
    for machine.boot in ("west", "first"):
        assert due.forget_expired() == 0
    machine.wait(40 * DAY)
    for machine.boot, forgotten in (("west", 1), ("first", 0)):
        assert due.forget_expired() == forgotten
        assert due.clock_jump is None


def test_several_machines_that_were_off_are_believed_once_a_time_server_sets_their_clocks(
    due: Store, machine: Machine
) -> None:
    machine.shown += 40 * DAY
    for machine.boot in ("east", "west", "east"):
        assert due.forget_expired() == 0
        assert days_off(due) == pytest.approx(40, abs=0.1)
    machine.is_synchronised = True
    assert due.forget_expired() == 1


@pytest.mark.parametrize("off", [False, True])
def test_a_note_without_starts_counts_as_before(due: Store, machine: Machine, off: bool) -> None:
    at = machine.shown.isoformat(timespec="seconds")
    with due.database.write() as connection:
        value = f"{at}|first|{machine.up_s:.0f}"
        connection.execute(update(meta).where(meta.c.name == "clock").values(value=value))
    machine.is_synchronised = True
    if off:
        machine.switch_off(machine.shown + 40 * DAY)
    else:
        machine.shown += 40 * DAY
    assert due.forget_expired() == int(off)


def test_a_time_server_is_not_believed_about_the_past(due: Store, machine: Machine) -> None:
    machine.switch_off(EPOCH)
    machine.is_synchronised = True
    assert due.forget_expired() == 0
    assert days_off(due) < 0


def test_the_kernel_says_whether_a_time_server_sets_the_clock() -> None:
    ask = getattr(ctypes.CDLL(None), "ntp_gettime", None)
    if ask is None:
        pytest.skip("this C library has no ntp_gettime")
    unsynchronised = 5
    said = ask(ctypes.create_string_buffer(512))
    assert clock.is_synchronised() == (said != unsynchronised)


def test_a_start_in_1970_and_the_right_time_later(due: Store, machine: Machine) -> None:
    right = machine.shown
    machine.switch_off(EPOCH)
    assert due.forget_expired() == 0
    due.enroll(NewPerson("ben", retention_days=30), [face(2)])
    enrolled = due.get_person("ben").enrolled_at
    assert enrolled is not None
    assert abs(enrolled - right) < DAY, "a term does not count from 1970"
    machine.wait(0.1 * DAY)
    assert due.forget_expired() == 0
    machine.shown = right + 0.1 * DAY
    assert due.forget_expired() == 0
    assert due.clock_jump is None
    assert due.count() == 2


def test_a_gallery_of_an_earlier_version_goes_by_its_audit(due: Store, machine: Machine) -> None:
    with due.database.write() as connection:
        connection.execute(delete(meta).where(meta.c.name == "clock"))
        connection.execute(update(people).values(enrolled_at=machine.shown - 40 * DAY))
    machine.shown += 400 * DAY
    assert due.forget_expired() == 0
    machine.shown -= 400 * DAY
    assert due.forget_expired() == 1


def test_requests_look_again_at_once_when_the_clock_was_set(
    due: Store, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    due.forget_expired_when_due()
    real = time.time()
    machine.shown += 400 * DAY
    monkeypatch.setattr("gallery.transactions.people.time.time", lambda: real + 400 * 86_400)
    due.forget_expired_when_due()
    assert days_off(due) == pytest.approx(400, abs=0.01)
    assert due.count() == 1
    machine.shown -= 400 * DAY
    monkeypatch.setattr("gallery.transactions.people.time.time", lambda: real)
    due.forget_expired_when_due()
    assert days_off(due) == 0


def finish_a_job(store: Store) -> Jobs:
    """Make a job whose only file is cancelled at once, so that it is finished."""
    jobs = Jobs(store.database)
    job = jobs.create(NewJob("identify", [NewItem("a.mp4", "a.mp4")]))
    assert jobs.cancel(job.job_id)[0].finished_at is not None
    return jobs


def test_finished_jobs_outlive_a_clock_that_is_ahead(due: Store, machine: Machine) -> None:
    jobs = finish_a_job(due)
    machine.shown += 400 * DAY
    assert jobs.remove_finished(30) == 0
    machine.shown -= 400 * DAY
    machine.wait(20 * DAY)
    assert jobs.remove_finished(30) == 0
    machine.wait(11 * DAY)
    assert jobs.remove_finished(30) == 1


def test_a_job_that_ends_in_1970_has_its_whole_term(due: Store, machine: Machine) -> None:
    right = machine.shown
    machine.switch_off(EPOCH)
    jobs = finish_a_job(due)
    machine.shown = right
    assert jobs.remove_finished(30) == 0
