"""Works on batch jobs: one file after the other from the database, in a thread of the
service or in a worker of the broker.

Both call `work`. The thread looks for files every `POLL_S` seconds too, so that what
another process left behind, or a lost wake-up, is found; with a broker it then only
sends the wake-up again.
"""

from __future__ import annotations

import logging
import os
import shutil
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gallery.audit import ACTOR
from gallery.records.jobs import LEASE_S, Claim, Jobs, remove_uploads, said
from recognition import as_json
from recognition.results import Identification
from utils.config import Settings
from utils.errors import (
    BusyError,
    DuetError,
    MediaNotFoundError,
    StorageFullError,
    StoreUnavailableError,
)
from web.wire.errors import NO_ROOM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from recognition.recognizer import Recognizer
    from recognition.results import EnrollResult

log = logging.getLogger("duet.jobs")
UPLOADS = ".jobs"
"""Folder below the media root for files that were uploaded for a job."""
POLL_S = 20.0
PAUSE_S = 2.0
TIDY_S = 3600.0
LEFT_S = 86_400.0
"""Uploads that no file of a job needs are removed when they are so old: younger ones
may belong to a job that is just being sent.
"""
NOT_NOW = (BusyError, StoreUnavailableError, StorageFullError)
"""Errors of the service, not of the file: it is tried again later."""


def worker_name() -> str:
    """Unique to this worker: a process that comes after it must not take its leases for
    its own.
    """
    return f"{socket.gethostname()[:40]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"


