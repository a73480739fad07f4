"""WS /v1/live over real sockets, under the server of Werkzeug.

`compatible` is a client written from the message list of the compatible live system
alone.
"""

from __future__ import annotations

import dataclasses
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import soxr
from flask import Flask
from simple_websocket import ConnectionClosed
from wsproto.events import CloseConnection
from wsproto.frame_protocol import CloseReason

from gallery.results import Role
from recognition.recognizer import Recognizer
from speech.scribe import Scribe
from tests.support.gallery_parts import StubEncoders, recognizer_of
from tests.support.live import LiveClient, PitchVoice, PromptClient, blocks, listening
from tests.support.recordings import WordyEngine, silence, syllables
from tests.support.waiting import until
from utils.arrays import RATE_HZ
from utils.config import Settings
from web import tickets
from web.factory import create_app
from web.live import conversation, enrolment

TURN = np.concatenate([syllables(3, 5), silence(1)])

MALFORMED = (
    "no json",
    "[1]",
    "[" * 60_000,
    '{"a": ' * 10_000,
    '{"type": "start_transcription", "vad_mode": ' + "9" * 60_000 + "}",
    '{"type": "start_transcription", "language": "' + "k" * 70_000 + '"}',
    '{"type": "dance"}',
    '{"type": 5}',
    '{"type": "start_transcription", "\\ud800": 1}',
    '{"type": "start_transcription", "min_seg_duration": NaN}',
    "{}",
)


def send_large(client: LiveClient, size: int) -> None:
    """Send one message of so many zeros, as long as the service takes it."""
    # A mask of zeros changes nothing (RFC 6455, 5.3)
    head = bytes([0x82, 0x80 | 127]) + size.to_bytes(8, "big") + bytes(4)
    with suppress(OSError):
        client.socket.sock.sendall(head)
        for _ in range(size >> 20):
            client.socket.sock.sendall(bytes(1 << 20))


@pytest.fixture(autouse=True)
def wordy(monkeypatch: pytest.MonkeyPatch) -> WordyEngine:
    """An engine that writes a word each half second."""
    engine = WordyEngine()
    monkeypatch.setattr(Scribe, "_load", lambda _: engine)
    return engine


def make_app(tmp_path: Path, **values: Any) -> tuple[Flask, Recognizer]:
    settings = Settings.of(data_dir=tmp_path, live_sessions=2, **values)
    encoders = dataclasses.replace(StubEncoders(), voice=PitchVoice())
    recognizer = recognizer_of(settings, encoders)
    return create_app({"SETTINGS": settings}, recognizer), recognizer


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    made, recognizer = make_app(tmp_path)
    yield made
    recognizer.close()


@pytest.fixture
def address(app: Flask) -> Iterator[str]:
    with listening(app) as where:
        yield where


def test_a_client_written_from_the_message_list(address: str) -> None:
    client = PromptClient.connect(f"ws://{address}/v1/live")

    def take() -> dict[str, Any]:
        return dict(json.loads(client.receive(60)))

    assert take()["type"] == "model_loaded"
    for number, person in ((0, 5), (1, 6)):
        client.send(json.dumps({"type": "start_speaker_registration", "speaker_id": number}))
        started = take()
        assert (started["type"], started["speaker_id"]) == ("speaker_registration_started", number)
        assert isinstance(started["message"], str)
        for block in blocks(syllables(4, person)):
            client.send(block)
        client.send(json.dumps({"type": "complete_speaker_registration", "speaker_id": number}))
        done = take()
        assert (done["type"], done["speaker_id"]) == ("speaker_registration_completed", number)
        assert isinstance(done["message"], str)
    client.send(json.dumps({"type": "start_transcription"}))
    talk = [syllables(3, 6), silence(1), syllables(3, 5), silence(1), syllables(3, 8), silence(1)]
    for block in blocks(np.concatenate(talk)):
        client.send(block)
    turns: list[dict[str, Any]] = []
    while len(turns) < 3:
        message = take()
        if message["type"] == "transcription":
            turns.append(message)
    assert [turn["speaker_id"] for turn in turns] == [1, 0, -1]
    assert all(turn["text"].startswith("w0") for turn in turns)
    assert turns[0]["timestamp"].endswith("Z")
    client.close()


def test_the_end_arrives_before_the_connection_closes(address: str) -> None:
    client = LiveClient(address)
    assert client.take()["needs_key"] is False
    client.send("start_transcription", language="ko", partials=False)
    options = client.until("transcription_started")["options"]
    assert (options["language"], options["partials"]) == ("ko", False)
    client.hear(syllables(2))
    client.send("stop_transcription")
    rest = client.rest()
    assert [m["type"] for m in rest] == ["turn_started", "transcription", "transcription_ended"]
    assert [m["seq"] for m in rest] == [2, 3, 4]
    assert rest[-1]["reason"] == "complete"
    rows = requests.get(f"http://{address}/v1/audit?action=live", timeout=10).json()
    (row,) = rows["events"]
    assert (row["outcome"], row["detail"]["seconds"]) == ("unknown", 2)


