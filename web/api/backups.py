"""/v1/backups: the backups that the service makes, and one right now."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_restx import Namespace, Resource

from gallery.backup.folder import Backup
from recognition.as_json import instant
from utils.errors import BackupOffError, BusyError
from web.api.people import JSON_ERRORS, READ_ERRORS
from web.state import backup_thread, settings
from web.wire import parse
from web.wire.schema.base import document_errors
from web.wire.schema.console import BACKUPS

ns = Namespace("backups", "Backups of the gallery", path="/v1/backups")


@ns.route("")
class BackupList(Resource):
    """All backups."""

    @ns.doc(id="list_backups")
    @ns.response(200, "the backups in the folder of the settings", BACKUPS)
    @document_errors(ns, *READ_ERRORS)
    def get(self) -> dict[str, Any]:
        """List the backups, newest first."""
        parse.check_query()
        return backups_body()

    @ns.doc(id="create_backup")
    @ns.response(202, "a backup has begun: GET /v1/backups shows when it is there", BACKUPS)
    @document_errors(ns, BackupOffError, BusyError, *JSON_ERRORS)
    def post(self) -> tuple[dict[str, Any], int]:
        """Make a backup now, while the service goes on."""
        parse.check_query()
        if request.content_length or request.content_type:
            parse.json_object({})
        backup_thread().begin_one()
        return backups_body(), 202


def backups_body() -> dict[str, Any]:
    """Show the backups as JSON."""
    thread = backup_thread()
    return {
        "is_on": settings().backup.backup_dir is not None,
        "keep": settings().backup.backup_keep,
        "is_running": thread.is_running,
        "failed": thread.failed,
        "backups": [_show(backup) for backup in reversed(thread.list_all())],
    }


def _show(backup: Backup) -> dict[str, Any]:
    rows = backup.manifest.rows
    return {
        "name": backup.path.name,
        "made_at": instant(backup.manifest.made_at),
        "people": rows.get("people", 0),
        "templates": rows.get("templates", 0),
        "bytes": backup.bytes,
        "is_encrypted": backup.manifest.encryption_key is not None,
    }
