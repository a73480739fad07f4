"""The worker cuts what trickles in, and waits for nobody who asks nothing."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn import util
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers import gthread
from gunicorn.workers.gthread import TConn, ThreadWorker

from tests.support.waiting import LIMIT_S, until
from web.server import gunicorn_worker

ASK = b"GET / HTTP/1.1\r\nHost: here\r\n%s\r\n"


def new_worker(*sockets: socket.socket, ended: list[str]) -> gunicorn_worker.Worker:
    """A worker of gunicorn, which notes in `ended` that talks are to end."""
    return gunicorn_worker.Worker(
        age=1,
        ppid=os.getppid(),
        sockets=[*sockets],
        app=SimpleNamespace(end_talks=lambda: ended.append("talks")),
        timeout=30,
        cfg=Config(),
        log=Logger(Config()),
    )


@contextmanager
def serving() -> Iterator[tuple[gunicorn_worker.Worker, threading.Thread, Callable[[], Any]]]:
    """A worker that serves in a thread, and what opens a connection to it."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        worker = new_worker(listener, ended=[])
        worker.wsgi = lambda _, start: start("200 OK", [("Content-Length", "0")]) and [b""]
        worker.tpool = worker.get_thread_pool()
        worker.poller = gthread.selectors.DefaultSelector()
        worker.method_queue.init()
        thread = threading.Thread(target=worker.run)
        thread.start()
        address = listener.getsockname()
        yield (
            worker,
            thread,
            lambda: opened.enter_context(socket.create_connection(address, LIMIT_S)),
        )
        worker.handle_exit(signal.SIGTERM, None)
        thread.join()
        worker.tmp.close()


@contextmanager
def connected() -> Iterator[tuple[gunicorn_worker.Worker, TConn, socket.socket]]:
    """Give a worker, a connection to it, and the client's end: gunicorn's own types."""
    worker = new_worker(ended=[])
    worker.tmp.close()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield worker, TConn(worker.cfg, ours, ("127.0.0.1", 1), ("127.0.0.1", 2)), theirs


def test_a_worker_whose_main_process_is_gone_stops_in_order_and_in_time() -> None:
    ended: list[str] = []
    worker = new_worker(ended=ended)
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


def test_a_connection_that_is_closed_already_is_counted_once() -> None:
    ended: Future[bool] = Future()
    ended.set_result(False)
    with connected() as (worker, conn, _):
        worker.nr_conns = 2
        conn.sock.close()
        worker.finish_request(conn, ended)
        assert worker.nr_conns == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [(ASK % b"Connection: close\r\n", 200), (b"none\r\n\r\n", 400), (b"\x16", 400)],
)
def test_a_client_that_keeps_its_connection_open_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch, sent: bytes, status: int
) -> None:
    """gunicorn ends connections in the thread that accepts others. It finds them at their end."""
    monkeypatch.setattr(gunicorn_worker, "LINGER_S", 0.05)
    at_end: list[bool] = []

    def note_and_close(sock: socket.socket) -> None:
        at_end.append(bool(select.select([sock], [], [], 0)[0]))
        sock.close()

    monkeypatch.setattr(util, "close_graceful", note_and_close)
    with serving() as (_, _, connect):
        client = connect()
        client.sendall(sent)
        assert client.recv(100).startswith(b"HTTP/1.1 %d" % status)
        until(lambda: at_end)
    assert at_end == [True]


def test_who_asks_nothing_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections that are kept, that just opened, and that were opened a while ago."""
    monkeypatch.setattr(gthread, "STOP_KEEPALIVE_LINGER", LIMIT_S)
    monkeypatch.setattr(gthread, "DEFAULT_WORKER_DATA_TIMEOUT", 0.01)
    monkeypatch.setattr(gunicorn_worker, "FIRST_BYTE_S", 0.01)
    with serving() as (worker, thread, connect):
        for values in ("keepalive", "graceful_timeout"):
            worker.cfg.set(values, 2 * int(LIMIT_S))
        kept = connect()
        kept.sendall(ASK % b"")
        assert kept.recv(100).startswith(b"HTTP/1.1 200")
        connect()
        until(lambda: worker.keepalived_conns and worker.pending_conns)
        monkeypatch.setattr(gunicorn_worker, "FIRST_BYTE_S", 2 * LIMIT_S)
        connect()
        until(lambda: worker.nr_conns == 3)
        worker.handle_exit(signal.SIGTERM, None)
        thread.join(LIMIT_S)
        assert not thread.is_alive()
