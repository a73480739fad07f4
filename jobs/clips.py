"""The clips of a new job: which files of a request or of a folder, and of whom.

A file whose name cannot be stored, or does not say whom it is of, is refused alone. The
others are worked on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from gallery.names import display_name, make_person_id, parse_clip_name, read_clip_person
from gallery.records.jobs import NewItem
from jobs.uploads import keep_uploads
from utils.config import Settings
from utils.errors import DuetError, InvalidRequestError, MediaNotFoundError, PathForbiddenError
from utils.links import leads_back

MAX_UPLOADS = 1000
MAX_NAME = 255
_SYSTEM_FILES = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})
_DOCUMENTS = frozenset(
    {".txt", ".md", ".rst", ".rtf", ".pdf", ".doc", ".docx", ".odt", ".pages", ".csv", ".tsv"}
    | {".xls", ".xlsx", ".ods", ".ppt", ".pptx", ".odp", ".json", ".xml", ".yaml", ".yml"}
    | {".toml", ".ini", ".cfg", ".log", ".html", ".htm", ".url", ".lnk", ".desktop", ".srt"}
    | {".vtt", ".py", ".sh", ".bat", ".db", ".tmp", ".bak"}
)


@dataclass(frozen=True)
class Upload:
    """Uploaded file: the name its sender gave it, and where it lies for the moment."""

    filename: str
    path: Path


def list_uploads(
    uploads: Sequence[Upload],
    *,
    job_id: str,
    settings: Settings,
    action: str,
    person_id: str | None,
) -> list[NewItem]:
    """List uploaded clips, and keep their files on the disk.

    They are enrolled for `person_id`, else for the person in the name of each. Raises
    InvalidRequestError for too many, StorageFullError.
    """
    if len(uploads) > MAX_UPLOADS:
        raise InvalidRequestError(
            f"At most {MAX_UPLOADS} clips are taken at once. Received: {len(uploads)}",
            "Send several jobs.",
        )
    items = [_upload_item(Path(upload.filename).name, action, person_id) for upload in uploads]
    wanted = [
        upload.path for item, upload in zip(items, uploads, strict=True) if item.refused is None
    ]
    media = iter(keep_uploads(settings, job_id, wanted) if wanted else ())
    return [item if item.refused else replace(item, media=next(media)) for item in items]


def list_media_folder(
    settings: Settings, folder: str, action: str, person_id: str | None
) -> list[NewItem]:
    """List the clips of a folder below the media root.

    Raises PathForbiddenError, MediaNotFoundError.
    """
    root = settings.storage.media_folder.resolve()
    start = _folder_below(root, folder)
    items = list_folder(start, action, person_id, within=root)
    if not items:
        raise MediaNotFoundError(f"The folder holds no clips. Received: {folder[:80]!r}")
    return [
        item if item.refused else replace(item, media=str((start / item.media).relative_to(root)))
        for item in items
    ]


def list_folder(
    start: Path, action: str, person_id: str | None, within: Path | None = None
) -> list[NewItem]:
    """List the clips of a folder and its folders by name, with paths relative to `start`.

    They are enrolled for `person_id`, else for the person whose name or id is that of
    the first folder. Hidden files and documents (`is_document`) are left out, and those
    that links lead to outside `within`.
    """
    paths = sorted(path for path in _files(start) if not is_document(path))
    if within is not None:
        paths = [path for path in paths if path.resolve().is_relative_to(within)]
    return [_in_folder(path.relative_to(start), action, person_id) for path in paths]


def list_files(start: Path) -> list[str]:
    """List the files of a folder and its folders that are not hidden, relative to it."""
    return sorted(str(path.relative_to(start)) for path in _files(start))


def is_document(path: PurePath) -> bool:
    """Whether a file is one that systems and people put beside clips."""
    return path.name.casefold() in _SYSTEM_FILES or path.suffix.casefold() in _DOCUMENTS


def name_in_path(name: str, person_id: str) -> str | None:
    """The name to show of a person whose id was made from a folder or from the file."""
    path = Path(name)
    return display_name(person_id, path.parts[0] if len(path.parts) > 1 else read_clip_person(name))


def _upload_item(name: str, action: str, person_id: str | None) -> NewItem:
    item = NewItem(name[:MAX_NAME], "", person_id, uploaded=True)
    if action != "enroll" or person_id is not None:
        return item
    try:
        return replace(item, person_id=parse_clip_name(name))
    except DuetError as error:
        return replace(item, refused=error)


def make_item(name: Path, person_id: str | None) -> NewItem:
    """Make the item of a clip. `name` is its path below its folder."""
    shown = os.fsencode(name).decode(errors="replace")
    item = NewItem(shown[-MAX_NAME:], shown, person_id)
    if shown == str(name):
        return item
    return _refuse(
        item,
        InvalidRequestError("The name of the file is not text in UTF-8.", "Rename the file."),
    )


def _in_folder(name: Path, action: str, person_id: str | None) -> NewItem:
    item = make_item(name, person_id)
    if item.refused or action != "enroll" or person_id is not None:
        return item
    try:
        return replace(item, person_id=_owner(name))
    except DuetError as error:
        return _refuse(item, error)


def _refuse(item: NewItem, error: DuetError) -> NewItem:
    return replace(item, media="", refused=error)


def _owner(name: Path) -> str:
    """Read whom a clip of a folder is of: the first folder in its name.

    Raises InvalidRequestError, InvalidNameError.
    """
    if len(name.parts) < 2:
        raise InvalidRequestError(
            "The clips of each person must be in a folder of their own. Received:"
            f" {name.name[:80]!r}, outside such a folder",
            "Move it, or name the person of all clips.",
        )
    return make_person_id(name.parts[0])


def _files(start: Path) -> Iterator[Path]:
    """Yield files that are not hidden, nor in a hidden folder.

    A folder in `start` may be a link, except to `start` or above it: the clips of all
    would be of one person. Links below are not followed, as they may lead round in
    circles.
    """
    _, folders, _ = next(os.walk(start), (start, [], []))
    for top in (start, *(start / name for name in folders if _is_linked(start, name))):
        for folder, below, names in os.walk(top):
            below[:] = [name for name in below if not _hidden(name)]
            paths = (Path(folder, name) for name in names if not _hidden(name))
            yield from (path for path in paths if os.path.isfile(path))  # noqa: PTH113 - this one is False where it may not be looked at


def _is_linked(start: Path, name: str) -> bool:
    """Whether a folder in `start` is a link that is followed."""
    link = start / name
    return link.is_symlink() and not _hidden(name) and not leads_back(start, link)


def _folder_below(root: Path, folder: str) -> Path:
    """Resolve the folder below `root`, symbolic links followed.

    Raises PathForbiddenError, MediaNotFoundError.
    """
    try:
        path = (root / folder).resolve()
        is_inside = path.is_relative_to(root)
        exists = path.is_dir()
    except (OSError, ValueError, RuntimeError):  # a NUL, a name too long, links in a circle
        is_inside = exists = False
    if not is_inside or any(_hidden(part) for part in path.relative_to(root).parts):
        raise PathForbiddenError(
            f"`folder` must be a folder below the media root. Received: {folder[:80]!r}"
        )
    if not exists:
        raise MediaNotFoundError(
            f"There is no such folder below the media root. Received: {folder[:80]!r}"
        )
    return path


def _hidden(name: str) -> bool:
    """Whether a name is hidden, like `jobs.uploads.UPLOADS`."""
    return name.startswith(".")
