"""A connection whose headers trickle in is cut, however steadily they come."""
from __future__ import annotations

import socket
import threading
import time
from types import SimpleNamespace

import pytest
from gunicorn.workers.gthread import ThreadWorker

from web import worker


def test_a_head_that_trickles_in_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(worker, "HEAD_LIMIT_S", 0.4)

    def parse(_: ThreadWorker, conn: SimpleNamespace) -> int:
        """Reads as gunicorn's parser does: until the stream ends."""
        return sum(len(data) for data in iter(lambda: conn.sock.recv(100), b""))

    monkeypatch.setattr(ThreadWorker, "handle", parse)
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.02):
            try:
                theirs.send(b"x")
            except OSError:
                return

    sender = threading.Thread(target=trickle)
    sender.start()
    started = time.monotonic()
    received = worker.Worker.handle(worker.Worker.__new__(worker.Worker), SimpleNamespace(sock=ours))
    stop.set()
    sender.join()
    assert received > 3
    assert 0.3 < time.monotonic() - started < 10
    ours.close()
    theirs.close()


def test_a_head_that_is_there_ends_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(worker, "HEAD_LIMIT_S", 0.2)
    made = worker.Worker.__new__(worker.Worker)
    monkeypatch.setattr(ThreadWorker, "handle", lambda self, conn: self.handle_request(None, conn))

    def answer(_: ThreadWorker, req: object, conn: SimpleNamespace) -> bytes:
        time.sleep(0.5)  # a long body, a long analysis
        theirs.send(b"body")
        return conn.sock.recv(4)

    monkeypatch.setattr(ThreadWorker, "handle_request", answer)
    assert worker.Worker.handle(made, SimpleNamespace(sock=ours)) == b"body"
    ours.close()
    theirs.close()
