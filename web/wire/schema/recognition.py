"""Schemas of identifications, verifications and feedback on them."""

from __future__ import annotations

from flask_restx import fields

from web.wire.schema.base import (
    FACE_ID,
    FUSED_ID,
    REQUEST_ID,
    REQUEST_ID_FIELD,
    VOICE_ID,
    float_field,
    int_field,
    list_field,
    make_model,
    model_field,
    raw_field,
    text_field,
    values_field,
)

MATCH = make_model(
    "Match",
    person_id=text_field("who it is", "ann@example.com"),
    name=text_field("display name", "Ann Lee"),
    score=float_field("cosine of the two embeddings, in [-1, 1]", 0.713251),
    probability=float_field(
        "probability that both are the same person at even prior odds, in [0, 1]; of a fused"
        " match, that face and voice are both this person's",
        0.998713,
    ),
)
OUTCOMES = ["accepted", "unknown", "no_probe", "conflict", "rejected"]
DECISION = make_model(
    "Decision",
    outcome=text_field(
        "accepted: `match` is the person; unknown: nobody in the gallery; no_probe: this modality"
        " is not in the clip; conflict: of face and voice, one is like a person of the gallery and"
        " the other speaks against that person; rejected: a check for liveness refuses the clip",
        "accepted",
        enum=OUTCOMES,
    ),
    match=model_field(
        MATCH,
        "the person; null unless accepted: a stranger is not given the nearest name",
        x_nullable=True,
    ),
    runner_up=model_field(MATCH, "the next best person; null where there is none", x_nullable=True),
    threshold=float_field(
        "score that had to be reached in this gallery; null where nothing was compared",
        0.412345,
        x_nullable=True,
    ),
    margin=float_field(
        "best score minus threshold; null where nothing was compared", 0.300906, x_nullable=True
    ),
    reason=text_field(
        "the decision in words", "Recognised by face and voice; 0.30 above the threshold"
    ),
    decided_by=text_field(
        "fused, face or voice: whose score and threshold these are; null where nothing was"
        " compared",
        "fused",
        x_nullable=True,
    ),
    extrapolated=fields.Boolean(
        description="the threshold lies beyond the error rates that were measured",
        example=False,
        required=True,
    ),
)


def _figure_field(about: str, example: float) -> fields.Raw:
    """Describe a figure that is not kept of unknown visitors."""
    return float_field(f"{about}; null of an unknown visitor", example, x_nullable=True)


