"""Uploaded clips of jobs: kept below the media root until they are worked on."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from gallery.records.job_files import remove_uploads
from gallery.records.jobs import Jobs
from utils.config import Settings
from utils.errors import NO_ROOM, StorageFullError

UPLOADS = ".jobs"
"""Folder below the media root for files that were uploaded for a job."""
MOST_ATTEMPTS = 3
"""Attempts to store a file in a folder that another process removes when it is empty."""
LEFT_S = 86_400.0
"""Age in seconds at which uploads that no job needs are removed.

Younger ones may belong to a job that is just being sent.
"""


def keep_uploads(settings: Settings, job_id: str, uploads: Sequence[Path]) -> list[str]:
    """Copy uploaded files for a job, safe on the disk.

    Returns their paths below the media root. The names are ours, never the sender's.
    Raises StorageFullError: then nothing is left behind.
    """
    folder = settings.storage.media_folder / UPLOADS / job_id
    try:
        for made in (folder.parent, folder):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number, upload in enumerate(uploads):
            _copy(upload, folder / f"{number:05d}")
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        if error.errno in NO_ROOM:
            raise StorageFullError(
                "The server has no room left for the uploads of a job."
            ) from error
        raise
    return [
        str((folder / f"{number:05d}").relative_to(settings.storage.media_folder))
        for number in range(len(uploads))
    ]


def keep_upload(settings: Settings, job_id: str, upload: Path) -> str:
    """Copy a file that comes alone for a job, safe on the disk.

    Returns its path below the media root. The name is ours. Raises StorageFullError: then
    nothing is left behind.
    """
    folder = settings.storage.media_folder / UPLOADS / job_id
    target = folder / uuid.uuid4().hex
    for attempt in range(MOST_ATTEMPTS):
        try:
            for made in (folder.parent, folder):
                made.mkdir(mode=0o700, parents=True, exist_ok=True)
            _copy(upload, target)
            break
        except FileNotFoundError:  # whoever removed the last file removed the folder, too
            if attempt == MOST_ATTEMPTS - 1:
                raise
        except OSError as error:
            target.unlink(missing_ok=True)
            if error.errno in NO_ROOM:
                raise StorageFullError("The server has no room left for the upload.") from error
            raise
    return str(target.relative_to(settings.storage.media_folder))


def _copy(upload: Path, target: Path) -> None:
    with upload.open("rb") as source, target.open("xb") as copy:
        shutil.copyfileobj(source, copy, 1 << 20)
        copy.flush()
        os.fsync(copy.fileno())


def remove_unused(jobs: Jobs, settings: Settings) -> None:
    """Remove old uploads that no job needs: their process was killed before it could.

    Raises StoreUnavailableError.
    """
    root = settings.storage.media_folder
    old = [path for path in (root / UPLOADS).glob("*/*") if _age_s(path) > LEFT_S]
    needed = jobs.uploads() if old else set()
    remove_uploads(root, {str(path.relative_to(root)) for path in old} - needed)


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:  # removed by another process
        return 0.0
