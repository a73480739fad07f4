"""The clips of a new job: which files of a request or of a folder, and whose. For the
API and the command line.

A file whose name cannot be stored, or says nobody whom it could be enrolled for, is
refused alone; the others are worked on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from werkzeug.datastructures import FileStorage

from gallery.names import parse_flagship_name, validate_person_id
from gallery.records.jobs import NewItem
from jobs.worker import keep_uploads
from utils.config import Settings
from utils.errors import DuetError, InvalidRequestError, MediaNotFoundError, PathForbiddenError

MAX_UPLOADS = 1000
MAX_NAME = 255


def of_uploads(
    about: Settings, job_id: str, uploads: Sequence[FileStorage], action: str, person_id: str | None
) -> list[NewItem]:
    """Uploaded clips, kept on the disk; to be enrolled for `person_id`, else for the
    person in the name of each.

    Raises InvalidRequestError for too many, StorageFullError.
    """
    if len(uploads) > MAX_UPLOADS:
        raise InvalidRequestError(
            f"At most {MAX_UPLOADS} clips are taken at once. Received: {len(uploads)}",
            "Send several jobs.",
        )
    items = [_uploaded(Path(file.filename or "").name, action, person_id) for file in uploads]
    kept = [(item, file) for item, file in zip(items, uploads, strict=True) if item.refused is None]
    for _, file in kept:
        file.stream.flush()
    media = iter(
        keep_uploads(about, job_id, [Path(cast(str, file.stream.name)) for _, file in kept])
        if kept
        else ()
    )
    return [item if item.refused else replace(item, media=next(media)) for item in items]


def of_media_folder(
    about: Settings, folder: str, action: str, person_id: str | None
) -> list[NewItem]:
    """The clips of a folder below the media root. Raises PathForbiddenError,
    MediaNotFoundError.
    """
    root = about.media_folder.resolve()
    start = _folder_below(root, folder)
    items = of_folder(start, action, person_id, within=root)
    if not items:
        raise MediaNotFoundError(f"The folder must hold clips. Received: none in {folder[:80]!a}")
    return [
        item if item.refused else replace(item, media=str((start / item.media).relative_to(root)))
        for item in items
    ]


def of_folder(
    start: Path, action: str, person_id: str | None, within: Path | None = None
) -> list[NewItem]:
    """The clips of a folder and its folders, in the order of their names; where they
    lie is said below `start`. They are enrolled for `person_id`, else for the person
    whose id is the name of the first folder. Left alone are hidden files, and those
    that links lead to outside `within`.
    """
    found = (
        path
        for path in sorted(_files(start))
        if within is None or path.resolve().is_relative_to(within)
    )
    return [_in_folder(path.relative_to(start), action, person_id) for path in found]


def _uploaded(name: str, action: str, person_id: str | None) -> NewItem:
    item = NewItem(name[:MAX_NAME], "", person_id, uploaded=True)
    if action == "identify" or person_id is not None:
        return item
    try:
        return replace(item, person_id=parse_flagship_name(name))
    except DuetError as error:
        return replace(item, refused=error)


def one_clip(name: Path, person_id: str | None) -> NewItem:
    """A clip of the folder that `name` is below."""
    shown = os.fsencode(name).decode(errors="replace")
    item = NewItem(shown[-MAX_NAME:], shown, person_id)
    if shown == str(name):
        return item
    return _refused(
        item,
        InvalidRequestError(
            "The name of a file is text in UTF-8. Received: other bytes", "Rename the file."
        ),
    )


def _in_folder(name: Path, action: str, person_id: str | None) -> NewItem:
    item = one_clip(name, person_id)
    if item.refused or action == "identify" or person_id is not None:
        return item
    try:
        return replace(item, person_id=_owner(name))
    except DuetError as error:
        return _refused(item, error)


def _refused(item: NewItem, error: DuetError) -> NewItem:
    return replace(item, media="", refused=error)


def _owner(name: Path) -> str:
    """Whose a clip of a folder is: the first folder in its name. Raises
    InvalidRequestError, InvalidNameError.
    """
    if len(name.parts) < 2:
        raise InvalidRequestError(
            "To enrol a folder, lay the clips of each person in a folder of their own. Received:"
            f" {name.name[:80]!a} outside such a folder",
            "Move it, or name the person who all clips are of.",
        )
    return validate_person_id(name.parts[0])


def _files(start: Path) -> Iterator[Path]:
    """Files that are not hidden, nor in a folder that is. A folder in `start` may be a
    link; those below are not followed, as they may lead round in circles.
    """
    _, folders, _ = next(os.walk(start), (start, [], []))
    for top in (
        start,
        *(start / name for name in folders if not _hidden(name) and (start / name).is_symlink()),
    ):
        for folder, below, names in os.walk(top):
            below[:] = [name for name in below if not _hidden(name)]
            paths = (Path(folder, name) for name in names if not _hidden(name))
            yield from (path for path in paths if os.path.isfile(path))  # noqa: PTH113 - this one is False where it may not be looked at


def _folder_below(root: Path, folder: str) -> Path:
    """The folder below `root`, symbolic links followed. Raises PathForbiddenError,
    MediaNotFoundError.
    """
    try:
        path = (root / folder).resolve()
        inside = path.is_relative_to(root)
        found = path.is_dir()
    except (OSError, ValueError, RuntimeError):  # a NUL, a name too long, links in a circle
        inside = found = False
    if not inside or any(_hidden(part) for part in path.relative_to(root).parts):
        raise PathForbiddenError(
            f"`folder` must be a folder below the media root. Received: {folder[:80]!a}"
        )
    if not found:
        raise MediaNotFoundError(
            f"There is no such folder below the media root. Received: {folder[:80]!a}"
        )
    return path


def _hidden(name: str) -> bool:
    """Such as `jobs.worker.UPLOADS`, where the uploads of jobs lie."""
    return name.startswith(".")
