"""The JSON bodies of the voice API as Swagger describes them. Where clients of that API
know a field by another name, it is there twice.
"""

from __future__ import annotations

from flask_restx import fields

from web.wire.schema import (
    HINT,
    MATCH,
    REQUEST_ID_FIELD,
    _float,
    _int,
    _model,
    _part,
    _parts,
    _text,
)

ANN = "ann@example.com"
METADATA = {"nickname": "Ann", "registrationDevice": "microphone"}
STAMP = {
    "processingTime": _float("time that the service took, in seconds", 0.21),
    "timestamp": _text("when it answered (UTC)", "2026-01-31T08:15:00Z"),
}
IDS = {
    "speaker_id": _text("id of the speaker, the person_id of /v1/people", ANN),
    "anonymousId": _text("the same", ANN),
}
IDS_OR_NULL = {
    "speaker_id": _text(
        "id of the speaker; null for an unknown one, who is not given the nearest name",
        ANN,
        x_nullable=True,
    ),
    "anonymousId": _text("the same (or null)", ANN, x_nullable=True),
}
SUCCESS = _text("success", "success", enum=["success"])
METADATA_FIELD = fields.Raw(
    description="what was sent as `metadata` when registering; kept as the person's note",
    example=METADATA,
)

SPEAKER = _model(
    "Speaker",
    **IDS,
    name=_text("display name", "Ann Lee"),
    audioCount=_int("stored voice templates, one for each recording", 2),
    registeredAt=_text("when the speaker was registered (UTC)", "2026-01-31T08:15:03Z"),
    metadata=METADATA_FIELD,
)
SPEAKERS = _model(
    "Speakers",
    speakers=_parts(SPEAKER, "this part of the list, by speaker_id"),
    total=_int("how many there are", 42),
    offset=_int("how many were left out before", 0),
    limit=_int("how many there are here at most", 100),
)
SPEAKER_REGISTERED = _model(
    "SpeakerRegistered",
    status=SUCCESS,
    **IDS,
    message=_text("the same in words", "Registered: 1 recording of ann@example.com."),
    audioCount=_int("stored voice templates of the speaker now", 1),
    duplicate=_part(
        MATCH,
        "who else the recording was taken for, when `force` let it pass; else null",
        allow_null=True,
    ),
    hints=_parts(HINT, "how to do better next time; empty when all is well"),
    **STAMP,
    request_id=REQUEST_ID_FIELD,
)
SPEAKER_IDENTIFIED = _model(
    "SpeakerIdentified",
    status=SUCCESS,
    identified=fields.Boolean(
        description="whether the speaker is known", example=True, required=True
    ),
    isKnownSpeaker=fields.Boolean(description="the same", example=True, required=True),
    **IDS_OR_NULL,
    name=_text("display name; null for an unknown speaker", "Ann Lee", x_nullable=True),
    confidence=_float(
        "of the best speaker, named or not, in [0, 1]: 0.7 is reached by what /v1/identify accepts"
        " by voice",
        0.93,
    ),
    threshold=_float("confidence that was to be reached", 0.7),
    reason=_text(
        "the decision in words", "Recognised by voice; 0.12 above the threshold, probability 98 %"
    ),
    metadata=METADATA_FIELD,
    hints=_parts(HINT, "how to do better next time; empty when all is well"),
    **STAMP,
    request_id=REQUEST_ID_FIELD,
)
SPEAKER_DELETED = _model(
    "SpeakerDeleted",
    status=SUCCESS,
    **IDS,
    message=_text(
        "the same in words", "Deleted: ann@example.com, with everything that was stored."
    ),
    timestamp=STAMP["timestamp"],
    request_id=REQUEST_ID_FIELD,
)
BATCH_ERROR = _model(
    "BatchError",
    code=_text("stable code to act on", "no_biometric"),
    message=_text(
        "the rule that was broken, and what was received",
        "The clip must hold what is asked about: voice.",
    ),
    hint=_text("what to do about it (may be empty)", "Say a whole sentence."),
)
BATCH_RESULT = _model(
    "BatchResult",
    index=_int("place in the request, from 0", 0),
    filename=_text("name of the file, in a multipart request", "clip.wav", required=False),
    status=_text(
        "success: `result` is the answer of the single request; error: `error` says why not",
        "success",
        enum=["success", "error"],
    ),
    result=fields.Raw(
        description="answer of the single request",
        example={"status": "success", "identified": True, "speaker_id": ANN},
    ),
    error=_part(BATCH_ERROR, "what went wrong with this one", required=False),
)
BATCH = _model(
    "Batch",
    operation=_text("what was done with each", "identify", enum=["register", "identify", "delete"]),
    totalItems=_int("how many there were", 2),
    successCount=_int("how many were done", 1),
    errorCount=_int("how many were refused", 1),
    results=_parts(BATCH_RESULT, "one for each, in order"),
    **STAMP,
    request_id=REQUEST_ID_FIELD,
)
