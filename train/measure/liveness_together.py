"""How often people who are there fail all passive checks together, by set, looks and light.

A clip fails where one check fails. What no check can say of it is counted by itself: a
clip of one word has too little speech for sound and mouth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter

import numpy as np

from liveness.judgement import Judge, Judgement, Liveness, LivenessOutcome
from train.measure.liveness import WITHOUT_SURROUNDINGS, Presentation, Trial, rate

TRAITS = {
    "glasses": frozenset(
        {"grid_unk_lbax4n", "talkvid_Ethnicity_African_1", "talkvid_Ethnicity_Asian_1"}
    ),
    "a beard or a moustache": frozenset(
        {"grid_unk_swiz3n", "talkvid_Language_en", "spk04", "spk07"}
    ),
}
"""Subjects of the research data by what is seen of them. The data has no labels."""

_DEFAULT = (Judge.MOUTH_MOTION, Judge.AUDIO_VISUAL_SYNC)


def as_markdown(shown: Sequence[Presentation], judged: Mapping[Judge, Sequence[Trial]]) -> str:
    """Table of genuine clips: the checks that are on by default, then all of them.

    Args:
        shown: all presentations.
        judged: their judgements by each check, in the order of `shown`.
    """
    rows = [
        "All checks together, on people who are there: a clip fails where one check fails.",
        "",
        "| people | checks | BPCER (95 % interval) | checked | not checked | subjects |",
        "|---|---|---|---|---|---|",
    ]
    for name, places in filter(itemgetter(1), _groups(shown)):
        rows.append(_row(name, "default", places, [judged[judge] for judge in _DEFAULT]))
        seen = [i for i in places if shown[i].species not in WITHOUT_SURROUNDINGS]
        if seen:
            rows.append(_row(name, "all", seen, list(judged.values())))
    return "\n".join(rows)


def _row(name: str, checks: str, places: Sequence[int], judged: list[Sequence[Trial]]) -> str:
    together = list(map(_put_together, zip(*judged, strict=True)))
    return f"| {name} | {checks} | {rate([together[place] for place in places])} |"


def _put_together(trials: Sequence[Trial]) -> Trial:
    """One trial that fails where one fails, and passes where one passes and none fails."""
    judgements = dict(zip(Judge, (trial.judgement for trial in trials), strict=False))
    outcomes = {judgement.outcome for judgement in judgements.values()}
    outcome = Liveness(judgements).outcome
    if outcome is LivenessOutcome.NOT_CHECKED and LivenessOutcome.PASSED in outcomes:
        outcome = LivenessOutcome.PASSED
    one = trials[0]
    return Trial(one.species, one.subject, one.is_attack, Judgement(outcome, ""))


def _groups(shown: Sequence[Presentation]) -> Iterator[tuple[str, list[int]]]:
    """Name and places of each group of genuine clips: all, each set, and each light."""
    genuine = [i for i, one in enumerate(shown) if not one.is_attack]
    yield "all", genuine
    for name in dict.fromkeys(shown[i].species for i in genuine):
        yield name, [i for i in genuine if shown[i].species == name]
    for name, subjects in TRAITS.items():
        yield name, [i for i in genuine if shown[i].subject in subjects]
    light = {i: _measure_light(shown[i]) for i in genuine}
    lit = [i for i in genuine if np.isfinite(light[i])]
    darkest, brightest = np.quantile([light[i] for i in lit], (1 / 3, 2 / 3)) if lit else (0, 0)
    yield f"the darkest third (below {darkest:.2f})", [i for i in lit if light[i] < darkest]
    yield f"the brightest third (over {brightest:.2f})", [i for i in lit if light[i] > brightest]


def _measure_light(one: Presentation) -> float:
    """Mean brightness of the faces, in [0, 1]. NaN without a face."""
    faces = one.capture.face_analysis.faces
    return float(np.mean([face.quality.brightness for face in faces])) if faces else float("nan")
