"""Schema of the database, and its revisions.

`upgrade` creates the tables or brings them up to date. `versions` holds one Alembic
revision for each change of the schema.
"""
