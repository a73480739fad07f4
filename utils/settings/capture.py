"""Settings of what is read of a clip."""

from __future__ import annotations

from dataclasses import dataclass

from utils.settings.subject import Subject, setting

ACCURACIES = ("fast", "balanced", "thorough")


@dataclass(frozen=True)
class CaptureSettings(Subject):
    """What is read of a clip, and what is enough of a face or of speech."""

    max_clip_s: float = setting(600.0, "Longest clip that is accepted, in seconds.", 1, 36000)
    read_s: float = setting(60.0, "How much of a clip is read from its start, in seconds.", 1, 600)
    max_frames: int = setting(
        12,
        "Frames that are sampled evenly over the clip. Below 3, a clear face that does not tell"
        " the person is no conflict with the voice, as a poor one is not.",
        1,
        64,
    )
    accuracy: str = setting(
        "balanced",
        "How much work a clip is worth. thorough: every face is seen as it is and mirrored."
        " balanced: faces in turn, and of a question six of them where they are clear and alike."
        " fast: of a question three quarters of the frames and four of the faces, in a rougher"
        " picture, and of 7 s and more no more than its first seconds where these are plain; it"
        " costs accuracy in the dark. Where a check for liveness refuses, all is looked at.",
        choices=ACCURACIES,
    )
    min_speech_s: float = setting(0.5, "Least net speech for a voice answer, in seconds.", 0.2, 60)
    good_speech_s: float = setting(
        2.0,
        "Net speech below which the service asks for a whole sentence, in seconds.",
        0.2,
        60,
    )
    min_face_px: float = setting(24.0, "Least width of a face in the frame, in pixels.", 10, 1000)
    good_face_px: float = setting(
        60.0,
        "Width of a face below which the service asks the person to come closer, in pixels.",
        10,
        2000,
    )
    min_enroll_quality: float = setting(
        0.2,
        "Quality, from 0 to 1, below which a face or speech is enrolled by force alone.",
        0,
        1,
    )