def test_a_cut_connection_resumes(address: str, app: Flask) -> None:
    client = LiveClient(address)
    session_id = client.take()["session_id"]
    client.send("start_transcription", partials=False)
    client.hear(TURN)
    first = client.until("transcription")
    client.socket.sock.shutdown(socket.SHUT_RDWR)
    again = LiveClient(address)
    again.take()
    room = app.extensions["duet"].live_room
    until(lambda: room.is_cut(session_id))
    again.send("resume", session_id=session_id, seq=first["seq"] - 1)
    assert again.take() == first
    assert again.take()["type"] == "gap"
    again.hear(TURN)
    second = again.until("transcription")
    assert (second["turn_id"], second["speaker"]) == (first["turn_id"] + 1, first["speaker"])
    again.send("stop_transcription")
    assert again.rest()[-1]["turns"] == 2
    late = LiveClient(address)
    late.take()
    late.send("resume", session_id=session_id)
    assert late.until("error")["code"] == "invalid_request"
    late.close()


@pytest.mark.parametrize("reason", [CloseReason.NO_STATUS_RCVD, CloseReason.GOING_AWAY, 4000])
def test_whoever_closes_gives_the_place_back(address: str, app: Flask, reason: int) -> None:
    """Browsers send no status where a page names none, and leave with 1001."""
    client = LiveClient(address)
    session_id = client.take()["session_id"]
    client.send("start_transcription")
    client.until("transcription_started")
    client.socket.sock.send(client.socket.ws.send(CloseConnection(reason)))
    room = app.extensions["duet"].live_room
    until(lambda: room.is_cut(session_id) is not False)
    assert room.is_cut(session_id) is None


def test_a_session_that_does_not_come_back_is_ended(address: str, app: Flask) -> None:
    room = app.extensions["duet"].live_room
    room.resume_s = 0.2
    client = LiveClient(address)
    session_id = client.take()["session_id"]
    client.send("start_transcription")
    client.until("transcription_started")
    client.socket.sock.shutdown(socket.SHUT_RDWR)
    until(lambda: room.is_cut(session_id) is None)


def test_what_the_machine_does_not_carry_is_refused_at_the_start(address: str) -> None:
    clients = [LiveClient(address) for _ in range(3)]
    for client in clients:
        client.take()
        client.send("start_transcription")
        if client is not clients[-1]:
            client.until("transcription_started")
    refused = clients[-1].until("error")
    assert refused["code"] == "busy"
    assert refused["hint"]
    for client in clients[:-1]:
        client.close()


def test_what_is_malformed_is_answered(address: str) -> None:
    client = LiveClient(address)
    client.take()
    client.send("start_transcription")
    client.until("transcription_started")
    for sent in (*MALFORMED, b"odd"):
        client.socket.send(sent)
        error = client.until("error")
        assert (error["code"], bool(error["message"])) == ("invalid_request", True)
    client.send("start_transcription")
    assert "already" in client.until("error")["message"]
    send_large(client, 50 << 20)
    assert client.until("error")["code"] == "message_too_large"
    with pytest.raises(ConnectionClosed):
        client.take()
    fresh = LiveClient(address)
    assert fresh.take()["type"] == "model_loaded"
    fresh.send("start_transcription", vad_mode=9)
    assert "from 0 to 3" in fresh.until("error")["message"]
    fresh.close()


def test_sound_of_another_rate_that_is_not_stated_is_told(address: str) -> None:
    client = LiveClient(address)
    client.take()
    client.send("start_transcription", partials=False)
    client.hear(silence(40))
    assert "sample_rate" in client.until("notice")["hint"]
    client.close()


def test_sound_of_48_khz_is_written_down_where_it_is_stated(address: str) -> None:
    client = LiveClient(address)
    client.take()
    client.send("start_transcription", sample_rate=48_000, partials=False)
    client.hear(np.asarray(soxr.resample(TURN, RATE_HZ, 48_000), np.float32))
    turn = client.until("transcription")
    assert turn["text"].startswith("w0 w1 w2 w3 w4")
    assert turn["end_s"] == pytest.approx(3.0, abs=0.4)
    client.send("stop_transcription")
    assert client.rest()[-1]["duration_s"] == pytest.approx(4.0, abs=0.1)


def test_a_rate_of_a_message_that_is_refused_changes_nothing(address: str) -> None:
    client = LiveClient(address)
    client.take()
    client.send("start_transcription", sample_rate=8000, language="xx")
    assert "does not write this language. Received: 'xx'" in client.until("error")["message"]
    client.send("start_transcription", partials=False)
    client.hear(TURN)
    client.send("stop_transcription")
    assert client.rest()[-1]["duration_s"] == pytest.approx(4.0, abs=0.1)


def test_sessions_that_are_dropped_leave_nothing(address: str, app: Flask) -> None:
    room = app.extensions["duet"].live_room
    room.resume_s = 0.01
    before = threading.active_count()
    for _ in range(20):
        client = LiveClient(address)
        client.take()
        client.send("start_transcription", partials=False)
        client.until("transcription_started")
        client.hear(syllables(0.5))
        client.socket.sock.shutdown(socket.SHUT_RDWR)
        until(lambda: room.sessions == 0)
    until(lambda: threading.active_count() <= before)


