"""/v1/groups: people in groups, such as a site, a department or a watch list."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_restx import Namespace, Resource

from gallery.records.groups import Group, NewGroup
from recognition.as_json import instant
from utils.errors import GroupExistsError, GroupNotFoundError, InvalidNameError
from web.api.people import JSON_ERRORS, PERSON_ERRORS, READ_ERRORS, WRITE_ERRORS
from web.state import store
from web.wire import parse
from web.wire.schema.base import document_errors
from web.wire.schema.groups import GROUP, GROUP_OF_PEOPLE, GROUPS, NEW_GROUP, NEW_MEMBER

ns = Namespace("groups", "People in groups, and watch lists", path="/v1/groups")
FIELDS: dict[str, type | tuple[type, ...]] = {
    "group_id": str,
    "name": str,
    "watched": bool,
    "retention_days": (int, type(None)),
}
GROUP_ID = {"group_id": {"description": "id of the group", "example": "staff"}}


@ns.route("")
class GroupList(Resource):
    """All groups."""

    @ns.doc(id="list_groups")
    @ns.response(200, "all groups", GROUPS)
    @document_errors(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """List the groups, by id."""
        parse.check_query()
        return {"groups": [group_body(group) for group in store().list_groups()]}

    @ns.doc(id="create_group")
    @ns.expect(NEW_GROUP)
    @ns.response(201, "the group", GROUP)
    @document_errors(ns, GroupExistsError, InvalidNameError, *JSON_ERRORS)
    def post(self) -> tuple[dict[str, Any], int, dict[str, str]]:
        """Make a group without anybody in it."""
        parse.check_query()
        group = store().create_group(NewGroup(**parse.json_object(FIELDS, ("group_id",))))
        where = {"Location": f"{request.script_root}/v1/groups/{group.group_id}"}
        return group_body(group), 201, where


@ns.route("/<string:group_id>")
@ns.doc(params=GROUP_ID)
class OneGroup(Resource):
    """One group."""

    @ns.doc(id="get_group")
    @ns.response(200, "the group and who is in it", GROUP_OF_PEOPLE)
    @document_errors(ns, GroupNotFoundError, *READ_ERRORS)
    def get(self, group_id: str) -> dict[str, Any]:
        """Show a group and the people in it."""
        parse.check_query()
        group = store().get_group(group_id)
        people = store().list_group(group_id)
        return {**group_body(group), "members": list(people), "names": list(people.values())}

    @ns.doc(id="delete_group")
    @ns.response(204, "deleted; the people in it stay")
    @document_errors(ns, GroupNotFoundError, *WRITE_ERRORS)
    def delete(self, group_id: str) -> tuple[str, int]:
        """Delete a group, and nobody in it."""
        parse.check_query()
        store().delete_group(group_id)
        return "", 204


@ns.route("/<string:group_id>/members")
@ns.doc(params=GROUP_ID)
class Members(Resource):
    """The people in a group."""

    @ns.doc(id="add_to_group")
    @ns.expect(NEW_MEMBER)
    @ns.response(200, "the group as it is now", GROUP)
    @document_errors(ns, GroupNotFoundError, *PERSON_ERRORS, *JSON_ERRORS)
    def post(self, group_id: str) -> dict[str, Any]:
        """Put a person into a group. Who is in it stays in it.

        The term of the group shortens that of the person, and never lengthens it.
        """
        parse.check_query()
        fields = parse.json_object({"person_id": str}, ("person_id",))
        store().add_to_group(group_id, fields["person_id"])
        return group_body(store().get_group(group_id))


@ns.route("/<string:group_id>/members/<string:person_id>")
@ns.doc(
    params={
        **GROUP_ID,
        "person_id": {"description": "id of the person", "example": "ann@example.com"},
    }
)
class Member(Resource):
    """A person in a group."""

    @ns.doc(id="take_from_group")
    @ns.response(204, "the person is not in the group")
    @document_errors(ns, GroupNotFoundError, *PERSON_ERRORS, *WRITE_ERRORS)
    def delete(self, group_id: str, person_id: str) -> tuple[str, int]:
        """Take a person out of a group. The person stays in the gallery."""
        parse.check_query()
        store().take_from_group(group_id, person_id)
        return "", 204


def group_body(group: Group) -> dict[str, Any]:
    """Show a group as JSON."""
    return {
        "group_id": group.group_id,
        "name": group.name,
        "watched": group.watched,
        "retention_days": group.retention_days,
        "created_at": instant(group.created_at),
        "people": group.people,
    }
