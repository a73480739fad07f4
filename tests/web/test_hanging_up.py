"""A client that hangs up before its clip is looked at: no question of it is answered."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.support.shapes import assert_error, enroll, media
from web.wire.hanging_up import CONTINUE, has_hung_up


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection over TCP: our end, and the client's."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(listening.getsockname()) as theirs,
        listening.accept()[0] as ours,
    ):
        yield ours, theirs


def test_bytes_that_are_unread_hide_no_end(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.send(b"the next request")
    assert not has_hung_up(ours)
    theirs.close()
    assert has_hung_up(ours)


def test_a_client_that_ends_its_half_is_there(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.shutdown(socket.SHUT_WR)
    assert not has_hung_up(ours, reads_interim=False)
    assert not has_hung_up(ours)
    assert theirs.recv(100) == CONTINUE
    theirs.close()
    assert has_hung_up(ours)


@pytest.mark.parametrize(
    ("path", "name", "more"),
    [
        ("/v1/identify", "media", {}),
        ("/v1/verify", "media", {"person_id": "ann"}),
        ("/speakers/identify", "audio", {}),
    ],
)
def test_a_question_is_given_up(
    client: FlaskClient,
    ends: tuple[socket.socket, socket.socket],
    path: str,
    name: str,
    more: dict[str, str],
) -> None:
    enroll(client, "ann")
    ours, theirs = ends

    def ask() -> TestResponse:
        form = {name: media(face="ann", voice="ann", take=2), **more}
        return client.post(path, data=form, environ_overrides={"gunicorn.socket": ours})

    assert ask().status_code == 200
    noted = client.get("/v1/audit").get_json()["events"]
    theirs.close()
    message = assert_error(ask(), 400, "upload_broken")["message"]
    assert message == "The client closed the connection before the turn of its clip."
    assert client.get("/v1/audit").get_json()["events"] == noted


def test_who_is_enrolled_does_not_depend_on_who_reads_the_answer(
    client: FlaskClient, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends
    theirs.close()
    form = {"media": media(face="ben", voice="ben"), "name": "ben-1.mp4"}
    made = client.post(
        "/Identification_Request", data=form, environ_overrides={"gunicorn.socket": ours}
    )
    assert made.status_code == 200
    assert client.get("/v1/people/ben").status_code == 200
