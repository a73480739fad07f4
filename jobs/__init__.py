"""Batch jobs: which clips, who works on them, and on which machine."""
