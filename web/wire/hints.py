"""What to do about an error, in terms of the routes, fields and settings of the service.

One hint a code. It is shown where the error brings no hint of its own. Codes without a
row have none: their message says enough.
"""

from __future__ import annotations

HINTS = {
    # The request
    "key_required": "Send a key in the header X-API-Key. Whoever runs the service makes one.",
    "path_forbidden": (
        "Put the file below the media root (setting DUET_MEDIA_ROOT), or upload it."
    ),
    "busy": "Ask again in a few seconds.",
    "not_found": "GET /swagger.json lists the routes.",
    "upload_broken": "Send the request again.",
    "upload_timeout": "Send a smaller file, or over a better connection.",
    "host_forbidden": (
        "Use http://127.0.0.1 or http://localhost, or set DUET_API_KEY to be asked under any name."
    ),
    "cross_origin": "Pages of other origins may not use this service from a browser.",
    "forbidden": "Ask the operator for a key of that role.",
    "rate_limited": "Wait as long as the header Retry-After says.",
    # A table of people
    "table_encoding": "Save the table as CSV in UTF-8, or name its encoding.",
    "table_columns": (
        "The first row names the columns: person_id, name, file, note, consent, retention_days."
        " Several columns may begin with `file`."
    ),
    "table_malformed": "Save the table as CSV, with one person a row.",
    "row_conflict": "Give each person one row with several files, or rows that agree.",
    "file_shared": "Name each file for one person.",
    # The clip
    "media_missing": "Send the clip as multipart/form-data in the field `media`.",
    "media_empty": "The upload or the recording failed: send it again, or record again.",
    "media_too_large": (
        "Send a shorter clip (a few seconds are enough), or raise DUET_MAX_UPLOAD_MB."
    ),
    "media_type": (
        "Send mp4, mov, webm, mpg, avi or mkv; wav, flac, mp3, ogg, m4a, amr or aiff for voice"
        " only; jpg, png, webp, heic or avif for face only."
    ),
    "media_not_found": "The path starts from the media root (setting DUET_MEDIA_ROOT).",
    "no_biometric": "Send a clip that shows a face in good light, or in which a sentence is said.",
    "media_corrupt": "The file is damaged or cut off: record or upload it again.",
    "media_unreadable": "Record the clip again, or convert it to mp4 (H.264 and AAC).",
    "media_too_long": "Send a clip of a few seconds, or raise DUET_MAX_CLIP_S.",
    "mixed_people": (
        "Send a clip of one person. If it is one person all the same, enrol with force=true."
    ),
    "several_people": (
        "Send a clip with one person in view, without pictures of others. With force=true the main"
        " face is enrolled."
    ),
    "poor_quality": (
        "Record again, nearer and in better light, with a whole sentence. force=true enrols the"
        " clip as it is."
    ),
    "not_live": (
        "Record the person talking in front of the camera. If the person is known to be there,"
        " enrol with force=true."
    ),
    "unlike_person": (
        "Check that the person is the right one. If it is, enrol with force=true, or replace what"
        " is stored with replace=true."
    ),
    # The challenge of a clip
    **dict.fromkeys(
        ("challenge_unknown", "challenge_expired", "challenge_used", "challenge_foreign"),
        "Ask for another one with POST /v1/challenges, and send a clip with its digits in time.",
    ),
    # The gallery
    "template_not_found": "GET /v1/people/{person_id}/templates lists those of a person.",
    "person_not_found": "List the people with GET /v1/people.",
    "person_exists": "Choose another person_id, or enrol a clip for the person who is there.",
    "name_taken": (
        "If they are two people, choose a name that tells them apart, or leave unique_name out."
    ),
    "last_template": "Merge the whole person into the other one, or rename or delete the person.",
    "thumbnail_not_found": (
        "Pictures are kept of clips that are enrolled with the setting DUET_KEEP_MEDIA=1."
    ),
    "identification_not_found": (
        "Send the request_id of an answer of the last days, and the person_id of a match in it."
    ),
    "file_not_awaited": "GET /v1/jobs/{job_id}?state=awaited lists the files that are waited for.",
    "job_not_found": "GET /v1/jobs lists the jobs that are kept.",
    "group_not_found": "GET /v1/groups lists the groups.",
    "group_exists": "Choose another group_id.",
    "key_not_found": "GET /v1/keys lists the keys.",
    "last_admin_key": "Make another key of the role admin first.",
    "backup_off": "Set DUET_BACKUP_DIR on the server, then start the service again.",
    "transcript_not_found": (
        "Transcripts are kept with the setting DUET_KEEP_TRANSCRIPTS=1, until they are deleted."
    ),
    "visit_not_found": "Visits are kept for the days that the setting DUET_VISIT_DAYS states.",
    "stranger_not_found": (
        "Unknown visitors are kept for the days that the setting DUET_STRANGER_DAYS states."
    ),
    "duplicate_person": "If these are really two people, enrol with force=true.",
    "encoder_mismatch": (
        "Where the operator has just made the templates anew, start the service again with the same"
        " DUET_MODEL_DIR. Else enrol the people of the other model again with replace=true, delete"
        " them, or go back to that model. Where their media were kept, the operator can make the"
        " templates anew."
    ),
    # Speech to text
    "speech_unavailable": (
        "On the server, install it with `.venv/bin/pip install -r requirements-speech.txt`, then"
        " start the service again."
    ),
    "broker_unavailable": "On the server, start the broker, or leave DUET_BROKER_URL empty.",
    "model_unavailable": (
        "On the server, put the model folder back (setting DUET_MODEL_DIR), then start the service"
        " again."
    ),
    "store_unavailable": "Nothing was stored or deleted. Ask again in a few seconds.",
    "storage_full": "Nothing was stored or deleted. Free some disk space on the server.",
}

LIVE_HINTS = HINTS | {
    "key_required": "Send `authenticate` first, with a key or a ticket.",
    "mixed_people": "Let the person speak on alone, then enrol again.",
    "poor_quality": "Let the person speak on, nearer to the microphone, then enrol again.",
    "duplicate_person": (
        "Name the turns as that person with `name_speaker`. If these are really two people, enrol a"
        " clip with force=true (POST /v1/people/{person_id}/templates)."
    ),
    "encoder_mismatch": (
        "Where the operator has just made the templates anew, start the service again with the same"
        " DUET_MODEL_DIR. Else the people of the other model must be enrolled again."
    ),
}
"""Hints of a live session, whose messages have no `force` and no `replace`."""
