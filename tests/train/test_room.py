"""Measures of decisions in one room, on made-up people whose answers are known."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest

from recognition.sides import Calibrations, Side
from tests.support.gallery_parts import CALIBRATION, StubFusion, direction
from train.measure.real_clips import FACES, VOICES
from train.measure.room import Answer, RoomClip, count
from train.measure.room_galleries import gallery_tables
from train.measure.room_tables import Room, attacks_table, mixed_table
from utils.modality import PerModality
from utils.settings.decision import DecisionSettings

# The odds are even where hardly a stranger comes.
CLEAR = replace(CALIBRATION, intercept=-15.0)
PEOPLE = [f"ar{number:02}" for number in range(16)] + ["grid_1", "grid_2"]


class Calibrators:
    """Gives one calibration, and notes whom it was to leave out."""

    def __init__(self) -> None:
        self.left_out: list[set[str]] = []

    def without(self, held_out: Collection[str]) -> Calibrations:
        self.left_out.append(set(held_out))
        return PerModality(fused=CLEAR, face=CLEAR, voice=CLEAR)


def clips(first: int = 0, people: Sequence[str] = PEOPLE) -> list[RoomClip]:
    """Three clips each, of faces and voices that nobody shares."""
    made = []
    for number, person in enumerate(people, first):
        for take in range(3):
            face = Side(direction("face", number, take, 0.5), quality=(1.0,))
            voice = Side(direction("voice", number, take, 0.5), 4.0, (1.0,))
            made.append(
                RoomClip(
                    person, take == 0, dict.fromkeys(FACES, face), dict.fromkeys(VOICES, voice)
                )
            )
    return made


def rows(table: str) -> dict[str, list[str]]:
    """Cells of the lines by their first one."""
    lines = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("| ")]
    return {cells[0]: cells[1:] for cells in lines}


@pytest.fixture(scope="module")
def room() -> tuple[Room, Calibrators]:
    calibrators = Calibrators()
    fuse = StubFusion().fuse
    return Room(clips(), calibrators, fuse, DecisionSettings()), calibrators  # type: ignore[arg-type]


def test_mixed_clips_of_clear_people_are_all_caught(room: tuple[Room, Calibrators]) -> None:
    made = rows(mixed_table(room[0]))
    assert made["identify, both enrolled: accepted"][0].startswith("0.0 ")
    assert made["verify with the person of the face: accepted"][0].startswith("0.0 ")
    assert made["identify, clean / clean: right, by face and voice"][0].startswith("100.0 ")
    assert made["identify, clean / clean: conflict"][0].startswith("0.0 ")


def test_attacks_with_another_voice_are_caught(room: tuple[Room, Calibrators]) -> None:
    def attack(kind: str, number: int) -> RoomClip:
        face = Side(direction("face", number), quality=(1.0,))
        voice = Side(direction("voice", number), 4.0, (1.0,))
        return RoomClip(kind, False, dict.fromkeys(FACES, face), dict.fromkeys(VOICES, voice))

    made = rows(attacks_table(room[0], [attack("dubbed", 70), attack("dubbed", 71)]))
    for question in ("identify, dubbed", "verify, dubbed", "verify, dubbed, both required"):
        assert made[f"{question}: accepted"][0].startswith("0.0 ")
        assert made[f"{question}: accepted"][1] == f"{4 * 2 * 6}"


def test_small_galleries_of_clear_people(room: tuple[Room, Calibrators]) -> None:
    """No stranger is named, from the place or elsewhere, and nobody is missed."""
    outside = [clip for clip in clips(first=40, people=["a", "b"]) if clip.enrols]
    near, far, own = map(rows, gallery_tables(room[0], outside).split("\n\n"))
    for question in ("gallery of 1, fused", "gallery of 10, face", "verify, voice"):
        assert near[f"{question}: accepted"][0].startswith("0.0 ")
        assert far[f"{question}: accepted"][0].startswith("0.0 ")
        assert own[f"{question}: missed"][0].startswith("0.0 ")
    # Of 8 presenters left out 7 are strangers; so are both from elsewhere, and two with 3 clips.
    galleries = 4 * 8
    assert near["gallery of 1, fused: accepted"][1] == f"{galleries * 7}"
    assert far["gallery of 1, fused: accepted"][1] == f"{galleries * (2 + 6)}"
    assert own["gallery of 1, fused: missed"][1] == f"{galleries * 2}"


def test_who_is_measured_is_left_out(room: tuple[Room, Calibrators]) -> None:
    measured, calibrators = room
    before = len(calibrators.left_out)
    for (_, held_out), number in zip(measured.rotate(5), range(before, before + 9), strict=False):
        assert calibrators.left_out[number] == set(held_out)
        assert len(held_out) == 11 + 2


def test_a_share_has_an_interval_over_people() -> None:
    answers = [Answer((f"{n}", f"{n}"), "accepted" if n % 4 == 0 else "unknown") for n in range(40)]
    line = count("name", answers, lambda answer: answer.is_accepted)
    assert line.share == 0.25
    assert 0.1 < line.low < 0.25 < line.high < 0.45
    assert str(line) == f"| name | 25.0 ({100 * line.low:.1f} to {100 * line.high:.1f}) | 40 |"
    # Of none and of all a bootstrap says nothing.
    assert count("all", answers, lambda _: True).low == pytest.approx(0.025 ** (1 / 40))
    assert count("none", answers, lambda _: False).high == pytest.approx(1 - 0.025 ** (1 / 40))
