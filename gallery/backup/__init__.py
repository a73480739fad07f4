"""Backups of a gallery: made while it serves, checked, and restored.

Restoring does again what was deleted since the backup was made.
"""
