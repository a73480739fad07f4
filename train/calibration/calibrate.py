"""Calibration of the models that serve, in three steps: gather, fit, publish.

The scores of a model become probabilities and thresholds. The result is stored in the
models' cards, and plots show before and after. A model without a cohort (one's own)
gets one when there are `train.calibration.people.FULL` people. With fewer its strengths
are the bare cosines.
"""

from __future__ import annotations

from pathlib import Path

from network.serving.encoder import load_encoders
from train.calibration.fit import fit
from train.calibration.gather import Source
from train.calibration.publish import publish


def calibrate(model_dir: Path, source: Source, plot_dir: Path) -> str:
    """Calibrate the models in `model_dir`.

    Args:
        model_dir: Folder with face/, voice/ and perhaps fusion/.
        source: Where the people come from.
        plot_dir: Folder of the plots.

    Returns:
        The report to print.

    Raises:
        DatasetError: There are too few people.
        ModelError: A model is missing.
    """
    gathered = source.gather(load_encoders(model_dir))
    return publish(model_dir, gathered, fit(gathered), plot_dir)
