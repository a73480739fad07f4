"""The gallery as the product uses it: one store with all its transactions."""

from __future__ import annotations

from gallery.database.open import open_database
from gallery.encryption.sealing import codec_of
from gallery.ledger import Ledger
from gallery.records.people import NewPerson
from gallery.records.sightings import Rules
from gallery.records.templates import NewTemplate, mismatch
from gallery.transactions.answers import AnswerTransactions
from gallery.transactions.audit import AuditTransactions
from gallery.transactions.base import Terms
from gallery.transactions.groups import GroupTransactions
from gallery.transactions.sightings import SightingTransactions
from gallery.transactions.strangers import StrangerTransactions
from gallery.transactions.templates import Stored, TemplateTransactions
from gallery.transactions.transcripts import TranscriptTransactions
from gallery.transactions.visits import VisitTransactions
from utils.config import Settings

__all__ = ["NewPerson", "NewTemplate", "Store", "Stored", "mismatch", "open_store"]


class Store(
    GroupTransactions,
    TemplateTransactions,
    AnswerTransactions,
    TranscriptTransactions,
    SightingTransactions,
    VisitTransactions,
    StrangerTransactions,
    AuditTransactions,
):
    """People, templates, answers, transcripts and the audit of one gallery.

    Shared by all requests and threads.
    """

    def check(self) -> None:
        """Raise StoreUnavailableError unless the database answers."""
        self.count()

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def open_store(settings: Settings) -> Store:
    """Open the store of `settings.storage.gallery_url`.

    Raises ConfigError, StoreUnavailableError, StorageFullError.
    """
    folder = settings.backup.backup_dir
    store = Store(
        open_database(settings.storage.gallery_url),
        codec_of(settings),
        settings.storage.media_folder,
        terms_of(settings),
        ledger=Ledger(folder) if folder else None,
    )
    store.rules = rules_of(settings)
    return store


def terms_of(settings: Settings) -> Terms:
    """Make the terms of what is remembered from the settings."""
    return Terms(
        feedback_days=settings.privacy.feedback_days,
        transcript_days=settings.privacy.transcript_days,
        visit_days=settings.visitors.visit_days,
        stranger_days=settings.visitors.stranger_days,
    )


def rules_of(settings: Settings) -> Rules:
    """Make the rules of sightings from the settings."""
    events = settings.events
    return Rules(events.unknown_events, events.event_days, tuple(events.receivers))
