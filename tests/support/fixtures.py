"""Fixtures of more than one layer.

The conftest of a folder imports those that its tests use.

A fixture imports what it needs when a test asks for it: a test of pure numbers pays
for its own module alone.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

    from gallery.store import Store
    from recognition.recognizer import Recognizer
    from tests.support.recordings import WordyEngine
    from utils.config import Settings


@pytest.fixture(autouse=True)
def quick_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new gallery has its tables without Alembic: see tests/support/schema.py.

    What a test loads later than this makes its tables by Alembic.
    """
    if "sqlalchemy" not in sys.modules:
        return
    from tests.support.schema import migrate

    monkeypatch.setattr("alembic.command.upgrade", migrate)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with an empty data folder."""
    from utils.config import Settings

    return Settings.of(data_dir=tmp_path / "data", max_upload_mb=1)


@pytest.fixture
def recognizer(settings: Settings) -> Iterator[Recognizer]:
    """The real recognizer on a real SQLite file, with stand-ins for the networks."""
    from tests.support.gallery_parts import recognizer_of

    settings.storage.data_dir.mkdir(exist_ok=True)
    opened = recognizer_of(settings)
    yield opened
    opened.close()


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """Write a clip to a file of its own.

    Tests/support/gallery_parts.py has its keywords.
    """
    from tests.support.gallery_parts import write_clip

    numbers = itertools.count()

    def write(**content: Any) -> Path:
        return write_clip(tmp_path / f"{next(numbers)}.clip", **content)

    return write


@pytest.fixture
def gallery(recognizer: Recognizer, clip: Callable[..., Path]) -> Recognizer:
    """A recognizer with ann, bob and cleo enrolled: face and voice 1, 2 and 3."""
    from tests.support.gallery_parts import enroll_person

    for number, person_id in enumerate(("ann", "bob", "cleo"), 1):
        enroll_person(recognizer, clip, person_id, face=number, voice=number)
    return recognizer


@pytest.fixture
def app(settings: Settings, recognizer: Recognizer) -> Iterator[Flask]:
    """The service over the recognizer. Its threads end before its folder goes."""
    from web.factory import create_app

    created = create_app({"SETTINGS": settings, "TESTING": True}, recognizer)
    yield created
    state = created.extensions["duet"]
    for thread in (state.job_thread, state.recordings_thread):
        thread.stop()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the service, without a socket."""
    return app.test_client()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a file in the folder `data`, both of which do not exist yet."""
    return f"sqlite:///{tmp_path / 'data' / 'duet.db'}"


@pytest.fixture
def postgres_url() -> str:
    """URL of an empty PostgreSQL database."""
    from tests.support.postgres import new_database

    return new_database()


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str:
    """URL of an empty database of each kind in turn.

    A module about one kind defines its own.
    """
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """An empty store."""
    from gallery.database.open import open_database
    from gallery.store import Store

    opened = Store(open_database(store_url))
    yield opened
    opened.close()


@pytest.fixture
def wordy(monkeypatch: pytest.MonkeyPatch) -> WordyEngine:
    """An engine of speech to text that writes a word each half second."""
    from speech.scribe import Scribe
    from tests.support.recordings import WordyEngine

    engine = WordyEngine()
    monkeypatch.setattr(Scribe, "_load", lambda _: engine)
    return engine
