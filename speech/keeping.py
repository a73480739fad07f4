"""Transcripts that are kept in the gallery (DUET_KEEP_TRANSCRIPTS=1), and as JSON."""

from __future__ import annotations

from typing import Any

from gallery.results import KeptTranscript, KeptTurn, NewTranscript, SpokenTurn
from gallery.store import Store
from speech.transcripts import SpokenLine, Transcript, word_to_json


def keep(store: Store, transcript: Transcript, title: str) -> str:
    """Keep a transcript, and return its id. `title` is the name of the file.

    Raises StoreUnavailableError, StorageFullError.
    """
    return store.keep_transcript(
        NewTranscript(
            title=title,
            language=transcript.language or "",
            duration_s=transcript.duration_s,
            turns=tuple(map(_to_turn, transcript.lines)),
        )
    )


def kept_to_json(transcript: KeptTranscript) -> dict[str, Any]:
    """Write a kept transcript without its turns, as lists show it."""
    return {
        "transcript_id": transcript.transcript_id,
        "created_at": transcript.created_at.isoformat(),
        "title": transcript.title,
        "language": transcript.language,
        "duration": round(transcript.duration_s, 3),
    }


def kept_with_turns_to_json(transcript: KeptTranscript) -> dict[str, Any]:
    """Write a kept transcript with its turns."""
    return {
        **kept_to_json(transcript),
        "text": " ".join(turn.text for turn in transcript.turns if turn.text),
        "segments": [_turn_to_json(turn) for turn in transcript.turns],
    }


def _to_turn(line: SpokenLine) -> SpokenTurn:
    return SpokenTurn(
        start_s=line.start_s,
        end_s=line.end_s,
        text=line.text,
        words=tuple(map(word_to_json, line.line.words)),
        person_id=line.who.person_id if line.who else None,
        speaker=line.speaker,
        outcome=line.outcome,
        decided_by=line.who.decided_by if line.who else None,
    )


def _turn_to_json(turn: KeptTurn) -> dict[str, Any]:
    return {
        "start": round(turn.start_s, 3),
        "end": round(turn.end_s, 3),
        "text": turn.text,
        "speaker": turn.speaker,
        "person_id": turn.person_id,
        "outcome": turn.outcome,
        "decided_by": turn.decided_by,
        "words": list(turn.words),
    }
