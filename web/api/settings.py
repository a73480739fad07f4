"""/v1/settings: what the service runs with. Secrets are never told."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask_restx import Namespace, Resource

from utils.errors import InvalidRequestError, KeyRequiredError
from utils.settings_in_use import list_settings
from web.state import settings
from web.wire import parse
from web.wire.schema.base import document_errors
from web.wire.schema.console import SETTINGS

ns = Namespace("settings", "What the service runs with, to be read", path="/v1/settings")


@ns.route("")
class SettingList(Resource):
    """All settings."""

    @ns.doc(id="list_settings")
    @ns.response(200, "all settings, without the secrets", SETTINGS)
    @document_errors(ns, KeyRequiredError, InvalidRequestError)
    def get(self) -> dict[str, Any]:
        """List the settings, each with where it comes from.

        They are changed on the server, by variables of the environment.
        """
        parse.check_query()
        return {"settings": [asdict(one) for one in list_settings(settings())]}
