"""Batch jobs of real processes that are broken off.

The service killed with SIGKILL, `cli.py enroll` interrupted with Ctrl-C.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import requests
from sqlalchemy import update

from gallery.database.base import Database
from gallery.database.open import open_database
from gallery.records.jobs import Job, Jobs
from gallery.tables import job_items
from tests.support.half_sent import send_all_but_the_end
from tests.support.media import write_clip
from tests.support.service import ROOT, Service, environment, running
from tests.support.tiny import tiny_models
from tests.support.waiting import LIMIT_S, frozen, until

FILES = 8


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of folders: one clip under several ids, to be enrolled with `force`."""
    made = tmp_path_factory.mktemp("people")
    for number in range(FILES):
        (made / f"p{number}").mkdir()
        if number == 0:
            write_clip(made / "p0" / "clip.mp4", person=1, seconds=2.0)
        else:
            shutil.copy(made / "p0" / "clip.mp4", made / f"p{number}")
    return made


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models(tmp_path_factory.mktemp("models"))


def asked(service: Service, job_id: str) -> dict[str, int]:
    return requests.get(f"{service.url}/v1/jobs/{job_id}", timeout=60).json()["counts"]


def has_done(service: Service, job_id: str, files: int) -> bool:
    """Whether so many files of the job are done."""
    return asked(service, job_id)["done"] >= files


@contextmanager
def opened(folder: Path) -> Iterator[Database]:
    """The database of the gallery in `folder`, as another process sees it."""
    database = open_database(f"sqlite:///{folder / 'data/duet.db'}")
    try:
        yield database
    finally:
        database.close()


def latest(folder: Path) -> Job | None:
    """The newest job of the gallery in `folder`."""
    if not (folder / "data/duet.db").exists():
        return None
    with opened(folder) as database:
        return next(iter(Jobs(database).latest(1)), None)


def killed_amid_a_job(service: Service, clip: Path, folder: Path) -> str:
    """Send a job and kill the service at it, as the system does when memory runs out.

    No process of it gets to do anything more. Another job where the first was done
    before anybody looked.
    """
    files = [("media", (f"{n}.mp4", clip.read_bytes())) for n in range(FILES)]
    processes = [service.process.pid, *service.worker_pids()]
    while True:
        job_id = requests.post(f"{service.url}/v1/jobs", files=files, timeout=LIMIT_S).json()[
            "job_id"
        ]
        until(partial(has_done, service, job_id, 2))
        with frozen(*processes):
            if (job := latest(folder)) is not None and job.finished_at is None:
                for pid in processes:
                    os.kill(pid, signal.SIGKILL)
                break
    service.process.wait()
    return job_id


def end_leases(folder: Path) -> None:
    """Of the files that nobody works on any more, as half a minute does."""
    with opened(folder) as database, database.write() as connection:
        connection.execute(
            update(job_items)
            .where(job_items.c.state == "running")
            .values(leased_until=datetime.now(UTC) - timedelta(seconds=1))
        )


def test_a_job_goes_on_after_the_service_was_killed(
    tmp_path: Path, clips: Path, models: Path
) -> None:
    with running(tmp_path, "app.py", model_dir=models) as service:
        job_id = killed_amid_a_job(service, clips / "p0" / "clip.mp4", tmp_path)
    assert list((tmp_path / "data/media/.jobs" / job_id).iterdir()), "not all was done"
    end_leases(tmp_path)
    with running(tmp_path, "app.py", model_dir=models) as service:
        until(partial(has_done, service, job_id, FILES))
        assert_it_stops_without_its_main_process(service, clips / "p0" / "clip.mp4")
    assert not (tmp_path / "data/media/.jobs" / job_id).exists()


def assert_it_stops_without_its_main_process(service: Service, clip: Path) -> None:
    """Kill the main process alone: what was begun is answered, and nothing else is taken."""
    (worker,) = service.worker_pids()
    connection, rest = send_all_but_the_end(service, clip)
    service.process.kill()
    until(lambda: not is_open(service.port))
    connection.send(rest)
    assert connection.getresponse().status == 200
    connection.close()
    until(lambda: not Path(f"/proc/{worker}").exists())


def is_open(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def heed_ctrl_c() -> None:
    """What a shell starts in the background ignores it, and so does all that is started
    from there.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def is_begun(folder: Path, before: Job | None) -> bool:
    """Whether a file is done of a job that is newer than `before`."""
    job = latest(folder)
    is_new = job is not None and (before is None or job.job_id != before.job_id)
    return is_new and bool(job and job.counts.get("done"))


def interrupt(command: list[str], folder: Path, settings: dict[str, str]) -> None:
    """Enrol a folder and press Ctrl-C amid it.

    Again where it was done before anybody looked.
    """
    while True:
        before = latest(folder)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=settings,
                stdout=log,
                stderr=log,
                preexec_fn=heed_ctrl_c,  # noqa: PLW1509  no thread runs here
            )
        until(partial(is_begun, folder, before), every_s=0.2)
        with frozen(process.pid):
            job = latest(folder)
            assert job is not None
            if job.counts.get("waiting", 0) > 2:
                process.send_signal(signal.SIGINT)
                break
        assert process.wait(LIMIT_S) == 0
    assert process.wait(LIMIT_S) != 0


def test_an_enrolment_of_a_folder_that_was_broken_off_is_taken_up_again(
    tmp_path: Path, clips: Path, models: Path
) -> None:
    command = [sys.executable, "cli.py"]
    # One: nothing else delays the end
    settings = environment({"data_dir": tmp_path / "data", "model_dir": models, "slots": 1})
    interrupt([*command, "enroll", str(clips), "--force"], tmp_path, settings)
    assert b"Traceback" not in (tmp_path / "log").read_bytes()
    job = latest(tmp_path)
    assert job is not None
    assert job.state == "running"
    assert job.counts.get("running") is None, "what was being worked on was finished"
    assert f"cli.py jobs run {job.job_id}" in (tmp_path / "log").read_text()
    again = subprocess.run(
        [*command, "jobs", "run", job.job_id],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert again.returncode == 0, again.stderr
    assert f"{FILES} done" in again.stdout
