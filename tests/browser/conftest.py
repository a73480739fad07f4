"""One service for the browser tests, somebody whom it gets to know and a stranger, and how a page is looked at."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests.browser.chromium import CHROMIUM, Performer, performer
from tests.media import write_clip
from tests.service import ROOT, Service, running

CLIPS = Path(os.environ.get("DUET_SHARED_DATA", ROOT.parent / "shared" / "data")) / "clips"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in Path(item.path).parents:
            item.add_marker(pytest.mark.browser)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="no Chromium here (Debian: apt-get install chromium)"))


@dataclass(frozen=True)
class Cast:
    """Who appears: two clips of one person, one of another, and the same two people in front of the fake camera."""

    enrolled: Path
    again: Path
    other: Path
    known: Performer
    stranger: Performer


def _unlike(service: Service, clip: Path, folder: Path) -> Path:
    """Of a few drawn people with other people's voices the one whom the networks find the least like `clip`: drawn people are more alike
    than real ones ever are."""

    def margin(other: Path) -> float:
        files = {"media": clip.read_bytes(), "reference": other.read_bytes()}
        answer = requests.post(f"{service.url}/v1/verify", files=files, timeout=120).json()
        return float(max(answer[m]["score"] - answer[m]["threshold"] for m in ("face", "voice", "fused")))

    people = ((2, 8), (4, 10), (12, 5))  # face, voice
    others = [write_clip(folder / f"other-{face}.mp4", person=face, voice=voice, seconds=5) for face, voice in people]
    best, other = min((margin(other), other) for other in others)
    assert best < 0, "none of the drawn people is a stranger to these weights: draw others"
    return other


@pytest.fixture(scope="session")
def running_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """With the weights that are shipped."""
    if not (ROOT / "best_model/fusion/card.json").exists():
        pytest.skip("no weights in best_model/")
    with running(tmp_path_factory.mktemp("browser"), keep_media=1) as service:
        yield service


@pytest.fixture(scope="session")
def cast(running_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Cast:
    """Real talking faces where the research clips are here, else drawn ones with synthetic voices."""
    folder = tmp_path_factory.mktemp("cast")
    if CLIPS.exists():
        person = CLIPS / "people" / "ar00"
        enrolled, again = (sorted((person / kind).iterdir())[0] for kind in ("enroll", "test"))
        other = CLIPS / "strangers" / "talkvid_Language_en.mp4"
    else:
        enrolled = write_clip(folder / "enrolled.mp4", person=9, seconds=5)
        again = write_clip(folder / "again.mp4", person=9, seconds=5, take=1)
        other = _unlike(running_service, enrolled, folder)
    return Cast(enrolled, again, other, performer(again, folder), performer(other, folder))


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
        assert requests.post(f"{service.url}/v1/people", json={"person_id": person_id, "name": name}, timeout=60).status_code == 201
        for clip in clips:
            answer = requests.post(f"{service.url}/v1/people/{person_id}/templates", files={"media": (clip.name, clip.read_bytes())},
                                   data={"force": "true"}, timeout=120)
            assert answer.status_code == 201, answer.text

    return send


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the screenshots of all states go, to be looked at."""
    return tmp_path_factory.mktemp("screenshots")
