"""Requests made up from the OpenAPI document, sent to the real WSGI application.

Nothing may break it, and every status and every answer must be as described. Many of the files are
clips of people, so that the requests get past the decoder. It takes about half a
minute.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gallery.records.keys import Keys
from gallery.results import Role
from tests.support.gallery_parts import clip, recognizer_of
from tests.support.shapes import enroll
from utils.config import Settings
from web.factory import create_app

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
CLIPS = st.builds(
    clip,
    st.sampled_from(["ann", "ben", None]),
    st.sampled_from(["ann", "ben", None]),
    st.integers(1, 5),
)
schemathesis.openapi.format("binary", CLIPS | st.binary(max_size=200))

STREAM = "GET /v1/events"
"""Lasts as long as the request asks for."""

pytestmark = pytest.mark.schemathesis


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    chosen = Settings.of(data_dir=tmp_path_factory.mktemp("schemathesis"), rate_limit="")
    recognizer = recognizer_of(chosen)
    made = create_app({"SETTINGS": chosen, "SWAGGER_UI": True}, recognizer)
    for who in ("ann", "ben"):
        enroll(made.test_client(), who)
    yield made
    recognizer.close()


def wrong_answers(
    app: Flask, headers: dict[str, str], examples: int, without: str = ""
) -> tuple[list[str], Counter[int]]:
    """Collect the first wrong answer of each operation but `without`, and count statuses.

    Every third request about a person is about one who is there.
    """
    wrong = []
    statuses = Counter[int]()
    for result in schemathesis.openapi.from_wsgi("/swagger.json", app).get_all_operations():
        operation = result.ok()
        if operation.label == without:
            continue

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(), st.sampled_from(["ann", None, None]))
        def send(case: Any, somebody: str | None) -> None:
            if somebody and "person_id" in (case.path_parameters or {}):
                case.path_parameters["person_id"] = somebody
            if case.operation.label == STREAM:
                case.query["seconds"] = 0
            answer = case.call(headers={"Host": "localhost"} | headers)
            statuses[answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)

        try:
            send()
        except FailureGroup as failures:
            wrong.append(
                f"{operation.label}: "
                + "; ".join(
                    f"{failure.title}: {failure.message}" for failure in failures.exceptions
                )
            )
    return wrong, statuses


def test_without_keys(app: Flask) -> None:
    wrong, statuses = wrong_answers(app, {}, 24, without="POST /v1/keys")  # which closes it
    assert wrong == []
    assert statuses[401] == statuses[403] == statuses[429] == 0
    assert min(statuses[200], statuses[201], statuses[400], statuses[404]) > 0, (
        "the requests go deep enough to mean something"
    )


@pytest.mark.parametrize("role", [None, *Role])
def test_with_keys(app: Flask, role: Role | None) -> None:
    """Runs last: from the first key on the service asks for one."""
    key = Keys(app.extensions["duet"].recognizer.store.database).create(role or Role.ADMIN)[1]
    wrong, statuses = wrong_answers(app, {"X-API-Key": key} if role else {}, 2)
    assert wrong == []
    assert (statuses[401] > 0) == (role is None)
    assert (statuses[403] > 0) == (role in (Role.OPERATOR, Role.KIOSK, Role.AUDITOR))
