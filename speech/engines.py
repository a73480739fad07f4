"""Which engine writes: Whisper, or a trained CTC network."""

from __future__ import annotations

from pathlib import Path

from speech.ctc.options import CtcOptions, is_ctc_folder
from speech.models import load_weights
from speech.ports import Transcriber
from utils.processors import PROCESSORS

WHISPER = "whisper"
CTC = "ctc"


def count_threads(stated: int) -> int:
    """Count the threads of an engine: those stated, or half of the processors for 0."""
    return stated or max(1, PROCESSORS // 2)


def find_engine(model: str) -> str:
    """Find the engine that a model is for: `CTC` for a folder with a card."""
    return CTC if is_ctc_folder(model) else WHISPER


def load_engine(
    model: str, *, threads: int, engine: str = "", options: CtcOptions | None = None
) -> Transcriber:
    """Load an engine with a model.

    Args:
        model: name of a packaged model or a folder, as DUET_SPEECH_MODEL has it.
        threads: threads of the engine.
        engine: `WHISPER` or `CTC`; empty: the one that the model is for.
        options: how a CTC network decodes; None: as its folder says.

    Raises:
        SpeechUnavailableError: the engine or its weights are not installed.
        ModelError: the model is broken, or of the other engine.
    """
    if (engine or find_engine(model)) == CTC:
        from speech.transcriber_ctc import CtcTranscriber

        return CtcTranscriber(Path(model), threads=threads, options=options)
    from speech.transcriber_whisper import WhisperTranscriber

    return WhisperTranscriber(load_weights(model), threads=threads)
