"""What a client and a live session say to each other over one connection."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from typing import Any

from simple_websocket import ConnectionClosed
from wsproto.frame_protocol import CloseReason

from gallery.audit import ACTOR
from gallery.names import new_person_id
from gallery.store import NewPerson
from speech.events import Event, Failure, ModelLoaded, Notice
from speech.live_options import change_options, read_rate
from speech.live_room import LiveRoom, Seat
from speech.live_sentences import say
from utils.arrays import RATE_HZ
from utils.errors import DuetError, InvalidRequestError, KeyRequiredError
from web.guard.auth import Caller
from web.live.enrolment import Enroll, enroll_speaker
from web.live.messages import (
    Fields,
    read_consent,
    read_message,
    read_name,
    read_number,
    read_turn,
)
from web.live.socket import MOST_MESSAGE_BYTES, LiveSocket
from web.tickets import Tickets
from web.wire.errors import where
from web.wire.hints import LIVE_HINTS

log = logging.getLogger("duet.web")
IDLE_S = 600.0
KEY_S = 10.0
_POLL_S = 0.25
# Sound may be so far ahead of the time that has passed before the client is told
_AHEAD_S = 10.0
_TELL_AGAIN_S = 30.0


class IdleError(DuetError):
    """No message came for long."""

    code = "idle"


def failure(error: DuetError) -> Failure:
    """Make the message of an error."""
    body = error.to_dict(LIVE_HINTS)
    return Failure(code=body["code"], message=body["message"], hint=body["hint"])


def too_large() -> dict[str, Any]:
    """Make the message for one that is too large."""
    return Failure(
        code="message_too_large",
        message=f"A message may have {MOST_MESSAGE_BYTES:,} bytes.",
        hint="Send sound in messages of a tenth of a second to a few seconds.",
    ).to_json()


class ServiceEndsError(DuetError):
    """The service is being ended."""

    code = "service_ends"


class Conversation:
    """One connection, from its first message to its last."""

    def __init__(
        self,
        socket: LiveSocket,
        room: LiveRoom,
        *,
        admit: Callable[[str], Caller],
        tickets: Tickets[Caller],
        caller: Caller | None,
        tongue: str,
        enroll: Enroll,
    ) -> None:
        """Take a connection.

        Args:
            socket: the connection.
            room: the sessions.
            admit: finds who has a key. Raises KeyRequiredError, RoleForbiddenError.
            tickets: those that open a connection.
            caller: who asks. None: the first message says so.
            tongue: language of the sentences for the user.
            enroll: stores a new person.
        """
        self._socket = socket
        self._room = room
        self._admit = admit
        self._tickets = tickets
        self._caller = caller
        self._tongue = tongue
        self._enroll = enroll
        self._session_id = secrets.token_urlsafe(16)
        self._seat: Seat | None = None
        self._heard_at = time.monotonic()
        self._first_sound_at = 0.0
        self._sound_s = 0.0
        self._rate_hz = RATE_HZ
        self._told_at = 0.0
        self._commands: dict[str, Callable[[Fields], list[Event]]] = {
            "start_speaker_registration": self._start_registration,
            "complete_speaker_registration": self._complete_registration,
            "start_transcription": self._start,
            "name_speaker": self._name_speaker,
            "enroll_speaker": self._enroll_speaker,
            "stop_transcription": self._stop,
        }

    def run(self) -> None:
        """Talk until one of the two ends it."""
        try:
            self._begin()
            while self._step():
                pass
            self._socket.close()
        except ConnectionClosed as closed:
            self._leave(is_deliberate=closed.reason != CloseReason.ABNORMAL_CLOSURE)
        except DuetError as error:
            self._fail(error)
        except Exception as error:
            log.error("a live session failed: %s", where(error))
            self._fail(DuetError("Something went wrong inside the service."))

    def _begin(self) -> None:
        engine = self._room.engine(self._room.options.model)
        loaded = ModelLoaded(
            message=say(self._tongue, "ready"),
            session_id=self._session_id,
            model=engine.model.name,
            needs_key=self._caller is None,
        )
        self._socket.send_json(loaded.to_json())
        if self._caller is None:
            self._authenticate()
        assert self._caller is not None
        ACTOR.set(self._caller.actor)

    def _authenticate(self) -> None:
        """Read who asks from the first message. Raises KeyRequiredError, RoleForbiddenError."""
        arrived = self._socket.take(KEY_S)
        fields = read_message(arrived[1]) if arrived and isinstance(arrived[1], str) else {}
        if fields.get("type") != "authenticate":
            raise KeyRequiredError(
                f"The first message must be `authenticate`, within {KEY_S:g} s.",
                'Send {"type": "authenticate", "key": ...} or, from a page, "ticket".',
            )
        if ticket := fields.get("ticket"):
            self._caller = self._tickets.redeem(str(ticket)[:100])
        else:
            self._caller = self._admit(str(fields.get("key", ""))[:200])

    def _step(self) -> bool:
        """Take one message, or use the time. False: the conversation is over.

        Raises IdleError, ServiceEndsError.
        """
        if self._room.is_closing:
            raise ServiceEndsError(
                "The service is being ended.", "Open another session in a minute."
            )
        arrived = self._socket.take(_POLL_S)
        if arrived is None:
            self._rest()
            return True
        self._heard_at, message = arrived
        try:
            if isinstance(message, bytes):
                self._hear(message)
            else:
                self._obey(read_message(message))
        except DuetError as error:
            self._send([failure(error)])
            if error.code in ("busy", "speech_unavailable", "model_unavailable"):
                return False
        return self._seat is None or self._seat.session.mode != "ended"

    def _rest(self) -> None:
        """Write a text that is not final.

        Raises IdleError after a long silence.
        """
        if time.monotonic() - self._heard_at > IDLE_S:
            raise IdleError(
                f"No message came for {IDLE_S / 60:g} minutes.", "Open another session."
            )
        self._guess()

    def _guess(self) -> None:
        seat = self._seat
        if seat and seat.session.options.partials and seat.engine.is_rested:
            self._send(seat.session.peek())

    def _hear(self, sound: bytes) -> None:
        if self._seat is None:
            return
        self._send(self._seat.session.accept(sound, arrived_at=self._heard_at))
        self._watch_speed(len(sound) / 2 / self._rate_hz)
        if self._socket.is_idle:
            self._guess()

    def _watch_speed(self, seconds: float) -> None:
        """Tell a client that sends faster than real time."""
        now = time.monotonic()
        self._first_sound_at = self._first_sound_at or now
        self._sound_s += seconds
        ahead_s = self._sound_s - (now - self._first_sound_at)
        if ahead_s > _AHEAD_S and now - self._told_at > _TELL_AGAIN_S:
            self._told_at = now
            self._send(
                [
                    Notice(
                        code="too_fast",
                        message=f"Sound comes faster than real time, by {ahead_s:.0f} s so far.",
                        hint=(
                            "It is taken as fast as it can be written down. If it has another"
                            f" rate than {self._rate_hz} Hz, state `sample_rate`."
                        ),
                    )
                ]
            )

    def _obey(self, fields: Fields) -> None:
        kind = fields.pop("type", None)
        if kind == "resume":
            self._resume(fields)
            return
        command = self._commands.get(kind) if isinstance(kind, str) else None
        if command is None:
            raise InvalidRequestError(
                f"There is no such message. Received: type={str(kind)[:40]!r}",
                f"The messages are {', '.join([*self._commands, 'resume'])}.",
            )
        if self._seat is not None:
            self._seat.session.note_command(self._heard_at)
        self._send(command(fields))

    def _open(self) -> Seat:
        """Take a seat when the first one is needed. Raises BusyError."""
        if self._seat is None:
            assert self._caller is not None
            self._seat = self._room.open(self._session_id, self._caller.actor, self._tongue)
        return self._seat

    def _start_registration(self, fields: Fields) -> list[Event]:
        rate_hz = _read_rate(fields)
        name = fields.get("name", "")
        events = self._open().session.start_registration(
            read_number(fields), read_name(name) if name else ""
        )
        self._take_rate(rate_hz)
        return events

    def _complete_registration(self, fields: Fields) -> list[Event]:
        return self._open().session.complete_registration(read_number(fields))

    def _start(self, fields: Fields) -> list[Event]:
        rate_hz = _read_rate(fields)
        options = change_options(self._room.options, fields)
        engine = self._room.engine(options.model)
        engine.model.check_language(options.language or None)
        seat = self._open()
        events = seat.session.start(options, engine)
        seat.engine = engine
        self._take_rate(rate_hz)
        return events

    def _name_speaker(self, fields: Fields) -> list[Event]:
        return self._open().session.tell(read_turn(fields), read_name(fields.get("name")))

    def _enroll_speaker(self, fields: Fields) -> list[Event]:
        person = NewPerson(
            new_person_id(), read_name(fields.get("name")), consent=read_consent(fields)
        )
        session = self._open().session
        return enroll_speaker(session, read_turn(fields), person, self._enroll)

    def _stop(self, _fields: Fields) -> list[Event]:
        return self._finish(self._open())

    def _finish(self, seat: Seat) -> list[Event]:
        events = seat.session.finish()
        self._room.close(seat)
        return events

    def _resume(self, fields: Fields) -> None:
        assert self._caller is not None
        if self._seat is not None:
            raise InvalidRequestError("`resume` must come before anything else.")
        rate_hz = _read_rate(fields)
        seat, missing_s = self._room.resume(
            str(fields.get("session_id", ""))[:100], self._caller.actor
        )
        self._seat = seat
        self._take_rate(rate_hz)
        last = fields.get("seq", 0)
        for message in seat.after(last if isinstance(last, int) else 0):
            self._socket.send_json(message)
        self._send(seat.session.mark_gap(missing_s))

    def _take_rate(self, rate_hz: int | None) -> None:
        """Take the rate of the sound where one is stated, once its message is taken."""
        if rate_hz is not None:
            self._rate_hz = rate_hz
            self._socket.state_rate(rate_hz)
            self._open().session.state_rate(rate_hz)

    def _send(self, events: list[Event]) -> None:
        if self._seat is None:
            messages = [event.to_json() for event in events]
        else:
            messages = self._seat.number(events)
        for message in messages:
            self._socket.send_json(message)

    def _leave(self, *, is_deliberate: bool) -> None:
        if self._seat is None or self._seat.session.mode == "ended":
            return
        if is_deliberate:
            self._room.close(self._seat, "complete")
        else:
            self._room.leave(self._seat)

    def _fail(self, error: DuetError) -> None:
        """Say why the conversation ends, and end it."""
        try:
            self._send([failure(error)])
            if self._seat is not None:
                self._send(self._finish(self._seat))
            self._socket.close(CloseReason.POLICY_VIOLATION, error.code)
        except ConnectionClosed:
            self._leave(is_deliberate=True)


def _read_rate(fields: Fields) -> int | None:
    """Read the rate of the sound. None where none is stated. Raises InvalidRequestError."""
    return read_rate(fields.pop("sample_rate")) if "sample_rate" in fields else None
