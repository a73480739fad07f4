"""Batch jobs: files that are enrolled and identified, bounds, and what stays afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from gallery.records.jobs import MAX_OPEN_JOBS, Jobs, NewItem, NewJob
from jobs.uploads import keep_uploads
from jobs.worker import Workplace, work
from recognition.recognizer import Recognizer
from tests.support.asking import enroll
from tests.support.gallery_parts import clip
from tests.support.job_queue import claim, new, states
from utils.config import Settings
from utils.errors import InvalidRequestError, JobNotFoundError


def test_a_job_is_worked_on_and_a_bad_file_does_not_end_it(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem]
) -> None:
    job = jobs.create(new("enroll", clips))
    assert (job.state, job.files) == ("waiting", 4)
    assert work(Workplace(recognizer, jobs, settings)) == 4
    assert states(jobs, job.job_id) == ["done", "failed", "done", "done"]
    done = jobs.get(job.job_id)
    assert (done.state, done.counts) == ("done", {"done": 3, "failed": 1})
    assert done.finished_at is not None
    failed = jobs.items(job.job_id, states=("failed",))[0]
    assert failed.error
    assert failed.error["code"] == "media_type"
    assert recognizer.store.count() == 3, "a person whose only clip was refused is not made"
    asked = jobs.create(new("identify", [NewItem("a", "ann.mp4")]))
    work(Workplace(recognizer, jobs, settings))
    answer = jobs.items(asked.job_id)[0].result
    assert answer
    assert answer["fused"]["match"]["person_id"] == "ann"


def test_replace_keeps_the_clips_of_the_job_and_nothing_before(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, media: Path
) -> None:
    for take in (1, 2, 3):
        (media / f"{take}.mp4").write_bytes(clip(face="ann", voice="ann", take=take))
    enroll(recognizer, "ann", media / "1.mp4", create=True)
    job = jobs.create(
        new(
            "enroll",
            [NewItem("bad", "none.mp4", "ann"), *(NewItem(t, f"{t}.mp4", "ann") for t in "23")],
            replace=True,
        )
    )
    claimed = claim(jobs, "w")
    assert claimed.replace
    assert jobs.claim("w2") is None, "the clips of one person come one after the other"
    jobs.finish(claimed, "w", error={"code": "x", "message": "", "hint": ""})
    assert work(Workplace(recognizer, jobs, settings)) == 2
    assert states(jobs, job.job_id) == ["failed", "done", "done"]
    assert recognizer.store.get_person("ann").templates == {"face": 2, "voice": 2}


def test_deleted_people_are_forgotten_in_jobs(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem], media: Path
) -> None:
    enrolled = jobs.create(new("enroll", clips))
    work(Workplace(recognizer, jobs, settings))
    asked = jobs.create(new("identify", [NewItem("who.mp4", "ann.mp4")]))
    work(Workplace(recognizer, jobs, settings))
    [upload] = keep_uploads(settings, "u", [media / "ann.mp4"])
    waiting = jobs.create(new("enroll", [NewItem("ann-9.mp4", upload, "ann", uploaded=True)]))
    recognizer.store.delete_person("ann")
    for job_id in (enrolled.job_id, asked.job_id, waiting.job_id):
        first = jobs.items(job_id)[0]
        assert (first.state, first.name, first.person_id, first.result) == (
            "forgotten",
            "",
            None,
            None,
        )
    assert states(jobs, enrolled.job_id)[2:] == ["done", "done"], "the others are still there"
    assert jobs.get(waiting.job_id).state == "done"
    assert not (media / upload).exists()


def test_somebody_who_is_deleted_while_a_file_is_worked_on(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem]
) -> None:
    recognizer.store.create_person("ann")
    job = jobs.create(new("identify", clips[:1]))
    held = claim(jobs, "w")
    recognizer.store.delete_person("ann")
    jobs.finish(held, "w", result={"fused": {"match": {"person_id": "ann"}}}, mentions={"ann"})
    assert jobs.items(job.job_id)[0].result is None


def test_bounds(jobs: Jobs, clips: list[NewItem], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InvalidRequestError, match="Received: 0"):
        jobs.create(new("identify", []))
    for _ in range(MAX_OPEN_JOBS):
        jobs.create(new("identify", clips[:1]))
    with pytest.raises(InvalidRequestError, match="jobs may be open"):
        jobs.create(new("identify", clips[:1]))


def test_old_jobs_go(
    jobs: Jobs, recognizer: Recognizer, settings: Settings, clips: list[NewItem]
) -> None:
    job = jobs.create(new("identify", clips[:1]))
    assert jobs.remove_finished(0.0) == 0, "not while it is open"
    work(Workplace(recognizer, jobs, settings))
    assert jobs.remove_finished(1.0) == 0
    assert jobs.remove_finished(-1.0) == 1
    with pytest.raises(JobNotFoundError):
        jobs.get(job.job_id)


def test_links_out_of_the_media_root_are_not_followed(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, media: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret.mp4").write_bytes(clip(face="ann"))
    (media / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    job = jobs.create(
        new("identify", [NewItem("link.mp4", "link.mp4"), NewItem("up", "../secret.mp4")])
    )
    work(Workplace(recognizer, jobs, settings))
    assert [item.error["code"] for item in jobs.items(job.job_id)] == ["media_not_found"] * 2


def test_a_file_that_is_gone_when_its_turn_comes(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem], media: Path
) -> None:
    job = jobs.create(new("identify", [clips[0], clips[2]]))
    (media / "ann.mp4").unlink()
    work(Workplace(recognizer, jobs, settings))
    gone, there = jobs.items(job.job_id)
    assert (gone.error["code"], there.state) == ("media_not_found", "done")


def test_a_job_on_a_folder_that_is_elsewhere_is_left_to_others(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, clips: list[NewItem], tmp_path: Path
) -> None:
    """A service sees a job of a folder that it cannot read.

    `cli.py enroll` of another machine has begun it, or of a user whose files the
    service may not read.
    """
    folder = tmp_path / "of somebody"
    held = jobs.create(
        NewJob(
            "enroll",
            [NewItem("a.mp4", "a.mp4", "dan"), NewItem("b.mp4", "b.mp4", "dan")],
            root=str(folder),
        )
    )
    own = jobs.create(new("identify", clips[:1]))
    assert work(Workplace(recognizer, jobs, settings)) == 1
    assert (states(jobs, held.job_id), states(jobs, own.job_id)) == (["waiting"] * 2, ["done"])
    folder.mkdir()
    for name in ("a.mp4", "b.mp4"):
        (folder / name).write_bytes(clip(face="dan", voice="dan", take=ord(name[0])))
    assert work(Workplace(recognizer, jobs, settings)) == 2
    assert states(jobs, held.job_id) == ["done", "done"], "and has lost no attempt"
