"""GET /v1/health: whether the service can answer, with what, and what hinders it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask_restx import Namespace, Resource

from gallery.results import Role
from jobs.backups import last_backup
from jobs.hindrances import Hindrance, find_hindrances, find_other_models
from utils.errors import StoreUnavailableError
from utils.modality import SINGLE
from web import VERSION
from web.guard.auth import caller, key_state
from web.state import job_threads, recognizer, scribe, settings, store
from web.wire import parse
from web.wire.schema.base import document_errors
from web.wire.schema.service import HEALTH, STATUS

ns = Namespace("service", "The service itself", path="/v1")


@ns.route("/health", endpoint="health")
class Health(Resource):
    """State of the service."""

    @ns.doc(id="health", security=[])
    @ns.response(200, "requests can be answered", HEALTH)
    @document_errors(ns, StoreUnavailableError)
    def get(self) -> dict[str, Any]:
        """Tell whether requests can be answered. Needs no key, but tells more with one.

        `degraded` names what hinders the service while it goes on.
        """
        return health()


@ns.route("/health/live", endpoint="health_live")
class Live(Resource):
    """Whether the process runs."""

    @ns.doc(id="live", security=[])
    @ns.response(200, "the process runs", STATUS)
    def get(self) -> dict[str, str]:
        """Tell that the process runs, whatever the database does."""
        parse.check_query()
        return {"status": "ok"}


@ns.route("/health/ready", endpoint="health_ready")
class Ready(Resource):
    """Whether requests can be answered now."""

    @ns.doc(id="ready", security=[])
    @ns.response(200, "requests can be answered", STATUS)
    @document_errors(ns, StoreUnavailableError)
    def get(self) -> dict[str, str]:
        """Tell whether the networks are loaded and the database answers."""
        parse.check_query()
        store().check()
        return {"status": "ok"}


def health() -> dict[str, Any]:
    """State of the service, as far as the caller may know it."""
    parse.check_query()
    reasons = find_reasons()
    status = "degraded" if reasons else "ok"
    asking = caller()
    access = {"key": key_state(), "role": str(asking.role) if asking else None}
    if asking is None or asking.role is Role.AUDITOR:
        return {"status": status, **access}
    made_at = last_backup(settings())
    return {
        "status": status,
        **access,
        "reasons": reasons,
        "version": VERSION,
        "people": store().count(),
        "encoders": recognizer().encoder_ids.to_dict(),
        "models_loaded": True,
        "speech_to_text": scribe().is_available,
        "last_backup": made_at.isoformat(timespec="seconds") if made_at else None,
    }


def find_reasons() -> list[dict[str, Any]]:
    """Find what hinders the service. Raises StoreUnavailableError."""
    hindrances = find_hindrances(store(), settings())
    if others := find_other_models(store(), {m: recognizer().encoder_ids[m] for m in SINGLE}):
        hindrances.append(others)
    if any(thread.is_dead for thread in job_threads()):
        hindrances.append(Hindrance("worker_dead", "Batch jobs are not worked on.", {}))
    return list(map(asdict, hindrances))
