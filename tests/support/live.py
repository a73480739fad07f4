"""Live sessions for tests: a voice encoder that goes by pitch, and a real socket.

`PitchVoice` stands in for the voice network where a test is about what a session does
with voices: made-up voices of the tests differ by their pitch. Voice activity, the
network that tells voices apart, the decision and the gallery are real.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from flask import Flask
from simple_websocket import Client, ConnectionClosed
from simple_websocket.ws import Base
from werkzeug.serving import make_server

from tests.support.gallery_parts import StubVoice, direction
from tests.support.http_server import in_thread
from utils.arrays import RATE_HZ, Float32Array
from utils.media import Waveform
from utils.modality import Embedding, Modality

LIMIT_S = 60.0
BLOCK = 4096
_LOWEST_HZ = 80
_HIGHEST_HZ = 250
# Pitches of the people 7, 5, 6, 2, 4 and 8 of `tests.support.media_sound.speech`
_PITCHES_HZ = np.array([106.0, 115.0, 138.0, 162.0, 191.0, 216.0])


@dataclass
class PitchVoice(StubVoice):
    """Embeds speech by its pitch: one direction for each of six people."""

    def embed(self, speech: Waveform) -> Embedding:
        """Embed the speech."""
        distances = np.abs(np.log(_PITCHES_HZ / pitch_of(speech.samples)))
        identity = int(distances.argmin())
        return Embedding(direction("voice", identity), Modality.VOICE, self.encoder_id)


def pitch_of(samples: Float32Array) -> float:
    """Find the pitch of a voice in Hz by the autocorrelation of its sound (n,)."""
    spectrum = np.abs(np.fft.rfft(samples, 2 * len(samples))) ** 2
    correlation = np.fft.irfft(spectrum)
    first = RATE_HZ // _HIGHEST_HZ
    lags = correlation[first : RATE_HZ // _LOWEST_HZ]
    return RATE_HZ / (first + int(lags.argmax()))


def pcm16(samples: Float32Array) -> bytes:
    """Write sound (n,) as a socket sends it."""
    return (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2").tobytes()


def blocks(samples: Float32Array, size: int = BLOCK) -> Iterator[bytes]:
    """Cut sound (n,) into messages."""
    for start in range(0, len(samples), size):
        yield pcm16(samples[start : start + size])


@contextmanager
def listening(app: Flask) -> Iterator[str]:
    """Serve an application on a free port, and give its address without the scheme."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    with in_thread(server):
        yield f"127.0.0.1:{server.port}"


class PromptClient(Client):  # type: ignore[misc]
    """A client that takes what comes in one piece with the handshake, and closes in order."""

    def handshake(self) -> None:
        """Shake hands."""
        super().handshake()
        self._handle_events()

    def close(self, reason: int | None = None, message: str | None = None) -> None:
        """Close the connection, and free its number when nobody reads from it any more."""
        Base.close(self, reason, message)
        self.thread.join(LIMIT_S)
        self.sock.close()


class LiveClient:
    """A client that knows nothing but messages."""

    def __init__(
        self,
        address: str,
        headers: dict[str, str] | None = None,
        path: str = "/v1/live",
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        scheme = "wss" if tls else "ws"
        url = f"{scheme}://{address}{path}"
        self.socket = PromptClient.connect(url, headers=headers, ssl_context=tls)

    def send(self, kind: str, **fields: Any) -> None:
        """Send a message."""
        self.socket.send(json.dumps({"type": kind, **fields}))

    def hear(self, samples: Float32Array) -> None:
        """Send sound."""
        for block in blocks(samples):
            self.socket.send(block)

    def take(self) -> dict[str, Any]:
        """Take the next message."""
        text = self.socket.receive(LIMIT_S)
        assert isinstance(text, str), "no message came"
        message: dict[str, Any] = json.loads(text)
        return message

    def until(self, kind: str) -> dict[str, Any]:
        """Take messages up to one of this type."""
        while (message := self.take())["type"] != kind:
            assert kind == "error" or message["type"] != "error", message
        return message

    def rest(self) -> list[dict[str, Any]]:
        """Take all messages until the connection ends."""
        messages = []
        try:
            while True:
                messages.append(self.take())
        except ConnectionClosed:
            return messages

    def close(self) -> None:
        """Close the connection, unless the service has closed it."""
        with suppress(ConnectionClosed):
            self.socket.close()
