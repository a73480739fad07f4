"""/v1/jobs: many clips at once, worked on in the background."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from flask import request
from flask_restx import Namespace, Resource
from werkzeug.datastructures import FileStorage

from gallery.audit import ACTOR
from gallery.names import validate_person_id
from gallery.records.job_files import remove_uploads
from gallery.records.jobs import MAX_FILES, Job, JobItem, NewItem, NewJob
from jobs.clips import (
    MAX_UPLOADS,
    Upload,
    list_media_folder,
    list_uploads,
)
from recognition import as_json
from utils import errors
from utils.errors import (
    DuetError,
    InvalidRequestError,
    MediaMissingError,
    MediaNotFoundError,
    PathForbiddenError,
    fill_hint,
)
from web.api.identify import UPLOAD_ERRORS
from web.api.transcription_form import SPEAKERS, add_transcribe_fields, read_options
from web.state import jobs, settings, store, wake_jobs
from web.wire import parse
from web.wire.hints import HINTS
from web.wire.schema.base import (
    REQUEST_ID,
    add_flag,
    document_errors,
    limit_param,
    offset_param,
)
from web.wire.schema.jobs import (
    JOB,
    JOB_WITH_ITEMS,
    JOBS,
)

ns = Namespace("jobs", "Many clips at once, in the background", path="/v1/jobs")
ACTIONS = ("identify", "enroll", "transcribe")
TRANSCRIBE_FIELDS = ("language", "prompt", "who", "num_speakers", "faces", "channels")
FIELDS = ("action", "folder", "person_id", "group", "force", "replace", *TRANSCRIBE_FIELDS)
STATES = ("awaited", "waiting", "running", "done", "failed", "cancelled", "forgotten")
READ_ERRORS = (errors.KeyRequiredError, InvalidRequestError, errors.StoreUnavailableError)
FORM_ERRORS = tuple(
    e
    for e in UPLOAD_ERRORS
    if e not in (errors.NoBiometricError, errors.EncoderMismatchError, errors.BusyError)
)
PAGE = {
    "offset": offset_param("leave out this many files"),
    "limit": limit_param("at most this many files", 100),
    "state": {"description": "only files in this state", "enum": list(STATES)},
}

job_form = ns.parser()
job_form.add_argument(
    "action",
    location="form",
    choices=ACTIONS,
    default="identify",
    help="what is done with each clip",
)
job_form.add_argument(
    "media",
    type=FileStorage,
    location="files",
    action="append",
    help=f"clips, up to {MAX_UPLOADS}; or send `folder`",
)
job_form.add_argument(
    "folder",
    location="form",
    help="a folder below the media root, read with its folders; `.` is the media root itself",
)
job_form.add_argument(
    "person_id",
    location="form",
    help="enroll: whom all clips are of. Without it an uploaded clip is of the person in its name "
    "(`ann@example.com-1.mp4`), one of a folder of the person whose id is the name of its folder",
)
job_form.add_argument(
    "group",
    location="form",
    help="identify: search the people of this group alone. Without it, everybody",
)
add_flag(
    job_form,
    "force",
    "enroll: store even if a clip looks like somebody who is known under another id, is not of"
    " one person, or is poor",
)
add_flag(
    job_form, "replace", "enroll: the first clip of each person replaces what was stored of them"
)
add_transcribe_fields(job_form)


@ns.route("")
class JobList(Resource):
    """All jobs."""

    @ns.doc(id="list_jobs")
    @ns.response(200, "the latest jobs", JOBS)
    @document_errors(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """List the latest jobs, newest first."""
        parse.check_query()
        return {"jobs": [job_body(job) for job in jobs().latest()]}

    @ns.doc(
        id="create_job",
        params={"folder": {"example": "people"}, "person_id": {"example": "ann@example.com"}},
    )
    @ns.expect(job_form)
    @ns.response(202, "the job; its files are worked on in the background", JOB)
    @document_errors(
        ns,
        PathForbiddenError,
        MediaNotFoundError,
        errors.InvalidNameError,
        errors.GroupNotFoundError,
        *FORM_ERRORS,
    )
    def post(self) -> tuple[dict[str, Any], int, dict[str, str]]:
        """Identify, enrol or write down many files, uploaded or in a folder of the server.

        A bad file does not end the job.
        """
        parse.check_query()
        request.max_form_parts = MAX_UPLOADS + len(FIELDS)
        job_request = _read_request(parse.form(FIELDS, ("media",), lists=(SPEAKERS,)))
        job_id = uuid.uuid4().hex
        items = _list_items(job_request, job_id)
        try:
            job = jobs().create(
                NewJob(
                    job_request.action,
                    items,
                    force=job_request.force,
                    replace=job_request.replace,
                    options=job_request.options,
                ),
                ACTOR.get(),
                job_id,
            )
        except DuetError:
            remove_uploads(
                settings().storage.media_folder, [item.media for item in items if item.uploaded]
            )
            raise
        wake_jobs(job.job_id, job.files)
        return job_body(job), 202, {"Location": f"{request.script_root}/v1/jobs/{job.job_id}"}


@dataclass(frozen=True)
class _JobRequest:
    """What a new job is asked to do. `folder` is empty where clips are uploaded."""

    action: str
    person_id: str | None
    folder: str
    force: bool
    replace: bool
    options: dict[str, Any]


def _read_request(given: dict[str, str]) -> _JobRequest:
    """Read the fields of the form. Raises InvalidRequestError, InvalidNameError."""
    action = given.get("action") or "identify"
    person_id = given.get("person_id") or None
    if action not in ACTIONS:
        raise InvalidRequestError(
            f"`action` must be one of {', '.join(ACTIONS)}. Received: {action[:40]!r}"
        )
    if person_id is not None and action != "enroll":
        raise InvalidRequestError(
            f"`person_id` belongs to the action enroll. Received: action={action!r}"
        )
    options = read_options(given)
    if given.get("group"):
        if action != "identify":
            raise InvalidRequestError(
                f"`group` belongs to the action identify. Received: action={action!r}"
            )
        options = {"group": store().get_group(given["group"]).group_id}
    elif options and action != "transcribe":
        raise InvalidRequestError(
            f"`{next(iter(options))}` belongs to the action transcribe. Received: action={action!r}"
        )
    return _JobRequest(
        action=action,
        force=parse.boolean(given.get("force") or False, "force"),
        replace=parse.boolean(given.get("replace") or False, "replace"),
        person_id=person_id and validate_person_id(person_id),
        folder=given.get("folder", ""),
        options=options,
    )


def _list_items(job_request: _JobRequest, job_id: str) -> list[NewItem]:
    """List the clips of a new job. Uploaded ones are kept on the disk."""
    uploads = [file for file in request.files.getlist("media") if file.filename]
    if bool(uploads) == bool(job_request.folder):
        raise MediaMissingError(
            f"Send clips in `media`, or `folder`. Received: {'both' if uploads else 'neither'}"
        )
    if job_request.folder:
        return list_media_folder(
            settings(), job_request.folder, job_request.action, job_request.person_id
        )
    return list_uploads(
        [_read_upload(file) for file in uploads],
        job_id=job_id,
        settings=settings(),
        action=job_request.action,
        person_id=job_request.person_id,
    )


@ns.route("/<string:job_id>")
@ns.doc(params={"job_id": {"description": "id of the job", "example": REQUEST_ID}})
class OneJob(Resource):
    """One job."""

    @ns.doc(id="get_job", params=PAGE)
    @ns.response(200, "progress, and the results of its files", JOB_WITH_ITEMS)
    @document_errors(ns, errors.JobNotFoundError, *READ_ERRORS)
    def get(self, job_id: str) -> dict[str, Any]:
        """Show progress and results."""
        parse.check_query(PAGE)
        offset = parse.query_int("offset", 0, 0, MAX_FILES)
        limit = parse.query_limit(PAGE)
        state = parse.query_text("state")
        if state and state not in STATES:
            raise InvalidRequestError(
                f"`state` must be one of {', '.join(STATES)}. Received: {state[:40]!r}"
            )
        items = jobs().items(job_id, offset, limit, (state,) if state else ())
        return {
            **job_body(jobs().get(job_id)),
            "items": [item_body(item) for item in items],
            "offset": offset,
            "limit": limit,
        }

    @ns.doc(id="cancel_job")
    @ns.response(200, "the job as it is now", JOB)
    @document_errors(ns, errors.JobNotFoundError, *READ_ERRORS, errors.StorageFullError)
    def delete(self, job_id: str) -> dict[str, Any]:
        """Cancel a job: files that wait are not worked on, and their uploads are removed.

        A job that has ended is removed with its results.
        """
        parse.check_query()
        job, media = jobs().cancel(job_id)
        remove_uploads(settings().storage.media_folder, media)
        return job_body(job)


def job_body(job: Job) -> dict[str, Any]:
    """Show a job as JSON."""
    return {
        "job_id": job.job_id,
        "action": job.action,
        "state": job.state,
        "created_at": as_json.instant(job.created_at),
        "finished_at": job.finished_at and as_json.instant(job.finished_at),
        "files": job.files,
        "finished": job.finished_files,
        "counts": {state: job.counts.get(state, 0) for state in STATES},
    }


def item_body(item: JobItem) -> dict[str, Any]:
    """Show a file of a job as JSON."""
    return {
        "position": item.position,
        "name": item.name,
        "person_id": item.person_id,
        "state": item.state,
        "result": item.result if item.state == "done" else None,
        "error": fill_hint(item.error, HINTS) if item.error else None,
        "progress": item.progress,
    }


def _read_upload(file: FileStorage) -> Upload:
    """Read a file of the form, with all of its bytes on the disk."""
    file.stream.flush()
    return Upload(filename=file.filename or "", path=Path(cast(str, file.stream.name)))
