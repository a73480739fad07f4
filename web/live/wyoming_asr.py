"""The service as an `asr` server of the Wyoming protocol, as Home Assistant uses it.

A request is one live session: `transcribe`, `audio-start`, chunks, `audio-stop`, and the
answer is a `transcript`. The protocol has no field for who speaks, but a `context` of any
form. The protocol knows no keys.
"""

from __future__ import annotations

import logging
import secrets
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioFormat, AudioStart
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import AsrModel, AsrProgram, Attribution, Info
from wyoming.ping import Ping, Pong

from gallery.audit import ACTOR
from speech.events import Event as SessionEvent
from speech.events import Relabel, Transcription
from speech.live_options import change_options, read_rate
from speech.live_room import LiveRoom, Seat
from utils.errors import DuetError, InvalidRequestError
from web import VERSION
from web.live.conversation import failure
from web.live.wyoming_wire import WyomingWire, take
from web.wire.errors import where

log = logging.getLogger("duet.web")
IDLE_S = 60.0
"""A connection that sends nothing for so long is closed."""
_MOST_S = 600.0
_MOST_CONNECTIONS = 32
_ACTOR = "wyoming"
_SPEAKER = ("speaker", "person_id", "outcome")
_TURN = (*_SPEAKER, "text", "language", "start_s", "end_s")


class WyomingTalk:
    """One connection: a description of the service, and sound that is written down."""

    def __init__(self, wire: WyomingWire, room: LiveRoom) -> None:
        self._wire = wire
        self._room = room
        self._asked = Transcribe()
        self._seat: Seat | None = None
        self._rate_hz: int | None = None
        self._turns: dict[int, dict[str, Any]] = {}
        self._answers: dict[str, Callable[[Event], None]] = {
            "describe": lambda _: wire.send(describe(room)),
            "ping": lambda event: wire.send(Pong(take(Ping, event).text)),
            "transcribe": self._note,
            "audio-start": self._begin,
            "audio-chunk": self._hear,
            "audio-stop": lambda _: self._write(),
        }

    def run(self) -> None:
        """Answer events until the peer ends, or an error does."""
        ACTOR.set(_ACTOR)
        try:
            while (event := self._wire.read()) is not None:
                # Events of later versions are passed over, as the protocol wants it
                if event.type in self._answers:
                    self._answers[event.type](event)
        except DuetError as error:
            self._fail(error)
        except OSError:
            log.info("a Wyoming connection was cut")
        except Exception as error:
            log.error("a Wyoming connection failed: %s", where(error))
            self._fail(DuetError("Something went wrong inside the service."))
        finally:
            if self._seat is not None:
                self._room.close(self._seat)

    def _note(self, event: Event) -> None:
        self._asked = take(Transcribe, event)

    def _begin(self, event: Event) -> None:
        self._open(take(AudioStart, event))

    def _open(self, sound: AudioFormat) -> Seat:
        """Take a seat, once a request. Raises BusyError, InvalidRequestError."""
        if self._seat is None:
            self._turns = {}
            options, engine = self._choose()
            self._seat = self._room.open(secrets.token_urlsafe(16), _ACTOR, "en")
            self._seat.session.start(options, engine)
            self._rate_hz = None
        if sound.rate != self._rate_hz:
            self._rate_hz = read_rate(sound.rate)
            self._seat.session.state_rate(self._rate_hz)
        return self._seat

    def _choose(self) -> tuple[Any, Any]:
        """Choose the options and the engine that a request asks for."""
        sent: dict[str, Any] = {"partials": False}
        if self._asked.language:
            # Home Assistant may state a region, as in ko-KR
            sent["language"] = str(self._asked.language).replace("_", "-").split("-")[0].lower()
        if self._asked.name:
            sent["model"] = self._asked.name
        options = change_options(self._room.options, sent)
        engine = self._room.engine(options.model)
        engine.model.check_language(options.language or None)
        return options, engine

    def _hear(self, event: Event) -> None:
        chunk = take(AudioChunk, event)
        _check_form(chunk)
        session = self._open(chunk).session
        if session.heard_s > _MOST_S:
            raise InvalidRequestError(f"A request may have {_MOST_S / 60:g} minutes of sound.")
        self._keep(session.accept(chunk.audio))

    def _keep(self, events: list[SessionEvent]) -> None:
        """Keep the turns, with the speakers as they are corrected."""
        for event in events:
            message = event.to_json()
            if isinstance(event, Transcription):
                self._turns[event.turn_id] = {name: message[name] for name in _TURN}
            elif isinstance(event, Relabel):
                for turn_id in event.turns:
                    self._turns[turn_id] |= {name: message[name] for name in _SPEAKER}

    def _write(self) -> None:
        """End the session and send what was said."""
        if self._seat is None:
            raise InvalidRequestError("`audio-stop` must come after `audio-start`.")
        language = self._seat.session.options.language
        events = self._seat.session.finish()
        self._keep(events)
        self._room.close(self._seat)
        self._seat = None
        self._wire.send(make_transcript(list(self._turns.values()), language))

    def _fail(self, error: DuetError) -> None:
        refusal = failure(error)
        try:
            self._wire.send(Error(f"{refusal.message} {refusal.hint}".strip(), refusal.code))
            self._wire.end()
        except OSError:
            log.info("a Wyoming connection was cut")


