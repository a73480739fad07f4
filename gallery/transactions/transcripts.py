"""Transactions on kept transcripts: keep, read, list and delete them."""

from __future__ import annotations

from gallery import audit
from gallery.records import transcripts
from gallery.results import KeptTranscript, NewTranscript, TranscriptPage
from gallery.transactions.base import Transactions


class TranscriptTransactions(Transactions):
    """Transactions on kept transcripts. The caller knows whether any may be kept."""

    def keep_transcript(self, new: NewTranscript) -> str:
        """Store a transcript, and return its id. Raises StorageFullError."""
        with self.database.write() as connection:
            return transcripts.keep(connection, self.codec, new)

    def read_transcript(self, transcript_id: str) -> KeptTranscript:
        """Read a transcript with the present names, and note that in the audit.

        Raises TranscriptNotFoundError, StoreUnavailableError.
        """
        with self.database.write() as connection:
            transcript = transcripts.read(connection, self.codec, transcript_id)
            audit.append(connection, "read_transcript", "read")
            return transcript

    def get_transcript(self, transcript_id: str) -> KeptTranscript:
        """Return a transcript without its turns, as a list does.

        Raises TranscriptNotFoundError, StoreUnavailableError.
        """
        with self.database.read() as connection:
            return transcripts.get(connection, self.codec, transcript_id)

    def list_transcripts(self, offset: int = 0, limit: int = 50) -> TranscriptPage:
        """List transcripts without their turns, newest first. Raises InvalidRequestError."""
        with self.database.read() as connection:
            return transcripts.page(connection, self.codec, offset, limit)

    def delete_transcript(self, transcript_id: str) -> None:
        """Delete a transcript, also from the bytes of the files.

        Raises TranscriptNotFoundError.
        """
        with self.erasing() as (connection, erasure):
            erasure.traces = transcripts.remove(connection, transcript_id)
