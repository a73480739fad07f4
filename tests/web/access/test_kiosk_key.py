"""The key of a kiosk: identify and enrol on first sight, no more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from gallery.records import clock
from gallery.results import Role
from recognition.recognizer import Recognizer
from tests.support.shapes import assert_error, enroll, media
from tests.support.waiting import LIMIT_S


def enrolment_of_ann(url: str, take: int) -> dict[str, Any]:
    """The form that enrols a clip of Ann at each of the three routes."""
    clip = media(face="ann", voice="ann", take=take)
    if url == "/speakers/register":
        return {"speaker_id": "ann", "audio": clip}
    if url == "/Identification_Request":
        return {"name": "ann-1.mp4", "media": clip}
    return {"media": clip}


class TestKiosk:
    """Identify and enrol on first sight, no more."""

    @pytest.fixture
    def kiosk(
        self, client: FlaskClient, holding: Callable[[Role], dict[str, str]]
    ) -> Callable[..., TestResponse]:
        enroll(client, "ben")
        headers = holding(Role.KIOSK)

        def ask(url: str, method: str = "POST", json: Any = None, **form: Any) -> TestResponse:
            body = (
                {"json": json}
                if json is not None
                else {"data": form, "content_type": "multipart/form-data"}
                if form
                else {}
            )
            return client.open(url, method=method, headers=headers, **body)

        return ask

    def test_identifies_and_compares_clips(self, kiosk: Callable[..., TestResponse]) -> None:
        assert (
            kiosk("/v1/identify", media=media(face="ben")).get_json()["fused"]["match"]["person_id"]
            == "ben"
        )
        assert (
            kiosk(
                "/v1/verify", media=media(face="ben"), reference=media(face="ben", take=2)
            ).status_code
            == 200
        )
        assert_error(
            kiosk("/v1/verify", media=media(face="ben"), person_id="ben"), 403, "forbidden"
        )

    def test_enrols_once(self, kiosk: Callable[..., TestResponse]) -> None:
        assert kiosk("/v1/people", json={"person_id": "ann", "name": "Ann"}).status_code == 201
        url = "/v1/people/ann/templates"
        for flag in ("replace", "force"):
            assert_error(
                kiosk(url, media=media(face="ann", voice="ann"), **{flag: "true"}), 403, "forbidden"
            )
        assert kiosk(url, media=media(face="ann", voice="ann"), force="false").status_code == 201
        assert_error(kiosk(url, media=media(face="ann", voice="ann", take=2)), 403, "forbidden")
        assert_error(
            kiosk("/v1/people/ben/templates", media=media(face="ben", take=2)), 403, "forbidden"
        )

    def test_takes_back_what_it_could_not_enrol(
        self, kiosk: Callable[..., TestResponse], recognizer: Recognizer
    ) -> None:
        assert kiosk("/v1/people", json={"person_id": "ann"}).status_code == 201
        assert_error(
            kiosk("/v1/people/ann/templates", media=media(face="ben", voice="ben")),
            409,
            "duplicate_person",
        )
        assert kiosk("/v1/people/ann", "DELETE").status_code == 204
        assert_error(kiosk("/v1/people/ben", "DELETE"), 403, "forbidden")

    def test_takes_back_by_the_time_that_terms_count_from(
        self, kiosk: Callable[..., TestResponse], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A clock that is 400 days ahead, with its date of creation from the time before."""
        assert kiosk("/v1/people", json={"person_id": "ann"}).status_code == 201
        ahead = datetime.now(UTC) + timedelta(days=400)
        monkeypatch.setattr(clock, "now", lambda: ahead)
        assert kiosk("/v1/people/ann", "DELETE").status_code == 204

    @pytest.mark.parametrize(
        "url", ["/v1/people/ann/templates", "/speakers/register", "/Identification_Request"]
    )
    def test_two_kiosks_at_the_same_moment(
        self,
        kiosk: Callable[..., TestResponse],
        recognizer: Recognizer,
        url: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The second kiosk must not add to what the first has stored.

        Both find nobody enrolled before they read their clips.
        """
        recognizer.store.create_person("ann")
        both = threading.Barrier(2)
        analyse = recognizer._analyser.analyse

        def wait_and_analyse(*args: Any, **options: Any) -> Any:
            both.wait(LIMIT_S)
            return analyse(*args, **options)

        monkeypatch.setattr(recognizer._analyser, "analyse", wait_and_analyse)
        with ThreadPoolExecutor(2) as pool:
            answers = list(
                pool.map(
                    lambda take: kiosk(url, **enrolment_of_ann(url, take)),
                    (1, 2),
                )
            )
        assert max(recognizer.store.get_person("ann").templates.values()) == 1
        assert (
            sorted(a.status_code for a in answers)
            == {
                "/v1/people/ann/templates": [201, 403],
                "/speakers/register": [200, 403],
                "/Identification_Request": [200, 200],
            }[url]
        )

    def test_takes_back_nobody_whom_another_kiosk_has_enrolled(
        self,
        kiosk: Callable[..., TestResponse],
        recognizer: Recognizer,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The templates come between the request for the deletion and the deletion."""
        kiosk("/v1/people", json={"person_id": "ann"})
        delete_person = recognizer.store.delete_person

        def enrol_and_delete(person_id: str, *more: Any) -> None:
            assert (
                kiosk("/v1/people/ann/templates", media=media(face="ann", voice="ann")).status_code
                == 201
            )
            delete_person(person_id, *more)

        with monkeypatch.context() as patched:
            patched.setattr(recognizer.store, "delete_person", enrol_and_delete)
            assert_error(kiosk("/v1/people/ann", "DELETE"), 403, "forbidden")
        assert recognizer.store.get_person("ann").templates == {"face": 1, "voice": 1}

    def test_renames_nobody_by_registering(
        self, kiosk: Callable[..., TestResponse], recognizer: Recognizer
    ) -> None:
        recognizer.store.create_person("ann", "Ann Lee")
        for more in ({"name": "Somebody"}, {"metadata": '{"a": 1}'}):
            assert_error(
                kiosk("/speakers/register", audio=media(voice="ann"), speaker_id="ann", **more),
                403,
                "forbidden",
            )
        assert (
            kiosk(
                "/speakers/register", audio=media(voice="ann"), speaker_id="ann", name="Ann Lee"
            ).status_code
            == 200
        )

    def test_the_compatible_route(self, kiosk: Callable[..., TestResponse]) -> None:
        url = "/Identification_Request"
        assert (
            "Registered: cem"
            in kiosk(url, media=media(face="cem", voice="cem"), name="cem-1.mp4").get_json()[
                "notice"
            ]
        )
        assert (
            kiosk(url, media=media(face="cem", voice="cem", take=2), name="cem-2.mp4").status_code
            == 200
        )
        for flag in ("re_register", "force"):
            assert_error(
                kiosk(
                    url, media=media(face="cem", voice="cem"), name="cem-1.mp4", **{flag: "True"}
                ),
                403,
                "forbidden",
            )
