"""Where a gallery is stored: an SQLite file or a PostgreSQL server.

`open.open_database` picks the kind by its URL. `base.Database` is what the rest of the
gallery sees of it: transactions, and erasing what was deleted from the files.
"""
