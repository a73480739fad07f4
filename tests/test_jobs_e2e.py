"""Batch jobs of real processes that are broken off: the service killed with SIGKILL, `cli.py enroll` interrupted with Ctrl-C."""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from gallery.database import open_database
from gallery.jobs import Job, Jobs
from tests.media import write_clip
from tests.service import ROOT, Service, environment, running
from tests.tiny import tiny_models

pytestmark = pytest.mark.e2e
FILES = 8
LIMIT_S = 180.0


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


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def asked(service: Service, job_id: str) -> dict[str, int]:
    return requests.get(f"{service.url}/v1/jobs/{job_id}", timeout=60).json()["counts"]


def kill(service: Service) -> None:
    """As the system does when memory runs out: no process of the service gets to do anything more."""
    for pid in [service.process.pid, *service.worker_pids()]:
        os.kill(pid, signal.SIGKILL)
    service.process.wait()


def test_a_job_goes_on_after_the_service_was_killed(tmp_path: Path, clips: Path, models: Path) -> None:
    files = [("media", (f"{n}.mp4", (clips / "p0" / "clip.mp4").read_bytes())) for n in range(FILES)]
    with running(tmp_path, "app.py", model_dir=models) as service:
        job_id = requests.post(f"{service.url}/v1/jobs", files=files, timeout=60).json()["job_id"]
        until(lambda: asked(service, job_id)["done"] >= 2)
        kill(service)
    assert list((tmp_path / "data/media/.jobs" / job_id).iterdir()), "not all was done"
    with running(tmp_path, "app.py", model_dir=models) as service:
        until(lambda: asked(service, job_id)["done"] == FILES)
    assert not (tmp_path / "data/media/.jobs" / job_id).exists()


def test_an_enrolment_of_a_folder_that_was_broken_off_is_taken_up_again(tmp_path: Path, clips: Path, models: Path) -> None:
    command = [sys.executable, "cli.py"]
    settings = environment({"data_dir": tmp_path / "data", "model_dir": models, "slots": 1})  # one: nothing else delays the end
    with (tmp_path / "log").open("wb") as log:
        first = subprocess.Popen([*command, "enroll", str(clips), "--force"], cwd=ROOT, env=settings, stdout=log, stderr=log)
        until(lambda: (job := latest(tmp_path)) and job.counts.get("done"))
        first.send_signal(signal.SIGINT)
        assert first.wait(60) != 0
    assert b"Traceback" not in (tmp_path / "log").read_bytes()
    job = latest(tmp_path)
    assert job is not None
    assert job.state == "running"
    assert job.counts.get("running") is None, "what was being worked on was finished"
    assert f"cli.py jobs run {job.job_id}" in (tmp_path / "log").read_text()
    again = subprocess.run([*command, "jobs", "run", job.job_id], cwd=ROOT, env=settings, capture_output=True, text=True, timeout=LIMIT_S)
    assert again.returncode == 0, again.stderr
    assert f"{FILES} done" in again.stdout


def latest(folder: Path) -> Job | None:
    """The newest job of the gallery in `folder`, as another process sees it."""
    if not (folder / "data/duet.db").exists():
        return None
    database = open_database(f"sqlite:///{folder / 'data/duet.db'}")
    try:
        return next(iter(Jobs(database).latest(1)), None)
    finally:
        database.close()
