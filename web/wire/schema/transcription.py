"""Schema of transcripts, in OpenAI's form."""

from __future__ import annotations

from flask_restx import fields

from web.wire.schema.base import float_field, int_field, make_model, text_field

TRANSCRIPT_WORD = make_model(
    "TranscriptWord",
    word=text_field("the word", "Printing,"),
    start=float_field("when it begins, in seconds", 0.26),
    end=float_field("when it ends, in seconds", 0.82),
    probability=float_field("how sure the engine is, in [0, 1]", 0.93),
)
TRANSCRIPT_SEGMENT = make_model(
    "TranscriptSegment",
    id=int_field("number of the line, from 0", 0),
    seek=int_field("start in hundredths of a second", 26),
    start=float_field("when it begins, in seconds", 0.26),
    end=float_field("when it ends, in seconds", 4.1),
    text=text_field("what is said", "Printing, in the only sense with which we are concerned"),
    tokens=fields.List(fields.Integer, description="always empty", example=[], required=True),
    temperature=float_field("always 0", 0.0),
    avg_logprob=float_field("mean logarithm of the probability of its tokens", -0.17),
    compression_ratio=float_field("high where a text repeats itself", 1.4),
    no_speech_prob=float_field("the engine's own guess that nobody speaks", 0.1),
)
DIARIZED_SEGMENT = make_model(
    "DiarizedSegment",
    type=text_field("always the same", "transcript.text.segment"),
    id=text_field("id of the line within the answer", "seg_0000"),
    start=float_field("when it begins, in seconds", 10.72),
    end=float_field("when it ends, in seconds", 14.2),
    text=text_field("what is said", "This is Diane in New Jersey."),
    speaker=text_field(
        "name of a person of the gallery, or of `known_speaker_names[]`. Strangers are"
        " `unknown 1`, `unknown 2`, ...",
        "Diane",
    ),
    person_id=text_field(
        "id of the person of the gallery; null for others", "diane", x_nullable=True
    ),
    outcome=text_field(
        "`named`, `unknown` (a stranger), `conflict` (voice and talking face are not one person's),"
        " `open` (too little of the voice to tell), or `inferred` (named by what the same voice"
        " says elsewhere, as the turn is short or its face is not seen)",
        "named",
    ),
    probability=float_field(
        "calibrated probability that it is the person; null for strangers", 0.97, x_nullable=True
    ),
    decided_by=text_field(
        "what names the speaker: `voice`, `face` (the one that talks in a video) or `face and"
        " voice`; null for strangers",
        "voice",
        x_nullable=True,
    ),
    overlap=fields.Boolean(
        description="somebody else speaks at the same time", example=False, required=True
    ),
)
TRANSCRIPTION = make_model(
    "Transcription",
    text=text_field("all that is said", "Printing, in the only sense with which ..."),
    task=text_field(
        "`transcribe` (only with verbose_json, as all below)", "transcribe", required=False
    ),
    language=text_field("code of the language", "en", required=False),
    duration=float_field("length of the recording in seconds", 9.66, required=False),
    segments=fields.List(
        fields.Raw,
        description="lines with their times and figures (verbose_json, `TranscriptSegment`), or"
        " with those who say them (diarized_json, `DiarizedSegment`)",
        example=[],
    ),
    words=fields.List(fields.Nested(TRANSCRIPT_WORD), description="words with their times"),
)
