"""The one place that walks the way of a clip: media file → alignment → embeddings → search → decision or enrolment."""
from __future__ import annotations

from pathlib import Path

from gallery.ports import Aligner, Encoders
from gallery.results import EnrollResult, FirstSightResult, PeoplePage, StaleTemplates, TemplateInfo, VerifyResult
from gallery.store import Store
from utils.config import Settings
from utils.types import Identification, Person


class Recognizer:
    """Shared by all requests and threads. Create it after a fork, never before."""

    def __init__(self, aligner: Aligner, encoders: Encoders, store: Store, settings: Settings) -> None:
        raise NotImplementedError

    def identify(self, path: Path, *, filename: str | None = None) -> Identification:
        """Who is in the clip at `path`? Raises MediaError (NoBiometricError), BusyError, EncoderMismatchError, StoreUnavailableError."""
        raise NotImplementedError

    def enroll(self, person_id: str, path: Path, *, filename: str | None = None, replace: bool = False, force: bool = False) -> EnrollResult:
        """Store templates of the clip. Raises PersonNotFoundError, DuplicatePersonError (`details`: person_id, name, score, probability,
        modality), EncoderMismatchError, StorageFullError and what `identify` raises."""
        raise NotImplementedError

    def verify_person(self, path: Path, person_id: str, *, filename: str | None = None) -> VerifyResult:
        """Is the clip of this person? Raises PersonNotFoundError and what `identify` raises."""
        raise NotImplementedError

    def verify_clips(self, path: Path, reference: Path, *, filename: str | None = None, reference_filename: str | None = None) -> VerifyResult:
        """Are the two clips of one person?"""
        raise NotImplementedError

    def first_sight(self, person_id: str, name: str | None, path: Path, *, filename: str | None = None,
                    re_register: bool = False) -> FirstSightResult:
        """Identify; enrol too when `person_id` is new or `re_register` is set. `name` None = the id."""
        raise NotImplementedError

    def create_person(self, person_id: str | None = None, name: str | None = None, note: str = "") -> Person:
        """Raises InvalidNameError, PersonExistsError. An id is made when there is none; `name` None = the id."""
        raise NotImplementedError

    def get_person(self, person_id: str) -> Person:
        """Raises PersonNotFoundError."""
        raise NotImplementedError

    def list_people(self, search: str = "", offset: int = 0, limit: int = 50) -> PeoplePage:
        """People whose id or name holds `search` (any case), by id; `limit` 1 to 1000. Raises InvalidRequestError."""
        raise NotImplementedError

    def update_person(self, person_id: str, *, name: str | None = None, note: str | None = None) -> Person:
        """Change what is not None. Raises PersonNotFoundError, InvalidNameError."""
        raise NotImplementedError

    def delete_person(self, person_id: str) -> None:
        """Forget the person and all templates, also in the bytes of the database files. Raises PersonNotFoundError."""
        raise NotImplementedError

    def list_templates(self, person_id: str) -> tuple[TemplateInfo, ...]:
        """Oldest first. Raises PersonNotFoundError."""
        raise NotImplementedError

    def delete_template(self, person_id: str, template_id: str) -> None:
        """Raises PersonNotFoundError, TemplateNotFoundError."""
        raise NotImplementedError

    def count(self) -> int:
        """How many people there are."""
        raise NotImplementedError

    def stale_templates(self) -> tuple[StaleTemplates, ...]:
        """Templates of earlier encoders, by modality; empty when all is current."""
        raise NotImplementedError

    def check(self) -> None:
        """Raise StoreUnavailableError unless the database answers (for the health route)."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the database."""
        raise NotImplementedError
