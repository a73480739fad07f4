"""A database as the first release wrote it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.support.gallery_parts import direction

FIRST_RELEASE = """
CREATE TABLE meta (
  name VARCHAR(40) NOT NULL, value VARCHAR(200) NOT NULL, CONSTRAINT pk_meta PRIMARY KEY (name)
);
CREATE TABLE people (
  "key" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, person_id VARCHAR(128) NOT NULL,
  name VARCHAR(200) NOT NULL, note TEXT NOT NULL, search TEXT NOT NULL,
  created_at DATETIME NOT NULL, CONSTRAINT uq_people_person_id UNIQUE (person_id)
);
CREATE TABLE changes (
  change INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, person_key INTEGER NOT NULL
);
CREATE TABLE events (
  event_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, at DATETIME NOT NULL,
  actor VARCHAR(80) NOT NULL, action VARCHAR(40) NOT NULL, person_key INTEGER,
  outcome VARCHAR(40) NOT NULL, detail JSON NOT NULL
);
CREATE TRIGGER events_no_update BEFORE UPDATE ON events
  BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events
  BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TABLE templates (
  "key" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, template_id VARCHAR(32) NOT NULL,
  person_key INTEGER NOT NULL, modality VARCHAR(8) NOT NULL, vector BLOB NOT NULL,
  quality FLOAT NOT NULL, encoder_id VARCHAR(200) NOT NULL, source_sha256 VARCHAR(64) NOT NULL,
  created_at DATETIME NOT NULL,
  CONSTRAINT uq_templates_person_key_modality_encoder_id_source_sha256
    UNIQUE (person_key, modality, encoder_id, source_sha256),
  CONSTRAINT uq_templates_template_id UNIQUE (template_id),
  CONSTRAINT fk_templates_person_key
    FOREIGN KEY(person_key) REFERENCES people ("key") ON DELETE CASCADE
);
CREATE INDEX ix_templates_modality_encoder_id_person_key
  ON templates (modality, encoder_id, person_key);
INSERT INTO meta VALUES
  ('schema_version', '1'), ('gallery_id', '00112233445566778899aabbccddeeff');
"""
"""What the first release wrote: the dump of one of its files."""


def old_file(folder: Path, people: int = 3, events: int = 5) -> Path:
    """A database of the first release, with a face template a person."""
    path = folder / "duet.db"
    with sqlite3.connect(path) as connection:
        connection.executescript("PRAGMA journal_mode=WAL;" + FIRST_RELEASE)
        at = "2025-01-02 03:04:05.000006"
        connection.executemany(
            "INSERT INTO people VALUES (?, ?, ?, '', ?, ?)",
            [(k, f"p{k}", f"P {k}", f"p{k}\np {k}", at) for k in range(1, people + 1)],
        )
        connection.executemany(
            "INSERT INTO templates VALUES (?, ?, ?, 'face', ?, 0.5, 'face-1', ?, ?)",
            [
                (k, f"t{k}", k, direction("face", k).astype("<f4").tobytes(), f"{k:064d}", at)
                for k in range(1, people + 1)
            ],
        )
        connection.executemany(
            "INSERT INTO changes VALUES (?, ?)", [(k, k) for k in range(1, people + 1)]
        )
        connection.executemany(
            "INSERT INTO events VALUES (?, ?, 'local', 'enroll', 1, 'stored', '{\"templates\":"
            " 1}')",
            [(k, at) for k in range(1, events + 1)],
        )
    connection.close()
    return path
