"""Settings of where data and models lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from utils.settings.subject import Subject, setting
from utils.settings.values import url_of

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class StorageSettings(Subject):
    """Where data and models lie."""

    data_dir: Path = setting(
        ROOT / "data",
        "Folder for everything that is written at run time: database, temporary media.",
    )
    database_url: str = setting(
        "",
        "SQLAlchemy URL of the gallery. Empty: SQLite file duet.db in DUET_DATA_DIR.",
        secret=True,
    )
    media_root: Path | None = setting(
        None,
        "The only folder that clips are read from by path: Identification_Request, and folders"
        " of jobs. Empty: folder media in DUET_DATA_DIR.",
    )
    model_dir: Path = setting(
        ROOT / "best_model",
        "Folder with face/, voice/ and fusion/, each with weights and card.json.",
    )

    @property
    def gallery_url(self) -> str:
        """The database URL, with the default filled in."""
        return self.database_url or url_of(self.data_dir / "duet.db")

    @property
    def media_folder(self) -> Path:
        """The media root, with the default filled in."""
        return self.media_root or self.data_dir / "media"

    @property
    def temporary_folder(self) -> Path:
        """Where uploads lie while their request is answered."""
        return self.data_dir / "tmp"
