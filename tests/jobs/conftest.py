"""The recognizer on a database of each kind, its jobs and a media root with clips."""

from __future__ import annotations

from pathlib import Path

import pytest

from gallery.records.jobs import Jobs, NewItem
from recognition.recognizer import Recognizer
from tests.support.fixtures import postgres_url, quick_schema, recognizer, sqlite_url, store_url
from tests.support.gallery_parts import clip
from utils.config import Settings

__all__ = ["postgres_url", "quick_schema", "recognizer", "sqlite_url", "store_url"]


@pytest.fixture
def settings(tmp_path: Path, store_url: str) -> Settings:
    """Settings with the database of this test."""
    return Settings.of(data_dir=tmp_path / "data", database_url=store_url)


@pytest.fixture
def jobs(recognizer: Recognizer) -> Jobs:
    """The jobs of the gallery."""
    return Jobs(recognizer.store.database)


@pytest.fixture
def media(settings: Settings) -> Path:
    """The media root."""
    folder = settings.storage.media_folder
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def clips(media: Path) -> list[NewItem]:
    """Files of a job: ann, ben and cem with a clip each, and one that is no clip."""
    for name in ("ann", "ben", "cem"):
        (media / f"{name}.mp4").write_bytes(clip(face=name, voice=name))
    (media / "bad.mp4").write_bytes(b"no clip")
    return [NewItem(f"{name}.mp4", f"{name}.mp4", name) for name in ("ann", "bad", "ben", "cem")]
