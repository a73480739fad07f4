"""The thread of the service that works on batch jobs."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection

from jobs.uploads import remove_unused
from jobs.worker import Workplace, work
from utils.errors import DuetError

log = logging.getLogger("duet.jobs")
POLL_S = 20.0
"""Seconds after which the thread looks for files without being woken.

So it finds what another process left behind, or a wake-up that was lost.
"""
TIDY_S = 3600.0


class JobThread:
    """Works on jobs inside the service.

    A daemon thread that starts with the first job, or with the service where jobs are
    open. With a broker it only repeats the wake-up of the workers.
    """

    def __init__(self, place: Workplace, actions: Collection[str] = ()) -> None:
        """`actions`: only on jobs of these."""
        self._place = place
        self._actions = actions
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """Start on a new job."""
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
                self._thread.start()
        self._wake.set()

    def stop(self, wait_s: float = 30.0) -> None:
        """Finish the file at hand, then end."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(wait_s)

    @property
    def is_dead(self) -> bool:
        """Whether it has ended although nobody stopped it."""
        ended = self._thread is not None and not self._thread.is_alive()
        return ended and not self._stop.is_set()

    def _run(self) -> None:
        tidy_at = 0.0
        while not self._stop.is_set():
            self._wake.clear()
            try:
                if time.monotonic() >= tidy_at:
                    self._tidy()
                    tidy_at = time.monotonic() + TIDY_S
                self._work()
            except DuetError as error:
                log.warning("jobs wait (%s)", error.code)
            except Exception as unexpected:  # the thread outlives what nobody foresaw
                log.error("jobs wait: unexpected %s", type(unexpected).__name__)
            self._wake.wait(POLL_S)

    def _tidy(self) -> None:
        self._place.jobs.give_up_awaited()
        self._place.jobs.remove_finished(self._place.settings.jobs.job_days)
        if self._place.recognizer.store.find_clock_jump() is None:
            remove_unused(self._place.jobs, self._place.settings)

    def _work(self) -> None:
        if not self._place.settings.jobs.broker_url:
            work(self._place, stop=self._stop.is_set, actions=self._actions)
            return
        from jobs.broker import remind  # celery is an optional package

        remind(self._place.settings, self._place.jobs.idle_jobs())
