"""Which roles may call which route.

A route missing from the table is for admins only, and a test fails.

Where a kiosk may use a part of a route only, the route itself refuses the rest
(`auth.staff_only`).
"""

from __future__ import annotations

from flask import request

from gallery.results import Role

OPEN = frozenset[Role]()
"""No key is asked for: health, the description of the API, and pages, which must load
before a key can be typed into them.
"""
ADMIN = frozenset({Role.ADMIN})
STAFF = frozenset({Role.ADMIN, Role.OPERATOR})
"""Who looks after people: all but keys, settings, backups, and exports with vectors."""
KIOSK = STAFF | {Role.KIOSK}
AUDIT = STAFF | {Role.AUDITOR}
FIGURES = frozenset({Role.ADMIN, Role.AUDITOR})
SMALLEST_FIRST = (Role.KIOSK, Role.AUDITOR, Role.OPERATOR, Role.ADMIN)
"""Roles in the order in which a refusal names those that suffice."""
ANYBODY = frozenset(Role)
"""Whoever has a key: what is no route at all, and OPTIONS."""

PERSON = "/v1/people/<string:person_id>"
ROUTES: dict[str, frozenset[Role]] = {
    "GET /": OPEN,
    "GET /kiosk": OPEN,
    "GET /verify": OPEN,
    "GET /people": OPEN,
    "GET /console/enrol": OPEN,
    "GET /console/jobs": OPEN,
    "GET /console/audit": OPEN,
    "GET /console/keys": OPEN,
    "GET /console/backup": OPEN,
    "GET /console/health": OPEN,
    "GET /console/visits": OPEN,
    "GET /console/groups": OPEN,
    "GET /console/strangers": OPEN,
    "GET /console/settings": OPEN,
    "GET /transcribe": OPEN,
    "GET /live": OPEN,
    "GET /static/<path:filename>": OPEN,
    "GET /swaggerui/<path:filename>": OPEN,
    "GET /swagger.json": OPEN,
    "GET /v1/health": OPEN,
    "GET /v1/health/live": OPEN,
    "GET /v1/health/ready": OPEN,
    "GET /health": OPEN,
    "GET /metrics": FIGURES,
    "POST /v1/identify": KIOSK,
    "POST /v1/verify": KIOSK,  # two clips; a person of the gallery: staff
    "POST /v1/challenges": KIOSK,
    "POST /v1/audio/transcriptions": KIOSK,
    "POST /v1/live/tickets": KIOSK,
    "GET /v1/live": OPEN,  # a key may come in the first message: staff and kiosks
    "POST /Identification_Request": KIOSK,  # re_register: staff
    "POST /speakers/identify": KIOSK,  # a threshold below 0.7: staff
    "POST /speakers/register": KIOSK,  # of a person without templates, without force: else staff
    "GET /speakers": STAFF,
    "GET /speakers/<string:speaker_id>": STAFF,
    "DELETE /speakers/<string:speaker_id>": STAFF,
    "POST /batch": STAFF,
    "GET /v1/people": STAFF,
    "POST /v1/people": KIOSK,
    f"GET {PERSON}": STAFF,
    f"PATCH {PERSON}": STAFF,
    f"DELETE {PERSON}": KIOSK,  # without templates and just created; else staff
    f"GET {PERSON}/templates": STAFF,
    # Of a person without templates, neither replace nor force: else staff
    f"POST {PERSON}/templates": KIOSK,
    f"DELETE {PERSON}/templates/<string:template_id>": STAFF,
    f"POST {PERSON}/templates/<string:template_id>/move": STAFF,
    f"POST {PERSON}/merge": STAFF,
    f"POST {PERSON}/distinct": STAFF,
    f"GET {PERSON}/export": ADMIN,
    f"GET {PERSON}/thumbnail": STAFF,
    "POST /v1/identifications/<string:request_id>/feedback": KIOSK,
    "GET /v1/gallery/map": STAFF,
    "POST /v1/gallery/map": STAFF,
    "GET /v1/gallery/similarity": STAFF,
    "GET /v1/gallery/duplicates": STAFF,
    "GET /v1/events": STAFF,
    "GET /v1/deliveries": STAFF,
    "POST /v1/deliveries/resend": STAFF,
    "GET /v1/visits": STAFF,
    "POST /v1/visits/<string:visit_id>/correction": STAFF,
    "DELETE /v1/visits/<string:visit_id>/correction": STAFF,
    "GET /v1/strangers": STAFF,
    "PATCH /v1/strangers/<string:stranger_id>": STAFF,
    "DELETE /v1/strangers/<string:stranger_id>": STAFF,
    "POST /v1/strangers/<string:stranger_id>/enrolment": STAFF,
    "GET /v1/strangers/<string:stranger_id>/picture": STAFF,
    "GET /v1/groups": STAFF,
    "POST /v1/groups": STAFF,
    "GET /v1/groups/<string:group_id>": STAFF,
    "DELETE /v1/groups/<string:group_id>": STAFF,
    "POST /v1/groups/<string:group_id>/members": STAFF,
    "DELETE /v1/groups/<string:group_id>/members/<string:person_id>": STAFF,
    "GET /v1/transcripts": STAFF,
    "GET /v1/transcripts/<string:transcript_id>": STAFF,
    "DELETE /v1/transcripts/<string:transcript_id>": STAFF,
    "GET /v1/jobs": STAFF,
    "POST /v1/jobs": STAFF,
    "GET /v1/jobs/<string:job_id>": STAFF,
    "DELETE /v1/jobs/<string:job_id>": STAFF,
    "POST /v1/enrolments": STAFF,
    "POST /v1/enrolments/preview": STAFF,
    "POST /v1/enrolments/<string:job_id>/files/<int:position>": STAFF,
    "GET /v1/enrolments/<string:job_id>/report": STAFF,
    "POST /v1/enrolments/<string:job_id>/report": STAFF,
    "GET /v1/keys": ADMIN,
    "POST /v1/keys": ADMIN,
    "DELETE /v1/keys/<string:key_id>": ADMIN,
    "GET /v1/settings": ADMIN,
    "GET /v1/backups": ADMIN,
    "POST /v1/backups": ADMIN,
    "GET /v1/audit": AUDIT,
    "GET /v1/audit/verify": AUDIT,
}
CLIPS = frozenset(
    {
        "POST /v1/identify",
        "POST /v1/verify",
        "POST /v1/audio/transcriptions",
        "POST /v1/live/tickets",
        "POST /Identification_Request",
        f"POST {PERSON}/templates",
        "POST /v1/gallery/map",
        "POST /speakers/identify",
        "POST /speakers/register",
        "POST /batch",
    }
)
"""Routes that read a clip, and so take long (web/guard/limits.py)."""


def route() -> str:
    """Get the key of this request in the table. Empty for what is no route."""
    method = "GET" if request.method == "HEAD" else request.method
    return f"{method} {request.url_rule.rule}" if request.url_rule else ""


def allowed_roles() -> frozenset[Role]:
    """Get the roles that may send this request."""
    if not request.url_rule or request.method == "OPTIONS":
        return ANYBODY
    return ROUTES.get(route(), ADMIN)
