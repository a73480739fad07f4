"""GET /v1/health: whether the service can answer, and with what."""

from __future__ import annotations

from typing import Any

from flask_restx import Namespace, Resource

from gallery.results import Role
from utils.errors import StoreUnavailableError
from web import VERSION
from web.guard.auth import caller
from web.state import recognizer, scribe, store
from web.wire import parse
from web.wire.schema.base import document_errors
from web.wire.schema.service import HEALTH

ns = Namespace("service", "The service itself", path="/v1")


@ns.route("/health", endpoint="health")
class Health(Resource):
    """State of the service."""

    @ns.doc(id="health", security=[])
    @ns.response(200, "requests can be answered", HEALTH)
    @document_errors(ns, StoreUnavailableError)
    def get(self) -> dict[str, Any]:
        """Tell whether requests can be answered. Needs no key, but tells more with one."""
        return health()


def health() -> dict[str, Any]:
    """State of the service, as far as the caller may know it."""
    parse.check_query()
    store().check()
    asking = caller()
    if asking is None or asking.role is Role.AUDITOR:
        return {"status": "ok"}
    return {
        "status": "ok",
        "version": VERSION,
        "role": str(asking.role),
        "people": store().count(),
        "encoders": recognizer().encoder_ids.to_dict(),
        "models_loaded": True,
        "speech_to_text": scribe().is_available,
    }
