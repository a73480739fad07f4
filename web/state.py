"""What one application holds: its settings and its recognizer, found again from inside
a request.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from flask import current_app

from gallery.records.jobs import Job, Jobs
from gallery.records.keys import Keys
from gallery.store import Store
from jobs.thread import JobThread
from recognition.recognizer import Recognizer
from utils.config import Settings
from utils.errors import BrokerUnavailableError


@dataclass(frozen=True)
class State:
    """Kept in `app.extensions["duet"]`."""

    settings: Settings
    recognizer: Recognizer
    keys: Keys
    jobs: Jobs
    job_thread: JobThread


def settings() -> Settings:
    """Settings of the application that answers this request."""
    state: State = current_app.extensions["duet"]
    return state.settings


def recognizer() -> Recognizer:
    """Recognizer of the application that answers this request."""
    state: State = current_app.extensions["duet"]
    return state.recognizer


def store() -> Store:
    """Gallery of the application that answers this request."""
    return recognizer().store


def keys() -> Keys:
    """API keys of the gallery of this application."""
    state: State = current_app.extensions["duet"]
    return state.keys


def jobs() -> Jobs:
    """Batch jobs of the application that answers this request."""
    state: State = current_app.extensions["duet"]
    return state.jobs


def wake_jobs(job: Job) -> None:
    """Have a new job worked on: by the workers of the broker, or by the thread of this
    service. A broker that does not answer is no error: the thread tells it again.
    """
    state: State = current_app.extensions["duet"]
    if state.settings.jobs.broker_url:
        from jobs.broker import send  # celery is an optional package

        with suppress(BrokerUnavailableError):
            send(state.settings, job.job_id, job.files)
    state.job_thread.wake()
