"""Work on a whole gallery that an operator starts.

`copying` moves it to another database. `reembedding` makes its templates again after a
change of models.
"""
