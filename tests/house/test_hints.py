"""Every error has an HTTP status, and every front gives advice in its own words."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from commands.hints import HINTS as COMMAND_HINTS
from commands.hints import SERVER_HINTS
from docs.reference.generate import NO_ANSWER, error_classes
from utils.errors import DuetError, MediaCorruptError, PersonNotFoundError, fill_hint
from web.wire.errors import RETRY_AFTER_S, STATUS
from web.wire.hints import HINTS as WEB_HINTS
from web.wire.hints import LIVE_HINTS

CODES = {error.code for error in error_classes()}
ROOT = Path(__file__).resolve().parents[2]
FRONT_WORDS = re.compile(r"/v1|X-API-Key|\b(force|replace)=true|(?<!-)--[a-z]")
HTTP_WORDS = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE|routes?|headers?|multipart)\b|/v1|X-API-Key")


def test_every_code_that_is_answered_has_a_status() -> None:
    assert set(STATUS) == CODES - NO_ANSWER
    assert all(400 <= status < 600 for status in STATUS.values())
    assert {STATUS[code] for code in RETRY_AFTER_S} == {503}


@pytest.mark.parametrize("hints", [WEB_HINTS, LIVE_HINTS, COMMAND_HINTS, SERVER_HINTS])
def test_hints_are_about_codes_that_exist(hints: dict[str, str]) -> None:
    assert set(hints) <= CODES
    assert all(hints.values())


@pytest.mark.parametrize("hints", [COMMAND_HINTS, SERVER_HINTS])
def test_the_command_line_does_not_speak_http(hints: dict[str, str]) -> None:
    assert [hint for hint in hints.values() if HTTP_WORDS.search(hint)] == []


@pytest.mark.parametrize("code", ["duplicate_person", "mixed_people", "poor_quality"])
def test_a_live_session_advises_only_what_its_messages_have(code: str) -> None:
    """`enroll_speaker` has no `force`: whoever needs it sends a clip to the route that has."""
    hint = LIVE_HINTS[code]
    assert "=true" not in hint or "POST /v1/people/{person_id}/templates" in hint


def test_the_service_does_not_speak_of_commands() -> None:
    assert [hint for hint in WEB_HINTS.values() if "cli.py" in hint] == []


def test_an_error_brings_its_own_hint_or_gets_that_of_the_front() -> None:
    error = PersonNotFoundError("Nobody has this id. Received: 'zoe'")
    assert error.to_dict()["hint"] == ""
    assert error.to_dict(WEB_HINTS)["hint"] == "List the people with GET /v1/people."
    assert error.to_dict(COMMAND_HINTS)["hint"] == "List the people with: cli.py people list"
    own = MediaCorruptError("The file cannot be read.", "Convert it to mp4.")
    assert own.to_dict(WEB_HINTS) == {
        "code": "media_corrupt",
        "message": "The file cannot be read.",
        "hint": "Convert it to mp4.",
    }
    assert fill_hint(own.to_dict(), COMMAND_HINTS) == own.to_dict()
    assert DuetError("Something went wrong.").to_dict(WEB_HINTS)["hint"] == ""


@pytest.mark.parametrize("folder", ["align", "gallery", "jobs", "recognition"])
def test_what_every_front_shares_speaks_of_none(folder: str) -> None:
    """Errors raised below the fronts name no route, field or option."""
    texts = []
    for source in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("Error"):
                texts += [ast.unparse(argument) for argument in node.args]
    assert texts
    assert [text for text in texts if FRONT_WORDS.search(text)] == []