def describe(room: LiveRoom) -> Info:
    """Describe the service. Loads the engine. Raises SpeechUnavailableError, ModelError."""
    model = room.engine(room.options.model).model
    attribution = Attribution(name="Duet ID", url="")
    described = AsrModel(
        name=model.name,
        attribution=Attribution(name=model.licence, url=""),
        installed=True,
        description=None,
        version=model.sha256[:12],
        languages=list(model.languages),
    )
    program = AsrProgram(
        name="duet-id",
        attribution=attribution,
        installed=True,
        description="Speech to text that knows who speaks",
        version=VERSION,
        models=[described],
        prefers_auto_gain_enabled=False,
        prefers_noise_reduction_enabled=False,
    )
    return Info(asr=[program])


def make_transcript(turns: list[dict[str, Any]], language: str) -> Transcript:
    """Make the answer of turns. Its context says who speaks most, and who says what."""
    if not turns:
        return Transcript(text="", language=language or None)
    seconds: Counter[str] = Counter()
    for turn in turns:
        seconds[turn["speaker"]] += turn["end_s"] - turn["start_s"]
    main = max(turns, key=lambda turn: seconds[turn["speaker"]])
    return Transcript(
        text=" ".join(turn["text"] for turn in turns),
        context={**{name: main[name] for name in _SPEAKER}, "turns": turns},
        language=main["language"],
    )


def _check_form(sound: AudioChunk) -> None:
    """Refuse sound of another form. Raises InvalidRequestError."""
    if (sound.width, sound.channels) != (2, 1):
        raise InvalidRequestError(
            "Sound must be PCM of 2 bytes a sample and one channel. Received:"
            f" width={str(sound.width)[:20]}, channels={str(sound.channels)[:20]}"
        )


class WyomingServer(socketserver.ThreadingTCPServer):
    """The port of the Wyoming protocol. Each connection has a thread."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, room: LiveRoom) -> None:
        """Listen on an address. Raises OSError."""
        self._room = room
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, daemon=True)
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)

    def start(self) -> None:
        """Answer from now on, in a thread."""
        self._thread.start()

    def stop(self, limit_s: float) -> None:
        """End all connections, and listen no more."""
        self.shutdown()
        self.server_close()
        self._thread.join(limit_s)
        for connection in list(self._open):
            cut(connection)

    def talk(self, connection: socket.socket, wire: WyomingWire) -> None:
        """Answer one connection. A peer that trickles holds its place for a time alone."""
        end = threading.Timer(_MOST_S + IDLE_S, cut, [connection])
        end.daemon = True
        end.start()
        self._open.add(connection)
        try:
            WyomingTalk(wire, self._room).run()
        finally:
            self._open.discard(connection)
            end.cancel()

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - socketserver's signature
        """Whether there is room for another connection."""
        return len(self._open) < _MOST_CONNECTIONS


class _Handler(socketserver.StreamRequestHandler):
    timeout = IDLE_S
    server: WyomingServer

    def handle(self) -> None:
        wire = WyomingWire(self.request, self.rfile, self.wfile)
        self.server.talk(self.request, wire)


def cut(connection: socket.socket) -> None:
    """End a connection that another thread reads from, which then sees the end."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
