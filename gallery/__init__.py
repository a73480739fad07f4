"""Who is enrolled: people and their templates, stored in a database and searched.

`store.Store` changes a gallery, and `search.choose.open_index` searches it. What media
are and who is in them is decided above, in `recognition/`.
"""
