"""All tables of the passive checks for liveness, from the research data."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from align.aligner import Aligner
from liveness import audio_visual_sync, mouth_motion
from liveness.folders import find_folder
from liveness.judgement import Judge
from liveness.picture_model import load_picture_model
from liveness.sync_model import load_model
from train.liveness.screens import read_pictures
from train.measure import liveness, liveness_screens, liveness_sync, liveness_together
from utils.config import Settings
from utils.settings.liveness import FILM_S


def measure(data: Path, settings: Settings) -> str:
    """Measure each check by species, then all of them on genuine clips. Raises DatasetError."""
    aligner = Aligner(settings.capture, film_s=FILM_S, looks_around=True)
    shown = liveness.read_presentations(data, aligner)
    model_dir = settings.storage.model_dir
    sync = load_model(find_folder(model_dir, Judge.AUDIO_VISUAL_SYNC))
    pictures = load_picture_model(find_folder(model_dir, Judge.SCREEN_OR_PRINT))
    learned = read_pictures(data)
    networks = liveness_screens.train_apart(learned)
    judged = {
        Judge.MOUTH_MOTION: liveness.judge_all(shown, mouth_motion.judge),
        Judge.AUDIO_VISUAL_SYNC: liveness.judge_all(
            shown, partial(audio_visual_sync.judge, model=sync)
        ),
        Judge.SCREEN_OR_PRINT: liveness_screens.judge_apart(shown, networks, pictures),
    }
    tables = [
        liveness.as_markdown(judged[Judge.MOUTH_MOTION]),
        liveness_sync.tables(shown, judged[Judge.AUDIO_VISUAL_SYNC], sync),
        liveness_screens.as_markdown(
            liveness_screens.score_apart(learned, networks), pictures.threshold
        ),
        liveness_screens.clips_as_markdown(judged[Judge.SCREEN_OR_PRINT]),
        liveness_together.as_markdown(shown, judged),
    ]
    return "\n\n".join(tables)
