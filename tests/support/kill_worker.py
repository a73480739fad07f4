"""What tests/gallery/test_kills.py kills.

A process that changes a gallery in every way there is, and notes what was acknowledged.

The journal is written with one `os.write` a line, so that a kill loses no line: `begin
ACTION IDS`, then `end` once the call returned.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

from gallery.records.jobs import Jobs, NewItem, NewJob
from jobs.worker import Workplace, work
from recognition.recognizer import Recognizer
from tests.support.asking import enroll
from tests.support.gallery_parts import make_recognizer, write_clip
from utils.config import Settings
from utils.errors import DuetError

JOURNAL = "journal"


class Worker:
    """One life of the process.

    `number` tells it from the others.
    """

    def __init__(self, folder: Path, number: int, url: str) -> None:
        self._folder = folder
        self._number = number
        self._next = 0
        self._rng = random.Random(number)
        self._settings = Settings.of(data_dir=folder, database_url=url)
        self._recognizer: Recognizer = make_recognizer(folder, keep_media=True, database_url=url)
        self._jobs = Jobs(self._recognizer.store.database)
        self._journal = os.open(folder / JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def run(self) -> None:
        """Until somebody kills it."""
        work(Workplace(self._recognizer, self._jobs, self._settings))  # what the last one left
        actions = (
            self.enroll,
            self.enroll,
            self.enroll,
            self.add,
            self.replace,
            self.delete,
            self.merge,
            self.move,
            self.rename,
            self.job,
        )
        while True:
            self._rng.choice(actions)()

    def _note(self, *words: object) -> None:
        os.write(self._journal, (" ".join(map(str, words)) + "\n").encode())

    def _new(self) -> tuple[str, int]:
        self._next += 1
        return f"p{self._number}-{self._next}", self._number * 100_000 + self._next

    def _clip(self, identity: int, sample: int = 0, name: str = "clip") -> Path:
        # A face's first pixels hold three numbers below 256: enough identities for
        # nobody to be taken for another by the stand-ins.
        return write_clip(
            self._folder / f"{name}{self._number}",
            face=identity % 251,
            voice=identity % 119,
            sample=sample,
        )

    def _somebody(self, count: int = 1) -> list[str] | None:
        people = [p.person_id for p in self._recognizer.store.list_people(limit=1000).people]
        return self._rng.sample(people, count) if len(people) > count + 3 else None

    def enroll(self) -> None:
        person_id, identity = self._new()
        self._note("begin", "enroll", person_id)
        enroll(self._recognizer, person_id, self._clip(identity), create=True, force=True)
        self._note("end")

    def add(self) -> None:
        if chosen := self._somebody():
            self._note("begin", "add", chosen[0])
            enroll(self._recognizer, chosen[0], self._clip(self._new()[1], 1), force=True)
            self._note("end")

    def replace(self) -> None:
        if chosen := self._somebody():
            self._note("begin", "replace", chosen[0])
            enroll(
                self._recognizer, chosen[0], self._clip(self._new()[1], 2), replace=True, force=True
            )
            self._note("end")

    def delete(self) -> None:
        if chosen := self._somebody():
            self._note("begin", "delete", chosen[0])
            self._recognizer.store.delete_person(chosen[0])
            self._note("end")

    def merge(self) -> None:
        if chosen := self._somebody(2):
            self._note("begin", "merge", *chosen)
            self._recognizer.store.merge_people(chosen[0], chosen[1])
            self._note("end")

    def move(self) -> None:
        chosen = self._somebody(2)
        if chosen and len(infos := self._recognizer.store.list_templates(chosen[0])) > 1:
            self._note("begin", "move", *chosen)
            self._recognizer.store.move_template(chosen[0], infos[0].template_id, chosen[1])
            self._note("end")

    def rename(self) -> None:
        if chosen := self._somebody():
            self._note("begin", "rename", chosen[0])
            self._recognizer.store.update_person(chosen[0], name=f"Name {self._next}")
            self._note("end")

    def job(self) -> None:
        """Its files are enrolled by whoever lives long enough.

        The job itself is acknowledged here.
        """
        self._settings.storage.media_folder.mkdir(exist_ok=True)
        items = []
        for _ in range(3):
            person_id, identity = self._new()
            self._clip(identity, name=f"media/{person_id}-")
            items.append(NewItem(person_id, f"{person_id}-{self._number}", person_id))
        self._note("begin", "job", *(item.name for item in items))
        self._jobs.create(NewJob("enroll", items, force=True))
        self._note("end")
        work(Workplace(self._recognizer, self._jobs, self._settings))


def live(folder: str, number: int, url: str) -> None:
    """The process."""
    try:
        Worker(Path(folder), number, url).run()
    except DuetError as error:
        os.write(2, f"unexpected {error.code}: {error.message}\n".encode())
        raise
