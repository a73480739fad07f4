"""Schemas of people, their templates and enrolments."""

from __future__ import annotations

from flask_restx import fields

from web.wire.schema.base import (
    FACE_ID,
    REQUEST_ID,
    SHA256,
    float_field,
    int_field,
    list_field,
    make_model,
    model_field,
    raw_field,
    text_field,
    values_field,
)
from web.wire.schema.gallery import CHECK, CHECKED
from web.wire.schema.recognition import (
    COMMON,
    MATCH,
)

PERSON = make_model(
    "Person",
    person_id=text_field("unique id", "ann@example.com"),
    name=text_field("display name", "Ann Lee"),
    note=text_field("the operator's note (may be empty)", "front desk"),
    consent=text_field(
        "what the person agreed to, in the operator's words (may be empty)",
        "signed on paper, 31 January 2026",
    ),
    retention_days=int_field(
        "forgotten so many days after the enrolment; null = never", 365, x_nullable=True
    ),
    created_at=text_field("when the person was created (UTC)", "2026-01-31T08:15:00Z"),
    enrolled_at=text_field(
        "when the first of the templates was stored (UTC); null before",
        "2026-01-31T08:15:03Z",
        x_nullable=True,
    ),
    expires_at=text_field(
        "when the person is forgotten (UTC); null = never", "2027-01-31T08:15:03Z", x_nullable=True
    ),
    last_seen_at=text_field(
        "when the person was last recognised (UTC); null = never",
        "2026-02-01T07:58:41Z",
        x_nullable=True,
    ),
    templates=raw_field("stored templates by modality", {"face": 2, "voice": 2}),
    quality=raw_field(
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
NEW_PERSON = make_model(
    "NewPerson",
    person_id=text_field(
        f"unique id: {ID_RULE}; made at random when missing", "ann@example.com", required=False
    ),
    name=text_field(
        "display name, 1 to 200 characters; the id when missing", "Ann Lee", required=False
    ),
    note=text_field("the operator's note, at most 2000 characters", "front desk", required=False),
    consent=text_field(
        "what the person agreed to, at most 2000 characters",
        "signed on paper, 31 January 2026",
        required=False,
    ),
    retention_days=int_field(
        "forget the person so many days after the enrolment, 1 to 36500; null or missing = never",
        365,
        required=False,
        x_nullable=True,
    ),
    unique_name=fields.Boolean(
        description="true: refuse the person with `name_taken` if somebody else has the name",
        example=False,
    ),
)
PERSON_CHANGES = make_model(
    "PersonChanges",
    name=text_field("new display name", "Ann Lee-Smith", required=False),
    note=text_field("new note", "moved to the second floor", required=False),
    consent=text_field("new consent", "withdrawn for the voice, 3 March 2026", required=False),
    retention_days=int_field(
        "new number of days; null = never forget", 30, required=False, x_nullable=True
    ),
)
MERGE = make_model(
    "Merge",
    other=text_field("id of the person who becomes part of this one", "ann.lee@example.com"),
)
DISTINCT = make_model(
    "Distinct",
    other=text_field("id of the person who is somebody else", "twin@example.com"),
)
MOVE = make_model(
    "Move",
    to=text_field(
        "id of the person who gets the template; who is there, unless `create`; made at random when"
        " missing",
        "ben@example.com",
        required=False,
    ),
    create=fields.Boolean(description="make this person for it", example=False),
    name=text_field("display name of who is made; the id when missing", "Ben Roe", required=False),
)
PEOPLE = make_model(
    "People",
    people=list_field(PERSON, "this part of the list, by person_id"),
    total=int_field("how many people fit the search", 42),
    offset=int_field("how many were left out before", 0),
    limit=int_field("how many there are here at most", 50),
    check=raw_field(
        f"for the kinds duplicate and mixed: {CHECK}; null for others", CHECKED, x_nullable=True
    ),
)
TEMPLATE = make_model(
    "Template",
    template_id=text_field("unique id", "t0a1b2c3d4e5f"),
    modality=text_field("what it was made from", "face", enum=["face", "voice"]),
    quality=float_field("0 to 1", 0.88),
    encoder_id=text_field("the network that made it", FACE_ID),
    source_sha256=text_field(
        "hash of the clip it was made from; the clip itself is not kept", SHA256
    ),
    created_at=text_field("when it was stored (UTC)", "2026-01-31T08:15:03Z"),
)
TEMPLATES = make_model("Templates", templates=list_field(TEMPLATE, "oldest first"))
PERSON_EXPORT = make_model(
    "PersonExport",
    format=text_field("form of this document", "duet-person-1"),
    exported_at=text_field("when it was made (UTC)", "2026-02-01T09:00:00+00:00"),
    person=raw_field(
        "id, name, note, consent, retention and times",
        {"person_id": "ann@example.com", "name": "Ann Lee"},
    ),
    groups=values_field(fields.String, "ids of the groups of the person", example=["staff"]),
    sightings=values_field(
        fields.Raw,
        "events of watched groups that name the person",
        example=[{"at": "2026-01-31T08:15:03+00:00", "source": "identify", "group_id": "staff"}],
    ),
    visits=values_field(
        fields.Raw,
        "recent visits of the person",
        example=[{"visit_id": REQUEST_ID, "outcome": "accepted", "by": "face"}],
    ),
    templates=values_field(
        fields.Raw,
        "all templates, each with its vector of 512 figures and its kept media in base64",
        example=[{"template_id": "0a1b2c3d", "modality": "face", "vector": [0.0123], "media": {}}],
    ),
    identifications=values_field(
        fields.Raw,
        "answers of the last days that named the person",
        example=[{"request_id": REQUEST_ID, "modality": "face", "score": 0.71}],
    ),
    feedback=values_field(
        fields.Raw,
        "what was said of such answers",
        example=[{"request_id": REQUEST_ID, "modality": "face", "score": 0.71, "same": True}],
    ),
    transcripts=values_field(
        fields.Raw,
        "what the person says in kept transcripts",
        example=[{"transcript_id": REQUEST_ID, "start_s": 0.3, "end_s": 2.9}],
    ),
    jobs=values_field(
        fields.Raw,
        "files of batch jobs that are about the person",
        example=[{"job_id": "5d41402a", "name": "ann.mp4", "state": "done"}],
    ),
    events=values_field(
        fields.Raw,
        "rows of the audit on the person",
        example=[{"event_id": 42, "action": "enroll", "outcome": "stored"}],
    ),
)
ENROLLED = make_model(
    "Enrolled",
    person=model_field(PERSON, "the person after the enrolment"),
    templates=list_field(TEMPLATE, "what this clip added: a face, a voice, or both"),
    duplicate=model_field(
        MATCH,
        "who else the clip was accepted as, when `force` let it pass; else null",
        x_nullable=True,
    ),
    **COMMON,
)
