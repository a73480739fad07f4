"""Tables of small galleries of one room: `cli.py evaluate room`.

Presenters whom the calibration was not fitted to are enrolled, a few at a time. The
other presenters are strangers of the same place. Strangers from elsewhere were filmed
somewhere else. Whoever is enrolled is asked about with another clip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from gallery.search.memory import Snapshot
from train.measure.room import Answer, RoomClip, Service
from train.measure.room_tables import (
    FITTED,
    SEED,
    Named,
    Room,
    head,
    lines,
    of_decision,
    of_verdict,
)

# Presenters whom a calibration is fitted to, and sizes of galleries of the others. A
# gallery of ten needs eleven of them.
PLANS = ((FITTED, (1, 3, 5)), (5, (10,)))
# Galleries of each size and rotation.
DRAWS = 8
ACCEPTED: dict[str, Callable[[Answer], bool]] = {"accepted": lambda answer: answer.is_accepted}
MISSED: dict[str, Callable[[Answer], bool]] = {
    "missed": lambda answer: not (answer.is_accepted and answer.right)
}


@dataclass(frozen=True)
class SmallGallery:
    """A gallery of presenters.

    Attributes:
        snapshot: The gallery.
        strangers: A clip of each of the others.
        own: Further clips of those who are enrolled.
    """

    snapshot: Snapshot
    strangers: Sequence[RoomClip]
    own: Sequence[RoomClip]

    @property
    def title(self) -> str:
        """What a line is headed with."""
        return f"gallery of {self.snapshot.people}"


def gallery_tables(room: Room, elsewhere: Sequence[RoomClip]) -> str:
    """Make the tables of strangers of the place, of strangers from elsewhere, and of misses.

    `elsewhere`: a clip each of people who are no presenters.
    """
    outside = [*elsewhere, *room.clips_of(room.others)]
    near: list[Named] = []
    far: list[Named] = []
    own: list[Named] = []
    for fitted, sizes in PLANS:
        for service, held_out in room.rotate(fitted):
            people = [name for name in held_out if name in room.presenters]
            for size in sizes:
                for gallery in _draw(room, service, people, size):
                    near += _ask(service, gallery, gallery.strangers)
                    far += _ask(service, gallery, outside)
                    own += _ask(service, gallery, gallery.own)
            if fitted == FITTED:
                near += _verify(room, service, people, room.clips_of(people, enrols=False))
                far += _verify(room, service, people, outside)
                own += _verify_own(room, service, people)
    tables = (
        [*head("presenters who are strangers, 1 % stated"), *lines(near, ACCEPTED)],
        [*head("strangers from elsewhere, 1 % stated"), *lines(far, ACCEPTED)],
        [*head("presenters who are enrolled, 1 % stated"), *lines(own, MISSED)],
    )
    return "\n\n".join("\n".join(table) for table in tables)


def _draw(room: Room, service: Service, people: Sequence[str], size: int) -> Iterator[SmallGallery]:
    """Galleries of some of the people, with a clip of each, chosen at random."""
    for number in range(DRAWS):
        rng = np.random.default_rng([SEED, size, number])
        order = rng.permutation(people).tolist()
        clips = [_shuffle(room.clips_of([name]), rng) for name in order]
        yield SmallGallery(
            snapshot=service.gallery([own[0] for own in clips[:size]]),
            strangers=[own[0] for own in clips[size:]],
            own=list(chain.from_iterable(own[1:] for own in clips[:size])),
        )


def _shuffle(clips: Sequence[RoomClip], rng: np.random.Generator) -> list[RoomClip]:
    return [clips[place] for place in rng.permutation(len(clips))]


def _ask(service: Service, gallery: SmallGallery, clips: Sequence[RoomClip]) -> Iterator[Named]:
    for clip in clips:
        probe = service.probe(clip.face["clean"], clip.voice["clean"])
        people = (clip.person, clip.person)
        for modality, decision in service.identify(probe, gallery.snapshot).items():
            yield f"{gallery.title}, {modality}", of_decision(decision, people)


def _verify(
    room: Room, service: Service, people: Sequence[str], clips: Sequence[RoomClip]
) -> Iterator[Named]:
    """These clips against the enrolment of everybody else."""
    for stored in room.clips_of(people, enrols=True):
        others = [clip for clip in clips if clip.person != stored.person]
        yield from _compare(service, stored, others)


def _verify_own(room: Room, service: Service, people: Sequence[str]) -> Iterator[Named]:
    for stored in room.clips_of(people, enrols=True):
        yield from _compare(service, stored, room.clips_of([stored.person], enrols=False))


def _compare(service: Service, stored: RoomClip, clips: Sequence[RoomClip]) -> Iterator[Named]:
    for clip in clips:
        probe = service.probe(clip.face["clean"], clip.voice["clean"])
        for modality, verdict in service.verify(probe, stored).items():
            yield f"verify, {modality}", of_verdict(verdict, (clip.person, stored.person))
