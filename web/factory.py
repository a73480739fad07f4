"""The Flask application, the same for every program that serves it."""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Mapping
from functools import cached_property
from itertools import chain
from threading import BoundedSemaphore
from typing import Any

from flask import Blueprint, Flask, Response, g, request
from flask_restx import Api

from gallery.records.challenges import Challenges
from gallery.records.jobs import Jobs
from gallery.records.keys import Keys
from jobs.backups import BackupThread
from jobs.thread import JobThread
from jobs.webhooks import WebhookThread
from jobs.worker import CLIP_ACTIONS, RECORDING_ACTIONS, Workplace
from recognition.recognizer import Recognizer
from speech.live_room import LiveRoom
from speech.scribe import Scribe
from utils.config import Settings
from utils.errors import ConfigError, StorageFullError, StoreUnavailableError
from utils.settings.subject import PREFIX
from web import VERSION, metrics
from web.api import (
    audit,
    backups,
    challenges,
    enrolments,
    events,
    feedback,
    gallery,
    groups,
    health,
    identify,
    person,
    strangers,
    transcriptions,
    transcripts,
    visits,
)
from web.api import jobs as api_jobs
from web.api import keys as api_keys
from web.api import settings as api_settings
from web.api.metrics import Gauges
from web.api.metrics import blueprint as metrics_blueprint
from web.compat import identification_request
from web.compat.speakers import routes as speakers
from web.guard import auth
from web.guard.base_path import BasePath
from web.live import routes as live
from web.live.own_port import serve_own_port
from web.pages import pages
from web.state import State, store
from web.tickets import Tickets
from web.wire import errors, uploads
from web.wire.schema.base import MODELS
from web.wire.schema.examples import add_examples

log = logging.getLogger("duet.web")
NAMESPACES = (
    identify.ns,
    challenges.ns,
    transcriptions.ns,
    transcripts.ns,
    live.ns,
    person.ns,
    feedback.ns,
    gallery.ns,
    groups.ns,
    events.ns,
    visits.ns,
    strangers.ns,
    api_jobs.ns,
    enrolments.ns,
    identification_request.ns,
    speakers.ns,
    audit.ns,
    api_keys.ns,
    api_settings.ns,
    backups.ns,
    health.ns,
)
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
MOST_PARTS = 8
"""Parts of a path that is no route of which the log tells."""
API_CSP = "default-src 'none'; frame-ancestors 'none'"
ABOUT = (
    "Identification by face and voice on this machine. `POST /v1/people` creates a person, `POST"
    " /v1/people/{person_id}/templates` enrols a clip, `POST /v1/identify` says who is in another."
    " Every error has the same shape, see the model `Error`."
)


class DuetApi(Api):
    """flask-restx without error handling of its own.

    Every error goes to the application's handlers (web/wire/errors.py).
    """

    def error_router(self, original_handler: Any, e: Exception) -> Any:
        """Pass on."""
        return original_handler(e)

    @cached_property
    def _description(self) -> dict[str, Any]:
        """Description of the API, with an example of each error of each route."""
        return add_examples(super().__schema__)

    @property
    def __schema__(self) -> dict[str, Any]:
        """Description of the API, which is made once, with the path of this request."""
        return {**self._description, "basePath": request.script_root or "/"}

    def _register_apidoc(self, app: Flask) -> None:
        """Swagger UI's files are served with its page only."""
        if self._doc:
            super()._register_apidoc(app)


def create_app(
    config: Mapping[str, Any] | None = None, recognizer: Recognizer | None = None
) -> Flask:
    """Build the service as a WSGI application.

    Args:
        config: Flask's settings and two of ours: `SETTINGS` (utils.config.Settings;
            default: read from DUET_*) and `SWAGGER_UI` (serve Swagger UI at /; default
            False).
        recognizer: what answers; default: built from the settings, which loads the
            networks (seconds). Never before a fork.

    Raises ConfigError, ModelError, StoreUnavailableError.
    """
    app = Flask(__name__, static_folder=None)
    app.url_map.merge_slashes = False  # a redirect is no answer in the one shape
    app.config.from_mapping(
        {"SWAGGER_UI": False, "RESTX_MASK_SWAGGER": False, "RESTX_ERROR_404_HELP": False}
    )
    app.config.from_mapping(config or {})
    app.json.sort_keys = False  # type: ignore[attr-defined]
    settings: Settings = app.config.setdefault("SETTINGS", None) or Settings.from_env()
    app.wsgi_app = BasePath(app.wsgi_app, settings.server.base_path)  # type: ignore[method-assign]
    _init_requests(app)
    metrics.init_app(app, Gauges())
    app.register_blueprint(metrics_blueprint)
    errors.init_app(app)
    uploads.init_app(app, settings)
    auth.init_app(app, settings)
    _init_retention(app)
    app.register_blueprint(api_blueprint(swagger_ui=app.config["SWAGGER_UI"]))
    app.register_blueprint(live.blueprint)
    if app.config["SWAGGER_UI"]:
        app.register_blueprint(pages.blueprint)
    if recognizer is None:
        from assembly import build_recognizer

        recognizer = build_recognizer(settings, serving=True)
    app.extensions["duet"] = _make_state(settings, recognizer)
    if settings.live.live_port:
        app.wsgi_app = serve_own_port(app.wsgi_app, settings.live.live_port)  # type: ignore[assignment, method-assign]
    return app


