"""1:1 comparison of a probe with a person of the gallery, or with another probe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from gallery.results import StaleTemplates, TemplateInfo
from gallery.store import Store, mismatch
from gallery.vectors import represent
from recognition import decision
from recognition.analysis import Analyser, Probe
from recognition.matching import Calibrations, compare
from recognition.results import Verdict, Verification
from utils.arrays import Float32Array
from utils.media import Hint
from utils.modality import SINGLE, Modality, PerModality

Vectors = Mapping[Modality, Float32Array]
"""What stands for one side, by modality (size,); the fused one too where it is there."""


class Verifier:
    """Compares two sides at a stated false match rate."""

    def __init__(
        self, store: Store, analyser: Analyser, calibrations: Calibrations, *, fmr: float
    ) -> None:
        self._store = store
        self._analyser = analyser
        self._calibrations = calibrations
        self._fmr = fmr

    def vectors_of(self, person_id: str) -> dict[Modality, Float32Array]:
        """Read what stands for a person. Raises PersonNotFoundError."""
        ids = self._analyser.encoder_ids
        stored = self._store.vectors_of(person_id, {m: ids[m] for m in SINGLE})
        represented = represent(stored, self._analyser.fuse)
        return {modality: vectors[0] for modality, (_, vectors) in represented.items()}

    def verify_person(
        self, probe: Probe, person_id: str, templates: Sequence[TemplateInfo]
    ) -> Verification:
        """Compare a probe with a person who has these templates.

        Raises PersonNotFoundError, and EncoderMismatchError if other encoders made all
        that could be compared.
        """
        vectors = self.vectors_of(person_id)
        if not vectors.keys() & probe.embeddings.keys():
            self._refuse_stale(probe, templates)
        hints = _not_comparable(probe, vectors, f"No {{}} template is stored for {person_id}.")
        return Verification(
            verdicts=self._verify(probe, vectors),
            observation=probe.observation(*hints),
            reference=None,
            fmr=self._fmr,
        )

    def verify_clips(self, probe: Probe, reference: Probe) -> Verification:
        """Compare two probes. The verdicts do not depend on their order."""
        vectors = reference.vectors
        hints = _not_comparable(probe, vectors, "The reference has no usable {}.")
        return Verification(
            verdicts=self._verify(probe, vectors, reference.speech_s),
            observation=probe.observation(*hints),
            reference=reference.observation(),
            fmr=self._fmr,
        )

    def _verify(
        self, probe: Probe, reference: Vectors, reference_s: float | None = None
    ) -> PerModality[Verdict]:
        """Decide by each modality. `reference_s`: seconds of speech in a reference clip."""
        verdicts = PerModality.of(lambda m: self._verify_by(m, probe, reference, reference_s))
        return PerModality(
            fused=decision.verify_fused(verdicts), face=verdicts.face, voice=verdicts.voice
        )

    def _refuse_stale(self, probe: Probe, templates: Sequence[TemplateInfo]) -> None:
        encoder_ids = self._analyser.encoder_ids
        counts = Counter(
            t.modality
            for t in templates
            if t.modality in probe.embeddings and t.encoder_id != encoder_ids[t.modality]
        )
        if counts:
            raise mismatch([StaleTemplates(m, counts[m], 1) for m in SINGLE if counts[m]])

    def _verify_by(
        self, modality: Modality, probe: Probe, reference: Vectors, reference_s: float | None
    ) -> Verdict:
        by = _shared_modality(modality, probe.vectors, reference)
        calibration = self._calibrations[by or modality]
        if by is None:
            return decision.verify(None, calibration, self._fmr)
        comparison = compare(
            probe.vectors[by],
            reference[by],
            calibration,
            speech_s=probe.speech_s,
            reference_s=reference_s,
        )
        return decision.verify(comparison, calibration, self._fmr)

    def is_unlike(self, probe: Probe, person_id: str) -> bool:
        """Whether the probe is more likely of somebody else than of the person.

        False where there is nothing to compare.
        """
        earlier = self.vectors_of(person_id)
        by = _shared_modality(Modality.FUSED, probe.vectors, earlier)
        if by is None:
            return False
        calibration = self._calibrations[by]
        comparison = compare(probe.vectors[by], earlier[by], calibration, speech_s=probe.speech_s)
        return not calibration.llr(comparison.strength) >= 0


def _shared_modality(modality: Modality, probe: Vectors, reference: Vectors) -> Modality | None:
    """Find the modality that two sides are compared by.

    It is the one asked for. For FUSED without both modalities on both sides it is the
    one that they share.
    """
    if modality in probe and modality in reference:
        return modality
    both = [m for m in SINGLE if m in probe and m in reference]
    return both[0] if modality == Modality.FUSED and both else None


def _not_comparable(probe: Probe, vectors: Vectors, text: str) -> list[Hint]:
    return [
        Hint("not_comparable", text.format(modality))
        for modality in probe.embeddings
        if modality not in vectors
    ]
