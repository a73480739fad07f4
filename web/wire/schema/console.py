"""Schemas of what operators look after: keys, settings and backups."""

from __future__ import annotations

from flask_restx import fields

from gallery.results import Role
from web.wire.schema.base import any_field, int_field, list_field, make_model, text_field

ROLES = [*Role]
KEY_FIELDS: dict[str, fields.Raw] = {
    "key_id": text_field("id of the key, as the audit names it", "3f9a1c2e"),
    "role": text_field("what its holder may do", "kiosk", enum=ROLES),
    "label": text_field("what it is for (may be empty)", "east door"),
    "created_at": text_field("when it was made (UTC)", "2026-01-31T08:15:00Z"),
    "revoked_at": text_field(
        "when it was revoked (UTC); null while it is in use",
        "2026-02-01T09:00:00Z",
        x_nullable=True,
    ),
}
KEY = make_model("ApiKey", **KEY_FIELDS)
KEYS = make_model("ApiKeys", keys=list_field(KEY, "oldest first, with those that are revoked"))
NEW_KEY = make_model(
    "NewApiKey",
    role=text_field("what its holder may do", "kiosk", enum=ROLES),
    label=text_field("what it is for, at most 80 characters", "east door", required=False),
)
CREATED_KEY = make_model(
    "CreatedApiKey",
    **KEY_FIELDS,
    key=text_field(
        "the key itself, for the header X-API-Key: it is shown here alone, and only its hash is"
        " stored",
        "duet_3f9a1c2e_6S3cRb0S8Zr9k2y1dXo5q7uVwA4tLmNpEeFfGgHhIiJ",
    ),
)
SETTING = make_model(
    "Setting",
    name=text_field("variable of the environment", "DUET_PORT"),
    subject=text_field("what it belongs to", "server"),
    value=any_field(
        "value in use: a text, a number or true or false; null = empty, or a secret",
        5000,
        x_nullable=True,
    ),
    default=any_field("value without the variable; null = empty", 5000, x_nullable=True),
    source=text_field(
        "environment: the variable is set; program: given by the program that started the service",
        "default",
        enum=["environment", "default", "program"],
    ),
    is_secret=fields.Boolean(
        description="true: whether it is set is told, its value never", example=False, required=True
    ),
    about=text_field("what it is for", "TCP port."),
)
SETTINGS = make_model("Settings", settings=list_field(SETTING, "all settings, by subject"))
BACKUP = make_model(
    "Backup",
    name=text_field("name of its folder", "duet-20261129T030004Z"),
    made_at=text_field("moment that it shows (UTC)", "2026-11-29T03:00:04Z"),
    people=int_field("people in it", 512),
    templates=int_field("templates in it", 2048),
    bytes=int_field("size of its files", 12_582_912),
    is_encrypted=fields.Boolean(
        description="its values are encrypted, as in the gallery", example=True, required=True
    ),
)
BACKUPS = make_model(
    "Backups",
    is_on=fields.Boolean(
        description="a folder is set (DUET_BACKUP_DIR)", example=True, required=True
    ),
    keep=int_field("how many are kept (DUET_BACKUP_KEEP)", 14),
    is_running=fields.Boolean(description="one is being made now", example=False, required=True),
    failed=text_field(
        "code of what stopped the latest attempt of this service, such as output_refused where its"
        " user cannot write to the folder; null = nothing did",
        "storage_full",
        x_nullable=True,
    ),
    backups=list_field(BACKUP, "those that are whole, newest first"),
)
