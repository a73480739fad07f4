"""Encryption of templates and kept media.

`sealing` seals single values with AES-256-GCM. `rotation` changes the key of a whole
gallery.
"""
