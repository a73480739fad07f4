"""The tables of the gallery (SQLAlchemy Core), the same for every database.

`key` columns are internal numbers that are never used twice: the audit refers to people
by them, so that nothing in it says who was meant once a person is deleted. `changes` is
the feed that keeps the index of every process in step: one row for each change of a
person or their templates, committed together with it.

The tables are created by the revisions in `gallery/migrations`, which also hold the
triggers that keep the audit append-only. A test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from gallery.results import Role
from gallery.table_base import UtcDateTime as UtcDateTime
from gallery.table_base import check_columns
from gallery.table_base import metadata as metadata
from gallery.visitor_tables import stranger_values as stranger_values
from gallery.visitor_tables import strangers as strangers
from gallery.visitor_tables import visits as visits
from utils.modality import SINGLE, Modality

meta = Table(
    "meta",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(200), nullable=False),
)

people = Table(
    "people",
    metadata,
    Column("key", Integer, primary_key=True),
    Column(
        "person_id",
        String(128).with_variant(String(128, collation="C"), "postgresql"),
        nullable=False,
        unique=True,
    ),
    Column("name", String(200), nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("search", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # What the person agreed to, in the operator's words.
    Column("consent", Text, nullable=False, default=""),
    # Time of the first template.
    Column("enrolled_at", UtcDateTime),
    # From enrolled_at (or created_at) on; NULL = no end.
    Column("retention_days", Integer),
    # Time of the last identification that accepted the person.
    Column("last_seen_at", UtcDateTime),
    sqlite_autoincrement=True,
)

templates = Table(
    "templates",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("template_id", String(32), nullable=False, unique=True),
    Column("person_key", ForeignKey("people.key", ondelete="CASCADE"), nullable=False),
    Column("modality", String(8), nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("quality", Float, nullable=False),
    Column("encoder_id", String(200), nullable=False),
    Column("source_sha256", String(64), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # Id of the encryption key; NULL = stored in the clear.
    Column("sealed_by", String(16)),
    UniqueConstraint("person_key", "modality", "encoder_id", "source_sha256"),
    Index(None, "modality", "encoder_id", "person_key"),
    sqlite_autoincrement=True,
)

# Aligned face crops, speech and the thumbnail that templates were made from, with
# DUET_KEEP_MEDIA=1 only.
kept_media = Table(
    "kept_media",
    metadata,
    Column("key", Integer, primary_key=True),
    Column(
        "template_key", ForeignKey("templates.key", ondelete="CASCADE"), nullable=False, index=True
    ),
    Column("kind", String(12), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("sealed_by", String(16)),
    UniqueConstraint("template_key", "kind"),
    sqlite_autoincrement=True,
)

# Vectors of the next model, by template, until the gallery is switched to it
# (gallery/upkeep/reembedding.py).
reembedded = Table(
    "reembedded",
    metadata,
    Column("key", ForeignKey("templates.key", ondelete="CASCADE"), primary_key=True),
    Column("encoder_id", String(200), nullable=False),
    Column("vector", LargeBinary, nullable=False),
    Column("sealed_by", String(16)),
)

# Entries that look like one person and are two, in the operator's word; the smaller key
# comes first.
distinct_people = Table(
    "distinct_people",
    metadata,
    Column("person_key", ForeignKey("people.key", ondelete="CASCADE"), primary_key=True),
    Column("other_key", ForeignKey("people.key", ondelete="CASCADE"), primary_key=True, index=True),
)

# Transcripts of recordings, with DUET_KEEP_TRANSCRIPTS=1 only.
transcripts = Table(
    "transcripts",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("transcript_id", String(32), nullable=False, unique=True),
    Column("created_at", UtcDateTime, nullable=False),
    # Who asked.
    Column("actor", String(80), nullable=False),
    Column("language", String(12), nullable=False),
    Column("duration_s", Float, nullable=False),
    # Name of the file; NULL = somebody who speaks in it was deleted.
    Column("title", LargeBinary),
    Column("sealed_by", String(16)),
    sqlite_autoincrement=True,
)

transcript_turns = Table(
    "transcript_turns",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("turn_id", String(32), nullable=False, unique=True),
    Column("transcript_key", ForeignKey("transcripts.key", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("start_s", Float, nullable=False),
    Column("end_s", Float, nullable=False),
    # NULL = nobody of the gallery, or somebody who was deleted.
    Column("person_key", ForeignKey("people.key", ondelete="SET NULL"), index=True),
    Column("speaker", String(80), nullable=False),
    Column("outcome", String(12), nullable=False),
    # What is said; NULL = the person who says it was deleted.
    Column("data", LargeBinary),
    Column("sealed_by", String(16)),
    UniqueConstraint("transcript_key", "position"),
    sqlite_autoincrement=True,
)

# Answers of the latest identifications, by request id, so that people can say that it
# was not them. They are kept for some days.
identifications = Table(
    "identifications",
    metadata,
    Column("request_id", String(64), primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("modality", String(8), primary_key=True),
    Column("person_key", ForeignKey("people.key", ondelete="CASCADE"), nullable=False),
    Column("score", Float, nullable=False),
    Column("speech_s", Float, nullable=False),
    # Encoder that made the score; NULL = noted before there was this column.
    Column("encoder_id", String(200)),
    # What calibrations are fitted on (scoring/calibration.py), and its scale; NULL as
    # above.
    Column("strength", Float),
    Column("scale_id", String(16)),
    # Who asked.
    Column("actor", String(80)),
)

# Comparisons whose truth is known from feedback: trials for the next calibration.
feedback = Table(
    "feedback",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("request_id", String(64), nullable=False),
    Column("person_key", ForeignKey("people.key", ondelete="CASCADE"), nullable=False),
    Column("modality", String(8), nullable=False),
    Column("score", Float, nullable=False),
    Column("speech_s", Float, nullable=False),
    Column("same", Boolean, nullable=False),
    Column("encoder_id", String(200)),
    Column("strength", Float),
    Column("scale_id", String(16)),
    UniqueConstraint("request_id", "person_key", "modality"),
    sqlite_autoincrement=True,
)

changes = Table(
    "changes",
    metadata,
    Column("change", Integer, primary_key=True),
    Column("person_key", Integer, nullable=False),
    sqlite_autoincrement=True,
)

events = Table(
    "events",
    metadata,
    Column("event_id", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("actor", String(80), nullable=False),
    Column("action", String(40), nullable=False),
    Column("person_key", Integer),
    Column("outcome", String(40), nullable=False),
    Column("detail", JSON, nullable=False),
    # Over this row and the hash of the one before (gallery/audit.py).
    Column("hash", String(64), nullable=False, default=""),
    sqlite_autoincrement=True,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String(16), primary_key=True),
    Column("label", String(80), nullable=False),
    Column("role", String(12), nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
)

jobs = Table(
    "jobs",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("job_id", String(32), nullable=False, unique=True),
    Column("action", String(12), nullable=False),
    Column("force", Boolean, nullable=False),
    Column("replace", Boolean, nullable=False),
    # Folder that the files are below; NULL = the media root.
    Column("root", Text),
    Column("actor", String(80), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("cancelled", Boolean, nullable=False),
    # When the last file came that the job waited for.
    Column("received_at", UtcDateTime),
    # What else is asked for, by name.
    Column("options", JSON(none_as_null=True)),
    sqlite_autoincrement=True,
)

job_items = Table(
    "job_items",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("job_key", ForeignKey("jobs.key", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", String(255), nullable=False),
    # Path below the root of the job; empty when it is not needed any more.
    Column("media", Text, nullable=False),
    Column("uploaded", Boolean, nullable=False),
    Column("person_id", String(128), index=True),
    Column("state", String(10), nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("worker", String(80)),
    Column("leased_until", UtcDateTime),
    Column("result", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
    # How far a long file is.
    Column("progress", JSON(none_as_null=True)),
    # Name, note, consent and term of the person to be created; gone when the file is done.
    Column("facts", JSON(none_as_null=True)),
    # Words of a recording as JSON, sealed as templates are: the result, or what is done of it.
    Column("words", LargeBinary),
    Column("sealed_by", String(16)),
    UniqueConstraint("job_key", "position"),
    sqlite_autoincrement=True,
)

# People named in the result of a file.
job_mentions = Table(
    "job_mentions",
    metadata,
    Column("item_key", ForeignKey("job_items.key", ondelete="CASCADE"), primary_key=True),
    Column(
        "person_key", ForeignKey("people.key", ondelete="CASCADE"), primary_key=True, index=True
    ),
)

# Digits that a clip must say. `asker` is the hash of a key and an address, `clip_sha256` that of
# the clip that came first.
challenges = Table(
    "challenges",
    metadata,
    Column("challenge_id", String(48), primary_key=True),
    Column("digits", String(12), nullable=False),
    Column("language", String(12), nullable=False),
    Column("asker", String(64), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False, index=True),
    Column("clip_sha256", String(64)),
)

# Clips that a check for liveness refused. `asker` is the hash of a key and an address.
rejections = Table(
    "rejections",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("asker", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False, index=True),
)

people_groups = Table(
    "people_groups",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("group_id", String(128), nullable=False, unique=True),
    Column("name", String(200), nullable=False),
    # Whoever of it is recognised is a sighting.
    Column("watched", Boolean, nullable=False),
    # Longest retention of those in it; NULL = their own holds.
    Column("retention_days", Integer),
    Column("created_at", UtcDateTime, nullable=False),
    sqlite_autoincrement=True,
)

group_members = Table(
    "group_members",
    metadata,
    Column("group_key", ForeignKey("people_groups.key", ondelete="CASCADE"), primary_key=True),
    Column(
        "person_key", ForeignKey("people.key", ondelete="CASCADE"), primary_key=True, index=True
    ),
)

# Somebody of a watched group, or somebody unknown, was seen or heard.
sightings = Table(
    "sightings",
    metadata,
    Column("key", Integer, primary_key=True),
    Column("at", UtcDateTime, nullable=False, index=True),
    # What was asked: identify, transcribe, live, ...
    Column("source", String(40), nullable=False),
    Column("request_id", String(64)),
    # NULL = somebody unknown.
    Column("person_key", ForeignKey("people.key", ondelete="CASCADE"), index=True),
    Column("group_key", ForeignKey("people_groups.key", ondelete="CASCADE")),
    sqlite_autoincrement=True,
)

# A sighting that a receiver has not taken yet.
deliveries = Table(
    "deliveries",
    metadata,
    Column("key", Integer, primary_key=True),
    Column(
        "sighting_key", ForeignKey("sightings.key", ondelete="CASCADE"), nullable=False, index=True
    ),
    # First digits of the hash of its address.
    Column("receiver", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    # NULL = given up.
    Column("next_at", UtcDateTime, index=True),
    Column("error", String(200), nullable=False),
    sqlite_autoincrement=True,
)

_MODALITIES = frozenset(map(str, Modality))
WORDS = {
    "templates.modality": frozenset(map(str, SINGLE)),
    "identifications.modality": _MODALITIES,
    "feedback.modality": _MODALITIES,
    "stranger_values.kind": frozenset({*map(str, SINGLE), "picture"}),
    "api_keys.role": frozenset(map(str, Role)),
    "job_items.state": frozenset(
        {"awaited", "waiting", "running", "done", "failed", "cancelled", "forgotten"}
    ),
}
"""Words that a column may hold, where others would mean nothing."""
check_columns(metadata, WORDS)
