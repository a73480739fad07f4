"""A process that changes a gallery is killed again and again, at random moments.

It enrols, replaces, deletes, merges, moves, renames and works on jobs. Afterwards the
gallery is whole, nothing that was acknowledged is lost, and nothing half-done is there.
`--kills N` makes it longer. Killed migrations, rotations and re-embeddings:
test_migrations.py, test_rotation.py, test_reembedding.py.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from gallery.records.jobs import Jobs
from gallery.tables import job_items, kept_media, people, templates
from jobs.worker import Workplace, work
from recognition.recognizer import Recognizer
from tests.support.gallery_parts import make_recognizer
from tests.support.kill_worker import JOURNAL, live
from tests.support.postgres import new_database
from tests.support.waiting import until
from utils.config import Settings

pytestmark = pytest.mark.slow

GONE = {"delete": 0, "merge": 1}
"""Which of the people that an action names is gone after it."""


@dataclass
class Expected:
    """People by the journal: who must be there, who must not, and who may be either.

    Either is allowed where a kill came in between.
    """

    there: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    unsure: set[str] = field(default_factory=set)
    ended: int = 0

    def read(self, lines: list[str]) -> None:
        """Follow one life of the process."""
        for line, after in zip(lines, [*lines[1:], ""], strict=True):
            if line.startswith("begin"):
                _, action, *named = line.split()
                self._note(action, named, after == "end")

    def _note(self, action: str, named: list[str], ended: bool) -> None:
        self.ended += ended
        lost = {named[GONE[action]]} if action in GONE else set()
        made = set(named) if action in ("enroll", "job") else set()
        if ended:
            self.there |= made
            self.there -= lost
            self.gone |= lost
        else:
            self.there -= lost
            self.unsure |= made | lost


def wait_for_work(journal: Path, read: int, count: int, process: BaseProcess) -> None:
    """Wait until `count` pieces of work have ended after the first `read` characters."""
    until(
        lambda: journal.read_text()[read:].count("end") >= count or not process.is_alive(),
        every_s=0.002,
    )


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_nothing_acknowledged_is_lost(
    tmp_path: Path, request: pytest.FixtureRequest, kind: str
) -> None:
    kills = request.config.getoption("--kills")
    if kind == "postgres":
        # Most of what could go wrong is the server's, and tested by its makers
        kills = max(8, kills // 5)
    url = new_database() if kind == "postgres" else f"sqlite:///{tmp_path / 'duet.db'}"
    context = multiprocessing.get_context("forkserver")
    rng = random.Random(7)
    expected = Expected()
    context.set_forkserver_preload(["tests.support.kill_worker"])
    journal = tmp_path / JOURNAL
    read = 0
    journal.touch()
    for number in range(kills):
        process = context.Process(target=live, args=(str(tmp_path), number, url))
        process.start()
        wait_for_work(journal, read, rng.randint(1, 6), process)
        time.sleep(rng.uniform(0.0, 0.05))
        assert process.is_alive(), "it ended by itself"
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        text = journal.read_text()
        expected.read(text[read:].splitlines())
        read = len(text)
    # What waits is enrolled as the process would
    recognizer = make_recognizer(tmp_path, keep_media=True, database_url=url)
    finish_jobs(recognizer, Settings.of(data_dir=tmp_path, database_url=url))
    check(recognizer, expected)
    assert expected.ended > 2 * kills
    recognizer.close()


def finish_jobs(recognizer: Recognizer, settings: Settings) -> None:
    """The leases of killed workers end, and what waits is done."""
    with recognizer.store.database.write() as connection:
        connection.execute(
            update(job_items)
            .where(job_items.c.state == "running")
            .values(leased_until=datetime.now(UTC) - timedelta(seconds=1))
        )
    jobs = Jobs(recognizer.store.database)
    work(Workplace(recognizer, jobs, settings))
    assert not jobs.waiting()


def check(recognizer: Recognizer, expected: Expected) -> None:
    """The gallery holds what it must, and is whole."""
    with recognizer.store.database.read() as connection:
        present = set(connection.scalars(select(people.c.person_id)))
        lost_by_worker = set(
            connection.scalars(select(job_items.c.person_id).where(job_items.c.state == "failed"))
        )
        given_away = set(
            connection.scalars(
                select(people.c.person_id).where(~people.c.key.in_(select(templates.c.person_key)))
            )
        )
        media = connection.scalar(select(func.count(kept_media.c.template_key.distinct())))
        assert connection.scalar(select(func.count()).select_from(templates)) == media, (
            "a template without the media kept with it"
        )
    assert expected.there - expected.unsure - lost_by_worker <= present
    assert not (expected.gone - expected.unsure) & present
    assert present <= expected.there | expected.unsure
    assert not given_away, "people whom an enrolment made without storing a template"
    assert recognizer.store.verify_audit().problems == ()
