"""Which roles may call which route.

A route missing from the table is for admins only, and a test fails.

Where a kiosk may use a part of a route only, the route itself refuses the rest
(`auth.admin_only`).
"""

from __future__ import annotations

from flask import request

from gallery.results import Role

OPEN = frozenset[Role]()
"""No key is asked for: health, the description of the API, and pages, which must load
before a key can be typed into them.
"""
ADMIN = frozenset({Role.ADMIN})
KIOSK = frozenset({Role.ADMIN, Role.KIOSK})
AUDITOR = frozenset({Role.ADMIN, Role.AUDITOR})
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
    "GET /metrics": AUDITOR,
    "POST /v1/identify": KIOSK,
    "POST /v1/verify": KIOSK,  # two clips; a person of the gallery: admins
    "POST /v1/challenges": KIOSK,
    "POST /v1/audio/transcriptions": KIOSK,
    "POST /v1/live/tickets": KIOSK,
    "GET /v1/live": OPEN,  # a key may come in the first message: admins and kiosks
    "POST /Identification_Request": KIOSK,  # re_register: admins
    "POST /speakers/identify": KIOSK,  # a threshold below 0.7: admins
    "POST /speakers/register": KIOSK,  # of a person without templates, without force: else admins
    "GET /speakers": ADMIN,
    "GET /speakers/<string:speaker_id>": ADMIN,
    "DELETE /speakers/<string:speaker_id>": ADMIN,
    "POST /batch": ADMIN,
    "GET /v1/people": ADMIN,
    "POST /v1/people": KIOSK,
    f"GET {PERSON}": ADMIN,
    f"PATCH {PERSON}": ADMIN,
    f"DELETE {PERSON}": KIOSK,  # without templates and just created; else admins
    f"GET {PERSON}/templates": ADMIN,
    # Of a person without templates, neither replace nor force: else admins
    f"POST {PERSON}/templates": KIOSK,
    f"DELETE {PERSON}/templates/<string:template_id>": ADMIN,
    f"POST {PERSON}/templates/<string:template_id>/move": ADMIN,
    f"POST {PERSON}/merge": ADMIN,
    f"POST {PERSON}/distinct": ADMIN,
    f"GET {PERSON}/export": ADMIN,
    f"GET {PERSON}/thumbnail": ADMIN,
    "POST /v1/identifications/<string:request_id>/feedback": KIOSK,
    "GET /v1/gallery/map": ADMIN,
    "POST /v1/gallery/map": ADMIN,
    "GET /v1/gallery/similarity": ADMIN,
    "GET /v1/gallery/duplicates": ADMIN,
    "GET /v1/events": ADMIN,
    "GET /v1/deliveries": ADMIN,
    "POST /v1/deliveries/resend": ADMIN,
    "GET /v1/visits": ADMIN,
    "POST /v1/visits/<string:visit_id>/correction": ADMIN,
    "DELETE /v1/visits/<string:visit_id>/correction": ADMIN,
    "GET /v1/strangers": ADMIN,
    "PATCH /v1/strangers/<string:stranger_id>": ADMIN,
    "DELETE /v1/strangers/<string:stranger_id>": ADMIN,
    "POST /v1/strangers/<string:stranger_id>/enrolment": ADMIN,
    "GET /v1/strangers/<string:stranger_id>/picture": ADMIN,
    "GET /v1/groups": ADMIN,
    "POST /v1/groups": ADMIN,
    "GET /v1/groups/<string:group_id>": ADMIN,
    "DELETE /v1/groups/<string:group_id>": ADMIN,
    "POST /v1/groups/<string:group_id>/members": ADMIN,
    "DELETE /v1/groups/<string:group_id>/members/<string:person_id>": ADMIN,
    "GET /v1/transcripts": ADMIN,
    "GET /v1/transcripts/<string:transcript_id>": ADMIN,
    "DELETE /v1/transcripts/<string:transcript_id>": ADMIN,
    "GET /v1/jobs": ADMIN,
    "POST /v1/jobs": ADMIN,
    "GET /v1/jobs/<string:job_id>": ADMIN,
    "DELETE /v1/jobs/<string:job_id>": ADMIN,
    "POST /v1/enrolments": ADMIN,
    "POST /v1/enrolments/preview": ADMIN,
    "POST /v1/enrolments/<string:job_id>/files/<int:position>": ADMIN,
    "GET /v1/enrolments/<string:job_id>/report": ADMIN,
    "GET /v1/keys": ADMIN,
    "POST /v1/keys": ADMIN,
    "DELETE /v1/keys/<string:key_id>": ADMIN,
    "GET /v1/settings": ADMIN,
    "GET /v1/backups": ADMIN,
    "POST /v1/backups": ADMIN,
    "GET /v1/audit": AUDITOR,
    "GET /v1/audit/verify": AUDITOR,
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
