"""Tables of decisions in one room: `cli.py evaluate room`.

The people are the presenters of `train.calibration.places`, filmed in the same studios,
and the speakers of GRID. Presenters are divided at random several times. Each time the
calibration is fitted to one part of them and to the other data, and the other part is
asked about. All people are in the gallery, unless the line says that one is not.

A mixed clip has the face of one person and the voice of another of the same place. An
attack is a clip that was made: a dub, a moved mouth, a photograph with sound. The person
attacked is enrolled with the face of that very clip, and with the voice of one of the
people. So the face is as sure as it can be, and the voice is not that person's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from recognition.results import Decision, Verdict
from train.data.pseudo_people import Fuse
from train.measure.room import Answer, Calibrator, RoomClip, Service, count
from utils.settings.decision import DecisionSettings

SEED = 9
ROTATIONS = 4
# Presenters whom a calibration is fitted to.
FITTED = 8
# People whose voices are enrolled with the face of an attack.
ATTACKED = 6
CONDITIONS = (
    ("clean", "clean"),
    ("clean", "noise 5 dB"),
    ("clean", "2 s"),
    ("clean", "1 s"),
    ("blur", "clean"),
    ("dark", "clean"),
)
Named = tuple[str, Answer]
"""A question by name, and an answer."""
OUTCOMES: dict[str, Callable[[Answer], bool]] = {
    "right": lambda answer: answer.is_accepted and answer.right,
    "right, by face and voice": lambda answer: answer.is_by_both and answer.right,
    "another name": lambda answer: answer.is_accepted and not answer.right,
    "conflict": lambda answer: answer.outcome == "conflict",
}


class Room:
    """The clips of the people, and services calibrated without some of them."""

    def __init__(
        self,
        clips: Sequence[RoomClip],
        calibrator: Calibrator,
        fuse: Fuse,
        settings: DecisionSettings,
    ) -> None:
        """Take the clips, and what the services are made of."""
        self.presenters = sorted({clip.person for clip in clips if clip.presents})
        self.others = sorted({clip.person for clip in clips if not clip.presents})
        self.enrolments = [clip for clip in clips if clip.enrols]
        self._clips = clips
        self._calibrator = calibrator
        self._fuse = fuse
        self._settings = settings

    def rotate(self, fitted: int) -> Iterator[tuple[Service, list[str]]]:
        """Services calibrated on `fitted` presenters, and the people left out."""
        for number in range(ROTATIONS):
            order = np.random.default_rng([SEED, number]).permutation(self.presenters).tolist()
            held_out = order[fitted:] + self.others
            calibrations = self._calibrator.without(held_out)
            yield Service(self._fuse, self._settings, calibrations), held_out

    def clips_of(self, people: Sequence[str], *, enrols: bool | None = None) -> list[RoomClip]:
        """Clips of these people, all or those that enrol them or do not."""
        of_people = [clip for clip in self._clips if clip.person in people]
        return [clip for clip in of_people if enrols is None or clip.enrols == enrols]

    def without(self, person: str) -> list[RoomClip]:
        """Enrolments of everybody but this person."""
        return [clip for clip in self.enrolments if clip.person != person]


def mixed_table(room: Room) -> str:
    """Make the table of mixed and of genuine clips."""
    mixed: list[Named] = []
    genuine: list[Named] = []
    for service, held_out in room.rotate(FITTED):
        door = replace(service, settings=replace(service.settings, require_both=True))
        mixed += _ask_mixed(room, service, held_out)
        mixed += [(f"{name}, both required", a) for name, a in _ask_mixed(room, door, held_out)]
        genuine += _ask_genuine(room, service, held_out)
    rows = [
        *head("mixed clips"),
        *lines(mixed, {"accepted": lambda a: a.is_accepted, "by face and voice": _by_both}),
        "",
        *head("genuine clips"),
        *lines(genuine, OUTCOMES),
    ]
    return "\n".join(rows)


def _by_both(answer: Answer) -> bool:
    return answer.is_by_both


def _pairs(clips: Sequence[RoomClip]) -> Iterator[tuple[RoomClip, RoomClip]]:
    """Each clip's face with a voice of each other person of the same place."""
    rng = np.random.default_rng(SEED)
    for face in clips:
        voices: dict[str, list[RoomClip]] = {}
        for clip in clips:
            if clip.person != face.person and clip.presents == face.presents:
                voices.setdefault(clip.person, []).append(clip)
        for own in voices.values():
            yield face, own[int(rng.integers(len(own)))]