def test_no_message_for_long_ends_the_session(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = LiveClient(address)
    client.take()
    client.send("start_transcription")
    client.until("transcription_started")
    monkeypatch.setattr(conversation, "IDLE_S", 0.1)
    assert client.until("error")["code"] == "idle"
    assert client.rest()[-1]["type"] == "transcription_ended"


def test_pages_of_other_origins_are_refused(address: str) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Origin": "https://evil.example",
    }
    answer = requests.get(f"http://{address}/v1/live", headers=upgrade, timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "cross_origin")
    assert requests.get(f"http://{address}/v1/live", timeout=10).status_code == 400
    # This client's Host header has no port
    LiveClient(address, {"Origin": "http://127.0.0.1"}).close()


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-WebSocket-Version": "5"}, {"Sec-WebSocket-Version": "13"}]
)
def test_a_handshake_of_another_kind_is_refused(address: str, headers: dict[str, str]) -> None:
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", **headers}
    answer = requests.get(f"http://{address}/v1/live", headers=upgrade, timeout=10)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


def test_sentences_are_in_the_language_of_the_client(address: str) -> None:
    client = LiveClient(address, {"Accept-Language": "ko"})
    assert "모델" in client.take()["message"]
    client.close()


def test_a_key_comes_in_the_first_message_or_as_a_ticket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, recognizer = make_app(tmp_path, api_key="secret")
    auditor = app.extensions["duet"].keys.create(Role.AUDITOR)[1]
    with listening(app) as address:
        wrong: tuple[dict[str, Any], ...] = (
            {"type": "authenticate", "key": "wrong"},
            {"type": "authenticate", "ticket": "wrong"},
            {"type": "start_transcription"},
        )
        for message in wrong:
            client = LiveClient(address)
            assert client.take()["needs_key"] is True
            client.socket.send(json.dumps(message))
            assert client.until("error")["code"] == "key_required"
            assert client.rest() == []
        client = LiveClient(address)
        client.send("authenticate", key=auditor)
        assert client.until("error")["code"] == "forbidden"
        url = f"http://{address}/v1/live/tickets"
        assert requests.post(url, timeout=10).status_code == 401
        answer = requests.post(url, headers={"X-API-Key": "secret"}, timeout=10).json()
        for fields, kind in (
            ({"key": "secret"}, "transcription_started"),
            ({"ticket": answer["ticket"]}, "transcription_started"),
            ({"ticket": answer["ticket"]}, "error"),
        ):
            client = LiveClient(address)
            client.send("authenticate", **fields)
            client.send("start_transcription")
            client.until(kind)
            client.close()
        monkeypatch.setattr(tickets, "TICKET_S", -1)
        late = requests.post(url, headers={"X-API-Key": "secret"}, timeout=10).json()
        client = LiveClient(address)
        client.send("authenticate", ticket=late["ticket"])
        refused = client.until("error")
        assert (refused["code"], "too old" in refused["message"]) == ("key_required", True)
        client.close()
    recognizer.close()


def test_a_stranger_is_enrolled_from_what_is_said_alone(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = LiveClient(address)
    client.take()
    client.send("start_transcription", partials=False)
    client.hear(TURN)
    turn_id = client.until("transcription")["turn_id"]
    wanted = {"turn_id": turn_id, "name": "Eve", "consent": "agreed on the page"}
    for fields, rule in (
        (wanted | {"consent": ""}, "`consent`"),
        (wanted | {"consent": True}, "`consent`"),
        (wanted | {"turn_id": 99}, "`turn_id`"),
        (wanted | {"name": " "}, "`name`"),
    ):
        client.send("enroll_speaker", **fields)
        assert rule in client.until("error")["message"]
    monkeypatch.setattr(enrolment, "ENROLLED_S", 3.5)
    client.send("enroll_speaker", **wanted)
    assert client.until("error")["code"] == "no_biometric"
    client.hear(TURN)
    client.until("transcription")
    client.send("enroll_speaker", **wanted)
    enrolled = client.until("speaker_enrolled")
    assert (enrolled["speaker"], enrolled["turn_id"]) == ("Eve", turn_id)
    assert enrolled["speech_s"] >= 3.5
    renamed = client.until("relabel")
    assert (renamed["person_id"], set(renamed["turns"])) == (enrolled["person_id"], {"1", "2"})
    client.hear(TURN)
    assert client.until("transcription")["person_id"] == enrolled["person_id"]
    client.send("enroll_speaker", **wanted | {"name": "Eva"})
    refused = client.until("error")
    assert (refused["code"], "`name_speaker`" in refused["hint"]) == ("duplicate_person", True)
    client.close()
    url = f"http://{address}/v1/people/{enrolled['person_id']}"
    person = requests.get(url, timeout=10).json()
    assert (person["name"], person["consent"]) == ("Eve", "agreed on the page")
    assert person["templates"]["voice"] == 1
