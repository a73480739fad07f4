"""The Wyoming protocol over a real socket, by the client of its own package."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event, Eventable
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from gallery.store import NewPerson
from recognition.recognizer import Recognizer
from recognition.requests import EnrolmentRequest
from speech.live_room import LiveRoom
from speech.live_speech import capture_speech
from speech.scribe import Scribe
from tests.support.gallery_parts import StubEncoders, recognizer_of
from tests.support.live import PitchVoice, blocks
from tests.support.recordings import WordyEngine, silence, syllables
from tests.support.waiting import until
from utils.arrays import Float32Array
from utils.config import Settings
from web.live import wyoming_asr
from web.live.wyoming_asr import WyomingServer

LIMIT_S = 60.0


@dataclasses.dataclass(frozen=True)
class Port:
    """A server, and what is behind it."""

    server: WyomingServer
    room: LiveRoom
    recognizer: Recognizer

    @property
    def number(self) -> int:
        """TCP port."""
        return int(self.server.server_address[1])

    def ask(self, *events: Eventable | Event, answers: int = 1) -> list[Event]:
        """Send events over one connection, and take so many answers."""
        return asyncio.run(self._ask(events, answers))

    async def _ask(self, events: Sequence[Eventable | Event], answers: int) -> list[Event]:
        async with AsyncTcpClient("127.0.0.1", self.number, LIMIT_S, LIMIT_S) as client:
            for event in events:
                await client.write_event(event if isinstance(event, Event) else event.event())
            received = [await client.read_event() for _ in range(answers)]
        return [event for event in received if event is not None]


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Port]:
    """A server whose engine writes a word each half second, and whose encoder goes by pitch."""
    monkeypatch.setattr(Scribe, "_load", lambda _: WordyEngine())
    settings = Settings.of(data_dir=tmp_path, live_sessions=1)
    encoders = dataclasses.replace(StubEncoders(), voice=PitchVoice())
    recognizer = recognizer_of(settings, encoders)
    room = LiveRoom(settings, Scribe(settings), recognizer.voices)
    server = WyomingServer("127.0.0.1", 0, room)
    server.start()
    yield Port(server, room, recognizer)
    server.stop(LIMIT_S)
    recognizer.close()


def sound(samples: Float32Array, rate_hz: int = 16000, **form: int) -> list[Eventable]:
    """Events of a sound, as Home Assistant sends them."""
    said = {"rate": rate_hz, "width": 2, "channels": 1} | form
    chunks = [AudioChunk(**said, audio=block) for block in blocks(samples, 1024)]
    return [AudioStart(**said), *chunks, AudioStop()]


def error_of(event: Event) -> tuple[str, str]:
    assert Error.is_type(event.type), event
    error = Error.from_event(event)
    return str(error.code), error.text


def test_the_service_describes_itself(port: Port) -> None:
    info, pong = port.ask(Describe(), Event("of-a-later-version"), Ping("hello"), answers=2)
    (program,) = Info.from_event(info).asr
    assert [(model.name, model.languages) for model in program.models] == [("wordy", ["en", "ko"])]
    assert Pong.from_event(pong).text == "hello"


def test_a_request_is_written_down_and_says_who_speaks(port: Port) -> None:
    anna = EnrolmentRequest(NewPerson("anna", "Anna"), (capture_speech(syllables(4, 5)),))
    port.recognizer.enroll(anna)
    said = [syllables(3, 5), silence(1), syllables(2, 8)]
    (answer,) = port.ask(Transcribe(language="ko-KR"), *sound(np.concatenate(said)))
    transcript = Transcript.from_event(answer)
    assert transcript.text.startswith("w0 w1 w2 w3 w4 w5 w0 w1")
    assert transcript.language == "ko"
    context: dict[str, Any] = transcript.context or {}
    assert (context["speaker"], context["person_id"]) == ("Anna", "anna")
    assert [turn["speaker"] for turn in context["turns"]] == ["Anna", "unknown 1"]
    assert port.room.sessions == 0
    (noted, *_) = port.recognizer.store.events(action="live")
    assert noted.actor == "wyoming"


def test_a_connection_takes_one_request_after_the_other(port: Port) -> None:
    events = [*sound(syllables(2)), *sound(silence(1)), *sound(syllables(2)[::2], 8000)]
    first, second, third = map(Transcript.from_event, port.ask(*events, answers=3))
    assert first.text.startswith("w0 w1")
    assert (second.text, second.context) == ("", None)
    assert third.text.startswith("w0 w1 w2")


@pytest.mark.parametrize(
    ("events", "rule"),
    [
        ([Transcribe(language="xx"), *sound(silence(1))], "does not write this language"),
        ([Transcribe(name="huge"), *sound(silence(1))], "no such speech model"),
        (sound(silence(1), width=4), "2 bytes a sample"),
        (sound(silence(1), channels=2), "one channel"),
        (sound(silence(1), rate_hz=100), "sample_rate"),
        ([AudioChunk(0, 2, 1, bytes(3200))], "sample_rate"),
        ([AudioChunk(16000, 2, 1, b"odd")], "whole samples"),
        ([Event("audio-start")], "lacks"),
        ([AudioStop()], "after `audio-start`"),
    ],
)
def test_what_cannot_be_written_down_is_refused(
    port: Port, events: list[Eventable | Event], rule: str
) -> None:
    code, text = error_of(port.ask(*events)[0])
    assert (code, rule in text) == ("invalid_request", True), text
    until(lambda: port.room.sessions == 0)


def test_what_is_no_event_is_refused_and_nothing_else_ends(port: Port) -> None:
    for sent, rule in (
        (b"GET / HTTP/1.1\r\n\r\n", "no event"),
        (b"[" * 60_000 + b"\n", "no event"),
        (b'{"type": 5}\n', "no event"),
        (b'{"type": "ping", "data": {"text": "\\ud800"}}\n', "no event"),
        (b'{"type": "describe", "data": [1]}\n', "no event"),
        (b'{"type": "describe", "data_length": "x"}\n', "no event"),
        (b'{"type": "audio-chunk", "payload_length": 50000000}\n', "50,000,000 bytes"),
        (b'{"type": "' + b"x" * 100_000, "fewer than"),
    ):
        with socket.create_connection(("127.0.0.1", port.number), LIMIT_S) as connection:
            connection.sendall(sent)
            answer = connection.makefile("rb").read()
        assert json.loads(answer.partition(b"\n")[0])["type"] == "error"
        assert rule in answer.decode()
    assert Info.from_event(port.ask(Describe())[0]).asr


def test_a_session_too_many_is_told_so(port: Port) -> None:
    seat = port.room.open("another", "somebody", "en")
    assert error_of(port.ask(*sound(silence(1)))[0])[0] == "busy"
    port.room.close(seat)
    assert Transcript.is_type(port.ask(*sound(silence(1)))[0].type)


def test_who_leaves_or_says_nothing_holds_no_place(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_one() -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", port.number), LIMIT_S)
        head = json.dumps(
            {"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1}}
        )
        connection.sendall(head.encode() + b"\n")
        until(lambda: port.room.sessions == 1)
        return connection

    open_one().close()
    until(lambda: port.room.sessions == 0)
    monkeypatch.setattr(wyoming_asr._Handler, "timeout", 0.1)
    with open_one():
        until(lambda: port.room.sessions == 0)
