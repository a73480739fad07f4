"""Services that need a key, and keys of each role."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from gallery.records.keys import Keys
from gallery.results import Role
from recognition.recognizer import Recognizer
from utils.config import Settings
from web.factory import create_app

LIMITED = "3/minute"


@pytest.fixture
def keys(recognizer: Recognizer) -> Keys:
    return Keys(recognizer.store.database)


@pytest.fixture
def client(settings: Settings, recognizer: Recognizer) -> FlaskClient:
    return create_app(
        {"SETTINGS": settings.replace(rate_limit=""), "SWAGGER_UI": True}, recognizer
    ).test_client()


@pytest.fixture
def limited(settings: Settings, recognizer: Recognizer) -> FlaskClient:
    return create_app({"SETTINGS": settings.replace(rate_limit=LIMITED)}, recognizer).test_client()


@pytest.fixture
def holding(keys: Keys) -> Callable[[Role], dict[str, str]]:
    """Role → headers with a new key."""
    return lambda role: {"X-API-Key": keys.create(role)[1]}
