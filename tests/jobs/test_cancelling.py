"""Jobs that are cancelled, and their uploads."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest

from gallery.records.job_files import remove_uploads
from gallery.records.jobs import Jobs, NewItem
from jobs.thread import JobThread
from jobs.uploads import LEFT_S, keep_uploads, remove_unused
from jobs.worker import Workplace
from recognition.recognizer import Recognizer
from tests.support.gallery_parts import clip
from tests.support.job_queue import claim, is_begun, is_finished, lose_worker, new, states
from tests.support.waiting import until
from utils.config import Settings
from utils.errors import JobNotFoundError


def test_cancelling(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem], media: Path
) -> None:
    [upload] = keep_uploads(settings, "j", [media / "ann.mp4"])
    job = jobs.create(new("identify", [*clips[:2], NewItem("up.mp4", upload, uploaded=True)]))
    running = claim(jobs, "w")
    after, freed = jobs.cancel(job.job_id)
    assert (after.state, freed) == ("running", [upload])
    remove_uploads(settings.storage.media_folder, freed)
    assert not (media / ".jobs" / "j").exists()
    assert jobs.claim("w") is None
    jobs.finish(running, "w", result={})
    assert jobs.get(job.job_id).state == "cancelled"
    assert states(jobs, job.job_id) == ["done", "cancelled", "cancelled"]
    jobs.cancel(job.job_id)
    with pytest.raises(JobNotFoundError):
        jobs.get(job.job_id)


def test_a_file_that_is_given_back_to_a_cancelled_job_is_cancelled(
    jobs: Jobs, clips: list[NewItem]
) -> None:
    job = jobs.create(new("identify", clips[:1]))
    held = claim(jobs, "w")
    jobs.cancel(job.job_id)
    jobs.release(held, "w")
    assert states(jobs, job.job_id) == ["cancelled"]
    assert jobs.get(job.job_id).finished_at is not None


def is_gone(folder: Path) -> bool:
    return not folder.exists()


def test_a_job_is_cancelled_while_it_is_worked_on(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, media: Path
) -> None:
    (media / "ann.mp4").write_bytes(clip(face="ann", voice="ann"))
    thread = JobThread(Workplace(recognizer, jobs, settings))
    for round_ in range(3):
        uploads = keep_uploads(settings, f"j{round_}", [media / "ann.mp4"] * 30)
        job = jobs.create(new("identify", [NewItem(u, u, uploaded=True) for u in uploads]))
        thread.wake()
        until(partial(is_begun, jobs, job.job_id))
        remove_uploads(settings.storage.media_folder, jobs.cancel(job.job_id)[1])
        until(partial(is_finished, jobs, job.job_id))
        counts = jobs.get(job.job_id).counts
        assert set(counts) <= {"done", "cancelled"}
        assert sum(counts.values()) == 30
        # Each upload is removed by one of the two: a worker notes its file as done before that
        until(partial(is_gone, media / ".jobs" / f"j{round_}"))
    thread.stop()


def test_uploads_that_killed_processes_left_are_removed(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem], media: Path
) -> None:
    lost, needed, young = (
        keep_uploads(settings, name, [media / "ann.mp4"])[0] for name in ("lost", "needed", "young")
    )
    jobs.create(new("identify", [NewItem("a", needed, uploaded=True)]))
    for upload in (lost, needed):
        os.utime(media / upload, (time.time() - LEFT_S - 60,) * 2)
    remove_unused(jobs, settings)
    assert [(media / upload).exists() for upload in (lost, needed, young)] == [False, True, True]
    assert not (media / lost).parent.exists()


def test_a_cancelled_file_is_not_begun_again_when_its_worker_is_lost(
    recognizer: Recognizer, jobs: Jobs, clips: list[NewItem]
) -> None:
    job = jobs.create(new("identify", clips[:1]))
    jobs.claim("killed")
    jobs.cancel(job.job_id)
    lose_worker(recognizer)
    assert jobs.claim("w") is None
    assert jobs.get(job.job_id).state == "cancelled"
