"""Fixtures that many tests share: settings in an empty folder, and the service over the
real recognizer and a real SQLite file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gallery.database.base import open_database
from gallery.store import Store
from recognition.recognizer import Recognizer
from tests.support import own_voices
from tests.support.gallery_parts import enroll_person, recognizer_of, write_clip
from tests.support.postgres import new_database
from utils.config import Settings
from web.factory import create_app


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.of(data_dir=tmp_path / "data", max_upload_mb=1)


@pytest.fixture
def recognizer(settings: Settings) -> Iterator[Recognizer]:
    settings.storage.data_dir.mkdir(exist_ok=True)
    made = recognizer_of(settings)
    yield made
    made.close()


@pytest.fixture
def app(settings: Settings, recognizer: Recognizer) -> Flask:
    return create_app({"SETTINGS": settings, "TESTING": True}, recognizer)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """Writes a clip in a file of its own; what it holds: tests/support/gallery_parts.py."""
    numbers = itertools.count()
    return lambda **what: write_clip(tmp_path / f"{next(numbers)}.clip", **what)


@pytest.fixture
def gallery(recognizer: Recognizer, clip: Callable[..., Path]) -> Recognizer:
    """A recognizer that knows ann, bob and cleo: face and voice 1, 2 and 3."""
    for number, person_id in enumerate(("ann", "bob", "cleo"), 1):
        enroll_person(recognizer, clip, person_id, face=number, voice=number)
    return recognizer


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a file that is not there yet, in the folder `data`."""
    return f"sqlite:///{tmp_path / 'data' / 'duet.db'}"


@pytest.fixture
def postgres_url() -> str:
    """URL of an empty database."""
    return new_database()


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database, of each kind in turn; modules about one kind have their
    own.
    """
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store."""
    opened = Store(open_database(store_url))
    yield opened
    opened.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kills",
        type=int,
        default=50,
        help="how often tests/gallery/test_kills.py kills its process",
    )


@pytest.fixture(scope="session")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's own speech to train on: see tests/support/own_voices.py."""
    return own_voices.write_voices(tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="session")
def trained_voice(voices: Path) -> Path:
    """A network that was trained on it, as published."""
    assert own_voices.train(voices, "first") == 0
    return voices / "first_model"
