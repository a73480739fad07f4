"""1:1 comparison of a probe with a person of the gallery, or with another probe."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Mapping, Sequence

from gallery.results import StaleTemplates, TemplateInfo
from gallery.store import Store, mismatch
from gallery.vectors import represent
from recognition.agreement import Sample, compare_parts, least_llr, llr_of
from recognition.analysis import Analyser
from recognition.probe import Probe
from recognition.results import Verdict, Verification
from recognition.sides import Calibrations, Comparison, Sides, clarity, compare
from recognition.stories import Evidence
from recognition.verdict import reject_verdicts, verify, verify_fused
from utils.arrays import Float32Array
from utils.media import Hint
from utils.modality import SINGLE, Modality, PerModality
from utils.settings.decision import DecisionSettings

Vectors = Mapping[Modality, Float32Array]
"""What stands for one side, by modality (size,); the fused one too where it is there."""


class Verifier:
    """Compares two sides at a stated false match rate."""

    def __init__(
        self,
        store: Store,
        analyser: Analyser,
        calibrations: Calibrations,
        settings: DecisionSettings,
    ) -> None:
        self._store = store
        self._analyser = analyser
        self._calibrations = calibrations
        self._settings = settings

    def vectors_of(self, person_id: str) -> dict[Modality, Float32Array]:
        """Read the vectors (size,) that stand for a person. Raises PersonNotFoundError."""
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
            verdicts=self._judge(probe, vectors),
            observation=probe.observation(*hints),
            reference=None,
            fmr=self._settings.fpir,
        )

    def verify_clips(self, probe: Probe, reference: Probe) -> Verification:
        """Compare two probes. The verdicts do not depend on their order.

        Checks for liveness look at `probe` alone: the reference may be a picture.
        """
        vectors = reference.vectors
        hints = _not_comparable(probe, vectors, "The reference has no usable {}.")
        return Verification(
            verdicts=self._judge(probe, reference.sides),
            observation=probe.observation(*hints),
            reference=reference.observation(),
            fmr=self._settings.fpir,
        )

    def _judge(self, probe: Probe, reference: Sides | Vectors) -> PerModality[Verdict]:
        verdicts = judge(probe.sides, reference, self._calibrations, self._settings)
        return reject_verdicts(verdicts, probe.refusal)

    def _refuse_stale(self, probe: Probe, templates: Sequence[TemplateInfo]) -> None:
        encoder_ids = self._analyser.encoder_ids
        counts = Counter(
            t.modality
            for t in templates
            if t.modality in probe.embeddings and t.encoder_id != encoder_ids[t.modality]
        )
        if counts:
            raise mismatch([StaleTemplates(m, counts[m], 1) for m in SINGLE if counts[m]])

    def compare_with(self, probe: Probe, reference: Sides | Vectors, modality: Modality) -> float:
        """Log-likelihood ratio of one person by one modality that both sides have."""
        compared = _compare(modality, probe.sides, reference, self._calibrations)
        assert compared is not None
        return compared.llr

    def llr_of_faces(self, one: Sample, other: Sample) -> float:
        """Log-likelihood ratio that the faces of one clip are one person's."""
        return llr_of(one, other, self._calibrations.face)

    def least_llr(self, modality: Modality) -> float:
        """Log-likelihood ratio below which parts of a clip are two people."""
        return least_llr(modality, self._calibrations[modality])

    def is_of_own_people(self, modality: Modality) -> bool:
        """Whether the calibration was fitted to the operator's own people."""
        return self._calibrations[modality].before is not None

    def llr_of_voices(self, parts: Sample) -> tuple[float, Sequence[int]]:
        """Compare the parts of one speech, as `recognition.agreement.compare_parts`."""
        return compare_parts(parts, self._calibrations.voice)


def judge(
    probe: Sides,
    reference: Sides | Vectors,
    calibrations: Calibrations,
    settings: DecisionSettings,
) -> PerModality[Verdict]:
    """Decide whether two sides are one person: by both modalities, by face, by voice."""
    compared = {m: _compare(m, probe, reference, calibrations) for m in Modality}
    verdicts = PerModality.of(lambda m: verify(compared[m], calibrations, settings.fpir))
    ratios = {m: one.llr for m, one in compared.items() if one is not None}
    evidence = Evidence(
        face=ratios.get(Modality.FACE),
        voice=ratios.get(Modality.VOICE),
        joint=ratios.get(Modality.FUSED, -math.inf),
        clarity=clarity(probe, reference),
    )
    fused = verify_fused(verdicts, evidence, settings)
    return PerModality(fused=fused, face=verdicts.face, voice=verdicts.voice)


def _compare(
    modality: Modality, probe: Sides, reference: Sides | Vectors, calibrations: Calibrations
) -> Comparison | None:
    """Compare by this modality or, for both, by the one that the sides share."""
    by = _shared_modality(modality, probe, reference)
    return None if by is None else compare(by, probe[by], reference[by], calibrations[by])


def _shared_modality(
    modality: Modality, probe: Container[Modality], reference: Container[Modality]
) -> Modality | None:
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
