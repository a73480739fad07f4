"""The JSON bodies as Swagger describes them: every field with its meaning and an
example. A test keeps answers.py in step with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_restx import Model, Namespace, fields

from utils.errors import DuetError
from web.wire.errors import (
    CrossOriginError,
    HostForbiddenError,
    RateLimitedError,
    RoleForbiddenError,
    status_of,
)

FACE_ID = "face-1f2e3d4c5b6a"
VOICE_ID = "voice-0a1b2c3d4e5f"
FUSED_ID = "fusion-9f8e7d6c5b4a"
REQUEST_ID = "3f0c2f9f5c7b4a5e8d1c6b7a8e9f0d1c"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

MODELS: list[Model] = []


def _model(name: str, /, **members: fields.Raw) -> Model:
    model = Model(name, dict(members))
    MODELS.append(model)
    return model


def _text(about: str, example: str, **more: Any) -> fields.String:
    return fields.String(description=about, example=example, **({"required": True} | more))


def _float(about: str, example: float, **more: Any) -> fields.Float:
    return fields.Float(description=about, example=example, **({"required": True} | more))


def _int(about: str, example: int, **more: Any) -> fields.Integer:
    return fields.Integer(description=about, example=example, **({"required": True} | more))


def _part(model: Model, about: str, **more: Any) -> fields.Nested:
    return fields.Nested(model, description=about, **({"required": True} | more))


def _parts(model: Model, about: str) -> fields.List:
    return fields.List(fields.Nested(model), description=about, required=True)


def _figures(about: str, example: dict[str, Any] | list[Any]) -> fields.Raw:
    return fields.Raw(description=about, example=example, required=True)


REQUEST_ID_FIELD = _text(
    "id of this request, also in the header X-Request-ID and in the service's log", REQUEST_ID
)

ERROR_DETAIL = _model(
    "ErrorDetail",
    code=_text("stable code to act on", "person_not_found"),
    message=_text(
        "the rule that was broken, and what was received",
        "There is no such person. Received: 'ann@example.com'",
    ),
    hint=_text("what to do about it (may be empty)", "List the people with GET /v1/people."),
    request_id=REQUEST_ID_FIELD,
    details=fields.Raw(
        description="more about some errors, for example `hints` or the duplicate person",
        example={"hints": []},
    ),
)
ERROR = _model("Error", error=_part(ERROR_DETAIL, "what went wrong"))

MATCH = _model(
    "Match",
    person_id=_text("who it is", "ann@example.com"),
    name=_text("display name", "Ann Lee"),
    score=_float("cosine of the two embeddings, in [-1, 1]", 0.713251),
    probability=_float(
        "probability that both are the same person at even prior odds, in [0, 1]", 0.998713
    ),
)
OUTCOMES = ["accepted", "unknown", "no_probe", "conflict"]
DECISION = _model(
    "Decision",
    outcome=_text(
        "accepted: `match` is the person; unknown: nobody in the gallery; no_probe: this modality"
        " is not in the clip; conflict: face and voice are accepted as two different people",
        "accepted",
        enum=OUTCOMES,
    ),
    match=_part(
        MATCH,
        "the person; null unless accepted: a stranger is not given the nearest name",
        allow_null=True,
    ),
    runner_up=_part(MATCH, "the next best person; null where there is none", allow_null=True),
    threshold=_float(
        "score that had to be reached in this gallery; null where nothing was compared", 0.412345
    ),
    margin=_float("best score minus threshold; null where nothing was compared", 0.300906),
    reason=_text("the decision in words", "Recognised by face and voice; 0.30 above the threshold"),
    decided_by=_text(
        "fused, face or voice: whose score and threshold these are; null where nothing was"
        " compared",
        "fused",
        x_nullable=True,
    ),
    extrapolated=fields.Boolean(
        description="the threshold lies beyond the error rates that were measured",
        example=False,
        required=True,
    ),
)
FACE_QUALITY = _model(
    "FaceQuality",
    size_px=_float("width of the face in the frame, in pixels", 142.0),
    sharpness=_float("0 blurred to 1 sharp", 0.82),
    yaw=_float("-1 to 1; 0 = frontal", 0.04),
    roll_deg=_float("tilt of the head, in degrees", -1.7),
    brightness=_float("mean luminance, 0 to 1", 0.51),
    contrast=_float("standard deviation of the luminance, 0 to 1", 0.19),
    score=_float("all of it in one figure, 0 to 1", 0.88),
)
VOICE_QUALITY = _model(
    "VoiceQuality",
    speech_s=_float("net speech heard, in seconds", 3.4),
    duration_s=_float("sound read, in seconds", 5.0),
    snr_db=_float("estimated speech-to-noise ratio, in dB", 24.5),
    clipping=_float("share of samples at full scale, 0 to 1", 0.0),
    level_db=_float("level of the speech, in dBFS", -21.3),
    score=_float("all of it in one figure, 0 to 1", 0.91),
)
QUALITY = _model(
    "Quality",
    face=_part(FACE_QUALITY, "best face of the main person; null without one", allow_null=True),
    voice=_part(VOICE_QUALITY, "the sound; null without a sound track", allow_null=True),
)
HINT = _model(
    "Hint",
    code=_text("stable code", "short_speech"),
    text=_text(
        "advice for the person in front of the camera",
        "Say a whole sentence: 0.6 s of speech heard, 2 s needed.",
    ),
)
GALLERY = _model(
    "GalleryFacts",
    people=_int("people in the gallery", 20),
    fpir=_float("false positive identification rate that the thresholds aim at", 0.01),
)
COMMON: dict[str, fields.Raw] = {
    "quality": _part(QUALITY, "how good the clip is"),
    "people_in_view": _int("people seen in the clip; the largest steady face is used", 1),
    "hints": _parts(HINT, "how to do better next time; empty when all is well"),
    "encoders": _figures(
        "which networks answered, by modality",
        {"face": FACE_ID, "voice": VOICE_ID, "fused": FUSED_ID},
    ),
    "timings_ms": _figures(
        "time of each stage, in milliseconds", {"decode": 130.1, "detect": 148.2, "search": 0.4}
    ),
    "request_id": REQUEST_ID_FIELD,
}
IDENTIFICATION = _model(
    "Identification",
    fused=_part(DECISION, "by face and voice together"),
    face=_part(DECISION, "by face alone"),
    voice=_part(DECISION, "by voice alone"),
    gallery=_part(GALLERY, "what was searched"),
    **COMMON,
)
VERDICT = _model(
    "Verdict",
    outcome=_text(
        "no_probe: this modality is not in both", "same", enum=["same", "different", "no_probe"]
    ),
    score=_float("cosine, in [-1, 1]; null without a probe", 0.713251),
    threshold=_float("score that had to be reached; null without a probe", 0.301122),
    probability=_float(
        "probability of one person at even prior odds; null without a probe", 0.998713
    ),
)
COMPARED_SIDE = _model(
    "ComparedSide",
    faces=fields.List(
        fields.String,
        description="the best of the aligned faces, best first: WebP, 112 × 112, in base64",
        required=True,
        example=["UklGRh4AAABXRUJQVlA4TBEAAAAvAAAAAAfQ//73v/+BiOh/AAA="],
    ),
    faces_used=_int("how many faces the face embedding was made from", 8),
    speech_s=_figures(
        "stretches of speech that the voice embedding was made from: start and end, in seconds",
        [[0.3, 2.9]],
    ),
    duration_s=_float("length of the clip, in seconds", 3.2),
)
COMPARED = _model(
    "Compared",
    media=_part(COMPARED_SIDE, "of the clip"),
    reference=_part(
        COMPARED_SIDE,
        "of the reference; null for a person of the gallery, of whom only numbers are kept",
        allow_null=True,
    ),
)
VERIFICATION = _model(
    "Verification",
    fused=_part(VERDICT, "by face and voice together"),
    face=_part(VERDICT, "by face alone"),
    voice=_part(VERDICT, "by voice alone"),
    fmr=_float("false match rate that the thresholds aim at", 0.01),
    compared=_part(COMPARED, "what was compared; only with `show`", required=False),
    **COMMON,
)
PERSON = _model(
    "Person",
    person_id=_text("unique id", "ann@example.com"),
    name=_text("display name", "Ann Lee"),
    note=_text("the operator's note (may be empty)", "front desk"),
    consent=_text(
        "what the person agreed to, in the operator's words (may be empty)",
        "signed on paper, 31 January 2026",
    ),
    retention_days=_int(
        "forgotten so many days after the enrolment; null = never", 365, x_nullable=True
    ),
    created_at=_text("when the person was created (UTC)", "2026-01-31T08:15:00Z"),
    enrolled_at=_text(
        "when the first of the templates was stored (UTC); null before",
        "2026-01-31T08:15:03Z",
        x_nullable=True,
    ),
    expires_at=_text(
        "when the person is forgotten (UTC); null = never", "2027-01-31T08:15:03Z", x_nullable=True
    ),
    last_seen_at=_text(
        "when the person was last recognised (UTC); null = never",
        "2026-02-01T07:58:41Z",
        x_nullable=True,
    ),
    templates=_figures("stored templates by modality", {"face": 2, "voice": 2}),
    quality=_figures(
        "mean quality of the templates by modality, 0 to 1; null where there is none",
        {"face": 0.88, "voice": 0.91},
    ),
    has_picture=fields.Boolean(
        description="a picture is kept, see `/v1/people/{person_id}/thumbnail`",
        example=False,
        required=True,
    ),
)
ID_RULE = "1 to 128 of the characters a-z A-Z 0-9 . _ - @ +"
NEW_PERSON = _model(
    "NewPerson",
    person_id=_text(
        f"unique id: {ID_RULE}; made at random when missing", "ann@example.com", required=False
    ),
    name=_text("display name, 1 to 200 characters; the id when missing", "Ann Lee", required=False),
    note=_text("the operator's note, at most 2000 characters", "front desk", required=False),
    consent=_text(
        "what the person agreed to, at most 2000 characters",
        "signed on paper, 31 January 2026",
        required=False,
    ),
    retention_days=_int(
        "forget the person so many days after the enrolment, 1 to 36500; null or missing = never",
        365,
        required=False,
        x_nullable=True,
    ),
)
PERSON_CHANGES = _model(
    "PersonChanges",
    name=_text("new display name", "Ann Lee-Smith", required=False),
    note=_text("new note", "moved to the second floor", required=False),
    consent=_text("new consent", "withdrawn for the voice, 3 March 2026", required=False),
    retention_days=_int(
        "new number of days; null = never forget", 30, required=False, x_nullable=True
    ),
)
MERGE = _model(
    "Merge", other=_text("id of the person who becomes part of this one", "ann.lee@example.com")
)
MOVE = _model(
    "Move",
    to=_text(
        "id of the person who gets the template; who is there, unless `create`; made at random when"
        " missing",
        "ben@example.com",
        required=False,
    ),
    create=fields.Boolean(description="make this person for it", example=False),
    name=_text("display name of who is made; the id when missing", "Ben Roe", required=False),
)
FEEDBACK = _model(
    "Feedback",
    person_id=_text("a person whom the answer named", "ann@example.com"),
    same=fields.Boolean(
        description="true: this is me; false: not this person", example=False, required=True
    ),
)
FEEDBACK_KEPT = _model(
    "FeedbackKept",
    request_id=_text("the answer", REQUEST_ID),
    person_id=_text("the person", "ann@example.com"),
    same=fields.Boolean(description="what is kept as true", example=False, required=True),
    modalities=fields.List(
        fields.String,
        description="which comparisons are trials of the next calibration now",
        example=["face", "fused"],
        required=True,
    ),
)
PEOPLE = _model(
    "People",
    people=_parts(PERSON, "this part of the list, by person_id"),
    total=_int("how many people fit the search", 42),
    offset=_int("how many were left out before", 0),
    limit=_int("how many there are here at most", 50),
)
TEMPLATE = _model(
    "Template",
    template_id=_text("unique id", "t0a1b2c3d4e5f"),
    modality=_text("what it was made from", "face", enum=["face", "voice"]),
    quality=_float("0 to 1", 0.88),
    encoder_id=_text("the network that made it", FACE_ID),
    source_sha256=_text("hash of the clip it was made from; the clip itself is not kept", SHA256),
    created_at=_text("when it was stored (UTC)", "2026-01-31T08:15:03Z"),
)
TEMPLATES = _model("Templates", templates=_parts(TEMPLATE, "oldest first"))
PERSON_EXPORT = _model(
    "PersonExport",
    format=_text("form of this document", "duet-person-1"),
    exported_at=_text("when it was made (UTC)", "2026-02-01T09:00:00+00:00"),
    person=_figures(
        "id, name, note, consent, retention and times",
        {"person_id": "ann@example.com", "name": "Ann Lee"},
    ),
    templates=fields.List(
        fields.Raw,
        description=(
            "all templates, each with its vector of 512 figures and its kept media in base64"
        ),
        required=True,
        example=[{"template_id": "0a1b2c3d", "modality": "face", "vector": [0.0123], "media": {}}],
    ),
    identifications=fields.List(
        fields.Raw,
        description="answers of the last days that named the person",
        required=True,
        example=[{"request_id": REQUEST_ID, "modality": "face", "score": 0.71}],
    ),
    feedback=fields.List(
        fields.Raw,
        description="what was said of such answers",
        required=True,
        example=[{"request_id": REQUEST_ID, "modality": "face", "score": 0.71, "same": True}],
    ),
    jobs=fields.List(
        fields.Raw,
        description="files of batch jobs that are about the person",
        required=True,
        example=[{"job_id": "5d41402a", "name": "ann.mp4", "state": "done"}],
    ),
    events=fields.List(
        fields.Raw,
        description="rows of the audit on the person",
        required=True,
        example=[{"event_id": 42, "action": "enroll", "outcome": "stored"}],
    ),
)
ENROLLED = _model(
    "Enrolled",
    person=_part(PERSON, "the person after the enrolment"),
    templates=_parts(TEMPLATE, "what this clip added: a face, a voice, or both"),
    duplicate=_part(
        MATCH,
        "who else the clip was accepted as, when `force` let it pass; else null",
        allow_null=True,
    ),
    **COMMON,
)
HEALTH = _model(
    "Health",
    status=_text("ok when requests can be answered", "ok"),
    version=_text(
        "version of the service (with a good key, or where no key is set)", "1.0.0", required=False
    ),
    role=_text(
        "what the key that was sent is for: admin, kiosk; without a key set, admin (likewise)",
        "admin",
        required=False,
    ),
    people=_int("people in the gallery (likewise)", 20, required=False),
    encoders=fields.Raw(
        description="encoder ids by modality (likewise)",
        example={"face": FACE_ID, "voice": VOICE_ID, "fused": FUSED_ID},
    ),
    models_loaded=fields.Boolean(description="the networks are in memory (likewise)", example=True),
)
FLAGSHIP_ANSWER = _model(
    "IdentificationAnswer",
    **{
        "100001": _text(
            "by face and voice together",
            "Multi-modal Speaker Recognition - Speaker ID : ann@example.com",
        ),
        "100002": _text(
            "by face alone", "Image Based Speaker Recognition - Speaker ID : ann@example.com"
        ),
        "100003": _text(
            "by voice alone", "Voice Based Speaker Recognition - Speaker ID: ann@example.com"
        ),
        "notice": _text(
            "only where something is to be said, for example that the person is known under"
            " another id",
            "Not registered: this is ben@example.com.",
            required=False,
        ),
    },
)
JOB_FIELDS: dict[str, fields.Raw] = {
    "job_id": _text("unique id", REQUEST_ID),
    "action": _text("what is done with each clip", "identify", enum=["identify", "enroll"]),
    "state": _text(
        "waiting, running, done or cancelled",
        "running",
        enum=["waiting", "running", "done", "cancelled"],
    ),
    "created_at": _text("when it came (UTC)", "2026-01-31T08:15:00Z"),
    "finished_at": _text(
        "when its last file was finished (UTC); null before",
        "2026-01-31T08:16:10Z",
        x_nullable=True,
    ),
    "files": _int("how many files it has", 120),
    "finished": _int("how many of them are finished, in whatever way", 35),
    "counts": _figures(
        "files by state",
        {"waiting": 84, "running": 1, "done": 34, "failed": 1, "cancelled": 0, "forgotten": 0},
    ),
}
JOB = _model("Job", **JOB_FIELDS)
JOBS = _model("Jobs", jobs=_parts(JOB, "newest first"))
JOB_ITEM = _model(
    "JobItem",
    position=_int("place in the job, from 0", 0),
    name=_text("name of the file (empty when it was forgotten)", "ann@example.com-1.mp4"),
    person_id=_text(
        "whom it is enrolled for; null when it is identified", "ann@example.com", x_nullable=True
    ),
    state=_text(
        "forgotten: a person whom it named was deleted",
        "done",
        enum=["waiting", "running", "done", "failed", "cancelled", "forgotten"],
    ),
    result=fields.Raw(
        description=(
            "the answer: as of POST /v1/identify, or of an enrolment; null before and after a"
            " failure"
        ),
        example={"fused": {"outcome": "accepted"}},
    ),
    error=fields.Raw(
        description="code, message and hint when it failed; else null",
        example={"code": "media_corrupt"},
    ),
)
JOB_WITH_ITEMS = _model(
    "JobWithItems",
    **JOB_FIELDS,
    items=_parts(JOB_ITEM, "this part of its files, in their order"),
    offset=_int("how many were left out before", 0),
    limit=_int("how many there are here at most", 100),
)

EVENT = _model(
    "Event",
    event_id=_int("number of the row, from 1, without gaps", 42),
    at=_text("when (UTC)", "2026-01-31T08:15:03.123456+00:00"),
    actor=_text(
        "id of the key; environment = DUET_API_KEY; local = a service without keys, or the command"
        " line; nobody = no good key",
        "3f9a1c2e",
    ),
    action=_text("what was done", "identify"),
    person_key=_int(
        "internal number of the person, never used again; null where there is none",
        7,
        x_nullable=True,
    ),
    outcome=_text("how it ended", "accepted"),
    detail=_figures(
        "more, as codes and numbers", {"face": "accepted", "voice": "no_probe", "people": 20}
    ),
    hash=_text(
        "SHA-256 over this row and the hash of the row before it (docs/security.md)", SHA256
    ),
)
AUDIT = _model(
    "Audit",
    events=_parts(EVENT, "this part of the audit, newest first"),
    limit=_int("how many there are here at most", 50),
    next_before=_int("`before` of the next part; null at the end", 17, x_nullable=True),
)
AUDIT_PROBLEM = _model(
    "AuditProblem",
    event_id=_int("the row where it shows", 5),
    text=_text("what is wrong", "row 5 is missing"),
)
AUDIT_VERIFIED = _model(
    "AuditVerified",
    whole=fields.Boolean(
        description="no row was changed, removed, inserted or moved", example=True, required=True
    ),
    events=_int("rows that were read", 42),
    head=_text("number and hash of the last row: write it down elsewhere", f"42:{SHA256}"),
    problems=_parts(AUDIT_PROBLEM, "what is wrong, at most 100"),
)


PLACE = _model(
    "Place",
    person_id=_text("whose template it is", "ann@example.com"),
    name=_text("display name", "Ann Lee"),
    x=_float("-1 to 1", 0.42),
    y=_float("-1 to 1", -0.17),
)
PROBE_PLACE = _model(
    "ProbePlace",
    x=_float("-1 to 1, or beyond where the clip is unlike all others", 0.4),
    y=_float("likewise", -0.2),
)
GALLERY_MAP = _model(
    "GalleryMap",
    modality=_text("which embeddings", "fused", enum=["face", "voice", "fused"]),
    method=_text("how they were laid out", "pca", enum=["pca", "tsne"]),
    people=_int("people in the map", 20),
    total=_int("people who fit the search", 20),
    shown=_figures("share of the variance along x and along y; null for t-SNE", [0.31, 0.17]),
    probe=_part(PROBE_PLACE, "the clip that was sent; null without one", allow_null=True),
    points=_parts(PLACE, "the templates, those of a person one after the other"),
)
SIMILAR_PERSON = _model(
    "SimilarPerson",
    person_id=_text("unique id", "ann@example.com"),
    name=_text("display name", "Ann Lee"),
)
SIMILARITY = _model(
    "Similarity",
    modality=_text("which embeddings", "fused", enum=["face", "voice", "fused"]),
    total=_int("people who fit the search", 20),
    threshold=_float(
        "score above which two clips count as one person's when they are verified", 0.479
    ),
    people=_parts(SIMILAR_PERSON, "rows and columns of the scores, by id"),
    scores=_figures(
        "mean cosine of the templates of every two people; on the diagonal, of one person's to each"
        " other (null: only one)",
        [[0.81, 0.12], [0.12, None]],
    ),
)


def documented(ns: Namespace, *errors: type[DuetError]) -> Callable[[Any], Any]:
    """Decorator: the errors that a route may answer with, by status, each with the
    error shape.
    """
    by_status: dict[int, list[str]] = {}
    listed: tuple[type[DuetError], ...] = (
        *errors,
        HostForbiddenError,
        CrossOriginError,
        RoleForbiddenError,
        RateLimitedError,
    )
    for error in listed:
        first_line = (error.__doc__ or "").splitlines()[0]
        by_status.setdefault(status_of(error), []).append(f"`{error.code}`: {first_line}")

    def decorate(target: Any) -> Any:
        for status, lines in by_status.items():
            target = ns.response(status, " ".join(lines), ERROR)(target)
        return target

    return decorate
