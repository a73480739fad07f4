"""/v1/jobs: many clips at once, worked on in the background."""
from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any, cast

from flask import request
from flask_restx import Namespace, Resource
from werkzeug.datastructures import FileStorage

from gallery.audit import ACTOR
from gallery.jobs import MAX_FILES, Job, JobItem, NewItem, NewJob, remove_uploads
from gallery.names import parse_flagship_name, validate_person_id
from utils import errors as known
from utils.config import Settings
from utils.errors import DuetError, InvalidRequestError, MediaMissingError, MediaNotFoundError, PathForbiddenError
from web import answers, fields, schema
from web.api_identify import UPLOAD_ERRORS
from web.jobs import UPLOADS, keep_uploads
from web.state import jobs, settings, wake_jobs

ns = Namespace("jobs", "Many clips at once, in the background", path="/v1/jobs")
ACTIONS = ("identify", "enroll")
FIELDS = ("action", "folder", "person_id", "force", "replace")
MAX_UPLOADS = 1000
MAX_PAGE = 1000
STATES = ("waiting", "running", "done", "failed", "cancelled", "forgotten")
READ_ERRORS = (known.KeyRequiredError, InvalidRequestError, known.StoreUnavailableError)
FORM_ERRORS = tuple(e for e in UPLOAD_ERRORS if e not in (known.NoBiometricError, known.EncoderMismatchError, known.BusyError))
PAGE = {
    "offset": {"description": "leave out this many files", "type": "integer", "default": 0},
    "limit": {"description": f"at most this many files, 1 to {MAX_PAGE}", "type": "integer", "default": 100},
    "state": {"description": "only files in this state", "enum": list(STATES)},
}

job_form = ns.parser()
job_form.add_argument("action", location="form", choices=ACTIONS, default="identify", help="what is done with each clip")
job_form.add_argument("media", type=FileStorage, location="files", action="append", help=f"clips, up to {MAX_UPLOADS}; or send `folder`")
job_form.add_argument("folder", location="form", help="a folder below the media root, read with its folders; `.` is the media root itself")
job_form.add_argument("person_id", location="form",
                      help="enroll: whom all clips are of. Without it an uploaded clip is of the person in its name "
                           "(`ann@example.com-1.mp4`), one of a folder of the person whose id is the name of its folder")
job_form.add_argument("force", location="form", choices=("true", "false"), default="false",
                      help="enroll: store even if a clip looks like somebody who is known under another id")
job_form.add_argument("replace", location="form", choices=("true", "false"), default="false",
                      help="enroll: the first clip of each person replaces what was stored of them")


