"""Jobs through Celery, with a real Redis and real worker processes.

Also when the broker goes away, and when a worker is killed.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import requests

from jobs.broker import remind, waiting_messages
from tests.support.media import write_clip
from tests.support.service import ROOT, environment, free_port, running
from tests.support.waiting import LIMIT_S, frozen, until
from utils.config import Settings
from utils.errors import BrokerUnavailableError, ConfigError
from web.server.serve import check_start

pytest.importorskip("celery", reason="celery is not installed (requirements-optional.txt)")
pytest.importorskip("redis", reason="redis is not installed (requirements-optional.txt)")
REDIS = shutil.which("redis-server")
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(REDIS is None, reason="redis-server is not on this machine"),
]
FILES = 12
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


@contextmanager
def redis(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A broker that keeps what it holds across its own restarts."""
    process = subprocess.Popen(
        [
            str(REDIS),
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(folder),
            "--appendonly",
            "yes",
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: answers(port))
        yield process
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def answers(port: int) -> bool:
    import socket

    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
        connection.sendall(b"PING\r\n")
        return connection.recv(16).startswith(b"+PONG")
    return False


@contextmanager
def worker(data: Path, url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`cli.py worker` in a process of its own."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "cli.py", "worker", "--threads", "1"],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment({"data_dir": data, "broker_url": url}),
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def send(url: str, clip: Path, count: int) -> str:
    files = [("media", (f"{n}.mp4", clip.read_bytes())) for n in range(count)]
    answer = requests.post(f"{url}/v1/jobs", files=files, timeout=60)
    assert answer.status_code == 202, answer.text
    return answer.json()["job_id"]


def counts(url: str, job_id: str) -> dict[str, int]:
    return requests.get(f"{url}/v1/jobs/{job_id}", timeout=30).json()["counts"]


def is_begun(url: str, job_id: str) -> bool:
    """Whether a file of the job is being worked on, or has been."""
    now = counts(url, job_id)
    return bool(now["running"] or now["done"])


def send_and_catch(
    process: subprocess.Popen[bytes], url: str, clip: Path, *then: signal.Signals
) -> tuple[str, dict[str, int]]:
    """Send a job and then the signals to its worker, amid the work.

    Where a job was done before anybody looked, another one is sent. Returns the job,
    and how far it was.
    """
    while True:
        job_id = send(url, clip, FILES)
        until(partial(is_begun, url, job_id))
        with frozen(process.pid):
            caught = counts(url, job_id)
            if caught["waiting"] > 2:
                for number in then:
                    process.send_signal(number)
                return job_id, caught


def test_without_workers_the_broker_does_not_fill(tmp_path: Path) -> None:
    port = free_port()
    settings = Settings.of(data_dir=tmp_path, broker_url=f"redis://127.0.0.1:{port}/0")
    with pytest.raises(BrokerUnavailableError):
        remind(settings, ["a"])
    with redis(port, tmp_path):
        assert waiting_messages(settings) == 0
        for _ in range(3):
            remind(settings, ["a", "b"])
        assert waiting_messages(settings) == 2


@pytest.mark.usefixtures("in_terminal")
def test_workers_do_the_jobs_also_after_the_broker_was_gone_and_a_worker_killed_or_stopped(
    tmp_path: Path,
) -> None:
    clip = write_clip(tmp_path / "a.mp4", person=1, seconds=2.0)
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with (
        running(tmp_path, "app.py", broker_url=url) as service,
        worker(service.data_dir, url, tmp_path / "worker.log") as first,
    ):
        unsent = send(service.url, clip, 2)  # the broker is not there yet: the job is kept
        assert counts(service.url, unsent)["waiting"] == 2
        with redis(port, tmp_path):
            until(lambda: counts(service.url, unsent)["done"] == 2)
            long, held = send_and_catch(first, service.url, clip, signal.SIGKILL)
            first.wait()
            assert held["done"] < FILES
        with (
            redis(port, tmp_path),
            worker(service.data_dir, url, tmp_path / "worker.log") as second,
        ):
            until(lambda: counts(service.url, long)["done"] == FILES)
            last, _ = send_and_catch(second, service.url, clip, *STOPS)
            assert second.wait(LIMIT_S) == 0
            assert "Traceback" not in (tmp_path / "worker.log").read_text()
            left = counts(service.url, last)
            assert (left["running"], left["failed"]) == (0, 0)
            assert left["waiting"] > 0, (
                "a worker that is told to stop ends after its file, not after the job"
            )


def test_the_service_does_not_start_without_what_wakes_workers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("jobs.broker.find_spec", lambda name: None if name == "redis" else name)
    settings = Settings().replace(
        data_dir=tmp_path, port=free_port(), broker_url="redis://127.0.0.1:1/0"
    )
    with pytest.raises(ConfigError, match="Not installed: redis"):
        check_start(settings)