FACE_QUALITY = make_model(
    "FaceQuality",
    size_px=_figure_field("width of the face in the frame, in pixels", 142.0),
    sharpness=_figure_field("0 blurred to 1 sharp", 0.82),
    yaw=_figure_field("-1 to 1; 0 = frontal", 0.04),
    roll_deg=_figure_field("tilt of the head, in degrees", -1.7),
    brightness=_figure_field("mean luminance, 0 to 1", 0.51),
    contrast=_figure_field("standard deviation of the luminance, 0 to 1", 0.19),
    score=float_field("all of it in one figure, 0 to 1", 0.88),
)
VOICE_QUALITY = make_model(
    "VoiceQuality",
    speech_s=float_field("net speech heard, in seconds", 3.4),
    duration_s=float_field("sound read, in seconds", 5.0),
    snr_db=_figure_field("estimated speech-to-noise ratio, in dB", 24.5),
    clipping=_figure_field("share of samples at full scale, 0 to 1", 0.0),
    level_db=_figure_field("level of the speech, in dBFS", -21.3),
    score=float_field("all of it in one figure, 0 to 1", 0.91),
)
QUALITY = make_model(
    "Quality",
    face=model_field(
        FACE_QUALITY, "best face of the main person; null without one", x_nullable=True
    ),
    voice=model_field(VOICE_QUALITY, "the sound; null without a sound track", x_nullable=True),
)
HINT = make_model(
    "Hint",
    code=text_field("stable code", "short_speech"),
    text=text_field(
        "advice for the person in front of the camera",
        "Say a whole sentence: 0.6 s of speech heard, 2 s needed.",
    ),
)
GALLERY = make_model(
    "GalleryFacts",
    people=int_field("people in the gallery", 20),
    fpir=float_field("false positive identification rate that the thresholds aim at", 0.01),
)
JUDGEMENT = make_model(
    "Judgement",
    outcome=text_field(
        "pass, fail, or not_checked: the clip does not hold what the check needs",
        "pass",
        enum=["pass", "fail", "not_checked"],
    ),
    score=float_field(
        "what was measured; null where nothing was, and for keys of the role kiosk",
        0.061204,
        x_nullable=True,
    ),
    threshold=float_field(
        "score from which the check passes; null for keys of the role kiosk", 0.01, x_nullable=True
    ),
    reason=text_field("the outcome in words", "The mouth moves"),
    code=text_field(
        "why the check does not pass: mouth_still, another_talks, sound_elsewhere, picture_shown,"
        " too_few_faces, too_little_speech, wrong_digits, no_speech or no_challenge; null where it"
        " passes",
        "mouth_still",
        x_nullable=True,
    ),
    model_id=text_field(
        "what measured it; null where nothing did", "mouth-motion-2", x_nullable=True
    ),
    lag_ms=int_field(
        "by how much the sound comes late, in milliseconds; null where that is not looked at, and"
        " for keys of the role kiosk",
        40,
        x_nullable=True,
    ),
)
SPOKEN_DIGIT = make_model(
    "SpokenDigit",
    digit=text_field("0 to 9", "4"),
    start_s=float_field("when it begins, in seconds from the start of the clip", 0.82),
    end_s=float_field("when it ends", 1.14),
)
LIVENESS = make_model(
    "Liveness",
    mouth_motion=model_field(
        JUDGEMENT, "whether the mouth moves while speech is heard; null where off", x_nullable=True
    ),
    audio_visual_sync=model_field(
        JUDGEMENT, "whether the mouth moves as the sound does; null where off", x_nullable=True
    ),
    screen_or_print=model_field(
        JUDGEMENT,
        "whether no print or screen is held before the camera; null where off",
        x_nullable=True,
    ),
    challenge=model_field(
        JUDGEMENT,
        "whether the digits are said that were asked for; null where none were",
        x_nullable=True,
    ),
    digits=list_field(
        SPOKEN_DIGIT,
        "digits that are said in a clip with a challenge, in order of time; empty without one, and"
        " for keys of the role kiosk",
    ),
    outcome=text_field(
        "fail where one check fails, pass where all that are on pass, else not_checked",
        "pass",
        enum=["pass", "fail", "not_checked"],
    ),
)
COMMON: dict[str, fields.Raw] = {
    "quality": model_field(QUALITY, "how good the clip is"),
    "people_in_view": int_field(
        "people seen in the clip; the main face is used: who talks, else the central one", 1
    ),
    "hints": list_field(HINT, "how to do better next time; empty when all is well"),
    "liveness": model_field(
        LIVENESS,
        "what each check for liveness says (docs/liveness.md); null where all are off",
        x_nullable=True,
    ),
    "encoders": raw_field(
        "which networks answered, by modality",
        {"face": FACE_ID, "voice": VOICE_ID, "fused": FUSED_ID},
    ),
    "timings_ms": raw_field(
        "time of each stage, in milliseconds", {"decode": 130.1, "detect": 148.2, "search": 0.4}
    ),
    "request_id": REQUEST_ID_FIELD,
}
OTHER_PERSON = make_model(
    "OtherPerson",
    box_xyxy=fields.List(
        fields.Float,
        description="left, top, right and bottom of the face, in pixels of its frame",
        required=True,
        example=[411.5, 98.0, 578.2, 297.4],
    ),
    outcome=text_field(
        "by face: accepted or unknown; null unless `all_faces` is asked for",
        "unknown",
        x_nullable=True,
    ),
    match=model_field(MATCH, "the person; null unless accepted", x_nullable=True),
)
IDENTIFICATION = make_model(
    "Identification",
    fused=model_field(DECISION, "by face and voice together"),
    face=model_field(DECISION, "by face alone"),
    voice=model_field(DECISION, "by voice alone"),
    others=list_field(OTHER_PERSON, "everybody else in view"),
    duplicates=fields.List(
        fields.String,
        description="ids of the entries that look like the person named, to be merged; empty where"
        " one entry does",
        required=True,
        example=["ann@example.com", "ann.lee@example.com"],
    ),
    gallery=model_field(GALLERY, "what was searched"),
    **COMMON,
)
VERDICT = make_model(
    "Verdict",
    outcome=text_field(
        "no_probe: this modality is not in both; conflict: of face and voice, one says same and"
        " the other speaks against it; rejected: a check for liveness refuses the clip",
        "same",
        enum=["same", "different", "no_probe", "conflict", "rejected"],
    ),
    score=float_field("cosine, in [-1, 1]; null without a probe", 0.713251, x_nullable=True),
    threshold=float_field(
        "score that had to be reached; null without a probe", 0.301122, x_nullable=True
    ),
    probability=float_field(
        "probability of one person at even prior odds; null without a probe",
        0.998713,
        x_nullable=True,
    ),
    decided_by=text_field(
        "fused, face or voice: whose score and threshold these are; null without a probe",
        "fused",
        x_nullable=True,
    ),
)
COMPARED_SIDE = make_model(
    "ComparedSide",
    faces=fields.List(
        fields.String,
        description="the best of the aligned faces, best first: WebP, 112 × 112, in base64",
        required=True,
        example=["UklGRh4AAABXRUJQVlA4TBEAAAAvAAAAAAfQ//73v/+BiOh/AAA="],
    ),
    faces_used=int_field("how many faces the face embedding was made from", 8),
    speech_s=values_field(
        fields.List(fields.Float),
        "stretches of speech that the voice embedding was made from: start and end, in seconds",
        example=[[0.3, 2.9]],
    ),
    duration_s=float_field("length of the clip, in seconds", 3.2),
)
COMPARED = make_model(
    "Compared",
    media=model_field(COMPARED_SIDE, "of the clip"),
    reference=model_field(
        COMPARED_SIDE,
        "of the reference; null for a person of the gallery, of whom only numbers are kept",
        x_nullable=True,
    ),
)
VERIFICATION = make_model(
    "Verification",
    fused=model_field(VERDICT, "by face and voice together"),
    face=model_field(VERDICT, "by face alone"),
    voice=model_field(VERDICT, "by voice alone"),
    fmr=float_field("false match rate that the thresholds aim at", 0.01),
    compared=model_field(COMPARED, "what was compared; only with `show`", required=False),
    **COMMON,
)
FEEDBACK = make_model(
    "Feedback",
    person_id=text_field("a person whom the answer named", "ann@example.com"),
    same=fields.Boolean(
        description="true: this is me; false: not this person", example=False, required=True
    ),
)
FEEDBACK_KEPT = make_model(
    "FeedbackKept",
    request_id=text_field("the answer", REQUEST_ID),
    person_id=text_field("the person", "ann@example.com"),
    same=fields.Boolean(description="what is kept as true", example=False, required=True),
    modalities=fields.List(
        fields.String,
        description="which comparisons are trials of the next calibration now",
        example=["face", "fused"],
        required=True,
    ),
)
