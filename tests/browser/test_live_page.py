"""/live in a real browser, whose microphone plays a dialogue of two people."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.sync_api import Page, WebSocketRoute, expect

from speech.models import is_installed
from tests.browser.looks import look
from tests.browser.shared import chromium
from tests.support.chromium import Performer, page_of
from tests.support.page_texts import read_texts
from tests.support.recordings import DATA, needs_recordings, silence
from tests.support.service import Service

EN = read_texts("en")
KO = read_texts("ko")
UTTERANCES = 6
FINAL = ".bubble[data-partial=false]"
needs_korean = pytest.mark.skipif(
    not is_installed("base"), reason="the model base of requirements-speech.txt is not installed"
)


@pytest.fixture(scope="module")
def dialogue(tmp_path_factory: pytest.TempPathFactory) -> Performer:
    """The first utterances of two people in turn, a second apart."""
    with (DATA / "ko_dialogue.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))[:UTTERANCES]
    parts = [silence(1)]
    for row in rows:
        parts += [soundfile.read(DATA / row["path"], dtype="float32")[0], silence(1)]
    file = tmp_path_factory.mktemp("dialogue") / "dialogue.wav"
    soundfile.write(file, np.concatenate(parts), 16000)
    return Performer(file, file)


def open_live(service: Service, page: Page) -> None:
    """Start to write Korean."""
    page.goto(f"{service.url}/live")
    page.locator("details summary").click()
    page.select_option("#live-language", "ko")
    page.click("#live-start")
    expect(page.locator("#on-air")).to_be_visible()


def enrol_speaker(page: Page, pictures: Path) -> None:
    """Say who the voice of the third turn is, who agrees to be recognised from now on."""
    page.click("#live-pause")
    page.locator(FINAL).nth(2).get_by_role("button", name=EN["live.who"]).click()
    page.fill("#who-name", "Minji")
    page.check("#who-enroll")
    look(page, pictures, "live-who", schemes=("light",))
    page.get_by_role("button", name=EN["live.this_is"]).click()
    expect(page.locator("#live-status")).to_have_text(
        EN["live.enrolled"].replace("{name}", "Minji")
    )
    expect(page.locator(FINAL).nth(2)).to_contain_text("Minji")


@needs_recordings
@needs_korean
@pytest.mark.parametrize("tongue", ["en", "ko"])
def test_a_dialogue_becomes_bubbles(
    service: Service, dialogue: Performer, pictures: Path, tongue: str
) -> None:
    with chromium(dialogue, cameras=0) as browser:
        page = page_of(browser, locale=tongue)
        open_live(service, page)
        expect(page.locator(FINAL).nth(3)).to_be_visible()
        look(page, pictures, f"live-{tongue}-writing", schemes=("light",))
        written = " ".join(page.locator(f"{FINAL} .said").all_inner_texts())
        assert "식당" in written
        if tongue == "en":
            enrol_speaker(page, pictures)
        page.click("#live-stop")
        expect(page.locator("#on-air")).to_be_hidden()
        expect(page.locator("#live-start")).to_be_visible()
        with page.expect_download() as download:
            page.click("#live-export [data-form=srt]")
        assert "00:00:0" in download.value.path().read_text(encoding="utf-8")
        look(page, pictures, f"live-{tongue}-stopped")


def test_a_microphone_that_is_refused_says_what_to_do(
    service: Service, tmp_path: Path, pictures: Path
) -> None:
    sound = tmp_path / "silence.wav"
    soundfile.write(sound, silence(1), 16000)
    with chromium(Performer(sound, sound), cameras=0, allowed=False) as browser:
        page = page_of(browser, locale="ko")
        page.goto(f"{service.url}/live")
        page.click("#live-start")
        expect(page.locator("#live-problem")).to_have_text(KO["live.device.refused"])
        look(page, pictures, "live-refused", schemes=("light",))


REFUSED = {"type": "error", "code": "invalid_request", "message": "No such name.", "hint": "Why."}
PASSED_OVER = {"type": "notice", "code": "sound_passed_over", "message": "Passed over.", "hint": ""}


class Registrar:
    """Answers a live session in which each speaker but `bad` is registered."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._name = ""

    def __call__(self, socket: WebSocketRoute) -> None:
        """Begin the session."""
        socket.on_message(lambda message: self._answer(socket, message))
        socket.send(json.dumps({"type": "model_loaded", "session_id": "1", "needs_key": False}))

    def _answer(self, socket: WebSocketRoute, message: str | bytes) -> None:
        if isinstance(message, bytes):
            return
        fields = json.loads(message)
        self.asked.append(fields["type"])
        self._name = fields.get("name", self._name)
        if self._name == "bad":
            answers = [REFUSED, PASSED_OVER]
        else:
            done = fields["type"].replace("start_", "").replace("complete_", "")
            ending = "started" if fields["type"].startswith("start") else "completed"
            answers = [{"type": f"{done}_{ending}", "speaker": self._name, "message": ending}]
        for answer in answers:
            socket.send(json.dumps(answer))


def test_a_refused_speaker_is_told_why_and_the_next_one_registers(
    service: Service, tmp_path: Path
) -> None:
    sound = tmp_path / "silence.wav"
    soundfile.write(sound, silence(1), 16000)
    registrar = Registrar()
    with chromium(Performer(sound, sound), cameras=0) as browser:
        page = page_of(browser, locale="ko")
        page.route_web_socket("**/v1/live*", registrar)
        page.goto(f"{service.url}/live")
        page.fill("#speaker-name", "bad")
        page.click("#speaker-add")
        why = f"{KO['error.invalid_request']} No such name. Why."
        expect(page.locator("#live-problem")).to_have_text(why)
        expect(page.locator("#speaker-add")).to_be_enabled()
        assert registrar.asked == ["start_speaker_registration"]
        expect(page.locator("#speaker-status")).to_be_empty()
        expect(page.locator("#live-status")).to_be_empty()

        page.fill("#speaker-name", "Ann")
        page.click("#speaker-add")
        expect(page.locator("#speakers li")).to_have_text(["Ann"])
        expect(page.locator("#live-problem")).to_be_hidden()

        told = {"Ann": KO["live.taken"].replace("{name}", "Ann"), "A\u200bn": KO["live.unseen"]}
        for name, why in told.items():
            page.fill("#speaker-name", name)
            page.click("#speaker-add")
            expect(page.locator("#live-problem")).to_have_text(why)
        assert registrar.asked.count("start_speaker_registration") == 2
