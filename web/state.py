"""What one application holds, for the code that answers a request."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Any

from flask import current_app

from gallery.records.challenges import Challenges
from gallery.records.jobs import Jobs
from gallery.records.keys import Keys
from gallery.store import Store
from jobs.backups import BackupThread
from jobs.thread import JobThread
from jobs.webhooks import WebhookThread
from recognition.recognizer import Recognizer
from speech.live_room import LiveRoom
from speech.scribe import Scribe
from utils.config import Settings
from utils.errors import BrokerUnavailableError
from web.tickets import Tickets


@dataclass(frozen=True)
class State:
    """Parts of the application, in `app.extensions["duet"]`."""

    settings: Settings
    recognizer: Recognizer
    keys: Keys
    challenges: Challenges
    jobs: Jobs
    job_thread: JobThread
    recordings_thread: JobThread
    scribe: Scribe
    live_room: LiveRoom
    live_tickets: Tickets[Any]
    backup_thread: BackupThread
    webhook_thread: WebhookThread
    event_streams: BoundedSemaphore


def _state() -> State:
    state: State = current_app.extensions["duet"]
    return state


def settings() -> Settings:
    """Get the settings of the application that answers this request."""
    return _state().settings


def recognizer() -> Recognizer:
    """Get the recognizer of the application that answers this request."""
    return _state().recognizer


def store() -> Store:
    """Get the gallery of the application that answers this request."""
    return recognizer().store


def scribe() -> Scribe:
    """Get what writes down speech."""
    return _state().scribe


def live_room() -> LiveRoom:
    """Get the live sessions."""
    return _state().live_room


def live_tickets() -> Tickets[Any]:
    """Get the tickets that open live sessions, each for a `web.guard.auth.Caller`."""
    return _state().live_tickets


def keys() -> Keys:
    """Get the API keys of the gallery."""
    return _state().keys


def challenges() -> Challenges:
    """Get the digits that clips are asked to say."""
    return _state().challenges


def jobs() -> Jobs:
    """Get the batch jobs of the gallery."""
    return _state().jobs


def job_threads() -> tuple[JobThread, ...]:
    """Get the threads that work on batch jobs: on clips, and on recordings."""
    return _state().job_thread, _state().recordings_thread


def backup_thread() -> BackupThread:
    """Get what makes the backups."""
    return _state().backup_thread


def event_streams() -> BoundedSemaphore:
    """Get the places for streams of events: each takes a thread of the service."""
    return _state().event_streams


def wake_jobs(job_id: str, files: int = 1) -> None:
    """Have files of a job worked on, by workers of the broker or by the thread of the service.

    A broker that does not answer is no error: the thread repeats the message later.
    """
    if _state().settings.jobs.broker_url:
        from jobs.broker import send  # celery is an optional package

        with suppress(BrokerUnavailableError):
            send(_state().settings, job_id, files)
    for thread in job_threads():
        thread.wake()
