"""Run the service: check what can be checked, then start gunicorn.

It has one worker of many threads, which loads the networks after the fork.

Whatever keeps the service from starting is one clear line on stderr and an exit code
other than 0.
"""

from __future__ import annotations

import hashlib
import signal
import sys
import time
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from gunicorn.app.base import BaseApplication

from align.heap import bound_heap
from utils.config import Settings, describe_settings
from utils.errors import ConfigError, DuetError, StorageFullError, StoreUnavailableError, say_body
from utils.interrupts import end_in_order
from utils.leaving import noting_status
from utils.listening import WYOMING_PORT, bracket, check_port, url_of
from utils.path_option import PathOption
from utils.settings.subject import PREFIX
from utils.terminal_command import TerminalCommand
from web import VERSION
from web.server.gunicorn_worker import ignore_signals
from web.server.logs import start_log

if TYPE_CHECKING:
    from gallery.store import Store
    from jobs.backups import BackupThread
    from jobs.telemetry import TelemetryThread
    from jobs.thread import JobThread
    from jobs.webhooks import WebhookThread
    from speech.live_room import LiveRoom
    from web.live.wyoming_asr import WyomingServer

    ServiceThread = JobThread | BackupThread | WebhookThread | TelemetryThread | WyomingServer

LOAD_ERROR_EXIT = 4
"""gunicorn's APP_LOAD_ERROR: a worker that ends with it is not started again."""
START_LIMIT_S = 300
GRACE_S = 30


class Service(BaseApplication):
    """The application under gunicorn."""

    def __init__(self, settings: Settings, swagger_ui: bool) -> None:
        self._settings = settings
        self._swagger_ui = swagger_ui
        self._store: Store | None = None
        self._threads: tuple[ServiceThread, ...] = ()
        self._live_room: LiveRoom | None = None
        self._outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        super().__init__()

    def load_config(self) -> None:
        """Set gunicorn's settings. What the operator may change is a DUET_* setting."""
        values: dict[str, Any] = {
            "bind": [f"{bracket(self._settings.server.host)}:{port}" for port in self._ports],
            "workers": 1,  # one set of networks in memory; threads serve in parallel
            "worker_class": "web.server.gunicorn_worker.Worker",
            "threads": self._settings.limits.threads,
            "timeout": START_LIMIT_S,
            "graceful_timeout": GRACE_S,
            "keepalive": 15,
            "loglevel": "error",
            "control_socket_disable": True,
            # Proxies are believed by DUET_TRUSTED_PROXIES alone (web/guard/auth.py)
            "forwarded_allow_ips": "",
            "when_ready": self._settle_signals,
            "worker_exit": self._stop,
        }
        if self._settings.server.tls_cert and self._settings.server.tls_key:
            values |= {
                "certfile": str(self._settings.server.tls_cert),
                "keyfile": str(self._settings.server.tls_key),
            }
        for name, value in values.items():
            self.cfg.set(name, value)

    @property
    def _ports(self) -> list[int]:
        """The ports that are listened on."""
        live_port = self._settings.live.live_port
        return [self._settings.server.port, *([live_port] if live_port else [])]

    def load(self) -> Any:
        """Build the application in the worker. A failure ends it with one line."""
        from jobs.telemetry import TelemetryThread
        from web.factory import create_app
        from web.metrics import reader_of

        start_log(self._settings.server.log)
        try:
            app = create_app({"SETTINGS": self._settings, "SWAGGER_UI": self._swagger_ui})
        except DuetError as error:
            fail(error, LOAD_ERROR_EXIT)
        state = app.extensions["duet"]
        self._store = state.recognizer.store
        self._live_room = state.live_room
        telemetry_thread = TelemetryThread(reader_of(app), self._settings)
        self._threads = (
            state.job_thread,
            state.recordings_thread,
            state.backup_thread,
            state.webhook_thread,
            telemetry_thread,
        )
        if self._settings.live.wyoming_port:
            self._threads += (_start_wyoming(self._settings, state.live_room),)
        for thread in (state.job_thread, state.recordings_thread):
            thread.wake()  # jobs that the last run left
        state.backup_thread.start()
        state.webhook_thread.start()
        telemetry_thread.start()
        self._store.record("start", "ready", None, configuration(self._settings))
        what = "Swagger UI" if self._swagger_ui else "API only"
        print(f"Duet ID is ready: {url_of(self._settings)} ({what})", flush=True)
        if self._swagger_ui:
            print(list_pages(url_of(self._settings)), flush=True)
        return app

    def end_talks(self) -> None:
        """Have the live sessions write down what was said, and end."""
        if self._live_room is not None:
            self._live_room.is_closing = True

    def _settle_signals(self, arbiter: Any) -> None:
        """End in order when the terminal closes. Behind `nohup`, go on.

        gunicorn would start another worker: the settings are read once, so it gains nothing.
        Its other signals would, too, or start another service (USR2).
        """
        ignore_signals()
        if self._outlives_terminal:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        else:
            signal.signal(signal.SIGHUP, lambda _, frame: arbiter.signal(signal.SIGTERM, frame))

    def _stop(self, _arbiter: Any, _worker: Any) -> None:
        """End the threads and the audit. Runs in the worker when it ends."""
        end_s = time.monotonic() + GRACE_S / 2
        for thread in self._threads:
            thread.stop(0)  # all are told before one is waited for
        for thread in self._threads:
            thread.stop(max(0, end_s - time.monotonic()))
        if self._store is not None:
            with suppress(StoreUnavailableError, StorageFullError):
                self._store.record("stop", "ended")
            self._store.close()


