"""What an engine writes although nobody said it. Pure.

Voice activity is in front of every engine. These rules are for what still comes
through. The figures of repetition and of silence are those of Whisper's own decoder.
"""

from __future__ import annotations

from dataclasses import replace

from speech.ports import Passage
from speech.scripts import is_foreign

# Text that compresses better than this repeats itself
_MOST_COMPRESSION = 2.4

# Doubtful text is dropped where the engine itself hears nobody
_LEAST_LOG_PROBABILITY = -1.0
_MOST_NO_SPEECH = 0.6

SHORT_S = 1.0
"""A window with less speech than this may be a sneeze: doubtful text is dropped anyway."""
_LEAST_SHORT_LOG_PROBABILITY = -0.75


def filter_passage(passage: Passage, speech_s: float) -> Passage:
    """Take out what nobody said. A passage that is dropped keeps its figures.

    `speech_s`: net speech in the window of the passage, in seconds.
    """
    if _repeats(passage) or _is_silence(passage) or _is_sneeze(passage, speech_s):
        return replace(passage, words=())
    words = tuple(w for w in passage.words if not is_foreign(w.text, passage.language))
    return replace(passage, words=words)


def _repeats(passage: Passage) -> bool:
    return passage.compression_ratio > _MOST_COMPRESSION


def _is_silence(passage: Passage) -> bool:
    return (
        passage.no_speech_probability > _MOST_NO_SPEECH
        and passage.mean_log_probability < _LEAST_LOG_PROBABILITY
    )


def _is_sneeze(passage: Passage, speech_s: float) -> bool:
    return speech_s < SHORT_S and passage.mean_log_probability < _LEAST_SHORT_LOG_PROBABILITY