def work(
    recognizer: Recognizer,
    jobs: Jobs,
    settings: Settings,
    job_id: str | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Work until no file can be claimed (of this job, or of any), or `stop` says so.
    How many files were finished. Jobs on a folder that this process cannot read are
    left to others: it was named on the command line of another machine, or of another
    user.
    """
    worker = worker_name()
    done = 0
    elsewhere = set[str]()
    while not stop() and (claim := jobs.claim(worker, job_id, elsewhere)) is not None:
        try:
            if claim.root is not None and not is_here(claim.root):
                elsewhere.add(claim.root)
                jobs.release(claim, worker)
                continue
            with _lease(jobs, claim, worker):
                _finish(recognizer, jobs, settings, claim, worker)
            done += 1
        except NOT_NOW as error:
            log.warning("job %s: a file waits (%s)", claim.job_id, error.code)
            _give_back(jobs, claim, worker, stop)
            time.sleep(PAUSE_S)
            if stop() or isinstance(error, StoreUnavailableError | StorageFullError):
                break
    return done


def is_here(folder: str) -> bool:
    """Whether this process can look into the folder."""
    return os.access(folder, os.R_OK | os.X_OK)


def _give_back(jobs: Jobs, claim: Claim, worker: str, stop: Callable[[], bool]) -> None:
    """Until the database takes it: a file whose worker is thought lost counts an
    attempt.
    """
    while True:
        try:
            return jobs.release(claim, worker)
        except NOT_NOW:
            if stop():
                return None
            time.sleep(PAUSE_S)


def _finish(
    recognizer: Recognizer, jobs: Jobs, settings: Settings, claim: Claim, worker: str
) -> None:
    """Work on one file and keep what came of it. Raises NOT_NOW errors."""
    result: dict[str, Any] | None = None
    error: dict[str, str] | None = None
    mentions: set[str] = set()
    try:
        result, mentions = _answer(recognizer, settings, claim)
    except NOT_NOW:
        raise
    except DuetError as refused:
        error = said(refused)
        mentions = {refused.details["person_id"]} if "person_id" in refused.details else set()
    except Exception as unexpected:  # one file must not end the job
        log.error("job %s: unexpected %s", claim.job_id, type(unexpected).__name__)
        error = {
            "code": "internal",
            "message": "Something went wrong inside the service.",
            "hint": "Ask the operator to look at the log.",
        }
    kept = jobs.finish(claim, worker, result, error, mentions)
    if kept and claim.uploaded:
        remove_uploads(settings.media_folder, [claim.media])


def _answer(
    recognizer: Recognizer, settings: Settings, claim: Claim
) -> tuple[dict[str, Any], set[str]]:
    """What the service would have answered, and the ids of the people whom it names."""
    path = _path(settings, claim)
    token = ACTOR.set(claim.actor)
    try:
        if claim.action == "identify":
            return identified(recognizer.identify(path, filename=claim.name))
        assert claim.person_id is not None
        return enrolled(
            recognizer.enroll(
                claim.person_id,
                path,
                filename=claim.name,
                replace=claim.replace,
                force=claim.force,
                create=True,
            )
        )
    finally:
        ACTOR.reset(token)


def identified(found: Identification) -> tuple[dict[str, Any], set[str]]:
    """An identification as JSON, and the people it names."""
    decisions = {"fused": found.fused, "face": found.face, "voice": found.voice}
    named = {
        match.person_id
        for d in decisions.values()
        for match in (d.match, d.runner_up)
        if match is not None
    }
    body = {name: as_json.decision(d) for name, d in decisions.items()}
    return {
        **body,
        "quality": as_json.quality(found.face_quality, found.speech_quality),
        "hints": as_json.hints(found.hints),
    }, named


def enrolled(stored: EnrollResult) -> tuple[dict[str, Any], set[str]]:
    """An enrolment as JSON, and the people it names."""
    named = {stored.person.person_id} | (
        {stored.duplicate.person_id} if stored.duplicate else set()
    )
    return {
        "person_id": stored.person.person_id,
        "templates": [as_json.template(t) for t in stored.templates],
        "duplicate": as_json.match(stored.duplicate),
        "hints": as_json.hints(stored.hints),
    }, named


def _path(settings: Settings, claim: Claim) -> Path:
    """Where a file of a job lies now; links that lead out of the media root are not
    followed, those in a folder that the operator named on the command line are. Raises
    MediaNotFoundError.
    """
    root = Path(claim.root) if claim.root else settings.media_folder.resolve()
    path = (root / claim.media).resolve()
    if not path.is_file() or not (claim.root or path.is_relative_to(root)):
        raise MediaNotFoundError(
            "The file must lie where it did when the job came. Received: one that is gone"
        )
    if not os.access(path, os.R_OK):
        raise MediaNotFoundError(
            "The file must be readable. Received: one that this user may not read",
            "Change its owner or its mode.",
        )
    return path


def keep_uploads(settings: Settings, job_id: str, uploads: Sequence[Path]) -> list[str]:
    """Keep uploaded files for a job, safe on the disk; their paths below the media
    root. The names are ours, never the sender's.

    Raises StorageFullError: then none is kept.
    """
    folder = settings.media_folder / UPLOADS / job_id
    try:
        for made in (folder.parent, folder):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, upload in enumerate(uploads):
            _copy(upload, folder / f"{number:05d}")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if error.errno in NO_ROOM:
            raise StorageFullError(
                "The server has no room left for the uploads of a job."
            ) from error
        raise
    return [
        str((folder / f"{number:05d}").relative_to(settings.media_folder))
        for number in range(len(uploads))
    ]


def _copy(upload: Path, target: Path) -> None:
    with upload.open("rb") as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
        copy.flush()
        os.fsync(copy.fileno())


def remove_left(jobs: Jobs, settings: Settings) -> None:
    """Remove old uploads that no file of a job needs: their process was killed before
    it could. Raises StoreUnavailableError.
    """
    root = settings.media_folder
    there = [path for path in (root / UPLOADS).glob("*/*") if _age_s(path) > LEFT_S]
    needed = jobs.uploads() if there else set()
    remove_uploads(root, {str(path.relative_to(root)) for path in there} - needed)


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # removed by another process
        return 0.0


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


class JobThread:
    """The worker inside the service: a daemon thread that starts with the first job, or
    with the service where jobs are open.
    """

    def __init__(self, recognizer: Recognizer, jobs: Jobs, settings: Settings) -> None:
        self._recognizer = recognizer
        self._jobs = jobs
        self._settings = settings
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def wake(self) -> None:
        """There is a new job."""
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
                self._thread.start()
        self._wake.set()

    def stop(self, wait_s: float = 30.0) -> None:
        """Finish the file that is worked on, then end."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join(wait_s)

    def _run(self) -> None:
        tidy_at = 0.0
        while not self._stop.is_set():
            self._wake.clear()
            try:
                if time.monotonic() >= tidy_at:
                    self._jobs.remove_finished(self._settings.job_days)
                    remove_left(self._jobs, self._settings)
                    tidy_at = time.monotonic() + TIDY_S
                if self._settings.broker_url:
                    from jobs.broker import remind

                    remind(self._settings, self._jobs.idle_jobs())
                else:
                    work(self._recognizer, self._jobs, self._settings, stop=self._stop.is_set)
            except DuetError as error:
                log.warning("jobs wait (%s)", error.code)
            except Exception as unexpected:  # the thread outlives what nobody foresaw
                log.error("jobs wait: unexpected %s", type(unexpected).__name__)
            self._wake.wait(POLL_S)
