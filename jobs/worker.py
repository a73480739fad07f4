"""Work on batch jobs: one file after the other from the database.

The thread of the service and the workers of the broker both call `work`.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gallery.audit import ACTOR
from gallery.damage import DamagedError
from gallery.records.job_claim import Claim
from gallery.records.job_claims import LEASE_S
from gallery.records.job_files import remove_uploads
from gallery.records.jobs import Jobs
from gallery.store import NewPerson
from jobs.clips import name_in_path
from jobs.transcribing import Note, read_recording, to_result, transcribe
from recognition import as_json
from recognition.recognizer import Recognizer
from recognition.requests import ClipFile, EnrolmentRequest, IdentificationRequest
from speech.keeping import keep
from speech.scribe import Scribe
from utils.config import Settings
from utils.errors import (
    BusyError,
    DuetError,
    MediaNotFoundError,
    MediaUnreadableError,
    StorageFullError,
    StoreUnavailableError,
)

log = logging.getLogger("duet.jobs")
PAUSE_S = 2.0
CLIP_ACTIONS = ("identify", "enroll")
RECORDING_ACTIONS = ("transcribe",)
"""What is done with a file. Recordings take long, so a thread of their own works on them."""
NOT_NOW = (BusyError, StoreUnavailableError, StorageFullError)
"""Errors of the service, not of the file: the file is worked on later."""


@dataclass(frozen=True)
class Workplace:
    """What work on jobs needs.

    `scribe` writes recordings down. Without it, only clips are worked on.
    """

    recognizer: Recognizer
    jobs: Jobs
    settings: Settings
    scribe: Scribe | None = None

    @property
    def actions(self) -> Collection[str]:
        """What can be done here."""
        return CLIP_ACTIONS if self.scribe is None else (*CLIP_ACTIONS, *RECORDING_ACTIONS)


class StoppedError(Exception):
    """The worker stops in the middle of a long file, or has lost it."""


@dataclass(frozen=True)
class _Outcome:
    """What came of a file: a result or an error, and the ids of the people in it."""

    result: dict[str, Any] | None = None
    error: dict[str, str] | None = None
    mentions: frozenset[str] = frozenset()


def new_worker_name() -> str:
    """Name a worker uniquely.

    A process that comes after it must not take its leases for its own.
    """
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def work(
    place: Workplace,
    job_id: str | None = None,
    stop: Callable[[], bool] = lambda: False,
    *,
    actions: Collection[str] = (),
) -> int:
    """Work until no file can be claimed, of this job or of any, or until `stop` is true.

    `actions`: on jobs of these alone.

    Returns how many files were finished. A job on a folder that this process cannot
    read is left to others: somebody named it on the command line of another machine, or
    as another user.
    """
    worker = new_worker_name()
    finished = 0
    elsewhere = set[str]()
    while not stop():
        claim = place.jobs.claim(worker, job_id, elsewhere, actions=actions or place.actions)
        if claim is None:
            break
        if claim.root is not None and not is_readable(claim.root):
            elsewhere.add(claim.root)
            _release(place.jobs, claim, worker, stop)
            continue
        try:
            with _lease(place.jobs, claim, worker):
                _finish(place, claim, worker, stop)
            finished += 1
        except StoppedError:
            _release(place.jobs, claim, worker, stop)
            _remove_cancelled(place, claim)
        except NOT_NOW as error:
            log.warning("job %s: a file waits (%s)", claim.job_id, error.code)
            _release(place.jobs, claim, worker, stop)
            time.sleep(PAUSE_S)
            if stop() or isinstance(error, StoreUnavailableError | StorageFullError):
                break
    return finished


def is_readable(folder: str) -> bool:
    """Whether this process can look into the folder."""
    return os.access(folder, os.R_OK | os.X_OK)


def _release(jobs: Jobs, claim: Claim, worker: str, stop: Callable[[], bool]) -> None:
    """Give a file back, again and again until the database takes it.

    A file whose worker is thought lost counts an attempt.
    """
    while True:
        try:
            return jobs.release(claim, worker)
        except NOT_NOW:
            if stop():
                return None
            time.sleep(PAUSE_S)


def _remove_cancelled(place: Workplace, claim: Claim) -> None:
    """Remove the upload of a file whose job was cancelled while it was worked on."""
    if not claim.uploaded:
        return
    with suppress(DuetError):
        if place.jobs.get(claim.job_id).state == "cancelled":
            remove_uploads(place.settings.storage.media_folder, [claim.media])


def _finish(place: Workplace, claim: Claim, worker: str, stop: Callable[[], bool]) -> None:
    """Work on one file and store what came of it.

    Raises NOT_NOW errors, and StoppedError in the middle of a long file.
    """

    def note(progress: Mapping[str, Any], partial: Mapping[str, Any] | None) -> None:
        if stop() or not place.jobs.note_progress(claim, worker, progress, partial):
            raise StoppedError

    try:
        outcome = _answer(place, claim, note)
    except DamagedError as error:  # it would be no better later, and keep others waiting
        outcome = _Outcome(error=error.to_dict())
    except (StoppedError, *NOT_NOW):
        raise
    except DuetError as error:
        if isinstance(error, MediaUnreadableError):
            log.warning("job %s: %s", claim.job_id, error.message)
        mentioned = {error.details["person_id"]} if "person_id" in error.details else set()
        outcome = _Outcome(error=error.to_dict(), mentions=frozenset(mentioned))
    except Exception as unexpected:  # one file must not end the job
        log.error("job %s: unexpected %s", claim.job_id, type(unexpected).__name__)
        failure = DuetError(
            "Something went wrong inside the service.", "Ask the operator to look at the log."
        )
        outcome = _Outcome(error=failure.to_dict())
    stored = place.jobs.finish(
        claim, worker, result=outcome.result, error=outcome.error, mentions=outcome.mentions
    )
    if stored and claim.uploaded:
        remove_uploads(place.settings.storage.media_folder, [claim.media])


def _answer(place: Workplace, claim: Claim, note: Note) -> _Outcome:
    """Answer as the service would have."""
    clip = ClipFile(_path_of(place.settings, claim), claim.name)
    token = ACTOR.set(claim.actor)
    try:
        if claim.action == "transcribe" and place.scribe:
            recording = read_recording(claim, clip.path, place.recognizer)
            transcript = transcribe(place.scribe, recording, note)
            if place.settings.privacy.keep_transcripts:
                keep(place.recognizer.store, transcript, claim.name)
            return _Outcome(result=to_result(transcript), mentions=transcript.named_ids)
        if claim.action == "identify":
            return _identify(place.recognizer, clip, claim)
        return _enroll(place.recognizer, clip, claim)
    finally:
        ACTOR.reset(token)


def _identify(recognizer: Recognizer, clip: ClipFile, claim: Claim) -> _Outcome:
    group = claim.options.get("group")
    answer = recognizer.identify(IdentificationRequest(clip, source="job", group=group))
    return _Outcome(result=as_json.identification(answer), mentions=frozenset(answer.named_ids))


def _enroll(recognizer: Recognizer, clip: ClipFile, claim: Claim) -> _Outcome:
    assert claim.person_id is not None
    enrolment = recognizer.enroll(
        EnrolmentRequest(
            person=_new_person(claim, claim.person_id),
            clips=(clip,),
            replace=claim.replace,
            force=claim.force,
        )
    )
    result = as_json.enrolment(enrolment)
    # Texts on a person change, and a copy in a result would outlive the change.
    result["person"] |= {"note": "", "consent": ""}
    return _Outcome(result=result, mentions=frozenset(enrolment.named_ids))


def _new_person(claim: Claim, person_id: str) -> NewPerson:
    """The person of a file, as the job says, to be created if nobody has the id."""
    facts = {"name": name_in_path(claim.name, person_id), **claim.facts}
    return NewPerson(person_id, **facts)


def _path_of(settings: Settings, claim: Claim) -> Path:
    """Find where a file of a job lies now.

    Links that lead out of the media root are not followed. Those in a folder that the
    operator named on the command line are. Raises MediaNotFoundError.
    """
    root = Path(claim.root) if claim.root else settings.storage.media_folder.resolve()
    path = (root / claim.media).resolve()
    if not path.is_file() or not (claim.root or path.is_relative_to(root)):
        raise MediaNotFoundError("The job's file no longer exists.")
    if not os.access(path, os.R_OK):
        raise MediaNotFoundError(
            "The service may not read the job's file.", "Change its owner or its mode."
        )
    return path


@contextmanager
def _lease(jobs: Jobs, claim: Claim, worker: str) -> Iterator[None]:
    """Renew the lease of a file while it is worked on."""
    ended = threading.Event()

    def renew() -> None:
        while not ended.wait(LEASE_S / 3):
            with suppress(DuetError):
                jobs.renew(claim, worker)

    thread = threading.Thread(target=renew, name="lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
