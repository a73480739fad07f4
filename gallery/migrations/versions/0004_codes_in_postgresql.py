"""Half-precision vectors of people, for the search inside PostgreSQL.

See `gallery/search/postgres.py`. `person_codes` is made from the templates and can be
made again at any time. `person_codes_state` is one row: the encoders of the codes, the
latest change of the gallery in them, and how many people there are. Triggers keep the
counts right, so that nobody has to count a million rows.
"""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS = (
    """CREATE TABLE person_codes (
         person_key integer NOT NULL CONSTRAINT pk_person_codes PRIMARY KEY
           CONSTRAINT fk_person_codes_person_key REFERENCES people (key) ON DELETE CASCADE,
         face halfvec, voice halfvec, fused halfvec)""",
    """CREATE TABLE person_codes_state (
         encoders varchar(64) NOT NULL, change integer NOT NULL, people bigint NOT NULL,
         face bigint NOT NULL, voice bigint NOT NULL, fused bigint NOT NULL)""",
    "INSERT INTO person_codes_state VALUES ('', 0, 0, 0, 0, 0)",
    """CREATE FUNCTION count_person_codes() RETURNS trigger LANGUAGE plpgsql AS $$
       DECLARE sign integer := CASE WHEN TG_OP = 'INSERT' THEN 1 ELSE -1 END;
       BEGIN
         UPDATE person_codes_state AS s
         SET people = s.people + sign * n.people, face = s.face + sign * n.face,
           voice = s.voice + sign * n.voice, fused = s.fused + sign * n.fused
         FROM (SELECT count(*) AS people, count(face) AS face, count(voice) AS voice,
             count(fused) AS fused FROM moved) AS n;
         RETURN NULL;
       END $$""",
    """CREATE TRIGGER person_codes_added
       AFTER INSERT ON person_codes REFERENCING NEW TABLE AS moved
       FOR EACH STATEMENT EXECUTE FUNCTION count_person_codes()""",
    """CREATE TRIGGER person_codes_removed
       AFTER DELETE ON person_codes REFERENCING OLD TABLE AS moved
       FOR EACH STATEMENT EXECUTE FUNCTION count_person_codes()""",
)


def upgrade() -> None:
    """Add two tables in PostgreSQL, and nothing in SQLite."""
    if op.get_bind().dialect.name == "postgresql":
        for statement in _STATEMENTS:
            op.execute(statement)