def _ask_mixed(room: Room, service: Service, held_out: Sequence[str]) -> Iterator[Named]:
    everybody = service.gallery(room.enrolments)
    lacking = {name: service.gallery(room.without(name)) for name in held_out}
    stored = {clip.person: clip for clip in room.enrolments}
    for face, voice in _pairs(room.clips_of(held_out, enrols=False)):
        people = (face.person, voice.person)
        probe = service.probe(face.face["clean"], voice.voice["clean"])
        for name, gallery in (
            ("identify, both enrolled", everybody),
            ("identify, the voice is not enrolled", lacking[voice.person]),
            ("identify, the face is not enrolled", lacking[face.person]),
        ):
            yield name, of_decision(service.identify(probe, gallery).fused, people)
        for name, person in (
            ("verify with the person of the face", face.person),
            ("verify with the person of the voice", voice.person),
        ):
            yield name, of_verdict(service.verify(probe, stored[person]).fused, people)


def _ask_genuine(room: Room, service: Service, held_out: Sequence[str]) -> Iterator[Named]:
    everybody = service.gallery(room.enrolments)
    stored = {clip.person: clip for clip in room.enrolments}
    for clip in room.clips_of(held_out, enrols=False):
        people = (clip.person, clip.person)
        for face, voice in CONDITIONS:
            probe = service.probe(clip.face[face], clip.voice[voice])
            answer = of_decision(service.identify(probe, everybody).fused, people)
            yield f"identify, {face} / {voice}", answer
            verdict = service.verify(probe, stored[clip.person]).fused
            yield f"verify, {face} / {voice}", of_verdict(verdict, people)


def attacks_table(room: Room, attacks: Sequence[RoomClip]) -> str:
    """Make the table of attacks. The person of each is the kind of attack."""
    answers: list[Named] = []
    for service, held_out in room.rotate(FITTED):
        door = replace(service, settings=replace(service.settings, require_both=True))
        answers += _ask_attacks(room, service, held_out, attacks)
        strict = _ask_attacks(room, door, held_out, attacks)
        answers += [(f"{name}, both required", answer) for name, answer in strict]
    rows = lines(answers, {"accepted": lambda a: a.is_accepted, "by face and voice": _by_both})
    return "\n".join([*head("attacks with another voice"), *rows])


def _ask_attacks(
    room: Room, service: Service, held_out: Sequence[str], attacks: Sequence[RoomClip]
) -> Iterator[Named]:
    rng = np.random.default_rng(SEED)
    for clip in attacks:
        probe = service.probe(clip.face["clean"], clip.voice["clean"])
        for voice in room.clips_of(rng.permutation(held_out)[:ATTACKED].tolist(), enrols=True):
            people = (clip.person, voice.person)
            attacked = replace(voice, person=clip.person, face=clip.face)
            gallery = service.gallery([attacked, *room.without(voice.person)])
            decision = service.identify(probe, gallery).fused
            yield f"identify, {clip.person}", of_decision(decision, people)
            verdict = service.verify(probe, attacked).fused
            yield f"verify, {clip.person}", of_verdict(verdict, people)


def of_decision(decision: Decision, people: tuple[str, str]) -> Answer:
    """The answer of an identification. The first of the people is the right one."""
    named = decision.match.person_id if decision.match else ""
    return Answer(
        people=people,
        outcome=str(decision.outcome),
        by=str(decision.modality or ""),
        right=named in ("", people[0]),
    )


def of_verdict(verdict: Verdict, people: tuple[str, str]) -> Answer:
    """The answer of a verification."""
    return Answer(people=people, outcome=verdict.outcome, by=str(verdict.modality or ""))


def head(title: str) -> tuple[str, str]:
    """The first lines of a table."""
    return f"| {title} | percent (95 %) | answers |", "|---|---|---|"


def lines(answers: Sequence[Named], chosen: dict[str, Callable[[Answer], bool]]) -> Iterator[str]:
    """A line for each question and each kind of answer that is chosen."""
    by_name: dict[str, list[Answer]] = {}
    for name, answer in answers:
        by_name.setdefault(name, []).append(answer)
    for name, part in by_name.items():
        for kind, is_chosen in chosen.items():
            yield str(count(f"{name}: {kind}", part, is_chosen))