def _start_wyoming(settings: Settings, room: LiveRoom) -> WyomingServer:
    from web.live.wyoming_asr import WyomingServer

    server = WyomingServer(settings.live.wyoming_host, settings.live.wyoming_port, room)
    server.start()
    return server


def configuration(settings: Settings) -> dict[str, str | float]:
    """Describe the configuration for the audit at start.

    The digests differ once a setting, or a card (calibration, weights), was changed.
    """
    cards = b"".join(
        card.read_bytes() for card in sorted(settings.storage.model_dir.glob("*/card.json"))
    )
    digests = {"settings": repr(settings).encode(), "cards": cards}  # secrets are in no repr
    return {
        "version": VERSION,
        "fpir": settings.decision.fpir,
        **{k: hashlib.sha256(v).hexdigest()[:12] for k, v in digests.items()},
    }


def list_pages(url: str) -> str:
    """List the pages that people open, one a line."""
    pages = {"kiosk": "who stands before the camera", "people": "who is enrolled"}
    return "\n".join(f"  {url}/{name:8}{what}" for name, what in pages.items())


def check_start(settings: Settings) -> None:
    """Check everything that can be checked before the networks are loaded.

    Raises ConfigError, ModelError.
    """
    from gallery.backup.restoring import remove_left_copies
    from jobs.broker import check_packages
    from jobs.telemetry import check_exporter
    from network.serving.card import read_card
    from utils.certificates import check_files
    from web.guard.limits import parse_allowance
    from web.wire.uploads import prepare_folder

    check_port(settings, "PORT", settings.server.port)
    if settings.live.live_port:
        check_port(settings, "LIVE_PORT", settings.live.live_port)
    if settings.live.wyoming_port:
        _check_wyoming(settings)
    if settings.jobs.broker_url:
        check_packages()
    check_exporter(settings)
    parse_allowance(settings.limits.rate_limit)
    if settings.server.tls_cert and settings.server.tls_key:
        check_files(settings.server.tls_cert, settings.server.tls_key)
    prepare_folder(settings.storage.temporary_folder)
    remove_left_copies(settings.storage.temporary_folder)
    for model in ("face", "voice"):  # the fusion can be done without
        read_card(settings.storage.model_dir / model)
    _check_gallery(settings)


def _check_wyoming(settings: Settings) -> None:
    """Check that the port of the Wyoming protocol can be opened."""
    port = settings.live.wyoming_port
    if find_spec("wyoming") is None:
        raise ConfigError(
            f"The package wyoming is not installed. Received: {PREFIX}{WYOMING_PORT}={port}",
            "Install it: pip install -r requirements-speech.txt",
        )
    check_port(settings, WYOMING_PORT, port)


def _check_gallery(settings: Settings) -> None:
    """Check that the gallery opens with the key that is set, and has an API key if needed.

    It is closed again before the fork.
    """
    from gallery.records.keys import Keys
    from gallery.store import open_store
    from web.guard.auth import check_keys

    with closing(open_store(settings)) as store:
        check_keys(settings, Keys(store.database))


def fail(error: DuetError, code: int = 1) -> None:
    """Print why the service cannot start, and exit."""
    from web.wire.hints import HINTS

    print(f"Duet ID cannot start: {say_body(error.to_dict(HINTS))}", file=sys.stderr, flush=True)
    sys.exit(code)


def settings_help() -> str:
    """Write the table of settings for --help."""
    rows = [f"  {setting.variable}: {setting.help}" for setting in describe_settings()]
    return "\b\nSettings (environment variables):\n" + "\n".join(rows)


def run(swagger_ui: bool, **options: Any) -> None:
    """Serve until a signal ends it. `options` come before settings of the environment."""
    bound_heap()  # before any thread, as each keeps the arena that it begins with
    try:
        settings = Settings.from_env().replace(**options)
        check_start(settings)
    except DuetError as error:
        fail(error)
    print(f"Duet ID {VERSION} starts, the networks are being loaded ...", flush=True)
    with noting_status():
        Service(settings, swagger_ui).run()


def command(name: str, about: str, swagger_ui: bool) -> click.Command:
    """Make the command line of app.py and app_web.py."""

    @click.command(name, cls=TerminalCommand, help=about, epilog=settings_help())
    @click.version_option(VERSION, prog_name="Duet ID")
    @click.option("--host", help="Address to listen on [default: DUET_HOST].")
    @click.option("--port", type=int, help="TCP port [default: DUET_PORT].")
    @click.option(
        "--data-dir",
        type=PathOption(file_okay=False, path_type=Path, resolve_path=True),
        help="Folder of the gallery [default: DUET_DATA_DIR].",
    )
    def main(**options: Any) -> None:
        end_in_order()
        run(swagger_ui, **{name: value for name, value in options.items() if value is not None})

    return main
