"""/v1/enrolments: many people at once, from a folder or a table, with a preview."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Response, request
from flask_restx import Namespace, Resource

from align.sniff import SNIFF_BYTES
from gallery.audit import ACTOR
from gallery.names import validate_note, validate_retention_days
from gallery.records.job_files import remove_uploads
from gallery.records.jobs import MAX_FILES, NewJob
from jobs.enrolment_people import Plan, PlannedFile, PlannedPerson
from jobs.enrolment_plan import (
    MAX_LISTED,
    Existing,
    ListedFile,
    Rules,
    plan_enrolment,
)
from jobs.enrolment_report import Names, names_in_table, report_people, write_report
from jobs.people_table import AUTO, ENCODINGS, PeopleTable, open_table
from jobs.uploads import keep_upload
from utils import errors
from utils.errors import DuetError, InvalidRequestError, MediaTooLargeError
from web.api.jobs import FORM_ERRORS, READ_ERRORS, job_body
from web.state import jobs, settings, store, wake_jobs
from web.wire import parse
from web.wire.hints import HINTS
from web.wire.json_text import read_json
from web.wire.schema.base import (
    REQUEST_ID,
    add_file,
    add_flag,
    document_errors,
    limit_param,
    offset_param,
)
from web.wire.schema.enrolments import ENROLMENT_PLAN, FILE_RECEIVED
from web.wire.schema.jobs import JOB

ns = Namespace("enrolments", "Many people at once: a preview, then a job", path="/v1/enrolments")
MAX_LISTING_BYTES = 16_000_000
FIELDS = ("encoding", "existing", "consent", "retention_days", "force")
FILES = ("listing", "table")
TABLE_ERRORS = (
    errors.TableMalformedError,
    errors.TableEncodingError,
    errors.TableColumnsError,
)
REFUSALS = (
    errors.RowConflictError,
    errors.FileSharedError,
    errors.PersonExistsError,
    errors.MediaNotFoundError,
    errors.PathForbiddenError,
    errors.InvalidNameError,
)
PAGE = {
    "only": {
        "description": "all people, or only those of whom something is refused",
        "enum": ["all", "refused"],
        "default": "all",
    },
    "offset": offset_param("leave out this many people"),
    "limit": limit_param("at most this many people", 100),
}

plan_form = ns.parser()
add_file(
    plan_form,
    "listing",
    "the files that are to be enrolled, as JSON: a list of objects with `name` (the path),"
    f" `bytes`, and `head`, the first {SNIFF_BYTES} bytes or fewer in base64, if it is known what"
    f" they are. Up to {MAX_LISTED} files",
    required=True,
)
add_file(
    plan_form,
    "table",
    "CSV with the columns person_id, name, file (several columns may begin with `file`), and"
    " if you like note, consent, retention_days. Without it the first folder of each file names"
    " the person, or else the file does",
)
plan_form.add_argument(
    "encoding",
    location="form",
    choices=ENCODINGS,
    default=AUTO,
    help="how the table is written",
)
plan_form.add_argument(
    "existing",
    location="form",
    choices=[str(choice) for choice in Existing],
    default=str(Existing.REFUSE),
    help="what becomes of people who are in the gallery: they are refused, their clips are added,"
    " or their clips replace what is stored",
)
plan_form.add_argument(
    "consent",
    location="form",
    help="what those agreed to whose row does not say it. Without it, no consent is noted",
)
plan_form.add_argument(
    "retention_days",
    location="form",
    type=int,
    help="for how many days those are kept whose row does not say it. Without it, they are kept"
    " for ever",
)
add_flag(
    plan_form,
    "force",
    "true: store even if a clip looks like somebody else, is not of one person, or is poor",
)
report_form = ns.parser()
add_file(report_form, "table", "the table of the enrolment. It is read for the names, and not kept")
report_form.add_argument(
    "encoding",
    location="form",
    choices=ENCODINGS,
    default=AUTO,
    help="how the table is written",
)
file_form = ns.parser()
add_file(file_form, "media", "the clip", required=True)


@ns.route("/preview")
class Preview(Resource):
    """What would be enrolled."""

    @ns.doc(id="preview_enrolment", params=PAGE)
    @ns.expect(plan_form)
    @ns.response(200, "whom it would enrol, and what is refused and why", ENROLMENT_PLAN)
    @document_errors(ns, *TABLE_ERRORS, errors.InvalidNameError, *FORM_ERRORS)
    def post(self) -> dict[str, Any]:
        """Say what would be enrolled, and what would be refused and why.

        Nothing is stored, and no clip is sent. Faces and voices are looked for when the
        clips are enrolled.
        """
        parse.check_query(PAGE)
        only = parse.query_choice("only", ("all", "refused"))
        offset = parse.query_int("offset", 0, 0, MAX_FILES)
        limit = parse.query_limit(PAGE)
        plan, _ = _read_plan()
        people = [one for one in plan.people if only == "all" or one.refusals]
        return _plan_body(plan) | {
            "total": len(people),
            "offset": offset,
            "limit": limit,
            "list": [_person_body(one) for one in people[offset : offset + limit]],
        }


@ns.route("")
class Enrolments(Resource):
    """All enrolments of many people."""

    @ns.doc(id="create_enrolment")
    @ns.expect(plan_form)
    @ns.response(202, "the job. Send each of its files that is `awaited`", JOB)
    @document_errors(ns, *TABLE_ERRORS, *REFUSALS, *FORM_ERRORS)
    def post(self) -> tuple[dict[str, Any], int, dict[str, str]]:
        """Make a job of what the preview shows, and wait for its clips.

        What the preview refuses fails alone. Where all of it is refused, so is the request.
        """
        parse.check_query()
        plan, force = _read_plan()
        existing = request.form.get("existing", Existing.REFUSE)
        new = NewJob("enroll", plan.items(), force=force, replace=existing == Existing.REPLACE)
        job = jobs().create(new, ACTOR.get())
        where = f"{request.script_root}/v1/jobs/{job.job_id}"
        return job_body(job), 202, {"Location": where}


@ns.route("/<string:job_id>/files/<int:position>")
@ns.doc(
    params={
        "job_id": {"description": "id of the job", "example": REQUEST_ID},
        "position": {"description": "place of the file in the job, from 0", "example": 0},
    }
)
class EnrolmentFile(Resource):
    """One clip of an enrolment."""

    @ns.doc(id="send_enrolment_file")
    @ns.expect(file_form)
    @ns.response(202, "it has come, and is worked on", FILE_RECEIVED)
    @document_errors(
        ns,
        errors.JobNotFoundError,
        errors.FileNotAwaitedError,
        errors.StorageFullError,
        *FORM_ERRORS,
    )
    def post(self, job_id: str, position: int) -> tuple[dict[str, Any], int]:
        """Send a clip that the job waits for. It is enrolled as soon as its turn comes."""
        parse.check_query()
        if position > MAX_FILES:
            raise InvalidRequestError(f"`position` is at most {MAX_FILES}. Received: {position}")
        parse.form((), ("media",))
        clip = parse.upload("media")
        jobs().check_awaited(job_id, position)
        media = keep_upload(settings(), job_id, clip.path)
        try:
            jobs().receive(job_id, position, media)
        except DuetError:
            remove_uploads(settings().storage.media_folder, [media])
            raise
        wake_jobs(job_id)
        return {"job_id": job_id, "position": position}, 202


@ns.route("/<string:job_id>/report")
@ns.doc(params={"job_id": {"description": "id of the job", "example": REQUEST_ID}})
class EnrolmentReport(Resource):
    """What became of an enrolment."""

    @ns.doc(id="report_enrolment")
    @ns.produces(["text/csv", "application/json"])
    @ns.response(200, "CSV in UTF-8: a row for each person, with the reasons of refusals")
    @document_errors(ns, errors.JobNotFoundError, *READ_ERRORS)
    def get(self, job_id: str) -> Response:
        """List the people of a job that enrols, and what became of each, as CSV."""
        parse.check_query()
        return _report(job_id, {})

    @ns.doc(id="report_enrolment_by_name")
    @ns.expect(report_form)
    @ns.produces(["text/csv", "application/json"])
    @ns.response(200, "CSV in UTF-8: a row for each person, with the reasons of refusals")
    @document_errors(ns, errors.JobNotFoundError, *TABLE_ERRORS, *FORM_ERRORS)
    def post(self, job_id: str) -> Response:
        """List the same with the names of those who were refused, from the table.

        The service keeps no names of them.
        """
        parse.check_query()
        table = _read_table(parse.form(("encoding",), ("table",)))
        return _report(job_id, names_in_table(table) if table else {})


def _report(job_id: str, names: Names) -> Response:
    """Answer with the report of a job. Raises JobNotFoundError, InvalidRequestError."""
    job = jobs().get(job_id)
    if job.action != "enroll":
        raise InvalidRequestError(
            f"Only a job that enrols has a report. Received: action={job.action!r}"
        )
    text = write_report(report_people(jobs().every_item(job_id), HINTS, names))
    name = f"attachment; filename=enrolment-{job.job_id[:12]}.csv"
    return Response(
        text, content_type="text/csv; charset=utf-8", headers={"Content-Disposition": name}
    )


def _read_table(fields: Mapping[str, str]) -> PeopleTable | None:
    """Read the table of a form. Raises InvalidRequestError, and the errors of a table."""
    encoding = parse.choice(fields.get("encoding") or AUTO, "encoding", ENCODINGS)
    sent = parse.optional_upload("table")
    return open_table(sent.path, encoding) if sent else None


def _read_plan() -> tuple[Plan, bool]:
    """Read the form, and plan. Returns the plan, and whether clips are forced.

    Raises DuetError.
    """
    fields = parse.form(FIELDS, FILES)
    rules = Rules(
        most_bytes=settings().limits.max_upload_mb * 1_000_000,
        existing=Existing(
            parse.choice(fields.get("existing") or Existing.REFUSE, "existing", list(Existing))
        ),
        consent=validate_note(fields.get("consent", ""), "A consent"),
        retention_days=_read_days(fields.get("retention_days", "")),
    )
    files = _read_listing(parse.upload("listing").path)
    table = _read_table(fields)
    plan = plan_enrolment(files, table, store().person_ids(), rules)
    return plan, parse.boolean(fields.get("force") or False, "force")


def _read_days(text: str) -> int | None:
    if not text:
        return None
    is_number = text.isascii() and text.isdigit() and len(text) < 10
    if not is_number:
        raise InvalidRequestError(
            f"`retention_days` must be a whole number. Received: {text[:40]!r}"
        )
    return validate_retention_days(int(text))


def _read_listing(path: Path) -> list[ListedFile]:
    """Read the list of files. Raises InvalidRequestError, MediaTooLargeError."""
    size = path.stat().st_size
    if size > MAX_LISTING_BYTES:
        raise MediaTooLargeError(
            f"`listing` has at most {MAX_LISTING_BYTES:,} bytes. Received: {size:,}",
            "List fewer files, or leave `head` out.",
        )
    listed = read_json(path.read_bytes(), "`listing`")
    if not isinstance(listed, list):
        raise InvalidRequestError("`listing` must be a list of objects. It is none.")
    files = [_read_listed(one) for one in listed]
    if len({file.name for file in files}) < len(files):
        raise InvalidRequestError("`listing` must name each file once. One is there twice.")
    return files


def _read_listed(one: object) -> ListedFile:
    types: dict[str, type | tuple[type, ...]] = {"name": str, "bytes": int, "head": str}
    fields = parse.checked_object(one, types, ("name", "bytes"), "A file of `listing`")
    if fields["bytes"] < 0:
        raise InvalidRequestError(f"`bytes` must be 0 or more. Received: {fields['bytes']}")
    try:
        head = base64.b64decode(fields["head"], validate=True) if "head" in fields else None
    except (binascii.Error, ValueError):
        raise InvalidRequestError("`head` must be base64. It cannot be decoded.") from None
    return ListedFile(fields["name"], fields["bytes"], head and head[:SNIFF_BYTES])


def _plan_body(plan: Plan) -> dict[str, Any]:
    return {
        "people": len(plan.people),
        "enrolled_people": sum(person.is_enrolled for person in plan.people),
        "refused_people": sum(bool(person.refusals) for person in plan.people),
        "files": plan.files,
        "unused": len(plan.unused),
        "refused": dict(plan.count_refusals()),
        "encoding": plan.encoding,
    }


def _person_body(person: PlannedPerson) -> dict[str, Any]:
    return {
        "person_id": person.person_id,
        "name": person.facts.get("name") or person.name,
        "row": person.row,
        "exists": person.exists,
        "is_enrolled": person.is_enrolled,
        "error": _error_body(person.refused),
        "files": [_file_body(file) for file in person.files],
    }


def _file_body(file: PlannedFile) -> dict[str, Any]:
    return {"name": file.name, "error": _error_body(file.refused)}


def _error_body(error: DuetError | None) -> dict[str, str] | None:
    return error.to_dict(HINTS) if error else None
