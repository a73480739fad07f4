"""A service in a process of its own, on a free port.

`with running(folder) as service: requests.get(service.url)`.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_LIMIT_S = 180


@dataclass(frozen=True)
class Service:
    """A running service.

    Its address, main process, data folder and the file that holds what it printed.
    """

    url: str
    process: subprocess.Popen[bytes]
    data_dir: Path
    log: Path

    @property
    def port(self) -> int:
        """TCP port."""
        return int(self.url.rsplit(":", 1)[1])

    def worker_pids(self) -> list[int]:
        """The processes that answer."""
        return [
            int(pid)
            for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            .read_text()
            .split()
        ]

    def decoder_pids(self) -> list[int]:
        """The processes that decode media for those that answer."""
        pids: list[int] = []
        for worker in self.worker_pids():
            for children in Path(f"/proc/{worker}/task").glob("*/children"):
                with suppress(FileNotFoundError, ProcessLookupError):  # the thread has ended
                    pids += map(int, children.read_text().split())
        return pids

    def temporary_files(self) -> list[Path]:
        """Uploads that lie on the disk now."""
        return list((self.data_dir / "tmp").iterdir())


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """This process's environment with these DUET_* settings and no others."""
    bare = {k: v for k, v in os.environ.items() if not k.startswith("DUET_")}
    return bare | {f"DUET_{k.upper()}": str(v) for k, v in settings.items()}


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_to_fail(program: str, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run a program that must not get as far as serving."""
    return subprocess.run(
        [sys.executable, program],
        cwd=ROOT,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@contextmanager
def running(folder: Path, program: str = "app_web.py", **settings: object) -> Iterator[Service]:
    """Start `program` with its data in `folder`, wait until it is ready, end it afterwards."""
    port = free_port()
    log = folder / "service.log"
    # Options come before the environment, which names a port that is refused
    options = ["--port", str(port), "--data-dir", str(folder / "data")]
    env = environment({"port": 1, **settings})
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, program, *options],
            cwd=ROOT,
            env=env,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    service = Service(f"http://127.0.0.1:{port}", process, folder / "data", log)
    try:
        _wait_until_ready(service)
        yield service
    finally:
        stop(process)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process by SIGTERM, and after a minute by SIGKILL."""
    process.terminate()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _wait_until_ready(service: Service) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while "is ready" not in service.log.read_text(errors="replace"):
        if service.process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(
                f"The service did not start:\n{service.log.read_text(errors='replace')}"
            )
        time.sleep(0.2)
