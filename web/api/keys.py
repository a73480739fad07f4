"""/v1/keys: the API keys of the service."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_restx import Namespace, Resource

from gallery.records.keys import ApiKey
from gallery.results import Role
from recognition.as_json import instant
from utils.errors import KeyNotFoundError, LastAdminKeyError
from web.api.people import JSON_ERRORS, READ_ERRORS, WRITE_ERRORS
from web.state import keys, settings
from web.wire import parse
from web.wire.schema.base import document_errors
from web.wire.schema.console import CREATED_KEY, KEY, KEYS, NEW_KEY

ns = Namespace("keys", "API keys: who may ask the service, and in which role", path="/v1/keys")


@ns.route("")
class KeyList(Resource):
    """All keys."""

    @ns.doc(id="list_keys")
    @ns.response(200, "all keys, without their secrets", KEYS)
    @document_errors(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """List the keys, revoked ones too."""
        parse.check_query()
        return {"keys": [key_body(key) for key in keys().list()]}

    @ns.doc(id="create_key")
    @ns.expect(NEW_KEY)
    @ns.response(201, "the key, which is shown only now", CREATED_KEY)
    @document_errors(ns, LastAdminKeyError, *JSON_ERRORS)
    def post(self) -> tuple[dict[str, Any], int, dict[str, str]]:
        """Make a key.

        From the first one on every request needs a key, so the first is of the role
        admin, unless the service has a key in DUET_API_KEY.
        """
        parse.check_query()
        fields = parse.json_object({"role": str, "label": str}, ("role",))
        role = Role(parse.choice(fields["role"], "role", list(Role)))
        key, text = keys().create(role, fields.get("label", ""), keep_admin=_needs_admin())
        where = {"Location": f"{request.script_root}/v1/keys/{key.key_id}"}
        return {**key_body(key), "key": text}, 201, where


@ns.route("/<string:key_id>")
@ns.doc(params={"key_id": {"description": "id of the key", "example": "3f9a1c2e"}})
class OneKey(Resource):
    """One key."""

    @ns.doc(id="revoke_key")
    @ns.response(200, "the key as it is now", KEY)
    @document_errors(ns, KeyNotFoundError, LastAdminKeyError, *WRITE_ERRORS)
    def delete(self, key_id: str) -> dict[str, Any]:
        """Revoke a key: from now on it is refused.

        The last one of the role admin stays, unless the service has a key in DUET_API_KEY.
        """
        parse.check_query()
        return key_body(keys().revoke(key_id, keep_admin=_needs_admin()))


def key_body(key: ApiKey) -> dict[str, Any]:
    """Show a key as JSON, without its secret."""
    return {
        "key_id": key.key_id,
        "role": str(key.role),
        "label": key.label,
        "created_at": instant(key.created_at),
        "revoked_at": instant(key.revoked_at) if key.revoked_at else None,
    }


def _needs_admin() -> bool:
    """Whether the keys of the gallery are the only ones."""
    return not settings().server.api_key