@ns.route("")
class JobList(Resource):
    """All jobs."""

    @ns.doc(id="list_jobs")
    @ns.response(200, "the latest jobs", schema.JOBS)
    @schema.documented(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """List the latest jobs, newest first."""
        fields.check_query()
        return {"jobs": [job_body(job) for job in jobs().latest()]}

    @ns.doc(id="create_job", params={"folder": {"example": "people"}, "person_id": {"example": "ann@example.com"}})
    @ns.expect(job_form)
    @ns.response(202, "the job; its files are worked on in the background", schema.JOB)
    @schema.documented(ns, PathForbiddenError, MediaNotFoundError, known.InvalidNameError, *FORM_ERRORS)
    def post(self) -> tuple[dict[str, Any], int, dict[str, str]]:
        """Identify or enrol many clips: uploaded ones, or those in a folder of the server. A bad file does not end the job."""
        fields.check_query()
        request.max_form_parts = MAX_UPLOADS + len(FIELDS)
        given = fields.form(FIELDS, ("media",))
        action, person_id = given.get("action") or "identify", given.get("person_id") or None
        if action not in ACTIONS:
            raise InvalidRequestError(f"`action` must be one of {', '.join(ACTIONS)}. Received: {action[:40]!a}")
        if person_id is not None and action == "identify":
            raise InvalidRequestError("`person_id` belongs to the action enroll. Received: identify")
        force, replace = (fields.boolean(given.get(name) or False, name) for name in ("force", "replace"))
        job_id = uuid.uuid4().hex
        items = _items(settings(), job_id, given.get("folder", ""), action, person_id and validate_person_id(person_id))
        try:
            job = jobs().create(NewJob(action, items, force, replace), ACTOR.get(), job_id)
        except DuetError:
            remove_uploads(settings().media_folder, [item.media for item in items if item.uploaded])
            raise
        wake_jobs(job)
        return job_body(job), 202, {"Location": f"/v1/jobs/{job.job_id}"}


@ns.route("/<string:job_id>")
@ns.doc(params={"job_id": {"description": "id of the job", "example": schema.REQUEST_ID}})
class OneJob(Resource):
    """One job."""

    @ns.doc(id="get_job", params=PAGE)
    @ns.response(200, "progress, and the results of its files", schema.JOB_WITH_ITEMS)
    @schema.documented(ns, known.JobNotFoundError, *READ_ERRORS)
    def get(self, job_id: str) -> dict[str, Any]:
        """Show progress and results."""
        fields.check_query(PAGE)
        offset, limit = fields.query_int("offset", 0, 0, MAX_FILES), fields.query_int("limit", 100, 1, MAX_PAGE)
        state = fields.query_text("state")
        if state and state not in STATES:
            raise InvalidRequestError(f"`state` must be one of {', '.join(STATES)}. Received: {state[:40]!a}")
        items = jobs().items(job_id, offset, limit, (state,) if state else ())
        return {**job_body(jobs().get(job_id)), "items": [item_body(item) for item in items], "offset": offset, "limit": limit}

    @ns.doc(id="cancel_job")
    @ns.response(200, "the job as it is now", schema.JOB)
    @schema.documented(ns, known.JobNotFoundError, *READ_ERRORS, known.StorageFullError)
    def delete(self, job_id: str) -> dict[str, Any]:
        """Cancel a job: files that wait are not worked on, their uploads are removed. A job that has ended is removed with its results."""
        fields.check_query()
        job, media = jobs().cancel(job_id)
        remove_uploads(settings().media_folder, media)
        return job_body(job)


def _items(about: Settings, job_id: str, folder: str, action: str, person_id: str | None) -> list[NewItem]:
    """The clips of a new job; uploaded ones are kept on the disk. Raises InvalidRequestError, MediaMissingError, MediaNotFoundError."""
    uploads = [file for file in request.files.getlist("media") if file.filename]
    if bool(uploads) == bool(folder):
        raise MediaMissingError(f"Send clips in `media`, or `folder`. Received: {'both' if folder else 'neither'}")
    if folder:
        return list(_of_folder(about, folder, action, person_id))
    if len(uploads) > MAX_UPLOADS:
        raise InvalidRequestError(f"At most {MAX_UPLOADS} clips are taken at once. Received: {len(uploads)}", "Send several jobs.")
    owners = [None if action == "identify" else person_id or parse_flagship_name(Path(file.filename or "").name) for file in uploads]
    for file in uploads:
        file.stream.flush()
    media = keep_uploads(about, job_id, [Path(cast(Any, file.stream).name) for file in uploads])
    return [NewItem(Path(file.filename or "").name[:255], kept, owner, uploaded=True)
            for file, kept, owner in zip(uploads, media, owners, strict=True)]


def _of_folder(about: Settings, folder: str, action: str, person_id: str | None) -> list[NewItem]:
    root = about.media_folder.resolve()
    start = clips_folder(root, folder)
    files = sorted(path for path in start.rglob("*") if path.is_file() and not _hidden(path.relative_to(root)))
    if not files:
        raise MediaNotFoundError(f"The folder must hold clips. Received: none in {folder[:80]!a}")
    found = []
    for path in files:
        name = path.relative_to(start)
        owner = None if action == "identify" else person_id or _owner(name)
        found.append(NewItem(str(name)[-255:], str(path.relative_to(root)), owner))
    return found


def _owner(name: Path) -> str:
    """Whose a clip of a folder is: the first folder in its name. Raises InvalidRequestError, InvalidNameError."""
    if len(name.parts) < 2:
        raise InvalidRequestError(f"To enrol a folder, lay the clips of each person in a folder of their own. Received: {name.name[:80]!a} "
                                  "outside such a folder", "Move it, or send `person_id`.")
    return validate_person_id(name.parts[0])


def clips_folder(root: Path, folder: str) -> Path:
    """The folder below `root`, symbolic links followed. Raises PathForbiddenError, MediaNotFoundError."""
    try:
        path = (root / folder).resolve()
        inside, found = path.is_relative_to(root), path.is_dir()
    except (OSError, ValueError, RuntimeError):  # a NUL, a name too long, links in a circle
        inside = found = False
    if not inside or _hidden(Path(folder)):
        raise PathForbiddenError(f"`folder` must be a folder below the media root. Received: {folder[:80]!a}")
    if not found:
        raise MediaNotFoundError(f"There is no such folder below the media root. Received: {folder[:80]!a}")
    return path


def _hidden(path: Path) -> bool:
    """Files of jobs, and others that are hidden, are no clips of a folder."""
    return any(part.startswith(".") and part not in (".", "..") for part in path.parts) or UPLOADS in path.parts


def job_body(job: Job) -> dict[str, Any]:
    """A job as JSON."""
    finished = sum(n for state, n in job.counts.items() if state not in ("waiting", "running"))
    return {"job_id": job.job_id, "action": job.action, "state": job.state, "created_at": answers.instant(job.created_at),
            "finished_at": job.finished_at and answers.instant(job.finished_at), "files": job.files, "finished": finished,
            "counts": {state: job.counts.get(state, 0) for state in STATES}}


def item_body(item: JobItem) -> dict[str, Any]:
    """A file of a job as JSON."""
    return {"position": item.position, "name": item.name, "person_id": item.person_id, "state": item.state, "result": item.result,
            "error": item.error}
