"""The voice of one clip, which is embedded while the picture is still decoded."""

from __future__ import annotations

from gallery.ports import VoiceEncoder
from gallery.vectors import check
from utils.clock import timed
from utils.media import Waveform
from utils.modality import Embedding, Modality


class Hearing:
    """Embeds the speech of one clip once.

    Attributes:
        embeddings: of the voice. Empty without speech.
        timings_ms: what the embedding took.
    """

    def __init__(self, encoder: VoiceEncoder) -> None:
        self._encoder = encoder
        self._speech: Waveform | None = None
        self.embeddings: dict[Modality, Embedding] = {}
        self.timings_ms: dict[str, float] = {}

    def hear(self, speech: Waveform | None) -> None:
        """Embed the speech, where there is some that is not embedded yet."""
        if speech is self._speech:
            return
        # Both are of one speech, also where the encoder fails: it is asked again
        self.embeddings = {}
        self._speech = None
        if speech is not None:
            with timed(self.timings_ms, "voice_embedding"):
                self.embeddings = {Modality.VOICE: check(self._encoder.embed(speech))}
        self._speech = speech
