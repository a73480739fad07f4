"""Who is known: people and their templates, search, decision, and the recognizer that
walks the way of a clip.
"""
