"""A connection whose headers trickle in is cut, however steadily they come."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.workers.gthread import TConn, ThreadWorker

from web.server import gunicorn_worker


@contextmanager
def connected() -> Iterator[tuple[gunicorn_worker.Worker, TConn, socket.socket]]:
    """Give a worker, a connection to it, and the client's end: gunicorn's own types."""
    worker = gunicorn_worker.Worker.__new__(gunicorn_worker.Worker)
    worker.cfg = Config()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield worker, TConn(worker.cfg, ours, ("127.0.0.1", 1), ("127.0.0.1", 2)), theirs


def test_a_worker_whose_main_process_is_gone_stops_in_order_and_in_time() -> None:
    ended: list[str] = []
    app = SimpleNamespace(end_talks=lambda: ended.append("talks"))
    worker = gunicorn_worker.Worker(
        age=1,
        ppid=os.getppid(),
        sockets=[],
        app=app,
        timeout=30,
        cfg=Config(),
        log=logging.getLogger(),
    )
    worker.tmp.close()
    worker.method_queue = SimpleNamespace(defer=lambda _: None)
    assert worker.is_parent_alive()
    assert (worker.alive, ended, signal.alarm(0)) == (True, [], 0)
    worker.ppid = -1
    assert not worker.is_parent_alive()
    assert (worker.alive, ended) == (False, ["talks"])
    assert 0 < signal.alarm(0) <= worker.cfg.graceful_timeout


def test_a_head_that_trickles_in_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gunicorn_worker, "HEAD_LIMIT_S", 0.4)
    cut: list[bool] = []

    def parse(_: ThreadWorker, conn: TConn) -> int:
        """Read as gunicorn's parser does: until the stream ends."""
        conn.sock.setblocking(True)
        return sum(len(data) for data in iter(lambda: conn.sock.recv(100), b""))

    def trickle(theirs: socket.socket, sent: list[int]) -> None:
        # A minute and a half: it would end one day where nobody cuts it
        while not cut and len(sent) < 5000:
            try:
                sent.append(theirs.send(b"x"))
            except OSError:
                cut.append(True)
            time.sleep(0.02)

    monkeypatch.setattr(ThreadWorker, "handle", parse)
    with connected() as (worker, conn, theirs):
        sent = [theirs.send(b"G")]
        sender = threading.Thread(target=trickle, args=(theirs, sent))
        sender.start()
        started = time.monotonic()
        received = worker.handle(conn)
        took_s = time.monotonic() - started
        sender.join()
    assert cut, "it was still sending"
    assert 1 <= received <= len(sent)
    assert took_s > 0.3


def test_a_head_that_is_there_ends_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(self: ThreadWorker, conn: TConn) -> object:
        conn.init()
        return self.handle_request(next(conn.parser), conn)

    monkeypatch.setattr(ThreadWorker, "handle", parse)
    with connected() as (worker, conn, theirs):

        def answer(_: ThreadWorker, req: Any, conn: TConn) -> bytes:
            """Answer, however long the body and the analysis take.

            Nothing is left that would cut them.
            """
            conn.head_timer.join(gunicorn_worker.HEAD_LIMIT_S / 2)
            assert not conn.head_timer.is_alive()
            return bytes(req.body.read(4))

        monkeypatch.setattr(ThreadWorker, "handle_request", answer)
        theirs.send(b"POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody")
        assert worker.handle(conn) == b"body"
