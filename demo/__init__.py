"""Drawn people with made voices, for a first trial without a camera and for tests."""
