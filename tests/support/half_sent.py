"""A clip that a service has begun to receive, so that a test can do something meanwhile."""

from __future__ import annotations

from http.client import HTTPConnection
from pathlib import Path

import requests

from tests.support.service import Service
from tests.support.waiting import LIMIT_S, until


def send_all_but_the_end(service: Service, clip: Path) -> tuple[HTTPConnection, bytes]:
    """Begin to send a clip. Returns the connection and the bytes that lack."""
    # A box that players skip: more than is read in one go
    spare = (200_008).to_bytes(4, "big") + b"free" + bytes(200_000)
    asked = requests.Request(
        "POST",
        service.url + "/v1/identify",
        files={"media": ("ann.mp4", clip.read_bytes() + spare)},
    ).prepare()
    assert isinstance(asked.body, bytes)
    connection = HTTPConnection("127.0.0.1", service.port, timeout=LIMIT_S)
    connection.putrequest("POST", "/v1/identify")
    for name, value in asked.headers.items():
        connection.putheader(name, value)
    connection.endheaders(asked.body[:-100_000])
    until(lambda: len(service.temporary_files()) == 1)
    return connection, asked.body[-100_000:]
