"""Work on recordings: hours of sound, noted as far as they are done.

How far a recording is, is noted every two seconds. What is written of it is noted every
half minute, so that another worker goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gallery.records.job_claim import Claim
from recognition.recognizer import Recognizer
from speech import checkpoints
from speech.diarise import Naming
from speech.scribe import Recording, Scribe, Writing
from speech.transcripts import Transcript, to_diarized_json, word_to_json

NOTE_S = 2.0
KEEP_S = 30.0

Note = Callable[[Mapping[str, Any], Mapping[str, Any] | None], None]
"""Notes how far a file is and, now and then, what is done of it. May raise to stop."""


def transcribe(scribe: Scribe, recording: Recording, note: Note) -> Transcript:
    """Write a recording down, from where an earlier worker stopped.

    Raises MediaError, SpeechUnavailableError, ModelError, BusyError,
    EncoderMismatchError, StoreUnavailableError, and what `note` raises.
    """
    with scribe.open(recording) as writing:
        clock = _Clock(writing, note)
        for _ in writing.lines():
            clock.tick()
        return writing.transcript


def read_recording(claim: Claim, path: Path, recognizer: Recognizer) -> Recording:
    """Read what the job asks of a recording. Raises InvalidRequestError."""
    options = claim.options
    naming = None
    if options.get("who"):
        voices = recognizer.voices
        among = voices.among(options.get("speaker_names", ()))
        count = options.get("num_speakers")
        naming = Naming(voices, among=among, count=count, by_face=is_named_by_face(options))
    partial = claim.partial or {}
    return Recording(
        path=path,
        filename=claim.name,
        language=options.get("language"),
        prompt=options.get("prompt", ""),
        naming=naming,
        is_separate=options.get("channels") == "separate",
        checkpoints=checkpoints.from_json(partial.get("checkpoints", ())),
    )


def is_named_by_face(options: Mapping[str, Any]) -> bool:
    """Whether these options let faces say who speaks, beside voices."""
    by_face: bool = options.get("faces", True)
    return by_face


def to_result(transcript: Transcript) -> dict[str, Any]:
    """Make the result of a file: lines with those who say them, and words."""
    words = [word_to_json(word) for word in transcript.words]
    return {**to_diarized_json(transcript), "words": words}


class _Clock:
    """Notes how far a recording is, at most every two seconds."""

    def __init__(self, writing: Writing, note: Note) -> None:
        self._writing = writing
        self._note = note
        self._started = time.monotonic()
        self._noted = self._started
        self._kept = self._started

    def tick(self) -> None:
        """Note what is due."""
        now = time.monotonic()
        if now - self._noted < NOTE_S:
            return
        self._noted = now
        partial = None
        if now - self._kept >= KEEP_S:
            self._kept = now
            partial = {"checkpoints": checkpoints.to_json(self._writing.checkpoints)}
        self._note(self._measure(now - self._started), partial)

    def _measure(self, passed_s: float) -> dict[str, Any]:
        """Seconds heard and stated, words, real-time factor, and seconds left."""
        heard_s = self._writing.heard_s
        factor = passed_s / max(heard_s, 1.0)
        left_s = max(self._writing.duration_s - heard_s, 0.0) * factor
        return {
            "heard_s": round(heard_s, 1),
            "duration_s": round(self._writing.duration_s, 1),
            "words": self._writing.words,
            "real_time_factor": round(factor, 3),
            "left_s": round(left_s, 1),
        }
