"""Search: the people of a gallery who are nearest to a probe.

`choose.open_index` picks one of three indexes: exact vectors in memory, codes of one
byte a number in memory for large galleries, or an index inside PostgreSQL. Scores and
decisions are made above, in `recognition/`.
"""