def _make_state(settings: Settings, recognizer: Recognizer) -> State:
    """Put the parts together. Raises ConfigError without a key where one is needed."""
    keys = Keys(recognizer.store.database)
    jobs = Jobs(recognizer.store.database, recognizer.store.codec)
    auth.check_keys(settings, keys)
    scribe = Scribe(settings)
    _check_challenges(settings, scribe)
    place = Workplace(recognizer, jobs, settings, scribe)
    return State(
        settings=settings,
        recognizer=recognizer,
        keys=keys,
        challenges=Challenges(recognizer.store.database),
        jobs=jobs,
        job_thread=JobThread(place, CLIP_ACTIONS),
        recordings_thread=JobThread(place, RECORDING_ACTIONS),
        scribe=scribe,
        live_room=LiveRoom(settings, scribe, recognizer.voices),
        live_tickets=Tickets(),
        backup_thread=BackupThread(recognizer.store, settings, recognizer.encoder_ids.to_dict()),
        webhook_thread=WebhookThread(recognizer.store, settings),
        event_streams=BoundedSemaphore(max(1, settings.limits.threads // 4)),
    )


def _check_challenges(settings: Settings, scribe: Scribe) -> None:
    """Raise ConfigError where digits must be said that nothing here can read."""
    if settings.liveness.liveness_challenge == "refuse" and not scribe.is_available:
        raise ConfigError(
            f"{PREFIX}LIVENESS_CHALLENGE=refuse needs speech to text, which is not installed.",
            "Install it with `.venv/bin/pip install -r requirements-speech.txt`.",
        )


def api_blueprint(*, swagger_ui: bool) -> Blueprint:
    """Build the blueprint with all routes and the description at /swagger.json.

    `swagger_ui` adds its page at /.
    """
    blueprint = Blueprint("api", __name__)
    api = DuetApi(
        blueprint,
        version=VERSION,
        title="Duet ID",
        description=ABOUT,
        doc="/" if swagger_ui else False,
        security=["key", {}],  # {}: a service without any key asks for none
        authorizations={"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
    )
    for model in MODELS:
        api.add_model(model.name, model)
    for namespace in NAMESPACES:
        api.add_namespace(namespace)
    if swagger_ui:
        api.documentation(lambda: pages.swagger_page(api))
    return blueprint


def _init_retention(app: Flask) -> None:
    """Forget people whose retention is over while the service runs, before a request."""

    @app.before_request
    def forget_expired() -> None:
        try:
            store().forget_expired_when_due()
        except (StoreUnavailableError, StorageFullError) as error:
            log.error("people whose retention is over were not forgotten: %s", error.code)


def _init_requests(app: Flask) -> None:
    """Add request ids, headers of every answer, and one log line a request.

    The log holds no names and no bodies.
    """

    @app.before_request
    def begin() -> None:
        sent_id = request.headers.get("X-Request-ID", "")
        g.request_id = sent_id if REQUEST_ID.fullmatch(sent_id) else uuid.uuid4().hex
        g.started = time.perf_counter()

    @app.after_request
    def finish(response: Response) -> Response:
        response.headers.update(HEADERS)
        response.headers["X-Request-ID"] = g.request_id
        response.headers.update(
            {"Content-Security-Policy": API_CSP, "Cache-Control": "no-store"}
            | pages.headers_for(request.endpoint)
        )
        route = request.url_rule.rule if request.url_rule else _shorten_path(app)
        method = request.method if request.method.isalpha() else "-"
        took_ms = 1000 * (time.perf_counter() - g.started)
        line = f"{method} {route} {response.status_code} {took_ms:.0f} ms"
        facts = {"method": method, "route": route, "status": response.status_code}
        facts |= {"took_ms": round(took_ms), "request_id": g.request_id}
        log.info("%s request_id=%s", line, g.request_id, extra={"facts": facts})
        return response


def _shorten_path(app: Flask) -> str:
    """Keep of a path that is no route what routes have: the rest may be the id of a person."""
    routes = (rule.rule.split("/") for rule in app.url_map.iter_rules())
    words = set(chain.from_iterable(routes))
    parts = request.path.split("/")[:MOST_PARTS]
    return "/".join(part if part in words else "*" for part in parts)
