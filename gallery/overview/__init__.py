"""Pictures of a gallery for people to look at, never for decisions.

`overview` reads the people and compares them. `plane` puts embeddings into two
dimensions.
"""
