"""Pushes the figures of `/metrics` to the OpenTelemetry receiver that the operator named.

It has a thread of its own, so no request waits for the receiver. One that does not take
the figures is asked again ever more rarely. The packages are optional, and are loaded
where DUET_OTLP_ENDPOINT is set (`jobs/otlp.py`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from prometheus_client import Metric

from jobs.push_problem import Problem
from utils.config import Settings
from utils.errors import ConfigError, DuetError
from utils.settings.subject import PREFIX
from utils.settings.values import host_of

if TYPE_CHECKING:
    from jobs.otlp import Receiver

log = logging.getLogger("duet.jobs")
EVERY_S = 60.0
"""Seconds from one push to the next."""
MOST_PAUSE_S = 960.0
"""Longest pause after pushes that failed."""
LIMIT_S = 10.0
"""Seconds for a whole push, with what is repeated within it."""
REQUIREMENTS = "requirements-optional.txt"
_PACKAGE = "opentelemetry.exporter.otlp.proto.http"


class TelemetryThread:
    """Pushes figures once a minute: a daemon thread where DUET_OTLP_ENDPOINT is set."""

    def __init__(self, collect: Callable[[], Iterable[Metric]], settings: Settings) -> None:
        """`collect` reads the figures, outside a request."""
        self._collect = collect
        self._settings = settings
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._receiver: Receiver | None = None

    def start(self) -> None:
        """Start to push, where the operator named a receiver."""
        if self._settings.server.otlp_endpoint and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
            self._thread.start()

    def stop(self, wait_s: float = LIMIT_S) -> None:
        """End, and leave the push at hand."""
        self._stop.set()
        if self._receiver is not None:
            self._receiver.close()
        if self._thread is not None:
            self._thread.join(wait_s)

    def _run(self) -> None:
        from jobs.otlp import Receiver

        self._receiver = receiver = Receiver(self._settings, LIMIT_S)
        pause_s = EVERY_S
        while not self._stop.is_set():
            problem = self._push(receiver)
            pause_s = next_pause(pause_s, problem)
            if problem and not self._stop.is_set():
                log.warning("figures were not pushed, next in %.0f s: %s", pause_s, problem)
            self._stop.wait(pause_s)

    def _push(self, receiver: Receiver) -> str:
        """Push the figures of now. Returns why they were not taken ("" = they were)."""
        try:
            problem = receiver.push(self._collect())
            return problem.text if problem else ""
        except DuetError as error:
            return error.code
        except Exception as unexpected:  # the thread outlives what nobody foresaw
            return f"unexpected {type(unexpected).__name__}"


def next_pause(pause_s: float, problem: str) -> float:
    """Seconds until the next push. Each that failed doubles them."""
    return min(2 * pause_s, MOST_PAUSE_S) if problem else EVERY_S


def is_exporter_installed() -> bool:
    """Whether the optional packages are there."""
    try:
        return find_spec(_PACKAGE) is not None
    except ModuleNotFoundError:  # one of the packages around it
        return False


def check_exporter(settings: Settings) -> None:
    """Raise ConfigError where a receiver is named that nothing here can push to."""
    endpoint = settings.server.otlp_endpoint
    if endpoint and not is_exporter_installed():
        raise ConfigError(
            f"{PREFIX}OTLP_ENDPOINT needs the package opentelemetry-exporter-otlp-proto-http,"
            f" which is not installed. Received: {host_of(endpoint)}",
            f"Install it: pip install -r {REQUIREMENTS}",
        )


def try_receiver(settings: Settings, limit_s: float) -> Problem | None:
    """Push no figures, to see whether the receiver takes them. Returns why it does not."""
    from jobs.otlp import Receiver

    receiver = Receiver(settings, limit_s)
    try:
        return receiver.push(())
    finally:
        receiver.close()
