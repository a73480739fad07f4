"""The live sessions of one service: how many there are, and which may be resumed.

It knows no socket. Messages are numbered here, so that none is sent twice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from align.heap import release_heap
from gallery.audit import ACTOR
from recognition.voices import Voices
from speech.events import Event
from speech.live_options import LiveOptions, options_of
from speech.ports import Passage, SpeechModel, Transcriber
from speech.scribe import Scribe
from speech.session import LiveSession
from utils.arrays import Float32Array
from utils.config import Settings
from utils.errors import BusyError, DuetError, InvalidRequestError
from utils.processors import PROCESSORS

log = logging.getLogger("duet.speech")
RESUME_S = 60.0
"""How long a session waits for a connection that was cut."""
_KEPT_MESSAGES = 500
# A partial text is written when the engine has rested for so many times its last decode
_REST = 2.0


class Engine:
    """An engine that decodes one stretch at a time, and knows when it has rested."""

    def __init__(self, transcriber: Transcriber) -> None:
        self._transcriber = transcriber
        self._one = threading.Lock()
        self._took_s = 0.0
        self._ended = 0.0

    @property
    def model(self) -> SpeechModel:
        """The weights in use."""
        return self._transcriber.model

    @property
    def is_rested(self) -> bool:
        """Whether a text that is not final may be written."""
        rested_s = time.monotonic() - self._ended
        return not self._one.locked() and rested_s >= _REST * self._took_s

    def transcribe(
        self,
        speech: Float32Array,
        *,
        language: str | None = None,
        prompt: str = "",
        is_live: bool = False,
    ) -> Passage:
        """Write down what is said, as `Transcriber.transcribe` has it."""
        try:
            with self._one:
                return self._decode(speech, language=language, prompt=prompt, is_live=is_live)
        finally:
            release_heap()  # else a long session grows (docs/live.md)

    def _decode(self, speech: Float32Array, **options: Any) -> Passage:
        """Decode, and note how long it took."""
        started = time.monotonic()
        try:
            return self._transcriber.transcribe(speech, **options)
        finally:
            self._ended = time.monotonic()
            self._took_s = self._ended - started


@dataclass
class Seat:
    """A session, and what was sent of it.

    Attributes:
        session_id: with it, a cut connection resumes.
        actor: who opened it, and alone may resume it.
        session: what hears and writes.
        engine: what it writes with.
        cut_at: when the connection was cut. None: it is there.
    """

    session_id: str
    actor: str
    session: LiveSession
    engine: Engine
    cut_at: float | None = None
    _sent: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_KEPT_MESSAGES))
    _count: int = 0

    def number(self, events: list[Event]) -> list[dict[str, Any]]:
        """Make the messages of events, and keep them for a connection that resumes."""
        messages = []
        for event in events:
            self._count += 1
            messages.append({**event.to_json(), "seq": self._count})
        self._sent.extend(m for m in messages if m["type"] != "partial_transcription")
        return messages

    def after(self, seq: int) -> list[dict[str, Any]]:
        """List the messages that a client has not seen."""
        return [message for message in self._sent if message["seq"] > seq]


def carried_sessions() -> int:
    """Count the sessions that this machine carries: one for every core (docs/live.md)."""
    return PROCESSORS


class LiveRoom:
    """The sessions and their engines. Shared by all threads.

    Attributes:
        options: those of the settings.
        resume_s: how long a session waits for a connection that was cut.
        is_closing: the service ends, and every session does.
    """

    def __init__(self, settings: Settings, scribe: Scribe, voices: Voices) -> None:
        self.options: LiveOptions = options_of(settings.live)
        self.resume_s = RESUME_S
        self.is_closing = False
        most = settings.live.live_sessions or carried_sessions()
        self._most = min(most, max(1, settings.limits.threads // 2))
        # A connection takes a thread of the service, also before it has a session
        self._most_connections = max(1, settings.limits.threads * 3 // 4)
        self._connections = threading.Semaphore(self._most_connections)
        self._scribe = scribe
        self._voices = voices
        self._lock = threading.Lock()
        self._seats: dict[str, Seat] = {}
        self._engines: dict[str, Engine] = {}

    @property
    def sessions(self) -> int:
        """Number of sessions that are open."""
        with self._lock:
            return len(self._seats)

    @contextmanager
    def connection(self) -> Iterator[None]:
        """Count a connection while the block lasts. Raises BusyError for too many."""
        if not self._connections.acquire(blocking=False):
            raise BusyError(f"All {self._most_connections} connections are taken.")
        try:
            yield
        finally:
            self._connections.release()

    def engine(self, model: str = "") -> Engine:
        """Load an engine, once. Raises SpeechUnavailableError, ModelError, InvalidRequestError."""
        transcriber = self._scribe.load(model)
        with self._lock:
            name = transcriber.model.name
            return self._engines.setdefault(name, Engine(transcriber))

    def open(self, session_id: str, actor: str, tongue: str) -> Seat:
        """Open a session. Raises BusyError, SpeechUnavailableError, ModelError."""
        engine = self.engine(self.options.model)
        session = LiveSession(
            engine,
            self._voices,
            self.options,
            clock=time.monotonic,
            date=time.time,
            tongue=tongue,
        )
        seat = Seat(session_id, actor, session, engine)
        with self._lock:
            if len(self._seats) >= self._most:
                raise BusyError(
                    f"The service carries {self._most} live sessions at a time, and all are taken."
                )
            self._seats[session_id] = seat
        return seat

    def resume(self, session_id: str, actor: str) -> tuple[Seat, float]:
        """Take up a session whose connection was cut, and say for how long it was.

        Raises InvalidRequestError.
        """
        with self._lock:
            seat = self._seats.get(session_id)
            if seat is None or seat.actor != actor or seat.cut_at is None:
                raise InvalidRequestError(
                    "There is no session of this id whose connection was cut. Received:"
                    f" {session_id[:40]!r}",
                    f"A session waits for {self.resume_s:g} s. Start another one.",
                )
            missing_s = time.monotonic() - seat.cut_at
            seat.cut_at = None
        return seat, missing_s

    def is_cut(self, session_id: str) -> bool | None:
        """Whether a session waits for its connection. None: there is no such session."""
        seat = self._seats.get(session_id)
        return None if seat is None else seat.cut_at is not None

    def leave(self, seat: Seat) -> None:
        """Keep a session for a while whose connection was cut, if it has begun."""
        if seat.session.mode != "transcribing":
            self.close(seat)
            return
        cut_at = time.monotonic()
        seat.cut_at = cut_at
        timer = threading.Timer(self.resume_s, self._end_if_cut, [seat, cut_at])
        timer.daemon = True
        timer.start()

    def close(self, seat: Seat, reason: str = "ended") -> None:
        """End a session, unless it has ended by itself."""
        with self._lock:
            self._seats.pop(seat.session_id, None)
        if seat.session.mode == "transcribing":
            ACTOR.set(seat.actor)
            try:
                seat.session.finish(reason)
            except DuetError as error:
                log.error("a live session ended with %s", error.code)

    def _end_if_cut(self, seat: Seat, cut_at: float) -> None:
        if seat.cut_at == cut_at:
            self.close(seat)
