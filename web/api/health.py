"""GET /v1/health: whether the service can answer, with what, and what hinders it."""

from __future__ import annotations

import shutil
import time
from typing import Any

from flask_restx import Namespace, Resource

from gallery.records.clock import now
from gallery.results import Role
from jobs.backups import OLD, last_backup
from utils.errors import StoreUnavailableError
from web import VERSION
from web.guard.auth import caller, key_state
from web.state import job_threads, recognizer, scribe, settings, store
from web.wire import parse
from web.wire.schema.base import document_errors
from web.wire.schema.service import HEALTH, STATUS

ns = Namespace("service", "The service itself", path="/v1")

SLOW_S = 1.0
"""A database that takes longer for a small question is called slow."""

LEAST_ROOM_BYTES = 256 << 20


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


def find_reasons() -> list[dict[str, str]]:
    """Find what hinders the service. Raises StoreUnavailableError."""
    started = time.perf_counter()
    store().check()
    answer_s = time.perf_counter() - started
    free = shutil.disk_usage(settings().storage.data_dir).free
    jump = store().clock_jump
    is_dead = any(thread.is_dead for thread in job_threads())
    checks = {
        "database_slow": f"The database took {answer_s:.1f} s." if answer_s > SLOW_S else "",
        "disk_full": f"{free / 1e6:.0f} MB are free." if free < LEAST_ROOM_BYTES else "",
        "clock": f"{jump}. Nothing is deleted by term." if jump else "",
        "worker_dead": "Batch jobs are not worked on." if is_dead else "",
        "backup_old": _describe_backup(),
    }
    return [{"code": code, "text": text} for code, text in checks.items() if text]


def _describe_backup() -> str:
    """What is wrong with the backups. Empty: nothing, or none are wanted."""
    if settings().backup.backup_dir is None:
        return ""
    made_at = last_backup(settings())
    if made_at is None:
        return "There is no backup yet."
    return f"The last backup is of {made_at:%Y-%m-%d}." if now() - made_at > OLD else ""
