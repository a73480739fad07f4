"""A damaged row fails the file of a job that it is about, and holds up no other."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from gallery.records.jobs import Jobs, NewItem
from gallery.tables import job_items
from jobs.worker import Workplace, work
from recognition.recognizer import Recognizer
from tests.support.job_queue import is_finished, new
from utils.config import Settings


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """SQLite alone stores in a column what is none of it."""
    return sqlite_url


@pytest.mark.parametrize("value", ["x'ff'", "CAST(x'ff' AS TEXT)"])
def test_others_go_on(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem], value: str
) -> None:
    """The row of the first file is damaged, and that of the person of the second one."""
    ann, _, ben, cem = clips
    recognizer.store.create_person("ben")
    job = jobs.create(new("enroll", [ann, ben, cem]))
    with recognizer.store.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE job_items SET name = {value} WHERE media = 'ann.mp4'")
        connection.exec_driver_sql("UPDATE people SET created_at = 5")
    assert work(Workplace(recognizer, jobs, settings)) == 2
    with recognizer.store.database.read() as connection:
        rows = connection.execute(select(job_items.c.state, job_items.c.error)).all()
    assert [row.state for row in rows] == ["failed", "failed", "done"]
    assert ["people.created_at" in str(row.error) for row in rows] == [False, True, False]
    assert is_finished(jobs, job.job_id)
