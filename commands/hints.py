"""What to do about an error, in terms of commands, options and settings.

One hint a code. It is shown where the error brings no hint of its own.
"""

from __future__ import annotations

_MEDIA = {
    "media_empty": "Copy it again, or record again.",
    "media_too_large": "Use a shorter clip: a few seconds are enough.",
    "media_type": (
        "Use mp4, mov, webm, mpg, avi or mkv; wav, flac, mp3, ogg, m4a, amr or aiff for voice"
        " only; jpg, png, webp, heic or avif for face only."
    ),
    "no_biometric": "Use a clip that shows a face in good light, or in which a sentence is said.",
    "media_corrupt": "The file is damaged or cut off: record or copy it again.",
    "media_unreadable": "Record the clip again, or convert it to mp4 (H.264 and AAC).",
    "media_too_long": "Use a clip of a few seconds.",
    "mixed_people": "Use a clip of one person, or repeat the command with --force.",
    "several_people": (
        "Use a clip with one person in view. With --force the main face is enrolled."
    ),
    "not_live": (
        "Record the person talking in front of the camera, or repeat the command with --force."
    ),
    "poor_quality": "Record again, nearer and in better light, or repeat the command with --force.",
    "unlike_person": (
        "Check that the person is the right one. If it is, repeat the command with --force."
    ),
    "duplicate_person": "If these are really two people, repeat the command with --force.",
}

HINTS = _MEDIA | {
    "busy": "Run the command again in a few seconds.",
    "path_forbidden": (
        "Put the file into the folder of the table, or for a job below the media root"
        " (setting DUET_MEDIA_ROOT)."
    ),
    "media_too_long": "Use a clip of a few seconds, or raise DUET_MAX_CLIP_S.",
    "model_unavailable": "Look the models over with: cli.py doctor",
    "person_not_found": "List the people with: cli.py people list",
    "person_exists": (
        "Choose another id, or enrol a clip for this one with: cli.py enroll CLIP --person ID"
    ),
    "template_not_found": "List the templates with: cli.py people templates PERSON_ID",
    "last_template": (
        "Merge the whole person into the other one with: cli.py people merge PERSON_ID OTHER"
    ),
    "identification_not_found": (
        "Name the request_id of an answer of the last days, and the person_id of a match in it."
    ),
    "table_encoding": "Save the table as CSV in UTF-8, or name its encoding with --encoding.",
    "table_columns": (
        "The first row names the columns: person_id, name, file, note, consent, retention_days."
        " Several columns may begin with `file`."
    ),
    "table_malformed": "Save the table as CSV, with one person a row.",
    "row_conflict": "Give each person one row with several files, or rows that agree.",
    "file_shared": "Name each file for one person.",
    "job_not_found": "List the jobs with: cli.py jobs list",
    "group_not_found": "List the groups with: cli.py groups list",
    "group_exists": "Choose another id.",
    "key_not_found": "List the keys with: cli.py keys list",
    "backup_off": "Name the folder, or set DUET_BACKUP_DIR.",
    "transcript_not_found": "List the transcripts with: cli.py transcripts list",
    "visit_not_found": "List the visits with: cli.py visits list",
    "stranger_not_found": "List the unknown visitors with: cli.py strangers list",
    "encoder_mismatch": (
        "Where their media were kept, cli.py reembed makes the templates anew. Else enrol the"
        " people of the other model again with --replace, delete them, or go back to that model."
    ),
    "speech_unavailable": "Install it: .venv/bin/pip install -r requirements-speech.txt",
    "output_refused": (
        "Name another folder with --to. --force overwrites a file that exists, never a source."
    ),
    "store_unavailable": "Nothing was stored or deleted. Run the command again in a few seconds.",
    "storage_full": "Nothing was stored or deleted. Free some disk space.",
}
"""Hints of commands that work on the gallery of this machine."""

SERVER_HINTS = _MEDIA | {
    "busy": "Run the command again in a few seconds.",
    "key_required": "Give the key with --api-key, or in the variable DUET_API_KEY.",
    "forbidden": "Ask the operator for a key of that role.",
    "rate_limited": "Wait a minute, then run the command again.",
    "person_not_found": "List the speakers with: cli.py client list",
    "store_unavailable": "Nothing was stored or deleted. Run the command again in a few seconds.",
    "storage_full": "Nothing was stored or deleted. Ask the operator to free some disk space.",
}
"""Hints of `cli.py client`, in place of those that the server gives."""
