"""Schemas of groups of people."""

from __future__ import annotations

from flask_restx import fields

from web.wire.schema.base import int_field, list_field, make_model, text_field

_ID = text_field("unique id, of the characters of a person_id", "staff")
_WATCHED = fields.Boolean(
    description="true: whoever of it is recognised is an event", example=False, required=True
)
_RETENTION = int_field(
    "whoever is put into it is forgotten so many days after the enrolment at the latest; null ="
    " their own term holds",
    30,
    x_nullable=True,
)
GROUP_FIELDS: dict[str, fields.Raw] = {
    "group_id": _ID,
    "name": text_field("display name", "Staff"),
    "watched": _WATCHED,
    "retention_days": _RETENTION,
    "created_at": text_field("when it was made (UTC)", "2026-01-31T08:15:00Z"),
    "people": int_field("number of people in it", 12),
}
GROUP = make_model("Group", **GROUP_FIELDS)
GROUPS = make_model("Groups", groups=list_field(GROUP, "all groups, by id"))
GROUP_OF_PEOPLE = make_model(
    "GroupOfPeople",
    **GROUP_FIELDS,
    members=fields.List(
        fields.String,
        description="ids of the people in it, sorted",
        example=["ann@example.com"],
        required=True,
    ),
    names=fields.List(
        fields.String,
        description="their names, in the same order",
        example=["Ann"],
        required=True,
    ),
)
NEW_GROUP = make_model(
    "NewGroup",
    group_id=_ID,
    name=text_field("display name; default: the id", "Staff", required=False),
    watched=fields.Boolean(description=_WATCHED.description, example=False),
    retention_days=int_field(_RETENTION.description, 30, required=False, x_nullable=True),
)
NEW_MEMBER = make_model("NewMember", person_id=text_field("id of the person", "ann@example.com"))
