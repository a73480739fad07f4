"""Fixtures that many tests share: settings in an empty folder, and the service over the real recognizer and a real SQLite file."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gallery.recognizer import Recognizer
from tests.postgres import new_database
from tests.tiny import tiny_recognizer
from utils.config import Settings
from web.factory import create_app


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", max_upload_mb=1)


@pytest.fixture
def recognizer(settings: Settings) -> Iterator[Recognizer]:
    settings.data_dir.mkdir(exist_ok=True)
    made = tiny_recognizer(settings)
    yield made
    made.close()


@pytest.fixture
def app(settings: Settings, recognizer: Recognizer) -> Flask:
    return create_app({"SETTINGS": settings, "TESTING": True}, recognizer)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, of each kind in turn."""
    return f"sqlite:///{tmp_path / 'data' / 'duet.db'}" if request.param == "sqlite" else new_database()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kills", type=int, default=50, help="how often tests/test_kills.py kills its process")
