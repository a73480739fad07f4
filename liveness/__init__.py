"""Liveness: checks whether somebody is really there and talks, and what they do not say."""
