"""What ends the service amid an identification: Ctrl+C, twice too, and a terminal that closes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.support.half_sent import send_all_but_the_end
from tests.support.media import write_clip
from tests.support.service import Service, running
from tests.support.tiny import tiny_models
from tests.support.waiting import LIMIT_S, until
from web.server.gunicorn_worker import IGNORED


def signal_all(service: Service, number: signal.Signals) -> None:
    """Signal every process of the service, as a terminal does. Return once all have it."""
    pids = (service.process.pid, *service.worker_pids())
    for pid in pids:
        os.kill(pid, number)
    until(lambda: not any(map(has_signal_waiting, pids)))


def has_signal_waiting(pid: int) -> bool:
    """Whether a signal was sent that has not arrived."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return any(int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd", "ShdPnd")))


def signals_ignored_by(pid: int) -> set[int]:
    """The signals that a process ignores."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith("SigIgn"))
    return {number for number in range(1, 65) if mask >> number - 1 & 1}


@pytest.mark.e2e
@pytest.mark.usefixtures("in_terminal")
@pytest.mark.parametrize("sent", [[signal.SIGINT, signal.SIGINT], [signal.SIGHUP]])
def test_a_terminal_ends_the_service_in_order(tmp_path: Path, sent: list[signal.Signals]) -> None:
    models = tiny_models(tmp_path / "models")
    clip = write_clip(tmp_path / "ann.mp4", person=1)
    left = tmp_path / "data" / "tmp" / ".restoring-leftover"
    left.mkdir(parents=True)
    (left / "gallery.db").touch()
    with running(tmp_path, "app.py", model_dir=models) as service:
        assert not left.exists(), "a start removes what a killed restore left"
        workers = service.worker_pids()
        for pid in (service.process.pid, *workers):
            assert signals_ignored_by(pid) >= set(IGNORED)
        connection, rest = send_all_but_the_end(service, clip)
        for number in IGNORED:
            signal_all(service, number)
        assert service.worker_pids() == workers
        for number in sent:
            signal_all(service, number)
        connection.send(rest)
        assert connection.getresponse().status == 200
        connection.close()
        assert service.process.wait(LIMIT_S) == 0
        assert service.temporary_files() == []
        assert not [*service.data_dir.glob("*-wal")], "the database is closed"
        printed = service.log.read_text()
    assert "Traceback" not in printed
    assert "ERROR" not in printed
