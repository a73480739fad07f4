"""A connection whose headers trickle in is cut, however steadily they come."""

from __future__ import annotations

import socket
import threading
import time
from types import SimpleNamespace

import pytest
from gunicorn.workers.gthread import ThreadWorker

from web.server import gunicorn_worker


def test_a_head_that_trickles_in_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    monkeypatch.setattr(gunicorn_worker, "HEAD_LIMIT_S", 0.4)
    sent = [theirs.send(b"G")]
    cut: list[bool] = []

    def parse(_: ThreadWorker, conn: SimpleNamespace) -> int:
        """Reads as gunicorn's parser does: until the stream ends."""
        return sum(len(data) for data in iter(lambda: conn.sock.recv(100), b""))

    def trickle() -> None:
        # A minute and a half: it would end one day where nobody cuts it
        while not cut and len(sent) < 5000:
            try:
                sent.append(theirs.send(b"x"))
            except OSError:
                cut.append(True)
            time.sleep(0.02)
        theirs.close()

    monkeypatch.setattr(ThreadWorker, "handle", parse)
    sender = threading.Thread(target=trickle)
    sender.start()
    started = time.monotonic()
    received = gunicorn_worker.Worker.handle(
        gunicorn_worker.Worker.__new__(gunicorn_worker.Worker), SimpleNamespace(sock=ours)
    )
    took_s = time.monotonic() - started
    sender.join()
    assert cut, "it was still sending"
    assert 1 <= received <= len(sent)
    assert took_s > 0.3
    ours.close()


def test_a_head_that_is_there_ends_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    made = gunicorn_worker.Worker.__new__(gunicorn_worker.Worker)
    monkeypatch.setattr(ThreadWorker, "handle", lambda self, conn: self.handle_request(None, conn))

    def answer(_: ThreadWorker, req: object, conn: SimpleNamespace) -> bytes:
        """Answer, however long the body and the analysis take.

        Nothing is left that would cut them.
        """
        conn.head_timer.join(gunicorn_worker.HEAD_LIMIT_S / 2)
        assert not conn.head_timer.is_alive()
        theirs.send(b"body")
        return conn.sock.recv(4)

    monkeypatch.setattr(ThreadWorker, "handle_request", answer)
    assert gunicorn_worker.Worker.handle(made, SimpleNamespace(sock=ours)) == b"body"
    ours.close()
    theirs.close()
