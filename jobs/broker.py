"""Batch jobs on several machines: Celery wakes workers, which read the shared media root.

A message holds the id of a job and nothing else. All state is in the database
(gallery/records/jobs.py), so a lost or repeated message does no harm. Start a worker with
`python cli.py worker`.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import Any

from utils.config import Settings
from utils.errors import BrokerUnavailableError, ConfigError

TASK = "duet.work"
QUEUE = "duet"
MOST_WORKERS = 16
"""Number of workers that are woken for one job at most."""

WORKER_OPTIONS = (
    "worker",
    "--pool=threads",
    "--loglevel=WARNING",
    "--without-gossip",
    "--without-mingle",
    "--without-heartbeat",
)
_GONE = "The broker of the jobs does not answer. The job waits until it does."


def missing_packages() -> list[str]:
    """Packages that speak to the broker and are not installed."""
    return [name for name in ("celery", "redis") if find_spec(name) is None]


def check_packages() -> None:
    """Check that workers can be woken. Raises ConfigError where a package is not installed."""
    if missing := missing_packages():
        raise ConfigError(
            "DUET_BROKER_URL needs the packages celery and redis."
            f" Not installed: {', '.join(missing)}",
            "Install them: pip install -r requirements-optional.txt",
        )


@lru_cache(maxsize=1)
def celery_app(url: str) -> Any:
    """Make the Celery application for this broker.

    Raises ConfigError where a package is not installed.
    """
    check_packages()
    from celery import Celery

    app = Celery("duet", broker=url)
    app.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        task_acks_late=True,
        # A broker that is gone comes back.
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "socket_connect_timeout": 3,
            "socket_timeout": 10,
            "visibility_timeout": 3600,
        },
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        task_serializer="json",
        accept_content=["json"],
        worker_enable_remote_control=False,
        worker_send_task_events=False,
    )
    return app


def send(settings: Settings, job_id: str, files: int = 1) -> None:
    """Wake workers for a job, as many as its files keep busy.

    Raises BrokerUnavailableError.
    """
    from kombu.exceptions import OperationalError

    app = celery_app(settings.jobs.broker_url)
    try:
        for _ in range(min(files, MOST_WORKERS)):
            app.send_task(TASK, args=[job_id], retry=False)
    except (OperationalError, OSError) as error:
        raise BrokerUnavailableError(_GONE) from error


def remind(settings: Settings, job_ids: Sequence[str]) -> None:
    """Wake workers again for jobs that nobody works on.

    Nothing is sent while a message still waits: it was not lost, and without workers
    the broker would fill. Raises BrokerUnavailableError.
    """
    if job_ids and not waiting_messages(settings):
        for job_id in job_ids:
            send(settings, job_id)


def waiting_messages(settings: Settings) -> int:
    """Count messages that no worker has taken yet. Raises BrokerUnavailableError."""
    from kombu.exceptions import OperationalError

    with celery_app(settings.jobs.broker_url).connection_for_write() as connection:
        try:
            connection.ensure_connection(max_retries=1)
            return int(connection.default_channel.queue_declare(QUEUE, passive=True).message_count)
        except connection.channel_errors:  # there is no queue as long as nothing is in it
            return 0
        except (OperationalError, OSError) as error:
            raise BrokerUnavailableError(_GONE) from error


def _settle_signals(outlives_terminal: bool, **_: Any) -> None:
    """Let Ctrl+C, twice too, and a terminal that closes stop a worker as SIGTERM does.

    Celery would kill its threads, which cannot be done, and start anew at SIGHUP.
    """
    stop = signal.getsignal(signal.SIGTERM)
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, stop)
    signal.signal(signal.SIGHUP, signal.SIG_IGN if outlives_terminal else stop)


def run_worker(settings: Settings, threads: int) -> None:
    """Work on jobs until a signal ends it.

    Raises ConfigError, ModelError, StoreUnavailableError.
    """
    app = celery_app(settings.jobs.broker_url)
    from celery.signals import worker_ready, worker_shutting_down

    from assembly import build_recognizer
    from gallery.records.jobs import Jobs
    from jobs.worker import Workplace, work
    from speech.scribe import Scribe

    recognizer = build_recognizer(settings, serving=True)
    jobs = Jobs(recognizer.store.database, recognizer.store.codec)
    place = Workplace(recognizer, jobs, settings, Scribe(settings))
    ended = threading.Event()

    @app.task(name=TASK)
    def _work(job_id: str) -> None:
        work(place, job_id, ended.is_set)

    def end(**_: Any) -> None:  # after the file at hand, not after the job
        ended.set()

    worker_shutting_down.connect(end, weak=False)
    outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    worker_ready.connect(partial(_settle_signals, outlives_terminal), weak=False)
    try:
        app.worker_main([*WORKER_OPTIONS, "--concurrency", str(threads)])
    finally:
        recognizer.close()
