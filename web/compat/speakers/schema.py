"""Schemas of the voice API.

Where clients of that API know a field by another name, it is there twice.
"""

from __future__ import annotations

from flask_restx import fields

from web.wire.schema.base import (
    REQUEST_ID_FIELD,
    float_field,
    int_field,
    list_field,
    make_model,
    model_field,
    text_field,
)
from web.wire.schema.recognition import (
    HINT,
    MATCH,
)

ANN = "ann@example.com"
METADATA = {"nickname": "Ann", "registrationDevice": "microphone"}
STAMP = {
    "processingTime": float_field("time that the service took, in seconds", 0.21),
    "timestamp": text_field("when it answered (UTC)", "2026-01-31T08:15:00Z"),
}
IDS = {
    "speaker_id": text_field("id of the speaker, the person_id of /v1/people", ANN),
    "anonymousId": text_field("the same", ANN),
}
IDS_OR_NULL = {
    "speaker_id": text_field(
        "id of the speaker; null for an unknown one, who is not given the nearest name",
        ANN,
        x_nullable=True,
    ),
    "anonymousId": text_field("the same (or null)", ANN, x_nullable=True),
}
SUCCESS = text_field("success", "success", enum=["success"])
METADATA_FIELD = fields.Raw(
    description="what was sent as `metadata` when registering; kept as the person's note",
    example=METADATA,
)

SPEAKER = make_model(
    "Speaker",
    **IDS,
    name=text_field("display name", "Ann Lee"),
    audioCount=int_field("stored voice templates, one for each recording", 2),
    registeredAt=text_field("when the speaker was registered (UTC)", "2026-01-31T08:15:03Z"),
    metadata=METADATA_FIELD,
)
SPEAKERS = make_model(
    "Speakers",
    speakers=list_field(SPEAKER, "this part of the list, by speaker_id"),
    total=int_field("how many there are", 42),
    offset=int_field("how many were left out before", 0),
    limit=int_field("how many there are here at most", 100),
)
SPEAKER_REGISTERED = make_model(
    "SpeakerRegistered",
    status=SUCCESS,
    **IDS,
    message=text_field("the same in words", "Registered: 1 recording of ann@example.com."),
    audioCount=int_field("stored voice templates of the speaker now", 1),
    duplicate=model_field(
        MATCH,
        "who else the recording was taken for, when `force` let it pass; else null",
        x_nullable=True,
    ),
    hints=list_field(HINT, "how to do better next time; empty when all is well"),
    **STAMP,
    request_id=REQUEST_ID_FIELD,
)
SPEAKER_IDENTIFIED = make_model(
    "SpeakerIdentified",
    status=SUCCESS,
    identified=fields.Boolean(
        description="whether the speaker is known", example=True, required=True
    ),
    isKnownSpeaker=fields.Boolean(description="the same", example=True, required=True),
    **IDS_OR_NULL,
    name=text_field("display name; null for an unknown speaker", "Ann Lee", x_nullable=True),
    confidence=float_field(
        "of the best speaker, named or not, in [0, 1]: 0.7 is reached by what /v1/identify accepts"
        " by voice",
        0.93,
    ),
    threshold=float_field("confidence that was to be reached", 0.7),
    reason=text_field(
        "the decision in words", "Recognised by voice; 0.12 above the threshold, probability 98 %"
    ),
    metadata=METADATA_FIELD,
    hints=list_field(HINT, "how to do better next time; empty when all is well"),
    **STAMP,
    request_id=REQUEST_ID_FIELD,
)
SPEAKER_DELETED = make_model(
    "SpeakerDeleted",
    status=SUCCESS,
    **IDS,
    message=text_field(
        "the same in words", "Deleted: ann@example.com, with everything that was stored."
    ),
    timestamp=STAMP["timestamp"],
    request_id=REQUEST_ID_FIELD,
)
BATCH_ERROR = make_model(
    "BatchError",
    code=text_field("stable code to act on", "no_biometric"),
    message=text_field(
        "the rule that was broken, and what was received",
        "The clip must hold what is asked about: voice.",
    ),
    hint=text_field("what to do about it (may be empty)", "Say a whole sentence."),
)
BATCH_RESULT = make_model(
    "BatchResult",
    index=int_field("place in the request, from 0", 0),
    filename=text_field("name of the file, in a multipart request", "clip.wav", required=False),
    status=text_field(
        "success: `result` is the answer of the single request; error: `error` says why not",
        "success",
        enum=["success", "error"],
    ),
    result=fields.Raw(
        description="answer of the single request",
        example={"status": "success", "identified": True, "speaker_id": ANN},
    ),
    error=model_field(BATCH_ERROR, "what went wrong with this one", required=False),
)
BATCH = make_model(
    "Batch",
    operation=text_field(
        "what was done with each", "identify", enum=["register", "identify", "delete"]
    ),
    totalItems=int_field("how many there were", 2),
    successCount=int_field("how many were done", 1),
    errorCount=int_field("how many were refused", 1),
    results=list_field(BATCH_RESULT, "one for each, in order"),
    **STAMP,
    request_id=REQUEST_ID_FIELD,
)
