"""Schema of the state of the service."""

from __future__ import annotations

from flask_restx import fields

from web.wire.schema.base import (
    FACE_ID,
    FUSED_ID,
    VOICE_ID,
    int_field,
    make_model,
    text_field,
)

STATUS = make_model("Status", status=text_field("ok", "ok"))

TICKET = make_model(
    "LiveTicket",
    ticket=text_field("opens one live session", "wGZ2k1rI0kq0o5tq1m0l8jB1yqFv2x7Z"),
    expires_s=int_field("seconds for which it holds", 60),
)

REASON = make_model(
    "HealthReason",
    code=text_field(
        "disk_full, clock, worker_dead, backup_old, database_slow, traces_left, damaged or"
        " other_models",
        "disk_full",
    ),
    text=text_field("what is wrong", "120 MB are free."),
    details=fields.Raw(
        description="what is in the text, by code: megabytes (disk_full), shown and days"
        " (clock; below 0 it is behind), made_at (backup_old; null = none yet), seconds"
        " (database_slow) or templates (damaged, other_models)",
        example={"megabytes": 120},
    ),
)

HEALTH = make_model(
    "Health",
    status=text_field("ok, or degraded where something hinders the service", "ok"),
    key=text_field(
        "what became of the key that was sent: good, missing, unknown or revoked; not_needed where"
        " the service has no key",
        "good",
        enum=("good", "not_needed", "missing", "unknown", "revoked"),
    ),
    role=text_field(
        "the role in which the service answers: admin, operator, kiosk or auditor; null without a"
        " good key",
        "admin",
        x_nullable=True,
    ),
    reasons=fields.List(
        fields.Nested(REASON),
        description="what hinders the service (with a good key, or where no key is set)",
    ),
    version=text_field(
        "version of the service (with a good key, or where no key is set)", "1.0.0", required=False
    ),
    people=int_field("people in the gallery (likewise)", 20, required=False),
    encoders=fields.Raw(
        description="encoder ids by modality (likewise)",
        example={"face": FACE_ID, "voice": VOICE_ID, "fused": FUSED_ID},
    ),
    models_loaded=fields.Boolean(description="the networks are in memory (likewise)", example=True),
    speech_to_text=fields.Boolean(
        description="speech to text is installed (likewise)", example=True
    ),
    last_backup=text_field(
        "when the last backup was made (likewise); null without one",
        "2026-11-29T03:00:04+00:00",
        required=False,
        x_nullable=True,
    ),
)
