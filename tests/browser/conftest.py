"""One service for the browser tests, the people in front of it, and their pages."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import requests
from PIL import Image
from playwright.sync_api import expect

from tests.browser.looks import KEPT, write_album
from tests.browser.shared import close_browsers, enrol_clips
from tests.support.chromium import (
    CHROMIUM,
    ERRORS,
    PATIENCE_MS,
    Performer,
    performer,
)
from tests.support.fixtures import quick_schema
from tests.support.media import silence, speech, write_clip, write_video
from tests.support.media_sound import Samples
from tests.support.service import ROOT, Service, running

__all__ = ["quick_schema"]

expect.set_options(timeout=PATIENCE_MS)
CLIPS = Path(os.environ.get("DUET_SHARED_DATA", ROOT.parent / "shared" / "data")) / "clips"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests of this folder where there is no browser."""
    missing = pytest.mark.skip(reason="no Chromium here (Debian: apt-get install chromium)")
    for item in items:
        if CHROMIUM is None and Path(__file__).parent in item.path.parents:
            item.add_marker(missing)


@pytest.fixture(scope="module", autouse=True)
def browsers() -> Iterator[None]:
    """Tests of a file share their browsers."""
    yield
    close_browsers()


@pytest.fixture(autouse=True)
def no_errors() -> Iterator[None]:
    """No page of any test has an error in its console."""
    ERRORS.clear()
    yield
    assert ERRORS == []


@dataclass(frozen=True)
class Cast:
    """Who appears: two clips of one person, one of another.

    The same two people also stand in front of the fake camera.
    """

    enrolled: Path
    again: Path
    other: Path
    enrolled_person: Performer
    stranger: Performer


def _photographed(path: Path, sound: Samples) -> Path:
    """Write a clip of the photograph that comes with Matplotlib.

    Grace Hopper, by the US Navy, in the public domain. To the networks all drawn
    people are relatives.
    """
    with Image.open(Path(matplotlib.get_data_path()) / "sample_data/grace_hopper.jpg") as photo:
        head = np.asarray(photo.convert("RGB").crop((16, 20, 496, 500)))
    return write_video(path, [head] * 125, sound)


@pytest.fixture(scope="session")
def running_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With the weights that are shipped."""
    if not (ROOT / "best_model/fusion/card.json").exists():
        pytest.skip("no weights in best_model/")
    with running(
        tmp_path_factory.mktemp("browser"),
        keep_media=1,
        visit_days=30,
        stranger_days=14,
        stranger_pictures=1,
    ) as service:
        yield service


@pytest.fixture(scope="session")
def cast(tmp_path_factory: pytest.TempPathFactory) -> Cast:
    """Real talking faces where the research clips are here.

    Else a drawn one with a synthetic voice. The stranger is then a photograph that
    keeps silent, because synthetic voices are all alike too.
    """
    folder = tmp_path_factory.mktemp("cast")
    if CLIPS.exists():
        person = CLIPS / "people" / "ar00"
        enrolled, again = (min((person / kind).iterdir()) for kind in ("enroll", "test"))
        other = stranger = CLIPS / "strangers" / "talkvid_Language_en.mp4"
    else:
        enrolled = write_clip(folder / "enrolled.mp4", person=9, seconds=5)
        again = write_clip(folder / "again.mp4", person=9, seconds=5, take=1)
        other = _photographed(folder / "other.mp4", speech(8, 5.0))
        stranger = _photographed(folder / "stranger.mp4", silence(5.0))
    return Cast(
        enrolled=enrolled,
        again=again,
        other=other,
        enrolled_person=performer(again, folder),
        stranger=performer(stranger, folder),
    )


@pytest.fixture
def service(running_service: Service) -> Service:
    """The service, knowing nobody."""
    url = f"{running_service.url}/v1/people"
    for person in requests.get(url, params={"limit": 1000}, timeout=60).json()["people"]:
        assert requests.delete(f"{url}/{person['person_id']}", timeout=60).status_code == 204
    return running_service


Enrol = Callable[..., None]


@pytest.fixture
def enrol(service: Service) -> Enrol:
    """Enrol a clip for a person by the API."""

    def send(person_id: str, name: str, *clips: Path) -> None:
        enrol_clips(service.url, person_id, name, clips)

    return send


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the screenshots of all states go, with a page to look through them.

    It is the folder in the variable SCREENSHOTS, or one that pytest removes in time.
    """
    folder = Path(KEPT) if KEPT else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    write_album(folder)
